"""Moments in time, as people read them. Whoever names one may have any clock, or lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

LATEST: Final = 253_402_300_799_000
"""The last second that can be shown as a date, that of the year 9999, in milliseconds since 1970.
"""
_EARLIEST: Final = -62_135_596_800_000  # the first one, of the year 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def shown(milliseconds: int) -> str:
    """`2026-02-03 14:05:06 UTC`; what is beyond the calendar is its first or last second."""
    return f"{_moment(milliseconds):%Y-%m-%d %H:%M:%S} UTC"


def date(milliseconds: int) -> str:
    """`2026-02-03`, in UTC; what is beyond the calendar is its first or last day."""
    return str(_moment(milliseconds).date())


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=min(max(milliseconds, _EARLIEST), LATEST) // 1000)
