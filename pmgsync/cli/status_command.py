"""`pmgsync status`: the shortest way from the admin's question to the answer. Mind what is
imported.
"""

from __future__ import annotations

import json
import select
from typing import TYPE_CHECKING, Any

from pmgsync.cli.command import Command, Place, print_json, terminal_size
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.fitting import fitted
from pmgsync.cli.format import StatusView, status_text, status_view
from pmgsync.cli.status_answer import StatusAnswer
from pmgsync.errors import ExitCode, PmgsyncError

if TYPE_CHECKING:
    import argparse

WATCH_SECONDS = 1.0

_TOP, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--watch", action="store_true", help="show it anew each second")
    parser.add_argument("--json", action="store_true", help="for scripts: exact, in milliseconds")


def _run(options: argparse.Namespace, place: Place) -> int:
    if options.watch:
        return _watch(options, place)
    document = _ask(place)
    answer = StatusAnswer.from_json(document)
    if options.json:
        print_json(document)
    else:
        print(status_text(answer, colour=place.colour))
    return answer.exit_code


def _ask(place: Place) -> dict[str, Any]:
    with ControlClient(place.root) as client:
        return client.get("/v1/status", fresh=1)


def _watch(options: argparse.Namespace, place: Place) -> int:
    """One view a second until Ctrl-C; ends with the exit code of the last one."""
    code, view = _view(options, place)
    redraws = place.redraws and not options.json
    try:
        print(_ENTER if redraws else "", end="")
        while True:
            text = _redrawn(view) if redraws else f"{view.text}\n"
            print(text, end="", flush=True)
            select.select([], [], [], WATCH_SECONDS)
            code, view = _view(options, place)
    except KeyboardInterrupt:
        return code
    finally:
        if redraws:
            print(f"{_LEAVE}{view.text}", flush=True)


def _view(options: argparse.Namespace, place: Place) -> tuple[int, StatusView]:
    """What there is to see now; a daemon that restarts is no reason to stop watching."""
    try:
        document = _ask(place)
        answer = StatusAnswer.from_json(document)
    except PmgsyncError as error:
        line = {"error": str(error)}
        return error.exit_code, StatusView([json.dumps(line) if options.json else str(error)])
    if options.json:
        return answer.exit_code, StatusView([json.dumps(document)])
    return answer.exit_code, status_view(answer, colour=place.colour)


def _redrawn(view: StatusView) -> str:
    """The view in the place of the one before; a terminal may have another size by now."""
    size = terminal_size()
    lines = view.text.splitlines() if size is None else fitted(view, *size)
    return "".join([_TOP, *(f"{line}{_END_OF_LINE}\n" for line in lines), _BELOW])


STATUS = Command(
    about="Show the cluster, and for each node what it runs. Below the table stands only what "
    "needs action. Works on every node; while the master is away, the last known view is "
    "shown with its age.",
    examples=(
        ("pmgsync status", "once"),
        ("pmgsync status --watch", "each second, until Ctrl-C"),
        ("pmgsync status --json | jq '.status.nodes[].state'", "for scripts"),
    ),
    run=_run,
    configure=_configure,
    codes=(ExitCode.REJECTED, ExitCode.DEGRADED, ExitCode.NO_MASTER),
    more="A node that belongs to no cluster is an error (1). A node whose master cannot be "
    "reached shows the last known view and ends with 6.",
)
