"""What a command is made of: its parser, its examples, the place it runs in.

A module of commands fills in `Command`s; `main.py` finds the right one and runs it. Nothing here
is heavy, as every command imports it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from textwrap import fill
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pmgsync.errors import EXIT_CODE_MEANINGS, ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HELP_WIDTH = 88


class Place(NamedTuple):
    """Where a command runs: the node's root, and what the terminal can do."""

    root: Path
    colour: bool = False
    redraws: bool = False


class Command(NamedTuple):
    """One command. `run` returns its exit code or raises an error that has one.

    `examples` are pairs of a command line and what it is for; `codes` the exit codes it may end
    with besides fine, error and usage. A command with `verbs` (`pmgsync NAME VERB`) has no `run` of
    its own.
    """

    about: str
    examples: tuple[tuple[str, str], ...]
    run: Callable[[argparse.Namespace, Place], int] = lambda _options, _place: ExitCode.USAGE
    configure: Callable[[argparse.ArgumentParser], None] = lambda _parser: None
    codes: tuple[ExitCode, ...] = ()
    more: str = ""
    verbs: Mapping[str, Command] = MappingProxyType({})


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, and whose help shows examples and exit codes."""

    explained: Command

    def error(self, message: str) -> NoReturn:
        """Raise it."""
        raise UsageError(message, mend=f"see `{self.prog} --help`")

    def format_help(self) -> str:
        """The help. Only now is it put together: most runs never show it."""
        self.description = fill(self.explained.about, HELP_WIDTH)
        self.epilog = _epilog(self.explained)
        return super().format_help()


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """As wide as our own paragraphs, whatever the terminal. (To ask for its width, argparse would
    load `shutil`, and with it three compressors, for each option of each command.)
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=HELP_WIDTH)


def parser_of(name: str, command: Command) -> Parser:
    """The parser of `pmgsync NAME`, with the examples and exit codes that its help shows."""
    parser = Parser(
        prog=f"pmgsync {name}",
        usage=f"pmgsync {name} VERB ..." if command.verbs else None,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.explained = command
    command.configure(parser)
    parser.add_argument(
        "--root",
        metavar="DIR",
        default="/",
        help="the node's root: all paths, the socket and the state lie below it (default: /)",
    )
    return parser


def _epilog(command: Command) -> str:
    width = max(len(line) for line, _ in command.examples)
    examples = [f"  {line:{width}}  {purpose}".rstrip() for line, purpose in command.examples]
    codes = sorted({ExitCode.FINE, ExitCode.ERROR, ExitCode.USAGE, *command.codes})
    meanings = [f"  {int(code):>3}  {EXIT_CODE_MEANINGS[code]}" for code in codes]
    blocks = ["examples:", *examples, "", "exit codes:", *meanings]
    more = [fill(command.more, HELP_WIDTH), ""] if command.more else []
    return "\n".join([*_verb_lines(command), *more, *blocks])


def _verb_lines(command: Command) -> list[str]:
    if not command.verbs:
        return []
    width = max(map(len, command.verbs))
    verbs = [
        fill(f"  {verb:{width}}  {one.about}", HELP_WIDTH, subsequent_indent=" " * (width + 4))
        for verb, one in command.verbs.items()
    ]
    return ["verbs:", *verbs, ""]


def print_json(document: Mapping[str, Any]) -> None:
    """`document` for scripts, exact and complete; bytes that are not UTF-8 as `\\udcXX`."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    print(text.encode("utf-8", "backslashreplace").decode())


def terminal_size() -> tuple[int, int] | None:
    """Columns and lines of the terminal that stdout is; None if it is none, or does not know."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return None
    return (size.columns, size.lines) if size.columns > 0 and size.lines > 0 else None


def confirmed(question: str) -> bool:
    """Ask the person at the terminal; only the whole word counts, as what it says is compared."""
    print(f"{question} Type yes: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() == "yes"


def say(text: str) -> None:
    """A word to the person at the terminal; what is data goes to stdout."""
    print(text, file=sys.stderr)
