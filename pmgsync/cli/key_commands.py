"""`pmgsync rotate-keys`: other keys for this node, or another recovery key for the cluster."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from pmgsync.cli.command import Command, Place, print_json, say
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.member_format import uncertain_lines
from pmgsync.cli.tables import counted
from pmgsync.cli.version_format import day
from pmgsync.errors import ExitCode, NoMasterError, PmgsyncError
from pmgsync.model.canonical import Fields
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pmgsync.model.keys import PublicKey


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
    master = here.take("master", str)
    if master != f"{here.take('name', str)}({here.count('cid')})":
        mend = f"run it on the master, {printable(master)}"
        raise NoMasterError("this node is not the master", mend=mend)
    key = SigningKey.generate()
    if as_json:
        shown = {"recovery_key": recovery_text(key), "recovery": key.public_key.key_id}
        print(json.dumps(shown, indent=2).rstrip("}\n"), end="")  # the rest of it comes below
    else:
        print(f"another recovery key, shown this once:\n\n    {recovery_text(key)}\n")
    sys.stdout.flush()
    try:
        answer = client.post("/v1/keys/recovery", {"recovery": key.public_key.to_text()})
    except PmgsyncError as error:
        if as_json:
            _print_rest({"counts": _counts(client, key.public_key), "error": str(error)})
        else:
            say("Keep the recovery key of before, too: `pmgsync members` shows which one counts.")
        raise
    if as_json:
        _print_rest(
            {"counts": True} | {name: answer[name] for name in ("link", "away", "late", "known")}
        )
    else:
        say(_recovery_text(answer))
    return ExitCode.FINE


def _print_rest(members: Mapping[str, Any]) -> None:
    """The other members of an object in JSON that has begun."""
    print("," + json.dumps(members, indent=2).removeprefix("{"))


def _counts(client: ControlClient, key: PublicKey) -> bool | None:
    """Is it the recovery key now? None: nobody can say."""
    try:
        return bool(client.get("/v1/keys").get("recovery") == key.key_id)
    except PmgsyncError:
        return None


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
            *_tokens_lines(fields.optional_count("tokens") or 0),
        ]
    )


def _tokens_lines(dead: int) -> list[str]:
    """What became of the join tokens, which name the certificate of the master."""
    if not dead:
        return []
    are = f"{counted(dead, 'join token')} that named the certificate of before"
    return [f"  revoked: {are}; `pmgsync join-cmd` prints a new one"]


def _recovery_text(answer: dict[str, Any]) -> str:
    fields = Fields(answer, "the answer")
    away, late = (
        ", ".join(printable(str(label)) for label in fields.take(name, list))
        for name in ("away", "late")
    )
    lines = [
        f"It counts, by membership {printable(fields.take('link', str))}. Nobody can show it "
        "again: write it down now, and keep it off these machines.",
        f"Not connected now: {away}." if away else "",
        f"Connected, and has not written it down yet: {late}." if late else "",
        "Until they have it, only the key of before counts there: keep that so long; `pmgsync "
        "status` says for whom."
        if away or late
        else "Every member has it: the key of before opens nothing any more.",
    ]
    return "\n".join([*filter(None, lines), *uncertain_lines(answer["known"])])


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
    more="Join tokens that were printed before name the certificate that the master had: where it "
    "gets another, they are revoked. Whoever has copied the keys of a node could rotate them, too: "
    "to shut him out, `pmgsync delete` the node, and let it join again.",
)
