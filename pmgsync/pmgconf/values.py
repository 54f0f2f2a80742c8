"""What an option of a section file may hold, and what its text is worth.

`OptionRule.fault` gives PMG's own verdict in PMG's own words and order of checks. Integers and
booleans become numbers as Perl makes them: exact from -2^63 to 2^64 - 1, floating beyond.
"""

import math
import re
from dataclasses import dataclass
from enum import Enum

from pmgsync.pmgconf.formats import Format

_INTEGER = re.compile(r"[+-]?[0-9]+")
_LEAST_EXACT = -(2**63)
MOST_EXACT = 2**64 - 1
"""The largest whole number that Perl, and so PMG, keeps digit for digit."""
_MOST_DIGITS = 20
_DIGITS_SHOWN = 15

Number = int | float
Value = str | int | float | None
"""A value as the templates get it; None is undefined."""


class ValueType(Enum):
    """How an option's text is to be read."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"


def perl_number(text: str) -> Number:
    """The number that Perl makes of an integer's digits (`+26`, `0025`; any length)."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").lstrip("0") or "0"
    if len(digits) <= _MOST_DIGITS and _LEAST_EXACT <= sign * int(digits) <= MOST_EXACT:
        return sign * int(digits)
    return sign * float(digits)


def perl_number_text(number: Number) -> str:
    """How Perl prints `number`: 15 digits where it is not whole or too large (`1e+20`, `Inf`)."""
    if isinstance(number, int):
        return str(number)
    if math.isinf(number):
        return "Inf" if number > 0 else "-Inf"
    return "NaN" if math.isnan(number) else f"{number:.{_DIGITS_SHOWN}g}"


def byte_length(text: str) -> int:
    """How many bytes `text` has in its file."""
    return len(text.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRule:
    """What one option may hold. All limits are inclusive; lengths count bytes.

    `pattern` has to fit the whole text; `words` says in words what it means.
    """

    type: ValueType = ValueType.STRING
    required: bool = False
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()
    format: Format | None = None
    pattern: str = ""
    words: str = ""
    most_bytes: int | None = None

    def fault(self, value: str) -> str:
        """Why PMG refuses `value`; empty where it does not."""
        if "\r" in value or "\n" in value:
            return "property contains a line feed"
        return self._type_fault(value) or self._text_fault(value) or self._limit_fault(value)

    def _type_fault(self, value: str) -> str:
        if self.type is ValueType.BOOLEAN:
            fits = value in ("0", "1")
        else:
            fits = self.type is ValueType.STRING or _INTEGER.fullmatch(value) is not None
        return "" if fits else f"type check ('{self.type.value}') failed - got '{value}'"

    def _text_fault(self, value: str) -> str:
        if self.format is not None and not self.format.fits(value):
            return f"invalid format - value does not look like a valid {self.format.looks_like}"
        if self.pattern and re.fullmatch(self.pattern, value, re.ASCII) is None:
            return "value does not match the regex pattern"
        if self.most_bytes is not None and byte_length(value) > self.most_bytes:
            return f"value may only be {self.most_bytes} characters long"
        return ""

    def _limit_fault(self, value: str) -> str:
        if self.type is ValueType.INTEGER:
            number = perl_number(value)
            if self.most is not None and number > self.most:
                return f"value must have a maximum value of {self.most}"
            if self.least is not None and number < self.least:
                return f"value must have a minimum value of {self.least}"
        if self.choices and value not in self.choices:
            choices = ", ".join(self.choices)
            return f"value '{value}' does not have a value in the enumeration '{choices}'"
        return ""

    def value(self, text: str) -> Value:
        """What `text`, which has no fault, is worth."""
        return text if self.type is ValueType.STRING else perl_number(text)

    def written(self, text: str) -> str:
        """`text`, which has no fault, as PMG's writer puts it into the file."""
        return text if self.type is ValueType.STRING else perl_number_text(perl_number(text))

    @property
    def allowed(self) -> str:
        """What is allowed, in words: `a whole number from 1 to 65535`."""
        if self.type is ValueType.BOOLEAN:
            return "0 or 1"
        if self.type is ValueType.INTEGER:
            return f"a whole number{_range(self.least, self.most)}"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words = self.words or (self.format.words if self.format else "any text")
        return words if self.most_bytes is None else f"{words}, at most {self.most_bytes} bytes"


def _range(least: int | None, most: int | None) -> str:
    if least is None:
        return "" if most is None else f" up to {most}"
    return f" from {least}" + ("" if most is None else f" to {most}")
