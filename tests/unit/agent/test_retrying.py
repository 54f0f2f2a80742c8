"""What fails is tried again by itself, with growing pauses."""

import asyncio

import pytest

from pmgsync.agent.retrying import MOST_S, Trouble, pause_s
from tests.sim.clock import FakeClock
from tests.unit.agent.stage import in_loop
from tests.unit.agent.test_role_services import CLAMD, FIRST, a_stage

PMGS = "var/lib/pmg/templates/clamd.conf.in"


@pytest.mark.parametrize(
    ("failures", "pause"), [(0, 2), (1, 2), (2, 4), (3, 8), (5, 32), (6, MOST_S), (10**9, MOST_S)]
)
def test_pauses_double_up_to_a_minute(failures: int, pause: float) -> None:
    assert pause_s(failures, 2.0) == pause


def test_a_first_pause_that_is_longer_counts() -> None:
    assert pause_s(5, 100.0) == 100.0


@in_loop
async def test_a_new_cause_begins_anew_and_looks_in_between_do_not_count() -> None:
    clock, tries = FakeClock(), list[float]()
    trouble = Trouble(clock, 2.0, lambda: tries.append(clock.monotonic()))
    task = asyncio.create_task(trouble.run())
    began = clock.monotonic()
    assert (str(trouble), trouble.reported) == ("", "")
    assert trouble.failed("full")
    assert not trouble.failed("full")
    assert "tries so far: 1, the next 2 s" in str(trouble)
    await clock.settle(10)
    await clock.advance(2)
    assert not trouble.failed("full")
    assert "tries so far: 2, the next 4 s" in str(trouble)
    assert trouble.reported == "full (tried again by itself, at the latest after 60 s)"
    await clock.settle(10)
    await clock.advance(4)
    assert trouble.failed("other")
    assert "tries so far: 1" in str(trouble)
    trouble.fine()
    await clock.settle(10)
    await clock.advance(100)
    assert [at - began for at in tries] == [2, 6], "nobody is asked about what is fine"
    task.cancel()


def test_what_says_so_itself_is_not_told_twice() -> None:
    trouble = Trouble(FakeClock(), 2.0, lambda: None)
    trouble.failed("no; it is tried again by itself")
    assert trouble.reported == "no; it is tried again by itself"


@in_loop
async def test_a_version_refused_for_a_cause_on_the_node_comes_when_that_is_mended() -> None:
    async with a_stage().running() as stage:
        stage.tree.put(PMGS, b"[% END %]")
        await stage.offer(stage.author.version(FIRST))
        report = stage.reports[-1]
        assert "clamd.conf.in line 1" in report.detail
        assert "tried again by itself" in report.detail
        assert "the next 2 s after the last" in stage.role.trouble
        await stage.pass_time(15)
        assert stage.reports[-1] == report, "said once"
        stage.tree.put(PMGS, b"of the new release\n")
        await stage.pass_time(17)
        assert stage.tree.files()[CLAMD] == b"of the new release\n"
        assert stage.role.trouble == ""


@in_loop
async def test_what_is_refused_outside_of_a_version_is_tried_more_and_more_rarely() -> None:
    stage = a_stage()
    stage.commands.answer("clamd")
    async with stage.running():
        await stage.offer(stage.author.version(FIRST))
        stage.commands.answer("clamd", 1, "ERROR: no")
        stage.tree.put(PMGS, b"bad\n")
        stage.commands.ran.clear()
        await stage.look(everywhere=True)
        await stage.pass_time(40)
        tries = [argv for argv in stage.commands.ran if argv[0] == "clamd"]
        assert len(tries) == 5, "at once, and after 2, 4, 8 and 16 seconds"
