"""A machine whose every step can be the last one, or fail: in memory, or with files and SQLite."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pmgsync.agent.activate import Activator, Tree
from pmgsync.agent.maps import MapBuilder
from pmgsync.agent.plan import Advance, Plan, plan_advance
from pmgsync.errors import PmgsyncError
from pmgsync.host.disk import DiskTree
from pmgsync.host.store import SqliteStore
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import Digest
from pmgsync.model.trust import Head
from pmgsync.ports import CommandResult, CommandRunner, Intent, Journal, LogRecord, Seen
from tests.sim.author import Version
from tests.sim.killing import Killed, Steps

CONFIG = "/etc/postfix"


class PowerCut(Steps):
    """Every step is done, but the commit of `finish`, which does not wait for the disk, is lost."""


class Fails(Steps):
    """Steps of which those that `which` picks fail instead of being done."""

    def __init__(self, which: Callable[[int, str], PmgsyncError | None]) -> None:
        super().__init__()
        self.which = which
        self.failed: list[str] = []
        self._number = 0

    def step(self, what: str) -> None:
        self._number += 1
        error = self.which(self._number, what)
        if error is not None:
            self.failed.append(what)
            raise error
        super().step(what)


class SteppedTree(Tree):
    """A tree each of whose changes is a step, done after `steps` has let it through."""

    def __init__(self, tree: Tree, steps: Steps) -> None:
        self._tree, self._steps = tree, steps

    def at_once(self) -> AbstractContextManager[None]:
        return self._tree.at_once()

    def walk(self, start: str = "") -> Iterable[Seen]:
        return self._tree.walk(start)

    def stat(self, path: str) -> Seen | None:
        return self._tree.stat(path)

    def read(self, path: str, *, limit: int, ask_for_writers: bool = False) -> tuple[bytes, Seen]:
        return self._tree.read(path, limit=limit, ask_for_writers=ask_for_writers)

    def staged(self) -> Sequence[str]:
        return self._tree.staged()

    def write(self, path: str, content: bytes, *, mode: int, ownership: str) -> str:
        self._steps.step(f"write {path}")
        return self._tree.write(path, content, mode=mode, ownership=ownership)

    def link(self, path: str, new: str) -> None:
        self._steps.step(f"link {path} {new}")
        self._tree.link(path, new)

    def rename(self, path: str, new: str) -> None:
        self._steps.step(f"rename {path} {new}")
        self._tree.rename(path, new)

    def remove(self, path: str) -> None:
        self._steps.step(f"remove {path}")
        self._tree.remove(path)

    def remove_folder(self, path: str) -> None:
        self._steps.step(f"remove folder {path}")
        self._tree.remove_folder(path)

    @contextmanager
    def syncing(self, paths: Sequence[str]) -> Iterator[None]:
        yield
        if paths:
            self._steps.step(f"sync {len(paths)} files")
            self._tree.sync_files(paths)

    def sync_files(self, paths: Sequence[str]) -> None:
        self._steps.step(f"sync {len(paths)} files")
        self._tree.sync_files(paths)

    def sync_folders(self, folders: Iterable[str]) -> None:
        self._steps.step("sync folders")
        self._tree.sync_folders(folders)


class SteppedJournal(Journal):
    """A journal each of whose commits is a step."""

    def __init__(self, journal: Journal, steps: Steps) -> None:
        self._journal, self._steps = journal, steps

    def active(self) -> Head:
        return self._journal.active()

    def pending(self) -> Intent | None:
        return self._journal.pending()

    def begin(
        self, intent: Intent, records: Sequence[LogRecord], contents: Mapping[Digest, bytes]
    ) -> None:
        self._steps.step("begin")
        self._journal.begin(intent, records, contents)

    def adopt(
        self, after: Position, records: Sequence[LogRecord], contents: Mapping[Digest, bytes]
    ) -> None:
        self._steps.step("adopt")
        self._journal.adopt(after, records, contents)

    def finish(self, intent: Intent) -> None:
        self._steps.step("finish")
        if isinstance(self._steps, PowerCut):
            return
        self._journal.finish(intent)

    def abandon(self, intent: Intent) -> None:
        self._steps.step("abandon")
        self._journal.abandon(intent)


@dataclass
class Postmap(CommandRunner):
    """Writes the map of a source through the tree, as a step, with the source's content in it."""

    tree: Tree
    installed: bool = True

    def available(self, program: str) -> bool:
        return self.installed

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> CommandResult:
        source = argv[-1].removeprefix("hash:/")
        data, seen = self.tree.read(source, limit=1 << 20)
        self.tree.write(source + ".db", b"map of " + data, mode=seen.mode, ownership=seen.ownership)
        return CommandResult(0, "")


class Machine(Protocol):
    """What survives a crash: files and database. `files` are those that are there, all of them."""

    def activator(self, steps: Steps) -> Activator: ...

    def files(self) -> dict[str, bytes]: ...

    def journal(self) -> Journal: ...

    def put(self, path: str, content: bytes) -> None: ...

    def close(self) -> None: ...


@dataclass
class DiskMachine:
    """Real files below `root`, and a real database beside them, opened anew for every activator."""

    root: Path
    _store: SqliteStore | None = field(default=None)

    def activator(self, steps: Steps) -> Activator:
        self.close()
        (self.root / "var").mkdir(parents=True, exist_ok=True)
        self._store = SqliteStore(self.root / "var/node.db")
        return activator_on(DiskTree(self.root), self._store, steps)

    def files(self) -> dict[str, bytes]:
        found = (self.root / "etc").rglob("*")
        return {str(p.relative_to(self.root)): p.read_bytes() for p in found if p.is_file()}

    def journal(self) -> Journal:
        assert self._store is not None
        return self._store

    def put(self, path: str, content: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


def activator_on(tree: Tree, journal: Journal, steps: Steps) -> Activator:
    """An activator whose steps all go through `steps`."""
    stepped = SteppedTree(tree, steps)
    maps = MapBuilder(Postmap(stepped), root="/", config_folder=CONFIG)
    return Activator(stepped, SteppedJournal(journal, steps), maps)


def plan_to(version: Version, before: Head | None = None) -> tuple[Plan, dict[Digest, bytes]]:
    """The plan from `before` (nothing) to `version`, and the contents for it."""
    before = before or Head()
    advance = Advance(version.head.position, version.head.manifest, (version.record,))
    plan = plan_advance(before.manifest, before.position, advance, authored=False)
    return plan, version.contents


@dataclass
class Kept:
    """Takes what would be overwritten."""

    files: list[tuple[str, bytes]] = field(default_factory=list)

    def __call__(self, path: str, content: bytes) -> None:
        self.files.append((path, content))


def killed(work: Callable[[], object]) -> bool:
    """Do `work`; whether the process died in it."""
    try:
        work()
    except Killed:
        return True
    return False
