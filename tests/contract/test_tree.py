"""`TreeReader` and `TreeWriter`: what memory and disk promise alike."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pmgsync.errors import HostError, StageError
from pmgsync.host.disk import DiskTree
from pmgsync.model import scope
from pmgsync.ports import FileKind
from tests.sim.host import MemoryTree

DOMAINS = "etc/pmg/domains"
KEY = "etc/pmg/dkim/default.private"
STAGED = "etc/pmg/.pmgsync-1-domains"
LIMIT = 1 << 20


@dataclass
class World:
    """A tree under test, and how the test puts things into it past the port."""

    tree: MemoryTree | DiskTree
    root: Path | None = None
    made: list[str] = field(default_factory=list)

    def put(self, path: str, content: bytes = b"") -> None:
        if isinstance(self.tree, MemoryTree):
            self.tree.put(path, content)
        else:
            self._real(path).write_bytes(content)
            rule = scope.rule_for(path)
            self._real(path).chmod(rule.mode if rule else 0o644)

    @contextmanager
    def writer(self, path: str) -> Iterator[None]:
        """Somebody has it open for writing."""
        if isinstance(self.tree, MemoryTree):
            self.tree.writers.add(path)
            yield
            self.tree.writers.clear()
        else:
            with self._real(path).open("r+b"):
                yield

    def put_link(self, path: str, to: str = "/nowhere") -> None:
        if isinstance(self.tree, MemoryTree):
            self.tree.put_kind(path, FileKind.LINK)
        else:
            self._real(path).symlink_to(to)

    def put_folder(self, path: str) -> None:
        if isinstance(self.tree, MemoryTree):
            self.tree.put_kind(path, FileKind.FOLDER)
        else:
            self._real(path).mkdir()

    def put_sparse(self, path: str, size: int) -> None:
        if isinstance(self.tree, MemoryTree):
            self.tree.put_sparse(path, size)
        else:
            with self._real(path).open("wb") as file:
                file.truncate(size)

    def _real(self, path: str) -> Path:
        assert self.root is not None
        real = self.root / path
        real.parent.mkdir(parents=True, exist_ok=True)
        return real

    def walked(self, start: str = "") -> dict[str, FileKind]:
        return {seen.path: seen.kind for seen in self.tree.walk(start)}

    def content(self, path: str) -> bytes:
        return self.tree.read(path, limit=LIMIT)[0]


@pytest.fixture(params=["memory", "disk"])
def world(request: pytest.FixtureRequest, root: Path) -> World:
    return World(MemoryTree()) if request.param == "memory" else World(DiskTree(root), root)


# --- walk ----------------------------------------------------------------------------------------


def test_an_empty_root_has_nothing(world: World) -> None:
    assert world.walked() == {}
    assert world.walked("etc/pmg") == {}
    assert world.walked(DOMAINS) == {}
    assert list(world.tree.staged()) == []


def test_walk_reports_the_files_of_all_places(world: World) -> None:
    files = [DOMAINS, KEY, "etc/pmg/templates/a/b/main.cf.in", "etc/mail/spamassassin/custom.cf"]
    for path in files:
        world.put(path, b"x")
    assert world.walked() == dict.fromkeys(files, FileKind.FILE)


def test_walk_leaves_out_leavings_and_what_is_elsewhere(world: World) -> None:
    for path in (
        "etc/pmg/.hidden",
        "etc/pmg/domains~",
        "etc/pmg/domains.db",
        "etc/pmg/domains.tmp.4711",
        "etc/pmg/dkim/.git/config",
        "etc/pmg/.pmgsync-7-domains",
        "etc/pmg/master/domains",  # a folder that holds nothing synced
        "etc/mail/spamassassin/sub/custom.cf",
        "etc/passwd",
    ):
        world.put(path, b"x")
    assert world.walked() == {}


def test_walk_from_a_start_reports_only_what_is_there(world: World) -> None:
    for path in (DOMAINS, "etc/pmg/domains2", KEY, "etc/pmg/dkim/sub/k"):
        world.put(path, b"x")
    assert world.walked("etc/pmg/dkim").keys() == {KEY, "etc/pmg/dkim/sub/k"}
    assert world.walked(DOMAINS).keys() == {DOMAINS}
    assert world.walked("etc/pmg/.hidden/x") == {}


def test_walk_reports_links_and_does_not_enter_them(world: World) -> None:
    world.put("etc/pmg/acme/real/x", b"x")
    world.put_link("etc/pmg/acme/link", "real")
    world.put_link(DOMAINS)
    assert world.walked() == {
        DOMAINS: FileKind.LINK,
        "etc/pmg/acme/link": FileKind.LINK,
        "etc/pmg/acme/real/x": FileKind.FILE,
    }


def test_walk_reports_a_folder_where_the_table_wants_a_file(world: World) -> None:
    world.put_folder(DOMAINS)
    world.put_folder("etc/pmg/dkim/domains")
    world.put_folder("etc/pmg/dkim/more")
    wanted = {DOMAINS: FileKind.FOLDER, "etc/pmg/dkim/domains": FileKind.FOLDER}
    assert world.walked() == wanted
    assert world.walked(DOMAINS) == {DOMAINS: FileKind.FOLDER}


def test_walk_reports_a_link_in_the_place_of_a_folder(world: World) -> None:
    world.put(DOMAINS)
    world.put_link("etc/pmg/dkim", "/etc")
    assert world.walked()["etc/pmg/dkim"] is FileKind.LINK
    # what a path behind a link holds cannot be told, which is not the same as nothing
    assert world.walked(KEY) == {KEY: FileKind.UNREADABLE}


def test_a_seen_tells_mode_and_owner_as_the_table_wants_them(world: World) -> None:
    world.put(KEY, b"secret")
    world.tree.remove(KEY)
    rule = scope.rule_for(KEY)
    assert rule is not None
    world.tree.write(KEY, b"secret", mode=rule.mode, ownership=rule.ownership)
    (seen,) = world.tree.walk(KEY)
    assert (seen.size, seen.mode, seen.ownership) == (6, rule.mode, rule.ownership)
    assert world.tree.stat(KEY) == seen


def test_a_change_shows_in_the_stat(world: World) -> None:
    world.put(DOMAINS, b"one")
    before = world.tree.stat(DOMAINS)
    world.put(STAGED, b"two")
    world.tree.rename(STAGED, DOMAINS)
    after = world.tree.stat(DOMAINS)
    assert before is not None
    assert after is not None
    assert (before.inode, before.changed_ns) != (after.inode, after.changed_ns)


# --- stat, read ----------------------------------------------------------------------------------


def test_stat_of_nothing_is_none(world: World) -> None:
    world.put(DOMAINS)
    for path in ("etc/pmg/transport", "etc/pmg/no/such/folder", "var/nothing"):
        assert world.tree.stat(path) is None


def test_read_returns_content_and_what_it_was(world: World) -> None:
    world.put(DOMAINS, b"example.com\n")
    content, seen = world.tree.read(DOMAINS, limit=LIMIT)
    assert content == b"example.com\n"
    assert seen == world.tree.stat(DOMAINS)


def test_read_tells_whether_somebody_is_writing(world: World) -> None:
    world.put(DOMAINS, b"half")
    with world.writer(DOMAINS):
        content, seen = world.tree.read(DOMAINS, limit=LIMIT, ask_for_writers=True)
        assert (content, seen.being_written) == (b"half", True)
    assert not world.tree.read(DOMAINS, limit=LIMIT, ask_for_writers=True)[1].being_written


def test_read_of_an_empty_file(world: World) -> None:
    world.put(DOMAINS)
    assert world.content(DOMAINS) == b""


def test_read_refuses_what_is_larger_than_the_limit(world: World) -> None:
    world.put(DOMAINS, b"x" * 101)
    with pytest.raises(HostError, match=f"{DOMAINS}: is larger than 100 bytes"):
        world.tree.read(DOMAINS, limit=100)
    assert len(world.tree.read(DOMAINS, limit=101)[0]) == 101


def test_a_sparse_file_of_two_gigabytes_costs_nothing(world: World) -> None:
    world.put_sparse("etc/pmg/acme/huge", 2 << 30)
    with pytest.raises(HostError, match="is larger than 134217728 bytes"):
        world.tree.read("etc/pmg/acme/huge", limit=128 << 20)


def _link(world: World) -> None:
    world.put("etc/pmg/real", b"secret")
    world.put_link(DOMAINS, "real")


def _folder(world: World) -> None:
    world.put_folder(DOMAINS)


def _nothing(world: World) -> None:
    world.put("etc/pmg/transport")


@pytest.mark.parametrize(
    ("make", "what"),
    [(_link, "symbolic link"), (_folder, "folder"), (_nothing, "does not exist")],
)
def test_read_refuses_what_is_no_file(
    world: World, make: Callable[[World], None], what: str
) -> None:
    make(world)
    with pytest.raises(HostError, match=what) as caught:
        world.content(DOMAINS)
    assert caught.value.where == DOMAINS
    assert caught.value.mend


# --- links planted on the way --------------------------------------------------------------------

LEVELS = ["etc", "etc/pmg", "etc/pmg/dkim"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "act",
    [
        lambda tree: tree.stat(KEY),
        lambda tree: tree.read(KEY, limit=LIMIT),
        lambda tree: tree.write(KEY, b"x", mode=0o640, ownership="root:root"),
        lambda tree: tree.link(KEY, KEY + "2"),
        lambda tree: tree.rename(KEY, KEY + "2"),
        lambda tree: tree.remove(KEY),
    ],
    ids=["stat", "read", "write", "link", "rename", "remove"],
)
def test_row_06_a_link_at_any_level_is_refused(
    world: World, level: str, act: Callable[[MemoryTree | DiskTree], object], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    behind = outside / KEY.removeprefix(level + "/")
    behind.parent.mkdir(parents=True)
    behind.write_bytes(b"not ours")
    world.put_link(level, str(outside))
    with pytest.raises(HostError, match=f"^{level}: is a symbolic link"):
        act(world.tree)
    assert {p: p.read_bytes() for p in outside.rglob("*") if p.is_file()} == {behind: b"not ours"}


@pytest.mark.parametrize("level", LEVELS)
def test_walk_says_that_what_is_behind_a_link_cannot_be_told(world: World, level: str) -> None:
    world.put_link(level, "/")
    assert world.walked(KEY) == {KEY: FileKind.UNREADABLE}


# --- write, link, rename, remove -----------------------------------------------------------------


def test_write_makes_folders_and_file_as_the_table_says(world: World) -> None:
    path = "etc/pmg/pbs/store/key"
    assert world.tree.write(path, b"k", mode=0o600, ownership="root:root") == ""
    assert world.content(path) == b"k"
    folders = ("etc/pmg", "etc/pmg/pbs", "etc/pmg/pbs/store")
    modes = [seen.mode for p in (*folders, path) if (seen := world.tree.stat(p))]
    assert modes == [*map(scope.folder_mode, folders), 0o600]


def test_write_replaces_a_file_of_that_name(world: World) -> None:
    world.put(STAGED, b"left behind, and longer")
    world.tree.write(STAGED, b"new", mode=0o644, ownership="root:root")
    assert world.content(STAGED) == b"new"


def test_write_over_a_folder_fails_and_leaves_it(world: World) -> None:
    world.put_folder(STAGED)
    with pytest.raises(StageError, match="is a folder"):
        world.tree.write(STAGED, b"x", mode=0o644, ownership="root:root")
    seen = world.tree.stat(STAGED)
    assert seen is not None
    assert seen.kind is FileKind.FOLDER


def test_write_below_a_file_fails(world: World) -> None:
    world.put("etc/pmg/dkim", b"a file in the place of a folder")
    with pytest.raises(StageError, match="etc/pmg/dkim: is not a folder"):
        world.tree.write(KEY, b"x", mode=0o640, ownership="root:root")


def test_a_folder_is_removed_with_the_folders_in_it(world: World) -> None:
    world.put("etc/pmg/templates/a/b/c", b"x")
    world.put("etc/pmg/templates/a/d/e", b"x")
    for path in ("etc/pmg/templates/a/b/c", "etc/pmg/templates/a/d/e"):
        with pytest.raises(HostError, match=r"etc/pmg/templates/a: .*not empty"):
            world.tree.remove_folder("etc/pmg/templates/a")
        world.tree.remove(path)
    world.tree.remove_folder("etc/pmg/templates/a")
    assert world.tree.stat("etc/pmg/templates/a") is None
    assert world.tree.stat("etc/pmg/templates") is not None
    world.tree.remove_folder("etc/pmg/templates/a")
    world.tree.remove_folder("etc/pmg/none/at/all")


def test_what_is_no_folder_is_not_removed_as_one(world: World) -> None:
    world.put(DOMAINS, b"x")
    world.put_link("etc/pmg/templates/link", "/tmp")
    world.put_folder("etc/pmg/acme/link")
    world.put_link("etc/pmg/acme/link/inside", "/tmp")
    for path in (DOMAINS, "etc/pmg/templates/link", "etc/pmg/acme/link"):
        with pytest.raises(HostError):
            world.tree.remove_folder(path)
        assert world.tree.stat(path) is not None
    assert world.tree.stat("etc/pmg/acme/link/inside") is not None


def test_link_gives_a_second_name_that_stays_when_the_first_is_replaced(world: World) -> None:
    backup = "etc/pmg/.pmgsync-backup"
    world.put(DOMAINS, b"old")
    world.put(backup, b"from another time")
    world.tree.link(DOMAINS, backup)
    world.put(STAGED, b"new")
    world.tree.rename(STAGED, DOMAINS)
    assert (world.content(DOMAINS), world.content(backup)) == (b"new", b"old")
    world.tree.rename(backup, DOMAINS)
    assert world.content(DOMAINS) == b"old"
    assert list(world.tree.staged()) == []


def test_rename_replaces_a_link_and_not_what_it_points_to(world: World) -> None:
    world.put("etc/pmg/real", b"precious")
    world.put_link(DOMAINS, "real")
    world.put(STAGED, b"new")
    world.tree.rename(STAGED, DOMAINS)
    assert world.content(DOMAINS) == b"new"
    assert world.content("etc/pmg/real") == b"precious"


def test_rename_over_a_folder_fails_and_keeps_both(world: World) -> None:
    world.put_folder(DOMAINS)
    world.put(STAGED, b"new")
    with pytest.raises(HostError, match=DOMAINS):
        world.tree.rename(STAGED, DOMAINS)
    assert world.content(STAGED) == b"new"


@pytest.mark.parametrize("act", ["link", "rename"])
def test_what_does_not_exist_cannot_be_moved(world: World, act: str) -> None:
    world.put("etc/pmg/transport")
    with pytest.raises(HostError, match="does not exist"):
        getattr(world.tree, act)(STAGED, DOMAINS)


@pytest.mark.parametrize("act", ["link", "rename"])
def test_two_folders_are_a_mistake_of_ours(world: World, act: str) -> None:
    world.put(DOMAINS)
    with pytest.raises(RuntimeError):
        getattr(world.tree, act)(DOMAINS, KEY)


def test_remove_of_nothing_is_fine(world: World) -> None:
    world.tree.remove(DOMAINS)
    world.put(DOMAINS)
    world.tree.remove(DOMAINS)
    world.tree.remove(DOMAINS)
    world.tree.remove("etc/pmg/no/folder")
    assert world.tree.stat(DOMAINS) is None


def test_remove_of_a_folder_fails(world: World) -> None:
    world.put_folder(DOMAINS)
    with pytest.raises(HostError, match=DOMAINS):
        world.tree.remove(DOMAINS)


@pytest.mark.parametrize("count", [1, 8, 300])
def test_sync_takes_any_number_of_files(world: World, count: int) -> None:
    paths = [f"etc/pmg/acme/.pmgsync-{n}" for n in range(count)]
    for path in paths:
        world.tree.write(path, b"x", mode=0o600, ownership="root:root")
    world.tree.sync_files(paths)
    world.tree.sync_folders({"etc/pmg", "etc/pmg/acme"})
    assert len(world.tree.staged()) == count


def test_sync_of_what_is_not_there_fails(world: World) -> None:
    world.put(DOMAINS)
    with pytest.raises(HostError, match="does not exist"):
        world.tree.sync_files([DOMAINS, STAGED])
    with pytest.raises(HostError, match="does not exist"):
        world.tree.sync_folders(["etc/pmg", "etc/pmg/acme"])


def test_staged_finds_leftovers_in_every_synced_folder(world: World) -> None:
    left = [
        "etc/mail/spamassassin/.pmgsync-1",
        "etc/pmg/.pmgsync-a",
        "etc/pmg/acme/deep/er/.pmgsync-b",
        "etc/pmg/dkim/.pmgsync-c",
    ]
    for path in [*left, "etc/pmg/.other", "etc/.pmgsync-x", "etc/pmg/master/.pmgsync-y", DOMAINS]:
        world.put(path, b"x")
    assert list(world.tree.staged()) == left


@pytest.mark.parametrize("path", [DOMAINS, "etc/clamav/freshclam.conf"])
def test_mode_and_owner_are_set_in_place(world: World, path: str) -> None:
    world.put(path, b"x")
    before = world.tree.stat(path)
    assert before is not None
    assert not world.tree.has_attributes(path, 0o600, "root:root")
    world.tree.set_attributes(path, mode=0o600, ownership="root:root")
    assert world.tree.has_attributes(path, 0o600, "root:root")
    now = world.tree.stat(path)
    assert now is not None
    assert (now.inode, now.modified_ns, now.mode) == (before.inode, before.modified_ns, 0o600)


def test_a_folder_of_ones_own_can_be_written(world: World) -> None:
    world.put("etc/clamav/freshclam.conf")
    assert world.tree.can_write("etc/clamav")
