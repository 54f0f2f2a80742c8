"""`pmgsync kept`: what was put aside before it was overwritten, and how to get it back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pmgsync.cli.answers import KeptFile, each
from pmgsync.cli.command import Command, Place, print_json
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.history_commands import whole_number
from pmgsync.cli.tables import counted
from pmgsync.cli.version_format import kept_text
from pmgsync.errors import ExitCode, OperatorError
from pmgsync.model.canonical import Fields
from pmgsync.model.keys import decode_base64

if TYPE_CHECKING:
    import argparse


def _configure(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "number",
        type=whole_number,
        nargs="?",
        metavar="NUMBER",
        help="print this one's content, byte for byte",
    )
    which.add_argument("--clear", action="store_true", help="forget all of them")
    parser.add_argument("--json", action="store_true", help="for scripts: exact, in milliseconds")


def _kept(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        if options.clear:
            forgotten = int(client.post("/v1/kept/clear", {})["forgotten"])
            print(f"forgot {counted(forgotten, 'file')}")
            return ExitCode.FINE
        if options.number is not None:
            return _print_content(client, options.number)
        document = client.get("/v1/kept")
    if options.json:
        print_json(document)
    else:
        print(kept_text(each(Fields(document, "the list"), "kept", KeptFile.from_json)))
    return ExitCode.FINE


def _print_content(client: ControlClient, number: int) -> int:
    content = client.get(f"/v1/kept/{number}").get("content")
    if not isinstance(content, str):
        why = "it was deleted here, or only its mode, owner or kind changed"
        raise OperatorError(f"nothing was kept: {why}", where=f"kept {number}")
    sys.stdout.buffer.write(decode_base64(content, "the content"))
    return ExitCode.FINE


KEPT = Command(
    about="List what was kept aside on this node: files that were edited, added or deleted here "
    "and were put back, and what lay here before the node joined.",
    examples=(
        ("pmgsync kept", "the list, newest first"),
        ("pmgsync kept 3 > domains.mine", "one file's content, secret or not"),
        ("pmgsync kept --clear", "forget all of them, once they are looked at"),
    ),
    run=_kept,
    configure=_configure,
)
