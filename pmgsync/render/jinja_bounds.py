"""PURE. What a value of a Jinja2 template weighs, and what making another one of it would take.

Python's own methods and Jinja2's filters make in one step whatever they are asked for, so the size
of a result is reckoned before it is made. `Bounds` counts it; a table has a formula for each filter
and each method of strings that can make much out of little.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from jinja2.utils import Namespace

from pmgsync.render.perl.budget import Budget

Value: TypeAlias = Any
"""Whatever of Python a template can have."""

MOST_BITS = 4096
"""Of a whole number."""
MOST_FOR_SLOW = 2**16
"""Bytes of a text for what takes long, or ever longer: `wordwrap`, `striptags`, `title`."""
_LONGEST_NUMBER = 350  # characters that `%f` makes of any float, before its precision
_DIRECTIVE = re.compile(
    r"%(?:\((?P<name>[^)]*)\))?[-+ #0]*(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d*))?"
    r"[hlL]?(?P<kind>.)",
    re.DOTALL,
)


Operation = Callable[[Value, Value], Value]


class RefusedError(Exception):
    """What is not available in a template."""


class Bounds:
    """Reckons for one rendering."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def weight(self, value: Value) -> int:
        """About how many characters the value prints as; what is in it twice counts twice."""
        total, todo, seen, most = 0, [value], 0, self.budget.limits.output
        while todo:
            one = todo.pop()
            seen += 1
            if isinstance(one, str | bytes):
                total += len(one)
            elif isinstance(one, dict):
                todo += dict.keys(one)
                todo += dict.values(one)  # of `dict`: what is only weighed is not noted as read
            elif isinstance(one, list | tuple | set | frozenset):
                todo += one
            elif isinstance(one, Namespace):
                todo += object.__getattribute__(one, "_Namespace__attrs").values()
            elif isinstance(one, int):
                total += one.bit_length() >> 1
            self.budget.may_hold(seen + len(todo))
            if total > most:
                self.budget.fits(total)
        self.budget.step((seen >> 3) + (total >> 12))
        return total + 2 * seen

    def made(self, value: Value) -> Value:
        """`value`, which is new; counted, if it is large. What makes its items later is counted
        when it does.
        """
        if isinstance(value, str):
            self.budget.produce(len(value))
        elif isinstance(value, list | tuple | dict):
            self.budget.produce(self.weight(value))
        elif isinstance(value, Iterator):
            return self._counted(value)
        elif isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise RefusedError("the number is too large")
        return value

    def _counted(self, items: Iterator[Value]) -> Iterator[Value]:
        for item in items:
            self.budget.step()
            yield self.made(item) if isinstance(item, list) else item

    def text(self, value: Value) -> str:
        """`value` as it prints; None prints nothing."""
        if value is None:
            return ""
        if not isinstance(value, str):
            self.weight(value)
        shown = str(value)
        self.budget.step(len(shown) >> 12)
        self.budget.produce(len(shown))
        return shown

    def all_of(self, items: Value) -> list[Value]:
        """The items in a list."""
        found: list[Value] = []
        for item in items:
            found.append(item)
            self.budget.step()
            self.budget.may_hold(len(found))
        return found

    # --- operators ---

    def repeated(self, left: Value, right: Value) -> Value:
        """`left * right`."""
        for value, times in ((left, right), (right, left)):
            if isinstance(value, str | list | tuple) and isinstance(times, int):
                self.budget.fits(self.weight(value) * max(times, 0))
                return self.made(value * times)
        return self.number(operator.mul, left, right, _bits(left) + _bits(right))

    def power(self, left: Value, right: Value) -> Value:
        """`left ** right`."""
        whole = isinstance(left, int) and isinstance(right, int)
        return self.number(operator.pow, left, right, _bits(left) * abs(right) if whole else 0)

    def number(self, work: Operation, left: Value, right: Value, bits: int = 0) -> Value:
        """What `work` makes of two numbers; it may have so many `bits`."""
        for value in (left, right):
            if not isinstance(value, int | float):
                raise TypeError(f"{value!r:.60} is no number")
        if bits > MOST_BITS:
            raise RefusedError(f"the number is too large: more than {MOST_BITS} bits")
        return self.made(work(left, right))

    def formatted(self, form: str, given: Value) -> str:
        """`form % given`."""
        named = given if isinstance(given, Mapping) else {}
        rest = iter(given if isinstance(given, tuple) else (given,))
        size = len(form)
        for found in _DIRECTIVE.finditer(form):
            if found["name"] and "(" in found["name"]:
                raise RefusedError("`(` in the name of a format is not available here")
            if "*" in (found["width"], found["precision"]):
                raise RefusedError("`*` in a format is not available here")
            if found["kind"] == "%":
                continue
            value = named.get(found["name"]) if found["name"] is not None else next(rest, None)
            size += max(int(found["width"] or 0), self.weight(value) * 2)
            size += int(found["precision"] or 0) + _LONGEST_NUMBER
            self.budget.grows_to(size)
        return str(self.made(form % given))


