"""Time that passes only when nobody has anything to do: an event loop that jumps to the next
moment at which somebody wants to wake up.

Everything runs in one thread, as fast as it can, and in the same order each time. Whoever waits
with asyncio's own timers or through `VirtualClock` waits in the same time.
"""

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from pmgsync.ports import Clock
from tests.sim.clock import START_MS

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Never sleeps: where nothing is ready, time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits for something that never comes")
        if not ready and timeout is not None:
            # Less would be lost in the sum, and time would stand still.
            self.elapsed += max(1e-9, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since it was made."""
        return self._jumping.elapsed


class VirtualClock(Clock):
    """The time of the running loop."""

    def now(self) -> int:
        return START_MS + round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def run_virtually(main: Coroutine[Any, Any, T], seed: int = 1) -> T:
    """Run `main` to its end in virtual time. What is random is random in the same way each time."""
    random.seed(seed)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
