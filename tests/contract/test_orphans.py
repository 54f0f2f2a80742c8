"""Versions that the cluster's history has not: kept beside the log, by both stores."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pmgsync.host import store_schema
from pmgsync.host.store import SqliteStore
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.manifest import Manifest
from pmgsync.model.trust import Head
from pmgsync.ports import Intent
from tests.contract.test_store import DOMAINS, TRANSPORT, World, busy_history
from tests.sim.versions import Author


@pytest.fixture(name="world", params=["memory", "sqlite"])
def a_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as cleanup:
        yield World(None if request.param == "memory" else tmp_path / "s" / "node.db", cleanup)


def test_versions_that_the_history_has_not_are_kept_beside_the_log(world: World) -> None:
    busy_history(world)
    intent = Intent(NOWHERE, Position(1, 12), ())
    world.store.begin(intent, [], {})
    world.store.finish(intent)
    assert world.store.orphan(11, 77) == 2
    author = world.author
    for store in world.lives():
        assert store.head()[0].position == Position(1, 10)
        assert store.head()[0].manifest == author.states[10]
        assert store.active() == store.head()[0]
        orphans = store.orphans()
        assert [one.record for one in orphans] == [author.records[11], author.records[10]]
        assert {one.kept for one in orphans} == {77}
        assert store.record(11) is None


def test_the_history_goes_on_where_orphans_were(world: World) -> None:
    busy_history(world)
    world.store.orphan(9, 1)
    other = Author(epoch=2)
    other.records, other.states = world.author.records[:8], world.author.states[:9]
    record = other.edit({TRANSPORT: b"of the new master"})
    world.store.append(record, other.contents_of(record))
    for store in world.lives():
        assert store.head()[0].position == Position(2, 9)
        assert store.head()[0].manifest == other.states[9]
        assert len(store.orphans()) == 4


def test_what_orphans_put_is_not_pruned_until_they_are_cleared(world: World) -> None:
    busy_history(world)
    world.store.orphan(12, 1)
    (orphan,) = world.store.orphans()
    (put,) = (one for one in orphan.record.change.puts if one.path == DOMAINS)
    for _ in range(3):
        world.store.prune(1)
    assert world.store.content(put.digest) == b"11"
    assert world.store.clear_orphans() == 1
    for _ in range(3):
        world.store.prune(1)
    assert world.store.orphans() == []
    assert world.crash().missing([put.digest]) == {put.digest}


def test_a_history_of_which_nothing_is_left_begins_with_nothing(world: World) -> None:
    busy_history(world)
    intent = Intent(NOWHERE, Position(1, 12), ())
    world.store.begin(intent, [], {})
    world.store.finish(intent)
    world.store.prune(1)
    assert world.store.orphan(3, 1) == 1
    assert (world.store.head()[0], world.store.active()) == (Head(), Head())
    snapshot = world.author.jump(Manifest())
    world.store.append(snapshot, world.author.contents)
    assert world.crash().head()[0].manifest == world.author.states[12]


def test_nothing_is_orphaned_while_an_activation_is_in_progress(world: World) -> None:
    world.publish({DOMAINS: b"a"})
    world.store.begin(world.intent(), [], {})
    with pytest.raises(RuntimeError):
        world.store.orphan(1, 1)


def test_a_database_of_the_first_schema_gets_its_place_for_orphans(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    with closing(SqliteStore(path)) as store:
        record = Author().edit({DOMAINS: b"before"})
        store.append(record, {})
    with closing(sqlite3.connect(path)) as older:
        for thing in ("view unused", "table orphan", "table orphan_content", "table ahead"):
            older.execute(f"drop {thing}")
        older.execute(
            "create view unused as select digest from content"
            " except select digest from entry except select digest from keepsake"
        )
        older.execute("pragma user_version = 1")
    with closing(SqliteStore(path)) as store:
        assert store.record(1) == record
        assert store.orphan(1, 5) == 1
        assert [one.record for one in store.orphans()] == [record]
    assert store_schema.SCHEMA_VERSION == 3
