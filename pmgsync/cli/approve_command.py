"""`pmgsync approve`: the admin compares a fingerprint, and lets a node in or sends it away."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pmgsync.cli.command import Command, Place, confirmed, print_json, say
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.member_answers import RequestLine, RequestsAnswer
from pmgsync.cli.member_format import requests_text
from pmgsync.cli.tables import counted
from pmgsync.errors import ExitCode, OperatorError, UsageError
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    import argparse


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="the node; none: list who waits")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--fingerprint", metavar="XXXX-...", help="the node's, as `pmgsync join` shows it there"
    )
    how.add_argument("--refuse", action="store_true", help="send it away instead")
    parser.add_argument("--json", action="store_true", help="for scripts")


def _approve(options: argparse.Namespace, place: Place) -> int:
    if options.name is None and (options.fingerprint or options.refuse):
        raise UsageError("say which node", mend="see `pmgsync approve --help`")
    with ControlClient(place.root) as client:
        if options.name is None:
            return _list(options, client)
        if options.refuse:
            done = client.post("/v1/refuse", {"name": options.name})
            text = f"refused {counted(done['refused'], 'request')} of {printable(options.name)}"
        else:
            compared = options.fingerprint or _compared(options.name, client)
            wanted = {"name": options.name, "fingerprint": compared}
            done = client.post("/v1/approve", wanted)
            text = f"{printable(str(done['name']))}({done['cid']}) is a member now"
    print_json(done) if options.json else print(text)
    return ExitCode.FINE


def _list(options: argparse.Namespace, client: ControlClient) -> int:
    document = client.get("/v1/requests")
    if options.json:
        print_json(document)
    else:
        print(requests_text(RequestsAnswer.from_json(document)))
    return ExitCode.FINE


def _compared(name: str, client: ControlClient) -> str:
    """The fingerprint of who waits under `name`, once somebody has compared it."""
    answer = RequestsAnswer.from_json(client.get("/v1/requests"))
    named = [request for request in answer.requests if request.name.lower() == name.lower()]
    if len(named) != 1 or not sys.stdin.isatty():
        raise _say_which(name, named)
    say(f"{printable(name)} at {printable(named[0].peer)} has the fingerprint")
    say(f"    {printable(named[0].fingerprint)}")
    if not confirmed("Does it show the same there as its own?"):
        raise OperatorError(
            "nobody is let in", mend=f"`pmgsync approve {printable(name)} --refuse` sends it away"
        )
    return named[0].fingerprint


def _say_which(name: str, named: list[RequestLine]) -> OperatorError:
    if not named:
        what, mend = "nobody waits under that name", "`pmgsync approve` lists who waits"
        return OperatorError(what, where=name, mend=mend)
    what = "several wait under that name" if len(named) > 1 else "nobody is here to compare it"
    return UsageError(what, where=name, mend="give --fingerprint, as `pmgsync join` shows it there")


APPROVE = Command(
    about="Let in a node that asked to join without a token. Only on the master. Without NAME, "
    "list who waits, with fingerprints. With it, compare the fingerprint with the one that "
    "`pmgsync join` shows on the node, and say yes; --fingerprint says it without a question.",
    examples=(
        ("pmgsync approve", "who waits, and this master's own fingerprint"),
        ("pmgsync approve mail4", "shows its fingerprint and asks"),
        ("pmgsync approve mail4 --refuse", "sends it away"),
    ),
    run=_approve,
    configure=_configure,
    codes=(ExitCode.REJECTED, ExitCode.NO_MASTER),
)
