"""`Store`: what memory and SQLite promise alike, before and after a power cut."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pmgsync.errors import StoreError
from pmgsync.host.store import SqliteStore
from pmgsync.model.canonical import Json
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.manifest import Manifest, digest_of
from pmgsync.ports import Intent, LogRecord, Step, StepKind, Store
from tests.sim.store import MemoryStore
from tests.sim.versions import Author

DOMAINS, TRANSPORT = "etc/pmg/domains", "etc/pmg/transport"
STEPS = (
    Step(StepKind.PUT, DOMAINS, "etc/pmg/.pmgsync-1", "etc/pmg/.pmgsync-2", digest_of(b"a")),
    Step(StepKind.DELETE, TRANSPORT, "", "etc/pmg/.pmgsync-3", None),
)


class World:
    """A store under test, and a way to find what a power cut leaves of it."""

    def __init__(self, path: Path | None, cleanup: ExitStack) -> None:
        self._path, self._cleanup = path, cleanup
        self.store: Store = MemoryStore() if path is None else self._open(path)
        self.author = Author()

    def _open(self, path: Path) -> SqliteStore:
        store = SqliteStore(path)
        self._cleanup.callback(store.close)
        return store

    def crash(self) -> Store:
        if isinstance(self.store, MemoryStore):
            self.store = self.store.crash()
        elif self._path is not None:
            # A copy of the files as they are, without closing the store: the process died.
            copies = self._path.parent.with_name(self._path.parent.name + "+")
            copies.mkdir()
            for file in self._path.parent.iterdir():
                if not file.name.endswith("-shm"):  # not on the disk
                    (copies / file.name).write_bytes(file.read_bytes())
            self._path = copies / self._path.name
            self.store = self._open(self._path)
        return self.store

    def lives(self) -> Iterator[Store]:
        """The store, and then what a power cut leaves of it."""
        yield self.store
        yield self.crash()

    def publish(self, files: dict[str, bytes | None], message: str = "") -> LogRecord:
        record = self.author.edit(files, message)
        self.store.append(record, self.author.contents_of(record))
        return record

    def intent(self, before: Position | None = None) -> Intent:
        position = self.author.position
        if before is None:
            before = Position(1, position.version - 1) if position.version > 1 else NOWHERE
        return Intent(before, position, STEPS)


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as cleanup:
        path = None if request.param == "memory" else tmp_path / "state" / "store.db"
        yield World(path, cleanup)


# --- History -------------------------------------------------------------------------------------


def test_an_empty_store(world: World) -> None:
    store = world.store
    head, envelope = store.head()
    assert (head.position, head.manifest, envelope) == (NOWHERE, Manifest(), None)
    assert (store.active().position, store.active().manifest) == (NOWHERE, Manifest())
    assert store.pending() is None
    assert list(store.after(0)) == []
    assert list(store.lines(most=10)) == []
    assert store.record(1) is None
    assert store.manifest_at(0) == Manifest()
    assert list(store.keepsakes()) == []
    assert store.note("hold") is None
    with pytest.raises(StoreError, match="version 1 is not in the log"):
        store.manifest_at(1)


def test_the_head_is_what_was_appended_last(world: World) -> None:
    world.publish({DOMAINS: b"a", TRANSPORT: b"t"})
    record = world.publish({DOMAINS: b"b", TRANSPORT: None, "etc/pmg/acme/x": b"x"})
    for store in world.lives():
        head, envelope = store.head()
        assert (head.position, head.manifest) == (Position(1, 2), world.author.states[2])
        assert envelope == record.envelope
        assert head.manifest.digest == world.author.states[2].digest


def test_each_state_can_be_had(world: World) -> None:
    for n in range(5):
        world.publish(
            {DOMAINS: b"%d" % n, f"etc/pmg/acme/{n}": b"x", f"etc/pmg/acme/{n - 1}": None}
        )
    for store in world.lives():
        assert [store.manifest_at(v) for v in range(6)] == world.author.states


def test_a_version_comes_once_and_in_order(world: World) -> None:
    record = world.publish({DOMAINS: b"a"})
    with pytest.raises(RuntimeError):
        world.store.append(record, {})
    assert world.store.head()[0].position == Position(1, 1)


def test_records_come_back_as_they_were(world: World) -> None:
    made = [
        world.publish({DOMAINS: b"%d" % n, TRANSPORT: b"x" if n % 2 else None}) for n in range(5)
    ]
    for store in world.lives():
        assert [store.record(v) for v in range(1, 7)] == [*made, None]
        assert list(store.after(0)) == made
        assert list(store.after(2)) == made[2:]
        assert list(store.after(1, most=2)) == made[1:3]
        assert list(store.after(5)) == []


def test_after_stops_where_a_version_is_missing(world: World) -> None:
    first = world.publish({DOMAINS: b"1"})
    for n in range(2, 6):
        world.author.edit({DOMAINS: b"%d" % n})
    jump = world.author.jump(world.author.states[1])
    world.store.append(jump, world.author.contents_of(jump))
    assert list(world.store.after(0)) == [first]
    assert list(world.store.after(1)) == []
    assert list(world.store.after(4)) == [jump]
    assert world.store.head()[0].manifest == world.author.states[5]
    assert world.store.record(5) == jump


def test_lines_are_for_people(world: World) -> None:
    world.publish({DOMAINS: b"abc", TRANSPORT: b"de"}, "the first")
    world.publish({DOMAINS: b"xyz", TRANSPORT: None}, "ümläut \N{SNOWMAN}")
    for store in world.lives():
        newest, oldest = store.lines(most=10)
        assert (newest.position, newest.puts, newest.deletes, newest.size) == (
            Position(1, 2),
            1,
            1,
            3,
        )
        assert newest.message == "ümläut \N{SNOWMAN}"
        assert (oldest.puts, oldest.size, oldest.created) == (2, 5, 1_700_000_000_000)
        assert list(store.lines(most=1)) == [newest]
        assert list(store.lines(most=9, before=2)) == [oldest]


def test_a_strange_message_does_not_look_like_damage(world: World) -> None:
    record = world.author.edit({DOMAINS: b"a"}, "nul \0, \x1b[31m, \N{PILE OF POO}")
    world.store.append(record, {})
    assert world.store.record(1) == record
    assert world.crash().lines(most=1)[0].message.startswith("nul \0, ")


# --- ContentStore --------------------------------------------------------------------------------


def test_contents_are_kept_by_digest(world: World) -> None:
    contents = {digest_of(data): data for data in (b"", b"a", b"\0" * 3_000_000)}
    world.store.add_contents(contents)
    world.store.add_contents(contents)
    absent = digest_of(b"absent")
    for store in world.lives():
        assert store.missing([*contents, absent]) == {absent}
        assert {digest: store.content(digest) for digest in contents} == contents
        with pytest.raises(StoreError, match=f"has no content {absent[:16]}"):
            store.content(absent)


def test_many_digests_can_be_asked_for(world: World) -> None:
    digests = [digest_of(b"%d" % n) for n in range(5000)]
    world.store.add_contents({digests[0]: b"0"})
    assert len(world.store.missing(digests)) == 4999


# --- Journal -------------------------------------------------------------------------------------


def test_an_activation_begins_and_finishes(world: World) -> None:
    record = world.author.edit({DOMAINS: b"a"})
    intent = world.intent()
    world.store.begin(intent, [record], world.author.contents_of(record))
    for store in world.lives():
        assert store.pending() == intent
        assert store.active().position == NOWHERE
        assert store.head()[0].position == Position(1, 1)
        assert store.content(digest_of(b"a")) == b"a"
    world.store.finish(intent)
    for store in world.lives():
        assert store.pending() is None
        assert store.active().position == Position(1, 1)
        assert store.active().manifest == world.author.states[1]


def test_a_version_that_needs_no_step_is_adopted(world: World) -> None:
    record = world.author.edit({DOMAINS: b"a"})
    world.store.adopt(Position(1, 1), [record], world.author.contents_of(record))
    for store in world.lives():
        assert store.pending() is None
        assert store.active().position == store.head()[0].position == Position(1, 1)
        assert store.content(digest_of(b"a")) == b"a"
        assert store.record(1) == record


def test_adopting_what_the_log_has_changes_what_runs_only(world: World) -> None:
    record = world.publish({DOMAINS: b"a"})
    world.store.adopt(Position(1, 1), [record], {})
    assert world.store.active().manifest == world.author.states[1]
    assert len(world.store.lines(most=10)) == 1


def test_nothing_is_adopted_while_an_activation_is_in_progress(world: World) -> None:
    world.publish({DOMAINS: b"a"})
    world.store.begin(world.intent(), [], {})
    with pytest.raises(RuntimeError):
        world.store.adopt(Position(1, 1), [], {})


def test_an_abandoned_activation_takes_its_new_versions_along(world: World) -> None:
    first = world.author.edit({DOMAINS: b"a"})
    intent = world.intent()
    world.store.begin(intent, [first], world.author.contents_of(first))
    world.store.finish(intent)
    record = world.author.edit({DOMAINS: b"b", TRANSPORT: b"t"})
    failed = world.intent()
    world.store.begin(failed, [record], world.author.contents_of(record))
    world.crash()
    world.store.abandon(failed)
    for store in world.lives():
        assert store.pending() is None
        assert store.active().position == Position(1, 1)
        assert store.head()[0].position == Position(1, 1)
        assert store.head()[0].manifest == world.author.states[1]
        assert store.record(2) is None
    # the same number again, with another content
    other = Author()
    other.records, other.states = world.author.records[:1], world.author.states[:2]
    again = other.edit({DOMAINS: b"c"})
    world.store.begin(failed, [again], other.contents_of(again))
    world.store.finish(failed)
    assert world.store.active().manifest == other.states[2]


def test_what_was_in_the_log_before_stays_when_an_activation_is_abandoned(world: World) -> None:
    """On the master the log has the version already when its own agent applies it."""
    record = world.publish({DOMAINS: b"a"})
    intent = world.intent()
    world.store.begin(intent, [record], {})
    world.store.abandon(intent)
    for store in world.lives():
        assert store.head()[0].position == Position(1, 1)
        assert store.active().position == NOWHERE
        assert store.record(1) == record


def test_several_records_may_begin_at_once(world: World) -> None:
    world.publish({DOMAINS: b"0"})
    records = [world.author.edit({DOMAINS: b"%d" % n}) for n in range(1, 4)]
    intent = world.intent(before=NOWHERE)
    world.store.begin(intent, [*world.author.records[:1], *records], world.author.contents)
    assert list(world.store.after(0)) == world.author.records
    world.store.abandon(intent)
    assert list(world.store.after(0)) == world.author.records[:1]


def test_a_snapshot_leads_to_its_state(world: World) -> None:
    world.publish({DOMAINS: b"old", TRANSPORT: b"t"})
    for n in range(30):
        world.author.edit({DOMAINS: b"%d" % n, TRANSPORT: None if n % 2 else b"u"})
    jump = world.author.jump(world.author.states[1])
    intent = world.intent(before=Position(1, 1))
    world.store.begin(intent, [jump], world.author.contents_of(jump))
    world.store.finish(intent)
    assert world.crash().active().manifest == world.author.states[-1]


def test_one_activation_at_a_time(world: World) -> None:
    record = world.publish({DOMAINS: b"a"})
    intent = world.intent()
    with pytest.raises(RuntimeError):
        world.store.finish(intent)
    with pytest.raises(RuntimeError):
        world.store.abandon(intent)
    world.store.begin(intent, [record], {})
    with pytest.raises(RuntimeError):
        world.store.begin(intent, [record], {})
    other = Intent(intent.before, intent.after, ())
    with pytest.raises(RuntimeError):
        world.store.finish(other)
    assert world.store.pending() == intent


# --- KeepsakeStore, Notebook ---------------------------------------------------------------------


def test_keepsakes_are_kept_once_and_newest_first(world: World) -> None:
    keep = world.store.keep
    first = keep(DOMAINS, b"mine", "overwritten", 1000)
    deleted = keep(TRANSPORT, None, "deleted here", 2000)
    assert keep(DOMAINS, b"mine", "overwritten", 3000) == first
    assert keep(TRANSPORT, None, "deleted here", 3000) == deleted
    other = keep(TRANSPORT, b"mine", "overwritten", 4000)
    for store in world.lives():
        assert list(store.keepsakes()) == [other, deleted, first]
        assert list(store.keepsakes(most=1)) == [other]
        assert store.content(digest_of(b"mine")) == b"mine"
    assert (first.digest, first.size, first.kept) == (digest_of(b"mine"), 4, 1000)
    assert deleted.digest is None
    assert world.store.clear_keepsakes() == 3
    assert list(world.crash().keepsakes()) == []
    assert world.store.keep(DOMAINS, b"mine", "again", 5000).number > other.number


NOTES: list[Json] = ["text", 0, False, [], {"a": [1, None]}, "\ud800", "\0\N{SNOWMAN}"]


@pytest.mark.parametrize("value", NOTES, ids=range(len(NOTES)))
def test_notes_are_json_values(world: World, value: Json) -> None:
    world.store.write_note("hold", "old")
    world.store.write_note("hold", value)
    world.store.write_note("other", 1)
    for store in world.lives():
        assert store.note("hold") == value
    world.store.write_note("hold", None)
    world.store.write_note("never", None)
    assert world.crash().note("hold") is None
    assert world.store.note("other") == 1


# --- Upkeep --------------------------------------------------------------------------------------


def busy_history(world: World) -> None:
    for n in range(12):
        world.publish(
            {DOMAINS: b"%d" % n, f"etc/pmg/acme/{n % 5}": None if n % 3 == 0 else b"c%d" % n}
        )


def test_pruning_keeps_what_it_says(world: World) -> None:
    busy_history(world)
    author = world.author
    intent = Intent(NOWHERE, Position(1, 10), ())
    world.store.begin(intent, [], {})
    world.store.finish(intent)
    assert world.store.prune(2) == 9  # 10 runs here
    for store in world.lives():
        assert [store.manifest_at(v) for v in (10, 11, 12)] == author.states[10:13]
        assert [store.record(v) for v in (10, 11, 12)] == author.records[9:]
        assert store.record(9) is None
        assert list(store.after(0)) == []
        assert len(store.lines(most=99)) == 3
        assert store.active().manifest == author.states[10]
    assert world.store.prune(2) == 0
    world.publish({DOMAINS: b"more", TRANSPORT: b"t"})
    assert world.crash().head()[0].manifest == author.states[13]


def test_pruning_drops_contents_that_were_of_no_use_twice(world: World) -> None:
    busy_history(world)
    world.store.keep(DOMAINS, b"mine", "overwritten", 1)
    early = {digest_of(b"comes before its version"): b"comes before its version"}
    world.store.add_contents(early)
    needed = {entry.digest for entry in world.author.states[12].values()} | {digest_of(b"mine")}
    world.store.prune(1)
    assert world.store.missing(world.author.contents) == frozenset()
    world.store.add_contents(early)  # asked for again: that is a use
    world.store.prune(1)
    assert world.store.missing(world.author.contents) == world.author.contents.keys() - needed
    assert world.store.missing([*needed, *early]) == frozenset()
    world.store.prune(1)
    assert world.crash().missing([*needed, *early]) == early.keys()


@pytest.mark.parametrize("along", [True, False])
def test_a_content_that_a_version_used_again_is_of_no_use_once(world: World, along: bool) -> None:
    """`along`: it is given to `append` as well, as by a master that has just read it."""
    old = {digest_of(b"old"): b"old"}
    world.publish({DOMAINS: b"old"})
    world.publish({DOMAINS: b"new"})
    world.store.prune(1)  # the first time that nothing needs it
    again = world.author.edit({DOMAINS: b"old"})
    world.store.append(again, old if along else {})
    world.publish({DOMAINS: b"newer"})
    world.store.prune(1)
    assert world.store.missing(old) == frozenset()
    world.store.prune(1)
    assert world.crash().missing(old) == old.keys()


def test_adopting_what_is_there_already_adds_nothing(world: World) -> None:
    record = world.publish({DOMAINS: b"a"})
    world.store.adopt(Position(1, 1), [record], world.author.contents_of(record))
    for store in world.lives():
        assert store.content(digest_of(b"a")) == b"a"
        assert store.head()[0].position == Position(1, 1)


def test_pruning_keeps_at_least_the_head(world: World) -> None:
    world.store.prune(0)
    busy_history(world)
    world.store.prune(0)
    assert world.crash().head()[0].manifest == world.author.states[12]


def test_pruning_keeps_the_way_back(world: World) -> None:
    busy_history(world)
    intent = Intent(Position(1, 7), Position(1, 12), ())
    world.store.begin(intent, [], {})
    world.store.prune(1)
    assert world.crash().manifest_at(7) == world.author.states[7]


# --- all or nothing ------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_changes_nothing(tmp_path: Path, small_disk: Path) -> None:
    author = Author()
    with ExitStack() as cleanup:
        real = SqliteStore(small_disk / "state" / "store.db")
        cleanup.callback(real.close)
        double = MemoryStore()
        first = author.edit({DOMAINS: b"a"})
        big = author.edit({DOMAINS: b"x" * 900_000})
        for store in (real, double):
            store.append(first, author.contents_of(first))
            double.full = store is double
            with pytest.raises(StoreError, match="no space left for the database") as caught:
                store.append(big, author.contents_of(big))
            assert caught.value.retryable
            double.full = False
            assert store.head()[0].position == Position(1, 1)
            assert store.missing([big.change.puts[0].digest])
            store.write_note("still", "works")
            assert store.note("still") == "works"


# --- forgetting the cluster -----------------------------------------------------------------------


def test_a_forgotten_history_is_as_if_there_had_been_none(world: World) -> None:
    for number in range(5):
        record = world.publish({DOMAINS: b"%d" % number})
    world.store.adopt(Position(1, 5), [record], {})
    world.store.write_note("view", ["x", 1])
    kept = world.store.keep(DOMAINS, b"mine", "edited here", 7)
    world.store.forget_history()
    for store in world.lives():
        assert store.head()[1] is None
        assert store.head()[0].position == store.active().position == NOWHERE
        assert store.active().manifest == Manifest()
        assert list(store.lines(most=10)) == []
        assert store.note("view") is None
        assert list(store.keepsakes()) == [kept]
        assert store.content(digest_of(b"mine")) == b"mine"


def test_another_history_begins_where_one_was_forgotten(world: World) -> None:
    world.publish({DOMAINS: b"old"})
    world.publish({DOMAINS: b"older"})
    world.store.forget_history()
    world.author = Author()
    first = world.publish({TRANSPORT: b"new"})
    for store in world.lives():
        assert store.head()[0].position == Position(1, 1)
        assert store.record(1) == first
        assert set(store.manifest_at(1)) == {TRANSPORT}


def test_nothing_is_forgotten_in_the_middle_of_an_activation(world: World) -> None:
    record = world.publish({DOMAINS: b"a"})
    world.store.begin(Intent(NOWHERE, Position(1, 1), STEPS), [record], {})
    with pytest.raises(RuntimeError):
        world.store.forget_history()
    assert world.store.pending() is not None
