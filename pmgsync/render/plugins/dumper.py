"""`USE Dumper`: values as Perl source, in the layout of Perl's Data::Dumper.

* Keys come sorted. Perl's come in an order that changes from run to run.
* A list or hash that was shown before is shown as the way to it, `$VAR1->{'a'}[0]`.
* A number that Perl holds as a floating one is quoted, as is one longer than ten characters.
* There is one set of options: a `USE` changes it for all of the same rendering.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.escapes import escape_tags
from pmgsync.render.perl.faults import Fault
from pmgsync.render.perl.text_methods import lower
from pmgsync.render.perl.values import Callable_, Thing, Value, address, is_true, text, whole

LONGEST_NUMBER = 10
"""Characters of a number that is not quoted."""

_SAFE_NUMBER = re.compile(r"(?:0|-?[1-9]\d{0,8})\Z", re.ASCII)
_WORD = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_SPECIAL = re.compile(r"[\"\\$@\x00-\x1f\x7f-\xff]")
_LETTERS = {"\n": "n", "\t": "t", "\r": "r", "\f": "f", "\b": "b", "\a": "a", "\x1b": "e"}


@dataclass(frozen=True)
class Style:
    """Data::Dumper's settings that a template may change, with its defaults."""

    indent: int = 2  # 0 one line, 1 by level, 2 by column, 3 with the numbers of items
    pad: str = ""
    varname: str = "VAR"
    purity: bool = False
    useqq: bool = False
    terse: bool = False
    deepcopy: bool = False
    quotekeys: bool = True
    maxdepth: int = 0


_READ: Mapping[str, Callable[[Value], int | str | bool]] = {
    "Indent": whole,
    "Pad": text,
    "Varname": text,
    "Purity": is_true,
    "Useqq": is_true,
    "Terse": is_true,
    "Deepcopy": is_true,
    "Quotekeys": is_true,
    "Maxdepth": whole,
}


def styled(style: Style, options: Mapping[str, Value]) -> Style:
    """`style` with these options, whose names are as in Perl or in lower case."""
    changed: dict[str, int | str | bool] = {}
    for name, read in _READ.items():
        given = options.get(lower(name))
        given = options.get(name) if given is None else given
        if given is not None:
            changed[lower(name)] = read(given)
    return replace(style, **changed)  # type: ignore[arg-type]  # the table names only fields


@dataclass(frozen=True)
class _Place:
    """Where a value stands: in the container `within` (None: at the top), behind `step`."""

    within: _Place | None
    step: str
    level: int = 0

    def inside(self, step: str) -> _Place:
        return _Place(self, step, self.level + 1)

    def __str__(self) -> str:
        """`$VAR1->{'a'}[0]`."""
        steps: list[str] = []
        at = self
        while at.within is not None:
            steps.append(at.step)
            at = at.within
        return at.step + ("->" if steps else "") + "".join(reversed(steps))


