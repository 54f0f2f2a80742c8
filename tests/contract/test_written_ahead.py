"""A version that is durable before it is certain: the double and the database (ADR 0014)."""

import pytest

from pmgsync.model.changeset import Position
from pmgsync.ports import Intent
from tests.contract.test_store import DOMAINS, STEPS, World, world
from tests.sim.versions import Author

__all__ = ["world"]


def test_what_is_written_ahead_is_in_no_answer_until_it_is_appended(world: World) -> None:
    first = world.publish({DOMAINS: b"a"})
    record = world.author.edit({DOMAINS: b"b"})
    world.store.write_ahead(record, world.author.contents_of(record))
    assert world.store.head()[0].position == Position(1, 1)
    assert list(world.store.after(0)) == [first]
    assert [line.position.version for line in world.store.lines(most=9)] == [1]
    assert world.store.record(2) is None
    world.store.append(record, world.author.contents_of(record))
    for store in world.lives():
        assert list(store.after(0)) == [first, record]
        assert store.head()[0].manifest == world.author.states[2]


def test_a_power_cut_between_leaves_what_may_have_been_published(world: World) -> None:
    world.publish({DOMAINS: b"a"})
    record = world.author.edit({DOMAINS: b"b"})
    world.store.write_ahead(record, world.author.contents_of(record))
    store = world.crash()
    assert store.record(2) == record
    assert store.content(record.change.puts[0].digest) == b"b"
    assert world.crash().record(2) == record


def test_pruning_leaves_what_is_written_ahead_its_contents(world: World) -> None:
    world.publish({DOMAINS: b"a"})
    record = world.author.edit({DOMAINS: b"b"})
    world.store.write_ahead(record, world.author.contents_of(record))
    for _ in range(3):
        world.store.prune(10)
    store = world.crash()
    assert store.record(2) == record
    assert store.content(record.change.puts[0].digest) == b"b"


def test_what_does_not_follow_on_the_head_is_dropped_at_the_opening(world: World) -> None:
    first = world.author.edit({DOMAINS: b"a"})
    second = world.author.edit({DOMAINS: b"b"})
    world.store.write_ahead(second, world.author.contents_of(second))
    assert world.crash().record(2) is None
    world.store.append(first, world.author.contents_of(first))
    stranger = Author()
    stranger.edit({DOMAINS: b"x"})
    other = stranger.edit({DOMAINS: b"y"})
    world.store.write_ahead(other, stranger.contents_of(other))
    assert world.crash().head()[0].position == Position(1, 1)


@pytest.mark.parametrize("how", ["withdrawn", "replaced", "overtaken"])
def test_what_was_written_ahead_and_not_published_leaves_nothing(world: World, how: str) -> None:
    """A version of that number was drafted, and another one, or none, is what came."""
    world.publish({DOMAINS: b"a"})
    head, _ = world.store.head()
    drafted = world.author.edit({DOMAINS: b"half"})
    world.store.write_ahead(drafted, world.author.contents_of(drafted))
    world.author.states.pop()
    world.author.records.pop()
    other = world.author.edit({DOMAINS: b"whole"})
    if how == "withdrawn":
        world.store.withdraw()
        world.store.withdraw()
    elif how == "replaced":
        world.store.append(other, world.author.contents_of(other))
    else:
        intent = Intent(head.position, world.author.position, STEPS)
        world.store.begin(intent, [other], world.author.contents_of(other))
    for store in world.lives():
        assert store.record(2) == (None if how == "withdrawn" else other)
        assert store.record(3) is None
