"""How far a change of the membership has come, and when the others may go on without it."""

import asyncio

import pytest

from pmgsync.master.register import Register
from pmgsync.master.roster import Roster
from pmgsync.master.spread import WAIT_S, Spread, spread
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import Manifest
from pmgsync.model.trust import TrustedHistory
from tests.sim.clock import FakeClock
from tests.unit.agent.stage import in_loop
from tests.unit.model import sample
from tests.unit.model.test_promotion import cluster


class Desk:
    """A master of so many, which removes the last of them; who is `there` is connected."""

    def __init__(self, count: int, *there: int) -> None:
        self.before, link = cluster(count)
        self.clock, self.roster = FakeClock(), Roster()
        history = TrustedHistory([link])
        self.register = Register(
            history, sample.key(1), self.clock, lambda _chain: None, lambda: None
        )
        for cid in there:
            self.roster.came(cid, Position(0, 0), Manifest().digest, 1)
            self.roster.has_link(cid, (1, 1))
        self.register.remove(self.register.find(str(count)))

    def spread(self) -> "asyncio.Task[Spread]":
        """As it is asked for."""
        return asyncio.create_task(spread(self.before, self.register, self.roster, self.clock))


@in_loop
async def test_where_nobody_is_there_the_others_may_go_on_at_once() -> None:
    assert await Desk(5).spread() == Spread(1, 5, certain=False)
    assert await Desk(3).spread() == Spread(1, 3, certain=False)


@in_loop
@pytest.mark.parametrize("count", [1, 2])
async def test_where_there_are_no_others_enough_it_is_certain(count: int) -> None:
    before, _ = cluster(count)
    desk = Desk(max(count, 2))
    assert (await spread(before, desk.register, desk.roster, desk.clock)).certain


@in_loop
async def test_it_is_certain_once_the_others_are_no_majority_any_more() -> None:
    """Of five they are two then: nobody can be elected by those."""
    desk = Desk(5, 2, 3)
    task = desk.spread()
    for cid in (2, 3):
        await desk.clock.advance(0.1)
        assert not task.done()
        desk.roster.has_link(cid, (1, 2))
    await desk.clock.advance(0.1)
    assert await task == Spread(3, 5, certain=True)


@in_loop
async def test_nobody_waits_long_for_one_that_says_nothing() -> None:
    desk = Desk(5, 2, 3)
    desk.roster.has_link(2, (1, 2))
    task = desk.spread()
    await desk.clock.advance(WAIT_S - 1)
    assert not task.done()
    await desk.clock.advance(2)
    assert await task == Spread(2, 5, certain=False)


@in_loop
async def test_or_for_one_that_goes_away() -> None:
    desk = Desk(3, 2)
    task = desk.spread()
    await desk.clock.advance(0.1)
    desk.roster.went(2, "gone", 2)
    await desk.clock.advance(0.1)
    assert await task == Spread(1, 3, certain=False)
