"""One rule for what fails on a node: it is tried again by itself, after pauses that double.

A disk that is full heals, and so does a template of PMG's that an upgrade mends; what never heals
must not keep the machine busy. `pause_s` is the rule; `Trouble` is one thing that may fail, and
says when it is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pmgsync.ports import Clock

MOST_S = 60.0
"""As long as between two looks at everything."""
_MOST_DOUBLINGS = 30


def pause_s(failures: int, first_s: float) -> float:
    """Seconds until the next try after so many failures in a row: `first_s`, doubled with each
    after the first, at most `MOST_S` (or `first_s`, if that is more).
    """
    doubled = first_s * 2.0 ** min(max(failures - 1, 0), _MOST_DOUBLINGS)
    return min(doubled, max(MOST_S, first_s))


class Trouble:
    """One thing that is tried until it succeeds. `words` say what is wrong, empty while nothing is;
    `again` is called when it is time for the next try.
    """

    def __init__(self, clock: Clock, first_s: float, again: Callable[[], None]) -> None:
        self.words = ""
        self._clock = clock
        self._first_s = first_s
        self._again = again
        self._failures = 0
        self._pausing = False
        self._failed = asyncio.Event()

    def __str__(self) -> str:
        """What is wrong and when it is tried again, in one line; empty while nothing is."""
        if not self.words:
            return ""
        pause = pause_s(self._failures, self._first_s)
        return f"{self.words} (tries so far: {self._failures}, the next {pause:g} s after the last)"

    @property
    def reported(self) -> str:
        """The same in words that do not change with each try: what is signed and sent."""
        if not self.words or "tried" in self.words:
            return self.words
        return f"{self.words} (tried again by itself, at the latest after {MOST_S:g} s)"

    def failed(self, words: str) -> bool:
        """It failed; is this another cause than the last time? (Then pauses begin short again,
        after the one under way.)
        """
        is_new = words != self.words
        self.words = words
        if is_new:
            self._failures = 0
        if is_new or not self._pausing:
            self._failures += 1
        self._pausing = True
        self._failed.set()
        return is_new

    def fine(self) -> None:
        """It succeeded."""
        self.words, self._failures = "", 0

    async def run(self) -> None:
        """Call `again` after each pause, for ever."""
        while True:
            await self._failed.wait()
            self._failed.clear()
            await self._clock.sleep(pause_s(self._failures, self._first_s))
            self._pausing = False
            if self.words:
                self._again()