class _Dump:
    """One call of `dump`."""

    def __init__(self, budget: Budget, style: Style) -> None:
        self._budget, self._style = budget, style
        self._seen: dict[int, _Place] = {}
        self._size = 0
        self._newline = "\n" if style.indent > 0 else ""

    def statement(self, index: int, value: Value) -> str:
        """`$VAR1 = ...;`."""
        style = self._style
        name = f"${style.varname}{index}"
        start, end = ("", "") if style.terse else (f"{name} = ", ";")
        column = len(start) if style.indent > 1 else 0
        pieces = "".join(self._value(value, _Place(None, name), column))
        return f"{style.pad}{start}{pieces}{end}{self._newline}"

    def _piece(self, piece: str) -> str:
        """A piece of the output, counted."""
        self._size += len(piece)
        self._budget.grows_to(self._size)
        return piece

    def _value(self, value: Value, place: _Place, column: int) -> Iterator[str]:
        """The pieces of a value that starts in this column."""
        if not isinstance(value, list | dict | Thing):
            yield self._piece(_scalar(value, self._style.useqq))
            return
        known = self._seen.get(id(value))
        if known is not None:
            yield self._piece(self._known(known))
            return
        self._seen[id(value)] = place
        yield from self._reference(value, place, column)
        if self._style.deepcopy:
            del self._seen[id(value)]

    def _known(self, place: _Place) -> str:
        if self._style.purity:
            raise Fault("undef", "Dumper: Purity is not supported for what is shown twice")
        return str(place)

    def _reference(
        self, value: list[Value] | dict[str, Value] | Thing, place: _Place, column: int
    ) -> Iterator[str]:
        if isinstance(value, Thing) and not isinstance(value, Callable_):
            raise Fault("undef", "Dumper: objects are not supported")
        if 0 < self._style.maxdepth <= place.level:
            yield self._piece(f"'{_address(value)}'")
        elif isinstance(value, Thing):
            yield self._piece('sub { "DUMMY" }')
        elif isinstance(value, list):
            yield from self._enclosed("[", self._items(value, place, column), "]", column)
        else:
            yield from self._enclosed("{", self._pairs(value, place, column), "}", column)

    def _enclosed(
        self, opening: str, lines: Iterator[Iterator[str]], closing: str, column: int
    ) -> Iterator[str]:
        yield self._piece(opening)
        is_empty = True
        for line in lines:
            yield self._line(column + 2, after="" if is_empty else ",")
            yield from line
            is_empty = False
        if not is_empty:
            yield self._line(column)
        yield self._piece(closing)

    def _line(self, column: int, after: str = "") -> str:
        """What begins a line."""
        indent = " " * column if self._style.indent > 0 else ""
        return self._piece(after + self._newline + self._style.pad + indent)

    def _items(self, items: list[Value], place: _Place, column: int) -> Iterator[Iterator[str]]:
        for index, item in enumerate(items):
            yield self._item(index, item, place, column)

    def _item(self, index: int, item: Value, place: _Place, column: int) -> Iterator[str]:
        if self._style.indent > 2:  # noqa: PLR2004 - the style with numbers
            yield self._piece(f"#{index}")
            yield self._line(column + 2)
        yield from self._value(item, place.inside(f"[{index}]"), column + 2)

    def _pairs(
        self, pairs: dict[str, Value], place: _Place, column: int
    ) -> Iterator[Iterator[str]]:
        self._budget.step(len(pairs))
        for key in sorted(pairs):
            yield self._pair(key, pairs[key], place, column + 2)

    def _pair(self, key: str, value: Value, place: _Place, column: int) -> Iterator[str]:
        shown = self._key(key)
        yield self._piece(f"{shown} => ")
        behind = column + len(shown) + len(" => ") if self._style.indent > 1 else column
        yield from self._value(value, place.inside(f"{{{shown}}}"), behind)

    def _key(self, key: str) -> str:
        if not self._style.quotekeys and (_WORD.match(key) or _SAFE_NUMBER.match(key)):
            return key
        return _double_quoted(key) if self._style.useqq else _quoted(key)


def _address(value: list[Value] | dict[str, Value] | Thing) -> str:
    if isinstance(value, Thing):
        return address("CODE", value)
    return text(value)


def _scalar(value: Value, useqq: bool) -> str:
    if value is None:
        return "undef"
    shown = text(value)
    if isinstance(value, int):
        return shown if len(shown) <= LONGEST_NUMBER else _quoted(shown)
    if not useqq:
        return _quoted(shown)
    return shown if _SAFE_NUMBER.match(shown) else _double_quoted(shown)


def _quoted(string: str) -> str:
    return "'" + string.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _double_quoted(string: str) -> str:
    def escaped(found: re.Match[str]) -> str:
        letter = found[0]
        if letter in '"\\$@':
            return "\\" + letter
        if letter in _LETTERS:
            return "\\" + _LETTERS[letter]
        is_before_digit = string[found.end() : found.end() + 1].isdecimal()
        return f"\\{ord(letter):03o}" if is_before_digit else f"\\{ord(letter):o}"

    return '"' + _SPECIAL.sub(escaped, string) + '"'


class Dumper(Thing):
    """`.dump(values)`, and `.dump_html(values)` for a page; `style` tells the options of now."""

    def __init__(self, budget: Budget, style: Callable[[], Style]) -> None:
        self._budget, self._style = budget, style

    def member(self, name: str, arguments: list[Value]) -> Value:
        """The dump of the arguments, each as a statement."""
        if name not in ("dump", "dump_html"):
            return None
        dump = _Dump(self._budget, self._style())
        shown = "".join([dump.statement(at, value) for at, value in enumerate(arguments, 1)])
        if name == "dump":
            return shown
        self._budget.fits(len(shown) * 5)
        return escape_tags(shown).replace("\n", "<br>\n")
