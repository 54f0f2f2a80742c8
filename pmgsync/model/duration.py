"""Lengths of time, as people read them."""

from __future__ import annotations

SECOND = 1000
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"))


def duration(milliseconds: int) -> str:
    """`250 ms`, `3 s`, `42 s`, `7 min`, `5 h`, `12 d`; negative ones are nothing."""
    milliseconds = max(milliseconds, 0)
    for unit, name in _UNITS:
        if milliseconds >= unit:
            return f"{milliseconds // unit} {name}"
    return f"{milliseconds // SECOND} s" if milliseconds >= SECOND else f"{milliseconds} ms"
