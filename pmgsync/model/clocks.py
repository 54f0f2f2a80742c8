"""Whose clock is wrong, as far as the clocks of the members can tell.

No connection, vote or version depends on a clock. But a certificate is made by one, and counts by
those of the others; and what people read in logs and in `status` is dated. So each node says what
time it is there, and the master compares. What most of them agree on is taken for the time: nobody
here knows it better.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DIFFER_MS = 5 * 60 * 1000
"""Clocks that differ by no more than this agree: a word may have been some seconds on its way, and
one that nothing sets is wrong by less than a minute a month."""
SET_IT = "set it (`timedatectl` shows it, and what keeps it)"
"""What to do about a clock that is wrong."""


def offsets(ahead: Mapping[int, int]) -> Mapping[int, int] | None:
    """How far each clock is ahead of the time by most of them, in milliseconds (negative: behind),
    by whose it is; None where no more than half of them agree.

    `ahead` is how far each is ahead of any one of them.
    """
    listed = sorted(ahead.values())
    ends = [bisect_right(listed, first + DIFFER_MS) for first in listed]
    most, begin = max(((end - at, -at) for at, end in enumerate(ends)), default=(0, 0))
    if 2 * most <= len(listed):
        return None
    right = listed[most // 2 - begin]
    return {whose: one - right for whose, one in ahead.items()}


def is_off(offset: int | None) -> bool:
    """Must an admin hear of a clock that is that far from the time? None: it is not known."""
    return offset is not None and abs(offset) > DIFFER_MS
