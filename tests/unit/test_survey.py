"""The survey, over the tree in memory and over a real one: what is found, kept, and read again."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pmgsync.host.disk import DiskTree
from pmgsync.model.manifest import digest_of
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import rule_for
from pmgsync.ports import FileKind, Look, Seen, TreeReader
from pmgsync.survey import MANY_PATHS, RACY_NS, WRITING_NS, Observation, Survey
from tests.sim.clock import FakeClock
from tests.sim.host import MemoryTree

DOMAINS, TRANSPORT = "etc/pmg/domains", "etc/pmg/transport"
KEY = "etc/pmg/dkim/default.private"
EVERYWHERE = Look(everywhere=True)


class Counting(TreeReader):
    """A reader that notes what is read."""

    def __init__(self, tree: TreeReader) -> None:
        self.tree = tree
        self.reads: list[str] = []

    def walk(self, start: str = "") -> Iterable[Seen]:
        return self.tree.walk(start)

    def stat(self, path: str) -> Seen | None:
        return self.tree.stat(path)

    def staged(self) -> Sequence[str]:
        return self.tree.staged()

    def read(self, path: str, *, limit: int, ask_for_writers: bool = False) -> tuple[bytes, Seen]:
        self.reads.append(path)
        return self.tree.read(path, limit=limit, ask_for_writers=ask_for_writers)


@dataclass
class World:
    """A tree, its survey, and how things get into the tree past it."""

    root: Path | None
    tree: MemoryTree | DiskTree
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.counting = Counting(self.tree)
        self.survey = Survey(self.counting, self.clock)

    def put(self, path: str, content: bytes) -> None:
        if isinstance(self.tree, MemoryTree):
            self.tree.put(path, content)
            return
        real = self.real(path)
        real.parent.mkdir(parents=True, exist_ok=True)
        rule = rule_for(path)
        self.tree.write(
            path,
            content,
            mode=rule.mode if rule else 0o644,
            ownership=rule.ownership if rule else "root:root",
        )

    def drop(self, path: str) -> None:
        if isinstance(self.tree, MemoryTree):
            self.tree.drop(path)
        elif self.real(path).is_dir() and not self.real(path).is_symlink():
            for below in list(self.real(path).iterdir()):
                self.drop(f"{path}/{below.name}")
            self.real(path).rmdir()
        else:
            self.real(path).unlink()

    def put_kind(self, path: str, kind: FileKind) -> None:
        if isinstance(self.tree, MemoryTree):
            self.tree.put_kind(path, kind)
            return
        real = self.real(path)
        if os.path.lexists(real):
            self.drop(path)
        real.parent.mkdir(parents=True, exist_ok=True)
        if kind is FileKind.LINK:
            real.symlink_to("/etc")
        elif kind is FileKind.FOLDER:
            real.mkdir()
        else:
            os.mkfifo(real)

    def put_sparse(self, path: str, size: int) -> None:
        if isinstance(self.tree, MemoryTree):
            self.tree.put_sparse(path, size)
        else:
            with self.real(path).open("wb") as file:
                file.truncate(size)

    def real(self, path: str) -> Path:
        assert self.root is not None
        return self.root / path

    def look(self, *paths: str) -> Observation:
        self.counting.reads.clear()
        return self.survey.look(Look(frozenset(paths)) if paths else EVERYWHERE)

    @property
    def reads(self) -> list[str]:
        return self.counting.reads


@pytest.fixture(params=["memory", "disk"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "memory":
        return World(None, MemoryTree())
    return World(tmp_path, DiskTree(tmp_path))


def files(observation: Observation) -> dict[str, str]:
    return {str(path): entry.digest for path, entry in observation.manifest.items()}


def digests(**contents: bytes) -> dict[str, str]:
    return {f"etc/pmg/{name}": digest_of(content) for name, content in contents.items()}


def problems(observation: Observation) -> dict[str, str]:
    return {problem.path: problem.what for problem in observation.problems}


# --- what is found -------------------------------------------------------------------------------


def test_an_empty_root_is_an_empty_state(world: World) -> None:
    found = world.look()
    assert (dict(found.manifest), found.problems, dict(found.contents)) == ({}, (), {})


def test_the_first_look_reads_everything_that_is_synced(world: World) -> None:
    world.put(DOMAINS, b"d")
    world.put(KEY, b"k")
    world.put("etc/pmg/pmg-api.pem", b"never")
    world.put("etc/pmg/domains~", b"never")
    found = world.look("etc/pmg/mynetworks")  # wherever it is told to look
    assert files(found) == {DOMAINS: digest_of(b"d"), KEY: digest_of(b"k")}
    assert found.contents == {digest_of(b"d"): b"d", digest_of(b"k"): b"k"}
    entry = found.manifest[ManagedPath(KEY)]
    rule = rule_for(KEY)
    assert rule is not None
    assert (entry.mode, entry.ownership, entry.size) == (rule.mode, rule.ownership, 1)


def test_a_change_that_nobody_told_of_is_found_everywhere(world: World) -> None:
    world.put(DOMAINS, b"one")
    world.look()
    world.put(DOMAINS, b"two")
    found = world.look()
    assert files(found) == digests(domains=b"two")
    assert found.contents == {digest_of(b"two"): b"two"}


def test_a_look_at_paths_sees_these_alone(world: World) -> None:
    world.put(DOMAINS, b"1")
    world.put(TRANSPORT, b"1")
    world.look()
    world.put(DOMAINS, b"2")
    world.put(TRANSPORT, b"2")
    assert files(world.look(DOMAINS)) == digests(domains=b"2", transport=b"1")
    assert world.reads == [DOMAINS]
    assert files(world.look(TRANSPORT)) == digests(domains=b"2", transport=b"2")


def test_many_paths_are_one_walk_and_all_of_them_are_read(world: World) -> None:
    names = [f"etc/pmg/acme/n{n}" for n in range(MANY_PATHS + 10)]
    world.put(DOMAINS, b"x")
    world.look()
    for name in names:
        world.put(name, name.encode())
    found = world.look(*names)
    assert files(found).keys() == {DOMAINS, *names}
    assert set(names) <= set(world.reads)
    for name in names[::2]:
        world.drop(name)
    assert files(world.look(*names)).keys() == {DOMAINS, *names[1::2]}


def test_a_look_at_a_folder_sees_all_below_it(world: World) -> None:
    world.put(KEY, b"k")
    world.put(DOMAINS, b"1")
    world.look()
    world.put("etc/pmg/dkim/sub/new", b"n")
    world.drop(KEY)
    assert files(world.look("etc/pmg/dkim")).keys() == {DOMAINS, "etc/pmg/dkim/sub/new"}


@pytest.mark.parametrize("paths", [(), (DOMAINS,), ("etc/pmg",)])
def test_a_deleted_file_is_gone(world: World, paths: tuple[str, ...]) -> None:
    world.put(DOMAINS, b"d")
    world.put(TRANSPORT, b"t")
    world.look()
    world.drop(DOMAINS)
    assert files(world.look(*paths)).keys() == {TRANSPORT}
    world.put(DOMAINS, b"again")
    assert files(world.look(*paths)).keys() == {DOMAINS, TRANSPORT}


def test_a_vanished_folder_takes_its_files_along(world: World) -> None:
    world.put(KEY, b"k")
    world.put(DOMAINS, b"d")
    world.look()
    world.drop("etc/pmg/dkim")
    found = world.look()
    assert files(found).keys() == {DOMAINS}
    assert found.problems == ()
    world.drop("etc/pmg")
    assert files(world.look()) == {}


def test_a_file_that_became_a_folder_and_a_folder_that_became_a_file(world: World) -> None:
    world.put("etc/pmg/acme/a", b"file")
    world.put("etc/pmg/acme/b/c", b"below")
    world.look()
    world.drop("etc/pmg/acme/a")
    world.drop("etc/pmg/acme/b")
    world.put("etc/pmg/acme/a/c", b"below")
    world.put("etc/pmg/acme/b", b"file")
    found = world.look("etc/pmg/acme/a", "etc/pmg/acme/a/c", "etc/pmg/acme/b", "etc/pmg/acme/b/c")
    assert files(found).keys() == {"etc/pmg/acme/a/c", "etc/pmg/acme/b"}
    assert found.manifest.digest == world.look().manifest.digest


def test_nothing_changed_is_the_same_state(world: World) -> None:
    world.put(DOMAINS, b"d")
    first = world.look().manifest
    assert world.look().manifest == first
    assert world.look(DOMAINS).manifest.digest == first.digest
    assert dict(world.look(DOMAINS).contents) == {}


# --- what cannot be taken ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (FileKind.LINK, "is a symbolic link"),
        (FileKind.FOLDER, "is a folder"),
        (FileKind.OTHER, "is a device, socket or pipe"),
    ],
)
def test_what_is_no_file_keeps_the_entry_it_had(world: World, kind: FileKind, what: str) -> None:
    world.put(DOMAINS, b"d")
    before = world.look().manifest
    world.put_kind(DOMAINS, kind)
    for found in (world.look(), world.look(DOMAINS)):
        assert problems(found) == {DOMAINS: what}
        assert found.manifest == before
    assert str(found.problems[0]).startswith(f"{DOMAINS}: {what}; ")
    world.drop(DOMAINS)
    gone = world.look()
    assert (files(gone), gone.problems) == ({}, ())


def test_a_problem_that_is_mended_is_forgotten(world: World) -> None:
    world.put_kind(DOMAINS, FileKind.LINK)
    found = world.look()
    assert files(found) == {}
    assert problems(found).keys() == {DOMAINS}
    world.drop(DOMAINS)
    world.put(DOMAINS, b"d")
    mended = world.look(DOMAINS)
    assert (files(mended), mended.problems) == (digests(domains=b"d"), ())


@pytest.mark.parametrize("kind", [FileKind.LINK, FileKind.OTHER])
@pytest.mark.parametrize("look_at", [(), (KEY,), ("etc/pmg/dkim",)])
def test_what_stands_in_for_a_folder_does_not_delete_its_files(
    world: World, kind: FileKind, look_at: tuple[str, ...]
) -> None:
    world.put(KEY, b"k")
    world.put("etc/pmg/dkim/domains", b"d")
    world.put(DOMAINS, b"d")
    before = world.look().manifest
    world.put_kind("etc/pmg/dkim", kind)
    found = world.look(*look_at)
    assert found.manifest == before
    assert len(found.problems) == 1


@pytest.mark.parametrize("place", ["etc/pmg", "etc/pmg/dkim"])
def test_a_file_in_the_place_of_a_folder_is_a_problem(world: World, place: str) -> None:
    world.put(KEY, b"k")
    before = world.look().manifest
    world.drop(place)
    world.put(place, b"a file")
    found = world.look()
    assert found.manifest == before
    assert problems(found).keys() == {place}


def test_a_file_that_is_too_large_costs_nothing_and_keeps_its_entry(world: World) -> None:
    world.put(DOMAINS, b"d")
    before = world.look().manifest
    world.put_sparse(DOMAINS, 2 << 30)
    found = world.look()
    assert problems(found) == {DOMAINS: "is larger than 134217728 bytes"}
    assert found.manifest == before


def test_names_that_cannot_travel_are_problems_that_can_be_printed(world: World) -> None:
    world.put("etc/pmg/acme/caf\udce9", b"x")
    world.put("etc/pmg/acme/two\nlines", b"x")
    world.put(DOMAINS, b"d")
    found = world.look()
    assert files(found) == digests(domains=b"d")
    assert problems(found) == {
        "etc/pmg/acme/caf\\udce9": "the name is not UTF-8",
        "etc/pmg/acme/two\\nlines": "the name has a control character",
    }
    assert all(str(problem).isprintable() for problem in found.problems)


def test_a_file_that_cannot_be_read_keeps_its_entry() -> None:
    world = World(None, MemoryTree())
    assert isinstance(world.tree, MemoryTree)
    world.put(DOMAINS, b"d")
    world.put(KEY, b"k")
    before = world.look().manifest
    world.put(DOMAINS, b"new")
    world.tree.unreadable |= {DOMAINS, "etc/pmg/dkim"}
    found = world.look()
    assert found.manifest == before
    assert problems(found).keys() == {DOMAINS, "etc/pmg/dkim"}
    world.tree.unreadable.clear()
    healed = world.look()
    assert (files(healed)[DOMAINS], healed.problems) == (digest_of(b"new"), ())


def test_a_file_that_never_holds_still_is_a_problem_for_now() -> None:
    world = World(None, MemoryTree())
    assert isinstance(world.tree, MemoryTree)
    world.put(DOMAINS, b"d")
    world.tree.restless.add(DOMAINS)
    assert problems(world.look()) == {DOMAINS: "keeps changing while it is read"}
    world.tree.restless.clear()
    assert files(world.look()) == digests(domains=b"d")


def test_a_file_that_somebody_is_writing_is_taken_when_it_is_closed() -> None:
    clock = FakeClock()
    tree = Still(clock.now() * 1_000_000)
    tree.seen = replace(tree.seen, being_written=True)
    master, node = Survey(tree, clock, finished=True), Survey(tree, clock)
    assert problems(master.look(EVERYWHERE)) == {DOMAINS: "is being written"}
    assert files(node.look(EVERYWHERE)) == digests(domains=b"one")
    tree.content, tree.seen = b"two", replace(tree.seen, being_written=False)
    assert files(master.look(Look(frozenset([DOMAINS])))) == digests(domains=b"two")


def test_a_writer_that_only_keeps_a_file_open_is_not_waited_for() -> None:
    clock = FakeClock()
    tree = Still(clock.now() * 1_000_000 - WRITING_NS)
    tree.seen = replace(tree.seen, being_written=True)
    assert files(Survey(tree, clock, finished=True).look(EVERYWHERE)) == digests(domains=b"one")


# --- what is read again --------------------------------------------------------------------------


class Still(TreeReader):
    """One file, whose stat stays the same whatever its content is: the coarsest clock there is."""

    def __init__(self, changed_ns: int) -> None:
        self.content = b"one"
        self.reads = 0
        self.seen = Seen(DOMAINS, FileKind.FILE, 3, 0o644, "root:root", 1, changed_ns, changed_ns)

    def walk(self, start: str = "") -> list[Seen]:
        return [self.seen]

    def stat(self, path: str) -> Seen | None:
        return self.seen

    def read(self, path: str, *, limit: int, ask_for_writers: bool = False) -> tuple[bytes, Seen]:
        self.reads += 1
        being_written = ask_for_writers and self.seen.being_written
        return self.content, replace(self.seen, being_written=being_written)

    def staged(self) -> list[str]:
        return []


@pytest.mark.parametrize(
    ("age_ns", "reads"), [(-1, 3), (0, 3), (RACY_NS, 3), (RACY_NS + 1_000_000, 1)]
)
def test_a_stat_is_believed_once_it_is_old_enough(age_ns: int, reads: int) -> None:
    clock = FakeClock()
    tree = Still(clock.now() * 1_000_000 - age_ns)
    survey = Survey(tree, clock)
    for _ in range(3):
        survey.look(EVERYWHERE)
    assert tree.reads == reads


def test_two_changes_of_equal_size_within_one_tick_are_two_changes() -> None:
    clock = FakeClock()
    tree = Still(clock.now() * 1_000_000)
    survey = Survey(tree, clock)
    assert files(survey.look(EVERYWHERE)) == digests(domains=b"one")
    tree.content = b"two"
    assert files(survey.look(EVERYWHERE)) == digests(domains=b"two")


def test_a_path_that_an_event_named_is_always_read_again() -> None:
    clock = FakeClock()
    tree = Still(clock.now() * 1_000_000 - 10 * RACY_NS)
    survey = Survey(tree, clock)
    survey.look(EVERYWHERE)
    tree.content = b"two"
    survey.look(EVERYWHERE)
    assert tree.reads == 1
    for look in (Look(frozenset([DOMAINS])), Look(frozenset([DOMAINS]), everywhere=True)):
        assert files(survey.look(look)) == digests(domains=b"two")
    assert tree.reads == 3


# --- mode and owner ------------------------------------------------------------------------------


def test_a_file_that_lies_unlike_the_table_is_named(world: World) -> None:
    world.put(DOMAINS, b"d")
    world.put(KEY, b"k")
    assert world.look().unlike == frozenset()
    world.drop(KEY)
    world.tree.write(KEY, b"k", mode=0o666, ownership="root:root")
    found = world.look(KEY)
    assert found.unlike == {KEY}
    assert files(found)[KEY] == digest_of(b"k")  # the state is as it was
    assert world.look(DOMAINS).unlike == {KEY}
    world.put(KEY, b"k")
    assert world.look(KEY).unlike == frozenset()


def test_a_file_that_lay_unlike_and_is_gone_is_not_named(world: World) -> None:
    world.tree.write(DOMAINS, b"d", mode=0o600, ownership="root:root")
    assert world.look().unlike == {DOMAINS}
    world.drop(DOMAINS)
    assert world.look().unlike == frozenset()


# --- content -------------------------------------------------------------------------------------


def test_content_is_that_of_the_entry_or_an_error(world: World) -> None:
    world.put(DOMAINS, b"one")
    entry = world.look().manifest[ManagedPath(DOMAINS)]
    assert world.survey.content(entry) == b"one"
    world.put(DOMAINS, b"two")
    with pytest.raises(Exception, match="has changed since it was looked at"):
        world.survey.content(entry)
