"""`USE Math`: functions of numbers, `hex`, `oct`, and `rand` with Perl's own generator."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from pmgsync.render.perl.faults import Fault
from pmgsync.render.perl.operators import PerlDie, multiply, truncate
from pmgsync.render.perl.text_methods import argument
from pmgsync.render.perl.values import MOST_UV, Thing, Value, in_range, number, text

_FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "cos": math.cos,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "sqrt": math.sqrt,
}

_INVERSE = ("a", "")
_REFUSED = frozenset(
    [
        *[f"{a}{name}{h}" for a in _INVERSE for name in ("sin", "cos", "tan") for h in ("", "h")],
        *[f"{a}{name}{h}" for a in _INVERSE for name in ("csc", "sec", "cot") for h in ("", "h")],
        *[f"{a}{name}{h}" for a in _INVERSE for name in ("cosec", "cotan") for h in ("", "h")],
        *(f"{a}2{b}" for a in ("rad", "deg", "grad") for b in ("rad", "deg", "grad")),
        *("pi", "pi2", "pi4", "pip2", "pip4", "truly_random"),
    ]
)
"""What the real plugin has beyond its documentation, where Perl's Math::Trig is installed."""

_SEED = re.compile(r"\s*[+-]?(?:(\d++)(?:\.\d*+)?|\.\d++)\s*\Z", re.ASCII)
_HEX_PREFIX = re.compile(r"\A0?[xX]")
_OCTAL_PREFIX = re.compile(r"\s*(?:0?([xXbBoO]))?", re.ASCII)
_BASES = {"x": 16, "b": 2, "o": 8}
_DIGITS = {
    2: re.compile(r"(?:_?[01])*"),
    8: re.compile(r"(?:_?[0-7])*"),
    16: re.compile(r"(?:_?[0-9a-fA-F])*"),
}


def _digits(string: str, base: int) -> int | float:
    """The number that the digits at the start make, with `_` between them or not."""
    found = _DIGITS[base].match(string)
    digits = found[0].replace("_", "") if found else ""
    return in_range(int(digits or "0", base))


def _octal(string: str) -> int | float:
    """Perl's `oct`: octal, unless it starts with 0x or 0b."""
    found = _OCTAL_PREFIX.match(string)
    assert found  # noqa: S101 - it matches the empty string
    base = _BASES[found[1].lower()] if found[1] else 8
    return _digits(string[found.end() :], base)


class Dice:
    """Perl's `rand`: the 48-bit generator of drand48.

    Perl starts it with another number in each run. Here each rendering starts it with the same, so
    that a file whose template and values stay the same stays the same too.
    """

    def __init__(self) -> None:
        self._state = 0
        self.seed(1)

    def seed(self, seed: int) -> None:
        """Start again; the same seed gives the same numbers, and those of Perl."""
        self._state = ((seed & 0xFFFFFFFF) << 16) + 0x330E

    def roll(self) -> float:
        """The next number, at least 0 and less than 1."""
        self._state = (self._state * 0x5DEECE66D + 0xB) % 2**48
        return self._state / 2**48


class Mathematics(Thing):
    """The functions."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice

    def member(self, name: str, arguments: list[Value]) -> Value:
        """The function's value; undef if there is no such function."""
        first, second = argument(arguments, 0), argument(arguments, 1)
        if name in _METHODS:
            return _METHODS[name](self._dice, first, second)
        if name in _REFUSED and name not in _FUNCTIONS:
            raise Fault("undef", f"Math.{name} is not supported")
        return _calculated(name, number(first)) if name in _FUNCTIONS else None


def _calculated(name: str, value: int | float) -> Value:
    try:
        return _FUNCTIONS[name](float(value))
    except (ValueError, OverflowError):
        raise PerlDie(f"Can't take {name} of {text(value)}") from None


def _seed(dice: Dice, given: Value, _second: Value) -> Value:
    found = _SEED.match(text(given))
    seed = min(int(found[1] or 0), MOST_UV) if found else MOST_UV
    dice.seed(seed)
    return seed or "0 but true"


_METHODS: Mapping[str, Callable[[Dice, Value, Value], Value]] = {
    "abs": lambda _dice, value, _second: abs(number(value)),
    "int": lambda _dice, value, _second: truncate(value),
    "atan2": lambda _dice, y, x: math.atan2(number(y), number(x)),
    "hex": lambda _dice, value, _second: _digits(_HEX_PREFIX.sub("", text(value)), 16),
    "oct": lambda _dice, value, _second: _octal(text(value)),
    "rand": lambda dice, most, _second: multiply(number(most) or 1, dice.roll()),
    "srand": _seed,
}
