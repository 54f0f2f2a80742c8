"""`pmgsync promote` and `switchover`: another node becomes the master."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmgsync.cli.command import Command, Place, print_json, say
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.promotion_answers import NEEDLESS, Promoted, Prospect, Refounded
from pmgsync.cli.promotion_format import (
    new_cluster_text,
    promoted_text,
    prospect_text,
    refounded_text,
)
from pmgsync.errors import ExitCode, NoMasterError, OperatorError, UsageError

if TYPE_CHECKING:
    import argparse

MAX_KEY_CHARACTERS = 1000


def _configure_promote(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--recovery-key",
        metavar="FILE",
        help="what `pmgsync create` printed, in a file, or `-` for stdin; it lets the promotion "
        "through where the master and the majority are lost, or the master does not hand over; on "
        "the master itself it begins a new epoch, which stands against any other master; where two "
        "masters have different recovery keys, FILE has both",
    )
    how.add_argument(
        "--force-new-cluster",
        action="store_true",
        help="without a majority and without the key: found a new cluster of this node alone, with "
        "its configuration and history; the other nodes join it anew",
    )
    parser.add_argument(
        "--without",
        metavar="VERSION",
        help="go on without the versions up to this one (as 1.42), which another member has and "
        "this node cannot have; asked for where that is so",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would happen (and whether the recovery key counts), and change nothing",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def _promote(options: argparse.Namespace, place: Place) -> int:
    key = _key(options.recovery_key)
    query: dict[str, Any] = {} if key is None else {"recovery": _ids(key)}
    if options.without is not None:
        query["without"] = options.without
    if options.force_new_cluster:
        query["anew"] = 1
    with ControlClient(place.root) as client:
        document = client.get("/v1/promotion", **query)
        prospect = Prospect.from_json(document)
        if options.force_new_cluster:
            return _new_cluster(client, options, prospect)
        text = prospect_text(prospect, recovery=key is not None)
        if options.dry_run:
            print_json(document) if options.json else print(text)
            return ExitCode.NO_MASTER if prospect.hindrance else ExitCode.FINE
        say(text)
        if prospect.hindrance:
            raise NoMasterError(
                "this node cannot be the master now",
                mend=prospect.mend or "mend what is named above",
            )
        answer = client.post("/v1/promote", {"recovery_key": key, "without": options.without})
    return _print(answer, as_json=options.json)


def _new_cluster(client: ControlClient, options: argparse.Namespace, prospect: Prospect) -> int:
    if options.dry_run and not prospect.hindrance:
        raise OperatorError(NEEDLESS, mend=prospect.mend)
    if options.dry_run:
        print_json(prospect.to_json()) if options.json else print(new_cluster_text(prospect))
        return ExitCode.FINE
    say(prospect_text(prospect))
    return _refound(client, as_json=options.json)


def _refound(client: ControlClient, *, as_json: bool) -> int:
    answer = client.post("/v1/newcluster", {})
    if as_json:
        print_json(answer)
    else:
        print(refounded_text(Refounded.from_json(answer)))
    return ExitCode.FINE


def _key(file: str | None) -> str | None:
    """The text of the recovery key in `file`."""
    if file is None:
        return None
    if file == "-":
        return sys.stdin.read(MAX_KEY_CHARACTERS)
    try:
        with Path(file).open(encoding="ascii") as opened:
            return opened.read(MAX_KEY_CHARACTERS)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=file) from None
    except UnicodeDecodeError:
        raise UsageError("holds no recovery key", where=file) from None


def _ids(key: str) -> str:
    """The ids of the keys in that text, which is what the daemon needs to say whether they count;
    `UsageError` where it has none.
    """
    from pmgsync.master.founding import recovery_keys

    return ",".join(one.public_key.key_id for one in recovery_keys(key))


def _print(answer: dict[str, object], *, as_json: bool) -> int:
    if as_json:
        print_json(answer)
    else:
        print(promoted_text(Promoted.from_json(answer)))
    return ExitCode.FINE


def _configure_switchover(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the node that is to be the master")
    parser.add_argument("--json", action="store_true", help="for scripts")


def _switchover(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        answer = client.post("/v1/switchover", {"name": options.name})
    return _print(answer, as_json=options.json)


PROMOTE = Command(
    about="Make this node the master. Where the master answers, it hands over, and nothing is "
    "lost. Where it is lost, more than half of the members must sign, and this node first fetches "
    "what they have and it has not. The other nodes follow by themselves.",
    examples=(
        (
            "pmgsync promote --dry-run",
            "how it would go, who answers, what would be lost",
        ),
        ("pmgsync promote", "on the node that is to be the master"),
        ("pmgsync promote --recovery-key /media/usb/key", "where no majority is left"),
        ("pmgsync promote --force-new-cluster", "and no recovery key either"),
    ),
    run=_promote,
    configure=_configure_promote,
    codes=(ExitCode.NO_MASTER,),
    more="Use the recovery key on one node only: of two that cannot reach each other, both are "
    "masters then, and when they meet, what one of them has published is orphaned.",
)
SWITCHOVER = Command(
    about="Hand over to the node NAME, from any node: the master finishes what is in flight, "
    "signs, and steps down. Nothing is lost.",
    examples=(("pmgsync switchover mail2", "mail2 is the master from then on"),),
    run=_switchover,
    configure=_configure_switchover,
    codes=(ExitCode.NO_MASTER, ExitCode.TIMED_OUT),
)
