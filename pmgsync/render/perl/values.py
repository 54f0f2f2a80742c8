"""Perl's values: what is true, how a value reads as text and as a number.

* undef is None; strings are str with one character a byte; numbers are int (Perl's 64-bit IV and
  UV) and float (NV); lists and hashes are list and dict; everything else is a `Thing`.
* A comparison gives 1 or "" (`TRUE`, `FALSE`).
* Nothing here has attributes that a template could reach.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias, Union

Value: TypeAlias = Union[str, int, float, "list[Value]", "dict[str, Value]", "Thing", None]

TRUE, FALSE = 1, ""
MOST_UV = 2**64 - 1
LEAST_IV = -(2**63)

_NUMBER = re.compile(r"[ \t\n\r\f\v]*([+-]?)(\d*)(\.\d*)?([eE][+-]?\d+)?")
_WORD_NUMBER = re.compile(r"[ \t\n\r\f\v]*([+-]?)(inf(?:inity)?|nan)", re.IGNORECASE)
_WHOLE_NUMBER = re.compile(
    r"[ \t\n\r\f\v]*[+-]?(?:\d++(?:\.\d*+)?(?:[eE][+-]?\d+)?|\.\d++(?:[eE][+-]?\d+)?"
    r"|inf(?:inity)?|nan)[ \t\n\r\f\v]*\Z",
    re.IGNORECASE,
)


class Thing:
    """A value with methods of its own: an iterator, an error, a plugin, a macro.

    A template reaches what `member` gives and nothing else.
    """

    kind = "HASH"

    def member(self, name: str, arguments: list[Value]) -> Value:
        """The value of `.name(arguments)`; None if there is none."""
        del name, arguments
        return None

    def parts(self) -> list[Value] | None:
        """The list that it is inside, if a template sees it: it answers what `member` does not."""
        return None

    def assigned(self, name: str, value: Value) -> Value:
        """`thing.name = value`: a call with the value."""
        return self.member(name, [value])

    def as_text(self) -> str:
        """What it prints, and what its truth is that of."""
        return address(self.kind, self)


class Callable_(Thing):
    """A value that runs when it is read: a macro, or a reference to a name."""

    kind = "CODE"

    def call(self, arguments: list[Value]) -> Value:
        """Run it."""
        raise NotImplementedError


def address(kind: str, value: object) -> str:
    """How Perl prints a reference. The number tells one from the other and means nothing else."""
    return f"{kind}(0x{id(value):x})"


def is_true(value: Value) -> bool:
    """False are undef, "", 0, "0" and 0.0; every reference is true, to an empty list too."""
    if isinstance(value, str):
        return value not in ("", "0")
    if isinstance(value, list | dict):
        return True
    if isinstance(value, Thing):
        return value.as_text() not in ("", "0")
    return value is not None and value != 0


def text(value: Value) -> str:
    """The value as a string."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, Thing):
        return value.as_text()
    return address("ARRAY" if isinstance(value, list) else "HASH", value)


def float_text(value: float) -> str:
    """`%.15g`, with Perl's names for what is no number."""
    if math.isfinite(value):
        shown = f"{value:.15g}"
        return "0" if shown == "-0" else shown
    return "NaN" if math.isnan(value) else ("Inf" if value > 0 else "-Inf")


def number(value: Value) -> int | float:
    """The value as a number: a string counts by its leading number."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return string_number(value)
    if value is None:
        return 0
    if isinstance(value, Thing):
        return string_number(value.as_text())
    return id(value)


def string_number(string: str) -> int | float:
    """The number that a string starts with; 0 if it starts with none."""
    found = _NUMBER.match(string)
    if found is None or not (found[2] or len(found[3] or "") > 1):
        return _word_number(string)
    sign, whole, fraction, exponent = found.groups()
    if fraction is None and exponent is None and len(whole) < 400:  # noqa: PLR2004
        return in_range(int(sign + whole))
    return float(f"{sign}{whole or '0'}{fraction or ''}{exponent or ''}")


def _word_number(string: str) -> int | float:
    found = _WORD_NUMBER.match(string)
    if not found:
        return 0
    return float(found[1] + found[2])


def in_range(value: int) -> int | float:
    """An integer as Perl keeps it: exact in 64 bits, a float beyond."""
    if LEAST_IV <= value <= MOST_UV:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def as_integer(value: int | float) -> int | float:
    """A float without a fraction as an integer, as Perl's `+ - *` take it."""
    if isinstance(value, float) and value.is_integer() and LEAST_IV <= value <= MOST_UV:
        return int(value)
    return value


def whole(value: Value) -> int:
    """The value as an integer, cut toward zero, kept in 64 bits: an index, a count."""
    found = number(value)
    if isinstance(found, float):
        if math.isnan(found):
            return 0
        found = int(max(min(found, 2.0**63), -(2.0**63)))
    return max(min(found, 2**63 - 1), LEAST_IV)


def looks_like_number(value: Value) -> bool:
    """Perl's looks_like_number."""
    if isinstance(value, str):
        return bool(_WHOLE_NUMBER.match(value))
    return isinstance(value, int | float)
