"""`Clock`: the machine's and the one that stands still."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from pmgsync.host.clock import SystemClock, pause
from pmgsync.ports import Clock
from tests.sim.clock import FakeClock


@pytest.fixture(params=["fake", "system"])
def clock(request: pytest.FixtureRequest) -> Clock:
    return FakeClock() if request.param == "fake" else SystemClock()


async def during(clock: Clock, seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Let `work` run while `seconds` pass on either clock."""
    task = asyncio.ensure_future(work)
    if isinstance(clock, FakeClock):
        await clock.advance(seconds)
    await asyncio.wait_for(task, 5)


def test_the_times_are_plausible(clock: Clock) -> None:
    assert clock.now() > 1_600_000_000_000
    assert isinstance(clock.now(), int)
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("seconds", [0, -1, 0.01])
def test_sleeping_takes_as_long_as_it_says(clock: Clock, seconds: float) -> None:
    async def main() -> None:
        before, now = clock.monotonic(), clock.now()
        await during(clock, max(seconds, 0), clock.sleep(seconds))
        assert clock.monotonic() - before >= seconds
        assert clock.now() - now >= int(seconds * 1000)

    asyncio.run(main())


def test_sleepers_wake_in_order(clock: Clock) -> None:
    async def main() -> None:
        woken: list[float] = []

        async def sleep(seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(seconds)

        async def all_of_them() -> None:
            await asyncio.gather(*map(sleep, (0.03, 0.01, 0.02)))

        await during(clock, 0.03, all_of_them())
        assert woken == [0.01, 0.02, 0.03]

    asyncio.run(main())


def test_a_sleep_can_be_given_up(clock: Clock) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(clock.sleep(1000))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if isinstance(clock, FakeClock):
            assert clock.sleeping == 0

    asyncio.run(main())


def test_the_fake_clock_stops_where_it_is_told() -> None:
    async def main() -> None:
        clock = FakeClock(now_ms=5000)
        ticks: list[float] = []

        async def tick() -> None:
            while True:
                await clock.sleep(1)
                ticks.append(clock.monotonic())

        task = asyncio.ensure_future(tick())
        await clock.advance(3.5)
        assert ticks == [1, 2, 3]
        assert (clock.now(), clock.monotonic()) == (8500, 3.5)
        task.cancel()

    asyncio.run(main())


def test_a_pause_is_short() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    pause(0.001)
    assert 0.001 <= clock.monotonic() - before < 1
