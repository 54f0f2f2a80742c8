"""Many events, one look; a steady stream of them, a look in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.master.settle import Settler
from pmgsync.ports import Look
from tests.unit.master.rig import EVERYTHING, look

QUIET, MOST = 0.002, 0.050


def settler() -> Settler:
    return Settler(QUIET, MOST)


def test_nothing_moved_nothing_is_due() -> None:
    idle = settler()
    idle.add(Look(), 1.0)
    assert idle.due(1.0) is None
    assert not idle.take()


def test_one_look_is_due_after_the_quiet_time() -> None:
    one = settler()
    one.add(look("a"), 1.0)
    assert one.due(1.0) == pytest.approx(QUIET)
    assert one.due(1.5) == 0
    assert one.take() == look("a")
    assert one.due(1.5) is None


def test_several_looks_are_one() -> None:
    several = settler()
    several.add(look("a"), 1.0)
    several.add(look("b"), 1.001)
    several.add(EVERYTHING, 1.0015)
    assert several.take() == Look(frozenset({"a", "b"}), everywhere=True)
    assert not several.take()


def test_events_without_end_do_not_put_it_off_for_ever() -> None:
    busy = settler()
    now = 1.0
    while busy.due(now) != 0:
        busy.add(look("a"), now)
        now += QUIET / 2
    assert MOST - QUIET <= now - 1.0 <= MOST + QUIET


def test_the_clock_of_the_next_burst_begins_anew() -> None:
    two = settler()
    two.add(look("a"), 1.0)
    two.take()
    two.add(look("b"), 9.0)
    assert two.due(9.0) == pytest.approx(QUIET)


@given(st.lists(st.floats(0, 0.02), max_size=40))
def test_adding_more_never_makes_it_due_earlier(pauses: list[float]) -> None:
    some, now = settler(), 10.0
    some.add(look("a"), now)
    for pause in pauses:
        before = now + (some.due(now) or 0)
        now += pause
        some.add(look("b"), now)
        after = now + (some.due(now) or 0)
        assert after >= min(before, now) - 2e-6
        assert after <= max(10.0 + MOST, now) + 2e-6
