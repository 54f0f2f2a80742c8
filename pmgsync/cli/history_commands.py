"""`pmgsync log` and `show`: what was published, when, and what it changed."""

from __future__ import annotations

import argparse

from pmgsync.cli.answers import LogEntry, ShownVersion, each
from pmgsync.cli.command import Command, Place, print_json, terminal_size
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.version_format import log_text, version_text
from pmgsync.errors import ExitCode
from pmgsync.model.canonical import Fields

MOST = 1000


def whole_number(text: str) -> int:
    """A number above zero, for argparse."""
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:20]) < 2**53:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero")
    return int(text)


def _configure_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-n", "--most", type=whole_number, default=20, metavar="N", help="how many (default: 20)"
    )
    parser.add_argument(
        "--before", type=whole_number, metavar="VERSION", help="only versions older than this one"
    )
    parser.add_argument("--json", action="store_true", help="for scripts: exact, in milliseconds")


def _log(options: argparse.Namespace, place: Place) -> int:
    query = {"most": min(options.most, MOST)}
    if options.before is not None:
        query["before"] = options.before
    with ControlClient(place.root) as client:
        document = client.get("/v1/log", **query)
    if options.json:
        print_json(document)
    else:
        entries = each(Fields(document, "the log"), "versions", LogEntry.from_json)
        print(_log_text(entries, options.before))
    return ExitCode.FINE


def _log_text(entries: tuple[LogEntry, ...], before: int | None) -> str:
    if not entries and before is not None:
        return "no older versions"
    size = terminal_size()
    return log_text(entries, columns=size[0] if size else None)


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", type=whole_number, metavar="VERSION", help="its number")
    parser.add_argument(
        "--diff",
        action="store_true",
        help="show what changed within text files; secrets are masked",
    )
    parser.add_argument("--json", action="store_true", help="for scripts: exact, in bytes")


def _show(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        document = client.get(f"/v1/versions/{options.version}", diff=int(options.diff))
    if options.json:
        print_json(document)
    else:
        print(version_text(ShownVersion.from_json(document), colour=place.colour))
    return ExitCode.FINE


LOG = Command(
    about="List the versions, newest first: when they were published, files put and deleted, "
    "bytes.",
    examples=(
        ("pmgsync log", "the newest 20"),
        ("pmgsync log -n 100 --before 400", "older ones"),
        ("pmgsync log --json | jq '.versions[0].message'", "for scripts"),
    ),
    run=_log,
    configure=_configure_log,
)
SHOW = Command(
    about="Show what a version changed: files, sizes, modes and owners.",
    examples=(
        ("pmgsync show 12", "its files"),
        ("pmgsync show 12 --diff", "and their lines"),
        ("pmgsync show 12 --json", "for scripts"),
    ),
    run=_show,
    configure=_configure_show,
    more="Contents of secret files and credentials within other files are never shown.",
)