def _bits(value: Value) -> int:
    return value.bit_length() if isinstance(value, int) else 0


# --- what would be made: of the filter's (or method's) value and arguments ---


def _lines(text: str) -> int:
    return len(text.splitlines()) + 1  # also at \r, \f and the like


def replaced_size(text: Value, old: Value, new: Value, *_rest: Value) -> int:
    """How long `text` becomes with each `old` in it replaced."""
    text, old, new = str(text), str(old), str(new)
    return len(text) + (text.count(old) if old else len(text) + 1) * len(new)


def _precise(_number: Value, precision: Value = 0, *_rest: Value) -> int:
    """As a size: nothing, or more than there may be."""
    return 0 if abs(int(precision)) <= _LONGEST_NUMBER else 2**60


def _padded(text: Value, width: Value = 80, *_rest: Value) -> int:
    return len(str(text)) + _count(width)


def _indented(text: Value, width: Value = 4, *_rest: Value, **_named: Value) -> int:
    pad = len(width) if isinstance(width, str) else _count(width)
    return len(str(text)) + _lines(str(text)) * pad


def _wrapped(
    text: Value,
    width: Value = 79,
    _breaks: Value = True,
    wrapstring: Value = None,
    *_rest: Value,
    **_named: Value,
) -> int:
    string = str(text)
    lines = len(string) // max(_count(width), 1) + _lines(string)
    return len(string) + lines * len(str(wrapstring or "\n"))


def _batched(_items: Value, linecount: Value, *_rest: Value, **_named: Value) -> int:
    return 8 * _count(linecount)


def _sliced(_items: Value, slices: Value, *_rest: Value, **_named: Value) -> int:
    return 64 * _count(slices)


def _tabs(text: str, size: Value = 8) -> int:
    return len(text) + text.count("\t") * _count(size)


def _as_json(_value: Value, indent: Value = None) -> int:
    if indent is not None and (not isinstance(indent, int) or indent > 16):  # noqa: PLR2004
        raise RefusedError("`tojson` indents by 16 at most")
    return 0


def _count(value: Value) -> int:
    return max(int(value), 0) if isinstance(value, int | float) else 0


def _short(text: Value, *_rest: Value, **_named: Value) -> int:
    if len(str(text)) > MOST_FOR_SLOW:
        raise RefusedError(f"takes a text of {MOST_FOR_SLOW >> 10} KiB at most")
    return 0


def _both(first: Callable[..., int], second: Callable[..., int]) -> Callable[..., int]:
    return lambda *given, **named: first(*given, **named) + second(*given, **named)


FILTER_SIZES: Mapping[str, Callable[..., int]] = {
    "center": _padded,
    "indent": _indented,
    "wordwrap": _both(_short, _wrapped),
    "batch": _batched,
    "slice": _sliced,
    "tojson": _as_json,
    "striptags": _short,
    "title": _short,
    "round": _precise,
}
"""By the filter's name; the arguments have the names that the filter gives them."""

METHOD_SIZES: Mapping[str, Callable[..., int]] = {
    "replace": replaced_size,
    "center": _padded,
    "ljust": _padded,
    "rjust": _padded,
    "zfill": _padded,
    "expandtabs": _tabs,
    "title": _short,
}
METHODS = frozenset(METHOD_SIZES) | {
    "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha",
    "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper",
    "join", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "rfind", "rindex",
    "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase",
    "upper",
}  # fmt: skip
"""Of strings, what a template may call."""
