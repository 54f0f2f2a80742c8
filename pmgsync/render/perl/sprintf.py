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
        if _is_unknown(found["kind"], found["size"], found["vector"]):
            return found.group()
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
            plus = "+" if "+" in flags else ""
            return _padded("s", plus + ".".join(numbers), flags, width or 0, None)
        is_finite = math.isfinite(number(value))
        if found["size"] in _NARROW and kind in "duoxXbB" and is_finite:
            value = _narrowed(whole(value), _NARROW[found["size"]], kind == "d")
        return _padded(kind, value, flags, width or 0, precision)

    return _DIRECTIVE.sub(filled, template)


def _is_unknown(kind: str, size: str | None, vector: str | None) -> bool:
    """What Perl leaves as it stands: a float in a size of integers, a vector of other things."""
    is_float = kind in "eEfFgG"
    return (is_float and size in ("h", "hh", "z", "t", "j")) or (
        vector is not None and kind in _SINGLE
    )


_SINGLE = "eEfFgGcsn%"


def _signed(value: int | float) -> int:
    """The number as C's conversions leave it in 64 bits with a sign."""
    if math.isnan(value):
        return 0
    kept = int(max(min(value, 2**64 - 1), -(2**63)))
    return kept - 2**64 if kept >= 2**63 else kept


def _at(values: Sequence[Value], index: int) -> Value:
    return values[index - 1] if 0 < index <= len(values) else None


def _size(word: str | None, rest: Iterator[Value]) -> int | None:
    if word is None:
        return None
    size = _signed(number(next(rest, None))) if word == "*" else int(word or 0)
    if abs(size) >= 2**31:
        raise PerlDie("Integer overflow in format string")
    return size


_NARROW = {"h": 16, "hh": 8}


def _narrowed(value: int, bits: int, is_signed: bool) -> int:
    """What C's short or char keeps of it."""
    kept = value & ((1 << bits) - 1)
    return kept - (1 << bits) if is_signed and kept >> (bits - 1) else kept


def _character(code: int) -> str:
    if not 0 <= code <= 0xFF:  # noqa: PLR2004 - a byte
        raise PerlDie(f"%c of {code}: a character beyond 255 is not supported, templates are bytes")
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
    if "0" in flags and not (is_integer and precision is not None):
        return sign + prefix + "0" * gap + digits
    return " " * gap + sign + prefix + digits


def _is_too_large(value: Value) -> bool:
    """Whether a string is a number beyond all floats, and not the word for it."""
    return isinstance(value, str) and value.lstrip(" +-\t\n")[:1].isdecimal()


def _numeric(kind: str, value: Value, flags: str, precision: int | None) -> tuple[str, str, str]:
    """Sign, prefix and digits."""
    found = number(value)
    plus = "+" if "+" in flags else " " if " " in flags else ""
    is_endless = isinstance(found, float) and not math.isfinite(found)
    if is_endless and (kind in _SINGLE or not _is_too_large(value)):
        return "", "", ("+" if plus and found > 0 else "") + float_text(found)
    if kind in "eEfgG":
        form = f"{'#' if '#' in flags else ''}.{6 if precision is None else precision}{kind}"
        is_minus_zero = found == 0 and isinstance(value, str) and value.lstrip().startswith("-")
        shown = format(-0.0 if is_minus_zero else float(found), form)
        return ("-", "", shown[1:]) if shown.startswith("-") else (plus, "", shown)
    exact = _signed(found)
    if kind == "d":
        digits = str(abs(exact)).rjust(precision or 0, "0")
        digits = "" if precision == 0 and exact == 0 else digits
        return "-" if exact < 0 else plus, "", digits
    exact &= 2**64 - 1
    digits = format(exact, kind.lower().replace("u", "d"))
    digits = (digits.upper() if kind == "X" else digits).rjust(precision or 0, "0")
    digits = "" if precision == 0 and exact == 0 else digits
    if kind == "o" and "#" in flags and not digits.startswith("0"):
        digits = "0" + digits
    prefix = f"0{kind}" if "#" in flags and exact and kind in "xXbB" else ""
    return "", prefix, digits
