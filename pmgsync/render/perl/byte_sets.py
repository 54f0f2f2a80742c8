"""Sets of bytes, as a class of a regular expression means them: `\\d`, `[:alpha:]`, `[a-f]`.

Perl's rules for bytes: what is no ASCII is in no class but the negated ones; `\\h` and `\\v` alone
know a byte above.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

Bytes = frozenset[int]

ALL: Bytes = frozenset(range(256))
_DIGIT = frozenset(b"0123456789")
_UPPER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LOWER = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_ALNUM = _DIGIT | _UPPER | _LOWER
_WORD = _ALNUM | frozenset(b"_")
_SPACE = frozenset(b" \t\n\r\f\v")
_GRAPH = frozenset(range(0x21, 0x7F))
_CASE = 0x20  # what makes a small letter of a capital

ESCAPED: Mapping[str, Bytes] = {
    "d": _DIGIT,
    "w": _WORD,
    "s": _SPACE,
    "h": frozenset(b"\t \xa0"),
    "v": frozenset(b"\n\v\f\r\x85"),
}
"""By the letter; its capital is the complement."""

POSIX: Mapping[str, Bytes] = {
    "alpha": _UPPER | _LOWER,
    "digit": _DIGIT,
    "alnum": _ALNUM,
    "upper": _UPPER,
    "lower": _LOWER,
    "word": _WORD,
    "punct": _GRAPH - _ALNUM,
    "graph": _GRAPH,
    "print": _GRAPH | frozenset(b" "),
    "cntrl": frozenset(range(0x20)) | {0x7F},
    "space": _SPACE,
    "blank": frozenset(b" \t"),
    "xdigit": frozenset(b"0123456789abcdefABCDEF"),
    "ascii": frozenset(range(0x80)),
}

_SHORT = {_DIGIT: r"\d", _WORD: r"\w", _SPACE: r"\s", ALL: "(?s:.)", frozenset(): "(?!)"}


def both_cases(found: Bytes) -> Bytes:
    """With each letter its other case."""
    return found | {byte ^ _CASE for byte in found & (_UPPER | _LOWER)}


def written(found: Bytes) -> str:
    """The set as a pattern that matches one byte of it.

    Never a negated one: the library takes `[^a]|[^b]` for `[^ab]`.
    """
    if found in _SHORT:
        return _SHORT[found]
    if len(found) == 1:
        return literal(*found)
    return f"[{''.join(_ranges(found))}]"


def literal(byte: int) -> str:
    """A pattern for this byte alone."""
    return chr(byte) if byte in _WORD else f"\\x{byte:02x}"


def _ranges(found: Iterable[int]) -> Iterator[str]:
    for _, run in groupby(enumerate(sorted(found)), lambda pair: pair[1] - pair[0]):
        codes = [code for _, code in run]
        first = f"\\x{codes[0]:02x}"
        yield first if len(codes) == 1 else f"{first}-\\x{codes[-1]:02x}"
