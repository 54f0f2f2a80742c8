"""`USE table(list, rows=3)`: a list as a table, filled column by column.

`rows` or `cols` gives the shape, `overlap` the items that a column shares with the next, `pad` (1
unless given) whether short rows and columns end in undef. The numbers are the template's own and
may be anything, so they stay Perl's numbers all the way.
"""

from __future__ import annotations

from dataclasses import dataclass

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.faults import Fault
from pmgsync.render.perl.iterator import Iterator
from pmgsync.render.perl.list_methods import element
from pmgsync.render.perl.operators import (
    PerlDie,
    add,
    divide,
    modulo,
    multiply,
    subtract,
    truncate,
)
from pmgsync.render.perl.text_methods import argument, upper
from pmgsync.render.perl.values import Thing, Value, is_true, number, whole

_UNSET = ("data", "size", "nrows", "ncols", "overlap", "pad")
"""Documented, but always undef: the toolkit keeps them under other names than it looks for."""


@dataclass(frozen=True)
class Shape:
    """`step`: how many items further the next column starts."""

    rows: int | float
    columns: int | float
    step: int | float


def shape(size: int, options: dict[str, Value]) -> Shape:
    """The shape of a table of `size` items. Raises PerlDie if a column would not move on."""
    rows, columns = options.get("ROWS"), options.get("COLS")
    overlap = options.get("OVERLAP") or 0
    if is_true(rows):
        if size < number(rows):
            return Shape(size, 1, 0)
        step = subtract(rows, overlap)
        whole_columns = truncate(divide(size, step))
        return Shape(number(rows), add(whole_columns, _rest(size, step, overlap)), step)
    if is_true(columns):
        if size < number(columns):
            return Shape(1, size, 1)
        step = add(truncate(divide(size, columns)), _rest(size, columns, overlap))
        return Shape(add(step, overlap), number(columns), step)
    return Shape(size, 1, 0)


def _rest(size: int, divisor: Value, overlap: Value) -> int:
    """1 if what is left over needs a place of its own."""
    return int(number(modulo(size, divisor)) > number(overlap))


class Table(Thing):
    """`.row(n)`, `.col(n)`, `.rows`, `.cols`; numbers count from 0."""

    def __init__(self, budget: Budget, items: list[Value], options: dict[str, Value]) -> None:
        self._budget = budget
        self._items = items
        self._size = len(items)
        self._shape = shape(self._size, options)
        pad = options.get("PAD")
        self._pads = pad is None or is_true(pad)

    def member(self, name: str, arguments: list[Value]) -> Value:
        """Rows and columns; any other name is an error, as in the toolkit."""
        wanted = arguments[0] if arguments else None
        if name == "rows" or (name == "row" and wanted is None):
            return self._rows()
        if name == "cols" or (name == "col" and wanted is None):
            return self._columns()
        if name == "row":
            return self._row(number(wanted))
        if name == "col":
            return self._column(number(wanted))
        if name in _UNSET:
            return None
        raise PerlDie(f"no such table method: {name}")

    def _rows(self) -> list[Value]:
        count = whole(subtract(self._shape.rows, 1)) + 1
        self._budget.holds(count)
        return [self._row(index) for index in range(count)]

    def _columns(self) -> list[Value]:
        count = whole(subtract(self._shape.columns, 1)) + 1
        self._budget.holds(count)
        columns = [self._column(index) for index in range(count)]
        return [column for column in columns if column is not None]

    def _row(self, index: int | float) -> Value:
        if not 0 <= index < self._shape.rows:
            return None
        row: list[Value] = []
        column = 0
        while column < self._shape.columns:
            self._budget.step()
            if index < self._size:
                row.append(element(self._items, whole(index)))
            elif self._pads:
                row.append(None)
            index = add(index, self._shape.step)
            column += 1
        return row

    def _column(self, index: int | float) -> Value:
        if not 0 <= index < self._shape.columns:
            return None
        start = multiply(self._shape.step, index)
        last = max(subtract(add(start, self._shape.rows), 1), start)
        if start >= self._size:
            return None
        missing = whole(max(last - self._size + 1, 0))
        end = min(whole(last), self._size - 1)
        self._budget.holds(end - whole(start) + 1 + missing)
        items = [element(self._items, at) for at in range(whole(start), end + 1)]
        return items + [None] * missing if self._pads else items


def table(budget: Budget, arguments: list[Value]) -> Table:
    """The plugin, from a list or an iterator and options in any case. Raises a `plugin` Fault."""
    items, options = argument(arguments, 0), argument(arguments, 1)
    if isinstance(items, Iterator):
        try:
            items = items.member("get_all", [])
        except PerlDie as error:
            raise _failed(f"iterator failed to provide data for table: {error}") from None
    if not isinstance(items, list):
        raise _failed("invalid table data, expecting a list")
    options = options if is_true(options) else {}
    if not isinstance(options, dict):
        raise _failed("invalid table parameters, expecting a hash")
    options.update({upper(name): value for name, value in options.items()})
    return Table(budget, items, options)


def _failed(why: str) -> Fault:
    return Fault("plugin", f"table plugin failed: {why}\n")
