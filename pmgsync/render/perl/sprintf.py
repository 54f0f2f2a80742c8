"""Perl's sprintf, as the `format` filter and the Format plugin use it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.operators import PerlDie
from pmgsync.render.perl.values import Value, float_text, number, text, whole

_DIRECTIVE = re.compile(
    r"%(?:(?P<index>\d+)\$)?(?P<flags>[ +\-0#]*)(?P<vector>v)?(?P<width>\*|\d+)?"
    r"(?:\.(?P<precision>\*|\d*))?"
    r"(?P<size>hh|h|ll|l|q|L|V|z|t|j)?(?P<kind>[%csduioxXbBeEfFgGDUOn])",
    re.ASCII,
)
_SYNONYMS = {"i": "d", "D": "d", "U": "u", "O": "o", "F": "f"}


def sprintf(budget: Budget, template: str, values: Sequence[Value]) -> str:
    """`template` with each directive filled from `values`; what is no directive stays as it is."""
    rest = iter(values)

    def filled(found: re.Match[str]) -> str:
        if found.group() == "%%":
            return "%"
        width = _size(found["width"], rest)
        precision = _size(found["precision"], rest)
        if precision is not None and precision < 0:
            precision = None
        flags = found["flags"]
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        budget.fits((width or 0) + (precision or 0))
        index = found["index"]
        kind = _SYNONYMS.get(found["kind"], found["kind"])
        if kind == "%":
            return _padded("s", "%", flags, width or 0, None)
        value = _at(values, int(index)) if index else next(rest, None)
        if kind == "n":
            return ""
        if found["vector"]:
            numbers = (_padded(kind, ord(letter), "", 0, precision) for letter in text(value))
            return _padded("s", ".".join(numbers), flags, width or 0, None)
        if found["size"] in _NARROW and kind in "duoxXbB":
            value = _narrowed(whole(value), _NARROW[found["size"]], kind == "d")
        return _padded(kind, value, flags, width or 0, precision)

    return _DIRECTIVE.sub(filled, template)


def _at(values: Sequence[Value], index: int) -> Value:
    return values[index - 1] if 0 < index <= len(values) else None


def _size(word: str | None, rest: Iterator[Value]) -> int | None:
    if word is None:
        return None
    if word == "*":
        return whole(next(rest, None))
    return int(word or 0)


_NARROW = {"h": 16, "hh": 8}


def _narrowed(value: int, bits: int, is_signed: bool) -> int:
    """What C's short or char keeps of it."""
    kept = value & ((1 << bits) - 1)
    return kept - (1 << bits) if is_signed and kept >> (bits - 1) else kept


def _character(code: int) -> str:
    if not 0 <= code <= 0xFF:  # noqa: PLR2004 - a byte
        raise PerlDie(f"{code} is no byte")
    return chr(code)


def _padded(kind: str, value: Value, flags: str, width: int, precision: int | None) -> str:
    if kind == "c":
        sign, prefix, digits = "", "", _character(whole(value))
    elif kind == "s":
        sign, prefix, digits = "", "", text(value)[:precision]
    else:
        sign, prefix, digits = _numeric(kind, value, flags, precision)
    size = len(sign) + len(prefix) + len(digits)
    gap = max(width - size, 0)
    if "-" in flags:
        return sign + prefix + digits + " " * gap
    is_integer = kind in "duoxXbB"
    if "0" in flags and not (is_integer and precision is not None) and digits[-1:] not in "nf":
        return sign + prefix + "0" * gap + digits
    return " " * gap + sign + prefix + digits


def _numeric(kind: str, value: Value, flags: str, precision: int | None) -> tuple[str, str, str]:
    """Sign, prefix and digits."""
    found = number(value)
    plus = "+" if "+" in flags else " " if " " in flags else ""
    if isinstance(found, float) and not math.isfinite(found):
        return "" if found < 0 or math.isnan(found) else plus, "", float_text(found)
    if kind in "eEfgG":
        form = f"{'#' if '#' in flags else ''}.{6 if precision is None else precision}{kind}"
        shown = format(float(found), form)
        return ("-", "", shown[1:]) if shown.startswith("-") else (plus, "", shown)
    exact = int(found)
    if kind == "d":
        exact = max(min(exact, 2**63 - 1 if isinstance(found, float) else exact), -(2**63))
        digits = str(abs(exact)).rjust(precision or 0, "0")
        digits = "" if precision == 0 and exact == 0 else digits
        return "-" if exact < 0 else plus, "", digits
    exact = max(min(exact, 2**64 - 1), -(2**63)) & (2**64 - 1)
    digits = format(exact, kind.lower().replace("u", "d"))
    digits = (digits.upper() if kind == "X" else digits).rjust(precision or 0, "0")
    digits = "" if precision == 0 and exact == 0 else digits
    if kind == "o" and "#" in flags and not digits.startswith("0"):
        digits = "0" + digits
    prefix = f"0{kind}" if "#" in flags and exact and kind in "xXbB" else ""
    return "", prefix, digits
