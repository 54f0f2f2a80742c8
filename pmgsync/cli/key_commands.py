"""`pmgsync rotate-keys`: other keys for this node, or another recovery key for the cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pmgsync.cli.command import Command, Place, print_json, say
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.version_format import day
from pmgsync.errors import ExitCode, PmgsyncError
from pmgsync.model.canonical import Fields
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    import argparse


def _configure(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--tls",
        action="store_true",
        help="the TLS key and the certificate only; not the key that signs",
    )
    what.add_argument(
        "--recovery",
        action="store_true",
        help="on the master: another recovery key for the cluster, printed once, and no other key; "
        "the one before opens nothing any more",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be replaced, and change nothing"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def _rotate_keys(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        if options.dry_run:
            answer = client.get("/v1/keys")
            text = _prospect_text(answer, tls=options.tls, recovery=options.recovery)
        elif options.recovery:
            return _replace_recovery(client, as_json=options.json)
        else:
            answer = client.post("/v1/keys", {"tls": options.tls})
            text = _rotated_text(answer)
    if options.json:
        print_json(answer)
    else:
        print(text)
    return ExitCode.FINE


def _replace_recovery(client: ControlClient, *, as_json: bool) -> int:
    """The key is made here and shown before its public half counts: so a terminal that goes away
    leaves no cluster with a key that nobody has seen.
    """
    from pmgsync.master.founding import recovery_text
    from pmgsync.model.keys import SigningKey

    here = Fields(client.get("/v1/keys"), "the answer")
    is_master = here.take("master", str) == f"{here.take('name', str)}({here.count('cid')})"
    key = SigningKey.generate()
    if is_master and as_json:
        print_json({"recovery_key": recovery_text(key), "recovery": key.public_key.key_id})
    elif is_master:
        print(f"another recovery key, shown this once:\n\n    {recovery_text(key)}\n")
    sys.stdout.flush()
    try:
        answer = client.post("/v1/keys/recovery", {"recovery": key.public_key.to_text()})
    except PmgsyncError:
        if is_master:
            say("Keep the recovery key of before, too: `pmgsync members` shows which one counts.")
        raise
    say(_recovery_text(answer))
    return ExitCode.FINE


def _prospect_text(answer: dict[str, Any], *, tls: bool, recovery: bool) -> str:
    fields = Fields(answer, "the answer")
    if recovery:
        return (
            f"would replace the recovery key {fields.take('recovery', str)[:16]}…: what was "
            "printed for it opens nothing from then on"
        )
    me = f"{printable(fields.take('name', str))}({fields.count('cid')})"
    both = "TLS key" if tls else "TLS key and the identity key"
    ends, due = fields.count("ends"), fields.count("due")
    return "\n".join(
        [
            f"would replace the {both} of {me}, fingerprint "
            f"{printable(fields.take('fingerprint', str))}",
            f"  the certificate ends on {day(ends)}; by itself it is replaced from {day(due)} on",
        ]
    )


def _rotated_text(answer: dict[str, Any]) -> str:
    fields = Fields(answer, "the answer")
    me = f"{printable(fields.take('name', str))}({fields.count('cid')})"
    both = "TLS key and a new identity key" if fields.take("identity", bool) else "TLS key"
    return "\n".join(
        [
            f"{me} has a new {both}, by membership {printable(fields.take('link', str))}",
            f"  fingerprint before  {printable(fields.take('before', str))}",
            f"  fingerprint now     {printable(fields.take('fingerprint', str))}",
            f"  the certificate ends on {day(fields.count('ends'))}",
        ]
    )


def _recovery_text(answer: dict[str, Any]) -> str:
    fields = Fields(answer, "the answer")
    away = ", ".join(printable(str(label)) for label in fields.take("away", list))
    lines = [
        f"It counts, by membership {printable(fields.take('link', str))}. Nobody can show it "
        "again: write it down now, and keep it off these machines.",
        *(
            [
                f"Not connected now: {away}. Until they are, only the key of before counts there: "
                "keep it so long."
            ]
            if away
            else []
        ),
    ]
    return "\n".join(lines)


ROTATE_KEYS = Command(
    about="Replace the keys of this node: the TLS key with its certificate, and the identity key "
    "that signs. The node asks its master, which names the new keys in the membership; the old "
    "ones are dead from then on. No stream but this node's own is interrupted, and where it is the "
    "master, none. Certificates last ten years; each node replaces its own two years before the "
    "end, and `pmgsync status` warns a year before it if that has failed.",
    examples=(
        ("pmgsync rotate-keys", "on the node that is to have new keys"),
        ("pmgsync rotate-keys --tls", "the certificate only"),
        ("pmgsync rotate-keys --dry-run", "what would be replaced, and when it is by itself"),
        ("pmgsync rotate-keys --recovery", "on the master: another recovery key"),
    ),
    run=_rotate_keys,
    configure=_configure,
    codes=(ExitCode.REJECTED, ExitCode.NO_MASTER, ExitCode.TIMED_OUT),
    more="Join tokens that were printed before name the certificate that the master had: print new "
    "ones. Whoever has copied the keys of a node could rotate them, too: to shut him out, `pmgsync "
    "delete` the node, and let it join again.",
)
