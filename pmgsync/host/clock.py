"""The only file of pmgsync that reads a clock or sleeps.

Everything else is given a `ports.Clock`, or takes the time as an argument, so that a test decides
what time it is.
"""

from __future__ import annotations

import time

from pmgsync.ports import Clock

SHORT_S = 0.005
ROUNDING_S = 0.001


class SystemClock(Clock):
    """The machine's clocks."""

    def now(self) -> int:
        """Milliseconds since 1970; jumps when an admin or NTP sets the clock."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the loop; short waits are kept to about a tenth of a millisecond.

        The loop's own timers round up to whole milliseconds, which is a lot of a quiet time of two.
        """
        import asyncio  # only who waits needs it

        if not 0 < seconds < SHORT_S:
            await asyncio.sleep(max(0.0, seconds))
            return
        end = time.monotonic() + seconds
        if seconds > ROUNDING_S:
            await asyncio.sleep(seconds - ROUNDING_S)
        while time.monotonic() < end:  # noqa: ASYNC110 - an event would need the same timers
            await asyncio.sleep(0)


def pause(seconds: float) -> None:
    """Block the calling thread; for the adapters only, and for moments."""
    time.sleep(seconds)
