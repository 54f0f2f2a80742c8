"""Any number of holders; the durable ones survive."""

import pytest

from pmgsync.errors import StoreDamagedError, StoreError
from pmgsync.master.holds import NOTE, Holds
from tests.sim.store import MemoryStore


def test_nobody_holds_at_first() -> None:
    holds = Holds(MemoryStore())
    assert not holds
    assert holds.current == ()
    assert holds.release() == ()


def test_each_holder_has_to_let_go() -> None:
    holds = Holds(MemoryStore())
    one, two = holds.hold("root", 1), holds.hold("ansible", 2)
    assert holds.current == (one, two)
    holds.end(one)
    assert holds
    holds.end(two)
    assert not holds


def test_ending_twice_is_ending_once() -> None:
    holds = Holds(MemoryStore())
    hold = holds.hold("root", 1, message="once")
    holds.end(hold)
    holds.end(hold, "twice")
    assert holds.message == "once"


def test_durable_holds_survive_a_restart_and_others_do_not() -> None:
    store = MemoryStore()
    holds = Holds(store)
    durable = holds.hold("root", 1, message="migration", durable=True)
    holds.hold("run", 2)
    again = Holds(store.crash())
    assert again.current == (durable,)
    assert again.hold("run", 3).number > durable.number


def test_release_ends_the_durable_ones_only() -> None:
    store = MemoryStore()
    holds = Holds(store)
    durable = holds.hold("root", 1, durable=True)
    session = holds.hold("run", 2)
    assert holds.release() == (durable,)
    assert holds.current == (session,)
    assert not Holds(store)
    assert store.note(NOTE) is None


@pytest.mark.parametrize(
    ("begin", "end", "message"),
    [("a", "", "a"), ("a", "b", "b"), ("", "b", "b"), ("", "", "")],
)
def test_the_last_word_counts(begin: str, end: str, message: str) -> None:
    holds = Holds(MemoryStore())
    holds.end(holds.hold("root", 1, message=begin), end)
    assert holds.message == message
    holds.hold("root", 1, message=begin, durable=True)
    holds.spoken()
    holds.release(end)
    assert holds.message == message


def test_messages_of_several_holds_are_kept_until_they_are_spoken() -> None:
    holds = Holds(MemoryStore())
    first, second = holds.hold("a", 1, message="one"), holds.hold("b", 1, message="two")
    third = holds.hold("c", 1, message="one")
    for hold in (first, second, third):
        holds.end(hold)
    assert holds.message == "one; two"
    holds.spoken()
    assert holds.message == ""


def test_what_cannot_be_written_down_does_not_count() -> None:
    store = MemoryStore()
    holds = Holds(store)
    kept = holds.hold("root", 1, durable=True)
    store.full = True
    with pytest.raises(StoreError):
        holds.hold("root", 2, durable=True)
    with pytest.raises(StoreError):
        holds.release()
    assert holds.current == (kept,)
    assert holds.hold("run", 2).durable is False


@pytest.mark.parametrize("note", [{}, [1], [{"number": 1}], "x", [{"number": -1}]])
def test_a_note_that_is_none_is_a_damaged_store(note: object) -> None:
    store = MemoryStore()
    store.write_note(NOTE, note)  # type: ignore[arg-type]
    with pytest.raises(StoreDamagedError) as caught:
        Holds(store)
    assert caught.value.mend
