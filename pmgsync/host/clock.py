"""The only file of pmgsync that reads a clock or sleeps.

Everything else is given a `ports.Clock`, or takes the time as an argument, so that a test decides
what time it is.
"""

from __future__ import annotations

import asyncio
import time

from pmgsync.ports import Clock


class SystemClock(Clock):
    """The machine's clocks."""

    def now(self) -> int:
        """Milliseconds since 1970; jumps when an admin or NTP sets the clock."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the loop."""
        await asyncio.sleep(max(0.0, seconds))


def pause(seconds: float) -> None:
    """Block the calling thread; for the adapters only, and for moments."""
    time.sleep(seconds)
