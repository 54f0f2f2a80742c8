"""A clock that stands still until it is told to go on."""

import asyncio

from pmgsync.ports import Clock

START_MS = 1_700_000_000_000


class FakeClock(Clock):
    """`advance` moves both times; who sleeps wakes when the time has come."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._start_ms = now_ms
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> int:
        return self._start_ms + round(self._elapsed * 1000)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        due = asyncio.Event()
        sleeper = (self._elapsed + seconds, due)
        self._sleepers.append(sleeper)
        try:
            await due.wait()
        finally:
            self._sleepers.remove(sleeper)

    @property
    def sleeping(self) -> int:
        """How many sleep now."""
        return len(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let time pass; sleepers wake one after the other, and each runs before the next."""
        end = self._elapsed + seconds
        await self.settle()
        while due := [at for at, event in self._sleepers if at <= end and not event.is_set()]:
            self._elapsed = max(self._elapsed, min(due))
            for at, event in list(self._sleepers):
                if at <= self._elapsed:
                    event.set()
            await self.settle()
        self._elapsed = end

    @staticmethod
    async def settle(rounds: int = 20) -> None:
        """Let all tasks run until they wait again (as good as always)."""
        for _ in range(rounds):
            await asyncio.sleep(0)
