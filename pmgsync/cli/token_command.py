"""`pmgsync tokens`: which join tokens are alive, and how one is made worthless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmgsync.cli.answers import each
from pmgsync.cli.command import Command, Place, print_json
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.member_answers import TokenLine
from pmgsync.cli.member_format import tokens_text
from pmgsync.errors import ExitCode, UsageError
from pmgsync.model.canonical import Fields
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    import argparse

LIST, REVOKE = "list", "revoke"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=(LIST, REVOKE),
        default=LIST,
        metavar="list|revoke",
        help="list those that have not run out (default), or revoke one",
    )
    parser.add_argument(
        "token", nargs="?", metavar="TOKEN", help="its name as listed, or how that begins"
    )
    parser.add_argument("--json", action="store_true", help="for scripts: exact, in milliseconds")


def _tokens(options: argparse.Namespace, place: Place) -> int:
    if (options.action == REVOKE) != (options.token is not None):
        what = "say which token" if options.action == REVOKE else "list takes no token"
        raise UsageError(what, mend="see `pmgsync tokens --help`")
    with ControlClient(place.root) as client:
        if options.action == REVOKE:
            document = client.post("/v1/tokens/revoke", {"token": options.token})
        else:
            document = client.get("/v1/tokens")
    if options.json:
        print_json(document)
    elif options.action == REVOKE:
        print(f"revoked {printable(str(document['token']))}: it opens nothing any more")
    else:
        print(tokens_text(each(Fields(document, "the list"), "tokens", TokenLine.from_json)))
    return ExitCode.FINE


TOKENS = Command(
    about="List the join tokens of the last 15 minutes, or revoke one. Only on the master. A "
    "token's secret is shown once, by `join-cmd`, and never again.",
    examples=(
        ("pmgsync tokens list", "which ones are good, used or revoked"),
        ("pmgsync tokens revoke 3f2a", "the one whose name begins with 3f2a"),
    ),
    run=_tokens,
    configure=_configure,
    codes=(ExitCode.NO_MASTER,),
)
