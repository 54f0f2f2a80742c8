"""`USE wrap`: text broken into lines that are shorter than a width, as Perl's Text::Wrap does it.

A line ends at white space; a word that is too long for a line is cut. Tabs are made blanks first,
and runs of blanks up to a tab stop are made tabs in what comes out. 0x85 and 0xA0 count as white
space, even in the middle of a UTF-8 character: Text::Wrap asks for Unicode's rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.operators import PerlDie
from pmgsync.render.perl.text_methods import argument
from pmgsync.render.perl.values import Callable_, Value, is_true, number, text

TAB = 8
WIDTH = 72
"""Columns, the last of which stays free."""

_WHITE = " \t\n\v\f\r\x85\xa0"
_BLANKS = re.compile(r"  +\Z")


def expanded(string: str) -> str:
    """Each tab as blanks up to the next stop."""
    lines = string.split("\n")
    return "\n".join(_expanded_line(line) if "\t" in line else line for line in lines)


def _expanded_line(line: str) -> str:
    *pieces, last = line.split("\t")
    return "".join([piece + " " * (TAB - len(piece) % TAB) for piece in pieces] + [last])


def unexpanded(string: str) -> str:
    """Two blanks and more that end at a tab stop as one tab."""
    return "\n".join(map(_unexpanded_line, expanded(string).split("\n")))


def _unexpanded_line(line: str) -> str:
    cut = len(line) - len(line) % TAB
    fields = [_BLANKS.sub("\t", line[at : at + TAB]) for at in range(0, cut, TAB)]
    return "".join([*fields, line[cut:]])


def wrapped(budget: Budget, string: str, width: int, first: str, others: str) -> str | None:
    """The lines, the first after `first`, each other after `others`.

    None if there is no room for a single character.
    """
    source = expanded(string)
    budget.fits(len(source))
    end = len(source.rstrip(_WHITE))
    indents = len(expanded(others))
    later = width - indents - 1
    if later <= 0 and others:
        width, later = indents + 2, 1
    room = max(width - len(expanded(first)) - 1, 0)
    lead, at, joint, size = first, 0, "", 0
    lines: list[str] = []
    left = ""  # the white space that ended the last line
    while at < end:
        line, left = _line(source, at, room)
        if not line and not left and lines and not room:
            return None
        shown = unexpanded(joint + lead + line)
        size += len(shown)
        budget.grows_to(size)
        lines.append(shown)
        at += len(line) + len(left)
        left = left or ("" if at == len(source) else "\n")
        lead, room, joint = others, later, "\n"
    return "".join([*lines, left])


def _line(source: str, at: int, room: int) -> tuple[str, str]:
    """The longest line of at most `room` characters, and the white space that ends it."""
    line_end = source.find("\n", at, at + room)
    most = at + room if line_end < 0 else line_end
    if most >= len(source):
        return source[at:], ""
    for stop in range(most, at - 1, -1):
        if source[stop] in _WHITE:
            return source[at:stop], "\r\n" if source.startswith("\r\n", stop) else source[stop]
    return source[at:most], ""


class Wrap(Callable_):
    """`wrap(text, width, first, others)`; `filter` makes the filter of that name."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def call(self, arguments: list[Value]) -> Value:
        """The wrapped text; without room for a single character the three texts as a list."""
        string, width, first, others = (argument(arguments, index) for index in range(4))
        columns = number(width) if is_true(width) else WIDTH
        if not isinstance(columns, int) or columns < 1:
            raise PerlDie(f"wrap needs a whole number of columns, not {text(width)}")
        done = wrapped(self._budget, text(string), columns, text(first), text(others))
        return [text(first), text(others), text(string)] if done is None else done

    def filter(self, arguments: list[Value]) -> Callable[[str], str]:
        """`FILTER wrap(width, first, others)`."""

        def filtered(string: str) -> str:
            done = self.call([string, *arguments])
            return str(len(done)) if isinstance(done, list) else text(done)

        return filtered
