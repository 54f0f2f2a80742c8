"""Drift on a whole agent: put back, kept, named; what is stuck does not hold up the rest."""

from collections.abc import Callable

import pytest

from pmgsync.agent.beside import map_of, staged
from pmgsync.errors import HostError
from pmgsync.model.report import Outcome
from pmgsync.ports import FileKind, Look
from tests.sim.host import FakeCommands, MemorySource
from tests.sim.killing import Steps
from tests.unit.agent.stage import Stage, in_loop

CONF, DOMAINS, KEY = "etc/pmg/pmg.conf", "etc/pmg/domains", "etc/pmg/dkim/mail.private"
NEW = "etc/pmg/mynetworks"
FILES = {CONF: b"conf", KEY: b"key"}

DRIFTS: dict[str, tuple[Callable[[Stage], None], str, bytes | None, str]] = {
    "edit": (lambda s: s.tree.put(CONF, b"edited"), CONF, b"edited", "edited on this node"),
    "add": (lambda s: s.tree.put(NEW, b"mine"), NEW, b"mine", "added on this node"),
    "delete": (lambda s: s.tree.drop(CONF), CONF, None, "deleted on this node"),
    "chmod": (
        lambda s: s.tree.put(KEY, b"key", mode=0o666),
        KEY,
        None,
        "mode or owner changed on this node",
    ),
    "chown": (
        lambda s: s.tree.put(KEY, b"key", ownership="www-data:www-data"),
        KEY,
        None,
        "mode or owner changed on this node",
    ),
    "link": (
        lambda s: s.tree.put_kind(CONF, FileKind.LINK),
        CONF,
        None,
        "replaced on this node by something that is no file",
    ),
}


@pytest.mark.parametrize("name", DRIFTS)
@in_loop
async def test_drift_is_put_back_kept_and_named(name: str) -> None:
    do, path, content, reason = DRIFTS[name]
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(FILES))
        await stage.pass_time(1)
        do(stage)
        await stage.look(path)
        assert stage.tree.files(leavings=True) == FILES
        assert stage.kept == {path: (content, reason)}
        seen = stage.tree.stat(KEY)
        assert seen is not None
        assert seen.mode == 0o640
        report = stage.reports[-1]
        assert (report.outcome, report.active) == (Outcome.ACTIVATED, stage.author.head.position)
        done = "removed" if name == "add" else "put back"
        assert report.notes[-1].startswith(f"{path}: {reason}; it was {done}")


@in_loop
async def test_drift_while_the_daemon_was_down_is_found_at_the_start() -> None:
    stage = Stage()
    async with stage.running():
        await stage.offer(stage.author.version(FILES))
    stage.tree.put(CONF, b"edited")
    stage.role = stage.build()
    async with stage.running():
        await stage.pass_time(0.5)
        assert stage.tree.files() == FILES
        assert stage.kept == {CONF: (b"edited", "edited on this node")}


@in_loop
async def test_drift_that_no_event_told_of_is_found_in_time() -> None:
    stage = Stage()
    async with stage.running():
        await stage.offer(stage.author.version(FILES))
        await stage.pass_time(5)
        stage.tree.put(CONF, b"edited")
        await stage.pass_time(61)
        assert stage.tree.files() == FILES
        assert stage.source.armed > 1


@in_loop
async def test_what_is_stuck_does_not_hold_up_the_rest_and_heals() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(FILES))
        await stage.pass_time(1)
        stage.tree.put(CONF, b"edited")
        stage.tree.put(KEY, b"edited too")
        stage.tree.read_only.add(CONF)
        await stage.look(CONF, KEY)
        assert stage.tree.files() == {CONF: b"edited", KEY: b"key"}
        assert "read-only" in stage.role.trouble
        assert any("read-only" in note for note in stage.reports[-1].notes)
        stage.tree.read_only.clear()
        await stage.pass_time(3)
        assert stage.tree.files() == FILES
        assert stage.role.trouble == ""
        assert not any("read-only" in note for note in stage.reports[-1].notes)
        assert set(stage.kept) == {CONF, KEY}


class UndoFails(Steps):
    """All at once cannot be staged; of one file alone, the switch and its undoing fail."""

    def __init__(self) -> None:
        super().__init__()
        self.ill = True

    def step(self, what: str) -> None:
        at_once = staged(CONF) in what and not any(staged(CONF) in step for step in self.taken)
        if self.ill and (at_once or what.startswith("rename ")):
            self.taken.append(what)
            raise HostError("operation not permitted", where=what)
        super().step(what)


@in_loop
async def test_a_repair_that_cannot_be_undone_holds_up_the_next_and_heals() -> None:
    async with Stage(postfix=True).running() as stage:
        await stage.offer(stage.author.version({**FILES, DOMAINS: b"d"}))
        await stage.pass_time(1)
        stage.tree.put(CONF, b"edited")
        stage.tree.put(KEY, b"edited too")
        stage.tree.drop(map_of(DOMAINS))
        steps = stage.tree.steps = UndoFails()
        await stage.look(CONF, KEY)
        assert stage.store.pending() is not None
        assert "not permitted" in stage.role.trouble
        steps.ill = False
        await stage.pass_time(3)
        files = stage.tree.files(leavings=True)
        assert files.keys() == {CONF, KEY, DOMAINS, map_of(DOMAINS)}
        assert files[KEY] == b"key"
        assert stage.role.trouble == ""


@in_loop
async def test_a_full_disk_delays_the_repair() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(FILES))
        await stage.pass_time(1)
        stage.tree.put(CONF, b"edited")
        stage.tree.space = 0
        await stage.look(CONF)
        await stage.pass_time(5)
        assert stage.tree.files(leavings=True)[CONF] == b"edited"
        assert len([r for r in stage.reports if any("no space" in n for n in r.notes)]) == 1
        stage.tree.space = None
        await stage.pass_time(3)
        assert stage.tree.files(leavings=True) == FILES
        assert len(stage.store.keepsakes()) == 1


