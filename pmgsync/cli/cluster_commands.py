"""`pmgsync create`, `join-cmd` and `join`: how a cluster begins and grows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pmgsync.cli.command import Command, Place, confirmed, print_json, say
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.member_answers import FiledAnswer
from pmgsync.cli.member_format import filed_text
from pmgsync.cli.tables import counted
from pmgsync.cli.version_format import moment
from pmgsync.errors import ExitCode, OperatorError, UsageError
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    import argparse


JOINING_SECONDS = 120.0
"""How long joining may take once it is approved."""


def _configure_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="this node's name (default: settings, else its host name)")
    parser.add_argument("--address", help="the IP by which the others reach it (default: settings)")
    parser.add_argument("--json", action="store_true", help="for scripts")


def _create(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        made = client.post("/v1/create", {"name": options.name, "address": options.address})
    if options.json:
        print_json(made)
    else:
        print(created_text(made))
    return ExitCode.FINE


def created_text(made: dict[str, Any]) -> str:
    """What `pmgsync create` prints."""
    name, address = printable(str(made["name"])), printable(str(made["address"]))
    adopted = ", ".join(printable(str(other)) for other in made.get("adopted") or [])
    return "\n".join(
        [
            f"founded cluster {made['cluster'][:4]}…; its master is this node,"
            f" {name}({made['cid']}) at {address}",
            f"version {made['version']} holds {counted(made['files'], 'file')}"
            if not made.get("late")
            else f"the first version comes as soon as it can; now: {printable(str(made['late']))}",
            *([f"adopted from cluster.conf, to be joined: {adopted}"] if adopted else []),
            "",
            "recovery key, shown this once:",
            "",
            f"    {made['recovery_key']}",
            "",
            "It makes a node the master when the master and the majority of the nodes are lost.",
            "Print it, or put it into a password safe, away from these machines: whoever has it",
            "can take over the cluster, and nobody can make it again.",
            "",
            "next: `pmgsync join-cmd` prints the line that joins another node",
        ]
    )


def _configure_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts")


def _join_cmd(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        made = client.post("/v1/tokens", {})
    if options.json:
        print_json(made)
        return ExitCode.FINE
    say(f"Type this on the new node; it works once, until {moment(made['expires'])}:")
    print(made["command"])
    return ExitCode.FINE


def _configure_join(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help="the master's, as `join-cmd` printed it")
    parser.add_argument("--token", help="as `join-cmd` printed it")
    parser.add_argument(
        "--fingerprint",
        metavar="XXXX-...",
        help="without a token: the master's, as `pmgsync approve` shows it there",
    )
    parser.add_argument("--name", help="this node's name (default: settings, else its host name)")
    parser.add_argument("--json", action="store_true", help="for scripts")


def _join(options: argparse.Namespace, place: Place) -> int:
    if options.token and options.fingerprint:
        raise UsageError("a token says which master it is; leave out --fingerprint")
    with ControlClient(place.root) as client:
        if options.token:
            body = {"address": options.address, "token": options.token, "name": options.name}
            joined = client.post("/v1/join", body)
        else:
            joined = _ask_to_join(options, client)
    if options.json:
        print_json(joined)
    else:
        print(joined_text(joined))
    return ExitCode.FINE


def _ask_to_join(options: argparse.Namespace, client: ControlClient) -> dict[str, Any]:
    """File a request and wait for the admin; it lives as long as the connection of `client`."""
    if not options.fingerprint and not sys.stdin.isatty():
        raise UsageError(
            "without a token somebody has to compare the master's fingerprint",
            mend="give --token as `pmgsync join-cmd` prints it, or --fingerprint as `pmgsync "
            "approve` shows it, both on the master",
        )
    wanted = {"address": options.address, "name": options.name}
    filed = FiledAnswer.from_json(client.post("/v1/join/request", wanted))
    say(filed_text(filed))
    compared = options.fingerprint
    if not compared and confirmed("Does the master show the first one as its own?"):
        compared = filed.master_fingerprint
    if not compared:
        raise OperatorError("the request is withdrawn", mend="find out who answers there")
    client.post("/v1/join/confirm", {"fingerprint": compared})
    say(f"waiting for `pmgsync approve {filed.name}` on the master; Ctrl-C withdraws the request")
    return client.get("/v1/join/request", seconds=filed.seconds + JOINING_SECONDS)


def joined_text(joined: dict[str, Any]) -> str:
    """What `pmgsync join` prints."""
    lines = [
        f"joined cluster {joined['cluster'][:4]}… as {printable(str(joined['name']))}"
        f"({joined['cid']}); its master is {printable(str(joined['master']))}"
    ]
    if joined.get("kept"):
        where = printable(str(joined["kept_where"]))
        lines.append(f"{counted(joined['kept'], 'file')} that lay here before: kept in {where}")
    if joined.get("version") is not None:
        lines.append(f"it runs version {joined['version']}")
    else:
        lines.append("the first version is on its way; see `pmgsync status`")
    return "\n".join(lines)


CREATE = Command(
    about="Found a cluster with this node as its master, from what lies in its /etc/pmg. An "
    "existing cluster.conf of PMG is adopted as it is: numbers, names and addresses stay.",
    examples=(
        ("pmgsync create", "name and address from the settings"),
        ("pmgsync create --name mail1 --address 192.0.2.1", "given here"),
    ),
    run=_create,
    configure=_configure_create,
    codes=(ExitCode.REJECTED,),
    more="The recovery key is printed once and kept nowhere: put it away safely, off these "
    "machines.",
)
JOIN_CMD = Command(
    about="Print the one line to type on another node, so that it joins. Only on the master.",
    examples=(
        ("pmgsync join-cmd", "then type what it prints on the new node"),
        ("pmgsync join-cmd --json", "address, token and expiry, for scripts"),
    ),
    run=_join_cmd,
    configure=_configure_json,
    codes=(ExitCode.NO_MASTER,),
    more="The token in it works once and for 15 minutes.",
)
JOIN = Command(
    about="Join the cluster whose master is at ADDRESS. What lies in the synced places of this "
    "node is kept aside first.",
    examples=(
        ("pmgsync join 192.0.2.1 --token TOKEN", "as `pmgsync join-cmd` printed it on the master"),
        ("pmgsync join 192.0.2.1", "waits for `pmgsync approve` on the master"),
    ),
    run=_join,
    configure=_configure_join,
    codes=(ExitCode.REJECTED,),
    more="Without a token, two fingerprints are compared by people: here that of the master, there "
    "that of this node. The request waits half an hour, and not longer than this command runs.",
)
