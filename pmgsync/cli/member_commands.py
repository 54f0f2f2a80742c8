"""`pmgsync members`, `delete` and `leave`: who belongs to the cluster, and who does no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmgsync.cli.command import Command, Place, print_json
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.member_answers import MembersAnswer
from pmgsync.cli.member_format import left_text, members_text, removed_text
from pmgsync.errors import ExitCode

if TYPE_CHECKING:
    import argparse


def _configure_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts")


def _members(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        document = client.get("/v1/members")
    if options.json:
        print_json(document)
    else:
        print(members_text(MembersAnswer.from_json(document)))
    return ExitCode.FINE


def _configure_delete(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("member", metavar="NAME|CID", help="as `pmgsync members` lists it")
    _configure_json(parser)


def _delete(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        removed = client.post("/v1/delete", {"member": options.member})
    if options.json:
        print_json(removed)
    else:
        print(removed_text(removed))
    return ExitCode.FINE


def _leave(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        left = client.post("/v1/leave", {})
    if options.json:
        print_json(left)
    else:
        print(left_text(left))
    return ExitCode.FINE


MEMBERS = Command(
    about="Show who belongs to the cluster: number, name, address, since which link of the signed "
    "chain and by whose signature, and the fingerprint of each node's keys. Works on every node, "
    "also while the master is away.",
    examples=(
        ("pmgsync members", "a line for each"),
        ("pmgsync members --json", "with the ids of all keys"),
    ),
    run=_members,
    configure=_configure_json,
)
DELETE = Command(
    about="Remove a node from the cluster. Only on the master. Its stream is cut at once, its keys "
    "are dead for ever, cluster.conf lacks it; its own configuration stays on it as it is. The "
    "number waits for the name: a node that joins again under it gets it back.",
    examples=(
        ("pmgsync delete mail3", "by name"),
        ("pmgsync delete 3", "by number (cid)"),
    ),
    run=_delete,
    configure=_configure_delete,
    codes=(ExitCode.REJECTED, ExitCode.NO_MASTER),
    more="The master itself cannot be removed: promote another node first. Where members that "
    "cannot be reached could make another master among them, it says so: the removal would be "
    "undone by that.",
)
LEAVE = Command(
    about="Take this node out of its cluster. The master is told if it can be reached. Then the "
    "node forgets the cluster and its keys; its configuration stays as it is.",
    examples=(("pmgsync leave", "on the node that leaves"),),
    run=_leave,
    configure=_configure_json,
    codes=(ExitCode.REJECTED,),
    more="The master cannot leave: promote another node first.",
)