@in_loop
async def test_a_file_that_is_being_written_is_not_overwritten() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(FILES))
        await stage.pass_time(1)
        stage.tree.put(CONF, b"half wri")
        stage.tree.restless.add(CONF)
        await stage.look(CONF)
        assert stage.tree.files()[CONF] == b"half wri"
        await stage.offer(stage.author.version({CONF: b"new conf"}))
        assert stage.reports[-1].outcome is Outcome.UNABLE
        stage.tree.put(CONF, b"half written, now whole")
        stage.tree.restless.clear()
        await stage.pass_time(3)
        assert stage.tree.files()[CONF] == b"new conf"
        assert stage.kept[CONF] == (b"half written, now whole", "edited on this node")
        assert stage.role.trouble == ""


@in_loop
async def test_a_repair_does_not_hide_that_a_version_was_refused() -> None:
    async with Stage(postfix=True).running() as stage:
        await stage.offer(stage.author.version(FILES))
        await stage.offer(stage.author.version({DOMAINS: b"!\n"}))
        stage.tree.put(CONF, b"edited")
        await stage.look(CONF)
        assert stage.tree.files()[CONF] == b"conf"
        report = stage.reports[-1]
        assert report.outcome is Outcome.INVALID
        assert report.wanted == stage.author.head.position
        assert any(CONF in note for note in report.notes)
        assert DOMAINS in stage.role.trouble


@in_loop
async def test_notes_of_one_version_end_with_the_next() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(FILES))
        await stage.pass_time(1)
        for content in (b"edited", b"edited again"):
            stage.tree.put(CONF, content)
            await stage.look(CONF)
        stage.tree.put(NEW, b"mine")
        await stage.look(NEW)
        notes = [note for note in stage.role.notes if "on this node" in note]
        assert [note.partition(":")[0] for note in notes] == [CONF, NEW]
        assert len(stage.store.keepsakes()) == 3
        await stage.offer(stage.author.version({CONF: b"two"}))
        assert stage.reports[-1].notes == ()


@in_loop
async def test_a_missing_map_is_built_at_the_start() -> None:
    stage = Stage()
    async with stage.running():
        await stage.offer(stage.author.version({DOMAINS: b"example.org"}))
        assert stage.tree.stat(map_of(DOMAINS)) is None
    stage = restarted_with_postfix(stage)
    async with stage.running():
        await stage.pass_time(1)
        assert stage.tree.stat(map_of(DOMAINS)) is not None
        assert stage.tree.files() == {DOMAINS: b"example.org"}


@in_loop
async def test_a_map_that_cannot_be_built_does_not_hold_up_the_rest() -> None:
    stage = Stage()
    async with stage.running():
        await stage.offer(stage.author.version({DOMAINS: b"!\n", **FILES}))
        stage.tree.put(CONF, b"edited")
    stage = restarted_with_postfix(stage)
    async with stage.running():
        await stage.pass_time(1)
        assert stage.tree.files()[CONF] == b"conf"
        assert "postmap" in stage.role.trouble


def restarted_with_postfix(stage: Stage) -> Stage:
    """The same machine, with Postfix installed in between."""
    stage.commands = FakeCommands(stage.tree)
    stage.role = stage.build()
    return stage


@in_loop
async def test_what_the_agent_wrote_itself_is_no_drift_before_it_was_looked_at() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(FILES))
        await stage.pass_time(1)
        await stage.offer(stage.author.version({CONF: b"two"}))
        stage.tree.put(NEW, b"mine")
        await stage.look(NEW)
        assert stage.tree.files() == {**FILES, CONF: b"two"}
        assert set(stage.kept) == {NEW}
        assert stage.role.trouble == ""


@in_loop
async def test_an_owner_that_does_not_exist_is_named_with_its_file() -> None:
    async with Stage().running() as stage:
        stage.tree.owners.clear()
        await stage.offer(stage.author.version({CONF: b"conf"}))
        assert [note.partition(":")[0] for note in stage.reports[-1].notes] == [CONF]


@in_loop
async def test_without_events_drift_is_found_all_the_same() -> None:
    stage = Stage()
    blind = stage.source = Blind()
    stage.role = stage.build()
    async with stage.running():
        await stage.offer(stage.author.version(FILES))
        await stage.pass_time(1)
        stage.tree.put(CONF, b"edited")
        await stage.pass_time(3)
        assert stage.tree.files() == FILES
        assert "no watches" in stage.role.trouble
        blind.sees = True
        await stage.pass_time(61)
        assert stage.role.trouble == ""


class Blind(MemorySource):
    """The kernel gives no watches."""

    def __init__(self) -> None:
        super().__init__()
        self.sees = False

    async def wait(self) -> Look:
        if not self.sees:
            raise HostError("no watches", where="inotify")
        return await super().wait()

    def rearm(self) -> None:
        if not self.sees:
            raise HostError("no watches", where="inotify")


@in_loop
async def test_a_folder_in_the_place_of_a_file_is_named_and_holds_up_nothing_else() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(FILES))
        await stage.pass_time(1)
        stage.tree.put_kind(CONF, FileKind.FOLDER)
        stage.tree.put(KEY, b"edited")
        await stage.look(CONF, KEY)
        assert stage.tree.files() == {KEY: b"key"}
        assert stage.role.trouble.startswith(f"{CONF}: is a folder, and a file goes there")
        stage.tree.drop(CONF)
        await stage.pass_time(3)
        assert stage.tree.files() == FILES
        assert stage.role.trouble == ""
