"""Waiting until every connected node has said something."""

import asyncio

from pmgsync.master.roster import Birth, Roster
from pmgsync.master.settled import Settled, settled, wait_settled
from pmgsync.model.changeset import Position
from pmgsync.model.report import Outcome, Report
from tests.sim.clock import FakeClock
from tests.unit.master.rig import run
from tests.unit.model import sample

MEMBERSHIP = sample.genesis()  # mx3 has not joined
V4 = Position(1, 4)


def said(cid: int, outcome: Outcome, detail: str = "", *, wanted: Position = V4) -> Report:
    active = wanted if outcome is Outcome.ACTIVATED else Position(1, 3)
    return Report(
        sample.CLUSTER, cid, active, sample.STATES[active.version].digest, wanted, outcome, detail
    )


def roster() -> Roster:
    made = Roster()
    made.published(Birth(4, 0, 10.0))
    for cid in (1, 2):
        made.came(cid, Position(1, 3), sample.STATES[3].digest, 0)
    return made


class Waiting:
    """Somebody who waits for version 4."""

    def __init__(self, roster: Roster, timeout_s: float = 5.0) -> None:
        self.clock = FakeClock()
        self.task = asyncio.create_task(wait_settled(roster, MEMBERSHIP, 4, timeout_s, self.clock))

    async def done(self) -> Settled | None:
        await self.clock.settle()
        return self.task.result() if self.task.done() else None


def test_it_ends_with_the_last_word() -> None:
    async def scenario() -> None:
        nodes = roster()
        waiting = Waiting(nodes)
        assert await waiting.done() is None
        nodes.reported(1, said(1, Outcome.ACTIVATED), 10.004)
        assert await waiting.done() is None
        nodes.reported(2, said(2, Outcome.INVALID, "bad template"), 10.2)
        end = await waiting.done()
        assert end is not None
        assert [(a.member.name, a.outcome, a.detail, a.milliseconds) for a in end.arrived] == [
            ("mx1", Outcome.ACTIVATED, "", 4),
            ("mx2", Outcome.INVALID, "bad template", 200),
        ]
        assert end.missing == ()
        assert nodes._listeners == []
        assert waiting.clock.sleeping == 0

    run(scenario)


def test_a_word_about_another_version_does_not_count() -> None:
    async def scenario() -> None:
        nodes = roster()
        waiting = Waiting(nodes)
        nodes.reported(1, said(1, Outcome.ACTIVATED), 10.1)
        nodes.reported(2, said(2, Outcome.UNABLE, wanted=Position(1, 3)), 10.1)
        assert await waiting.done() is None
        nodes.reported(2, said(2, Outcome.UNABLE, "disk full"), 10.2)
        end = await waiting.done()
        assert end is not None
        assert end.arrived[1].detail == "disk full"

    run(scenario)


def test_who_goes_away_is_not_waited_for() -> None:
    async def scenario() -> None:
        nodes = roster()
        waiting = Waiting(nodes)
        nodes.reported(1, said(1, Outcome.ACTIVATED), 10.1)
        nodes.went(2, "left", 0)
        end = await waiting.done()
        assert end is not None
        assert end.missing == ()
        assert [member.name for member in end.away] == ["mx2"]

    run(scenario)


def test_what_has_arrived_already_is_not_waited_for() -> None:
    async def scenario() -> None:
        nodes = roster()
        for cid in (1, 2):
            nodes.came(cid, V4, sample.STATES[4].digest, 0)
        end = await Waiting(nodes).done()
        assert end is not None
        assert [a.outcome for a in end.arrived] == [Outcome.ACTIVATED] * 2

    run(scenario)


def test_it_does_not_wait_for_ever() -> None:
    async def scenario() -> None:
        waiting = Waiting(roster(), timeout_s=5.0)
        await waiting.clock.advance(4.9)
        assert await waiting.done() is None
        await waiting.clock.advance(0.2)
        end = await waiting.done()
        assert end is not None
        assert [member.name for member in end.missing] == ["mx1", "mx2"]

    run(scenario)


def test_waiting_can_be_cancelled_and_leaves_nothing() -> None:
    async def scenario() -> None:
        nodes = roster()
        waiting = Waiting(nodes)
        await waiting.done()
        waiting.task.cancel()
        await asyncio.gather(waiting.task, return_exceptions=True)
        assert nodes._listeners == []
        assert waiting.clock.sleeping == 0

    run(scenario)


def test_later_versions_include_earlier_ones() -> None:
    nodes = roster()
    nodes.reported(1, said(1, Outcome.ACTIVATED), 10.1)
    assert [a.outcome for a in settled(nodes, MEMBERSHIP, 2).arrived] == [Outcome.ACTIVATED] * 2
