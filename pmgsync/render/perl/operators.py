"""Perl's operators on Perl's values. Each takes and gives values; none fails but on zero."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator

from pmgsync.render.perl.values import (
    FALSE,
    MOST_UV,
    TRUE,
    Value,
    as_integer,
    in_range,
    looks_like_number,
    number,
    text,
)


class PerlDie(Exception):
    """What Perl's `die` says at run time; Template Toolkit makes an `undef` error of it."""


def add(left: Value, right: Value) -> int | float:
    """`left + right`."""
    return _exact(operator.add, left, right)


def subtract(left: Value, right: Value) -> int | float:
    """`left - right`."""
    return _exact(operator.sub, left, right)


def multiply(left: Value, right: Value) -> int | float:
    """`left * right`."""
    return _exact(operator.mul, left, right)


def _exact(
    work: Callable[[int | float, int | float], int | float], left: Value, right: Value
) -> int | float:
    a, b = _operand(left), _operand(right)
    if isinstance(a, int) and isinstance(b, int):
        return in_range(int(work(a, b)))
    try:
        return work(float(a), float(b))
    except OverflowError:
        return math.inf


def _operand(value: Value) -> int | float:
    """A number for `+ - * /`. A string with a point, or with more than a number, is a float."""
    found = number(value)
    if isinstance(value, str) and ("." in value or not looks_like_number(value)):
        return float(found)
    return as_integer(found)


_MOST_EXACT_FLOAT = 2**53


def divide(left: Value, right: Value) -> int | float:
    """`left / right`; by zero is an error."""
    a, b = _operand(left), _operand(right)
    if b == 0:
        raise PerlDie("Illegal division by zero")
    is_exact = isinstance(a, int) and isinstance(b, int) and abs(a) > _MOST_EXACT_FLOAT
    if is_exact and a % b == 0:
        return in_range(int(a // b))
    return float(a) / float(b)


def modulo(left: Value, right: Value) -> int | float:
    """`left % right` on integers, with the sign of `right`; by zero is an error."""
    a, b = number(left), number(right)
    if abs(a) <= MOST_UV and abs(b) <= MOST_UV:
        if abs(b) < 1:
            raise PerlDie("Illegal modulus zero")
        return in_range(int(a) % int(b))
    return _float_modulo(float(a), float(b))


def _float_modulo(a: float, b: float) -> float:
    """The same with a number beyond 64 bits: what is too large is rounded, not cut."""
    dividend = abs(a) if not abs(b) <= MOST_UV else _rounded(abs(a))
    divisor = _rounded(abs(b))
    if divisor == 0:
        raise PerlDie("Illegal modulus zero")
    if not math.isfinite(dividend) or math.isnan(divisor):
        return math.nan
    rest = math.fmod(dividend, divisor)
    if (a < 0) != (b < 0) and rest:
        rest = divisor - rest
    return -rest if b < 0 else rest


def _rounded(value: float) -> float:
    return float(math.floor(value + 0.5)) if math.isfinite(value) else value


def truncate(value: Value) -> int | float:
    """`int(value)`: cut toward zero."""
    found = number(value)
    if isinstance(found, int) or not math.isfinite(found):
        return found
    return as_integer(float(math.trunc(found)))


def negate(value: Value) -> Value:
    """`! value`."""
    from pmgsync.render.perl.values import is_true

    return FALSE if is_true(value) else TRUE


_COMPARISONS: dict[str, Callable[[int | float, int | float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def compare(left: Value, sign: str, right: Value) -> Value:
    """`==` and `!=` compare strings, the others numbers."""
    if sign == "==":
        return TRUE if text(left) == text(right) else FALSE
    if sign == "!=":
        return TRUE if text(left) != text(right) else FALSE
    return TRUE if _COMPARISONS[sign](number(left), number(right)) else FALSE


_MAGIC = re.compile(r"[a-zA-Z]*[0-9]*\Z")


def span(first: Value, last: Value) -> Iterator[Value]:
    """Perl's `first .. last`: numbers, or strings that count up like `a9`, `b0`."""
    if _is_numeric_range(first, last):
        start, end = number(first), number(last)
        for bound in (start, end):
            if not -(2**63) <= bound < 2**63:
                raise PerlDie("Range iterator outside integer range")
        yield from range(int(start), int(end) + 1)
        return
    current, final = text(first), text(last)
    if not current or not _MAGIC.match(current):
        if len(current) <= len(final):
            yield current
        return
    while len(current) <= len(final):
        yield current
        if current == final:
            return
        current = increment_string(current)


def _is_numeric_range(first: Value, last: Value) -> bool:
    """A number on either side; or two strings that are numbers, the first without a 0 ahead."""
    if not isinstance(first, str) or not isinstance(last, str):
        return True
    leads_with_zero = first[:1] == "0" and len(first) > 1
    return looks_like_number(first) and looks_like_number(last) and not leads_with_zero


def increment_string(word: str) -> str:
    """Perl's magical `++`: `az` -> `ba`, `Zz` -> `AAa`, `a9` -> `b0`."""
    letters = list(word)
    for at in range(len(letters) - 1, -1, -1):
        letter = letters[at]
        if letter not in "zZ9":
            letters[at] = chr(ord(letter) + 1)
            return "".join(letters)
        letters[at] = {"z": "a", "Z": "A", "9": "0"}[letter]
    return {"a": "a", "A": "A", "0": "1"}[letters[0]] + "".join(letters)


def increment(value: Value) -> Value:
    """`++value`: letters then digits count up as a string, `09` to `10`; all else as a number."""
    if isinstance(value, str) and value and _MAGIC.match(value):
        return increment_string(value)
    return add(value, 1)
