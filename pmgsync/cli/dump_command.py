"""`pmgsync dump`: the variables of the templates, as `pmgconfig dump` prints them."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from pmgsync.cli.command import Command, Place, print_json
from pmgsync.cli.facts_file import add_facts_option, node_facts
from pmgsync.errors import ExitCode, OperatorError
from pmgsync.pmgconf.variables import Sources, dump_lines, text_of, variables, warnings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pmgsync.pmgconf.values import Value
    from pmgsync.pmgconf.variables import Section, Variables


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts: nested, null undefined")
    add_facts_option(parser)


def _dump(options: argparse.Namespace, place: Place) -> int:
    tree = node_variables(place.root, options.facts)
    if options.json:
        print_json({realm: _in_json(sections) for realm, sections in sorted(tree.items())})
    else:
        sys.stdout.buffer.write(b"".join(map(_bytes, dump_lines(tree))))
    return ExitCode.FINE


def node_variables(root: Path, facts_file: str | None) -> Variables:
    """The variables of this node's templates; says PMG's warnings on stderr."""
    sources = Sources.read(lambda path: _content(root, path))
    facts = node_facts(root, facts_file)
    say_warnings(warnings(sources, facts))
    return variables(sources, facts)


def say_warnings(lines: Iterable[str]) -> None:
    """On stderr, in PMG's words and bytes."""
    sys.stderr.buffer.write(b"".join(map(_bytes, lines)))
    sys.stderr.flush()


def _content(root: Path, path: str) -> bytes:
    try:
        return (root / path).read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        what = error.strerror or "cannot be read"
        raise OperatorError(what, where=str(root / path)) from None


def _bytes(line: str) -> bytes:
    return f"{line}\n".encode("utf-8", "surrogateescape")


def _in_json(sections: Mapping[str, Value | Section]) -> dict[str, object]:
    """JSON has no number that is not finite; it gets Perl's word for it."""
    return {
        name: _in_json(value)
        if not isinstance(value, str | int | float | None)
        else text_of(value)
        if isinstance(value, float) and not math.isfinite(value)
        else value
        for name, value in sorted(sections.items())
    }


DUMP = Command(
    about="Print the variables that the templates of the services get: PMG's options, and what is "
    "computed from them, from transport, mynetworks and cluster.conf, and from the facts about "
    "this machine. Byte for byte what `pmgconfig dump` prints, PMG's warnings on stderr included.",
    examples=(
        ("pmgsync dump", ""),
        ("pmgsync dump | grep postfix.mynetworks", "who may send mail out"),
        ("pmgsync dump --facts mail2.json", "what another machine's templates would get"),
        ("pmgsync dump --json", ""),
    ),
    run=_dump,
    configure=_configure,
    codes=(ExitCode.REJECTED,),
)
