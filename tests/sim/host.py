"""The machine in memory: a tree with faults to set, a change source, and a table of programs."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

from pmgsync.errors import HostError, StageError
from pmgsync.model import scope
from pmgsync.model.manifest import digest_of
from pmgsync.ports import (
    Attributes,
    ChangeSource,
    CommandResult,
    CommandRunner,
    FileKind,
    Look,
    Seen,
    TreeReader,
    TreeWriter,
)
from tests.sim.killing import Steps

PLACES = (scope.PMG, scope.SPAMASSASSIN)
OWNERS = frozenset({"root:root", "root:www-data", "fetchmail:fetchmail"})


@dataclass(frozen=True)
class _Node:
    """What lies at a path. Two paths may hold the same node: a second name."""

    kind: FileKind
    content: bytes = b""
    mode: int = 0o644
    ownership: str = "root:root"
    inode: int = 0
    changed_ns: int = 0
    claimed_size: int | None = None  # a sparse file: large, without content

    @property
    def size(self) -> int:
        return len(self.content) if self.claimed_size is None else self.claimed_size


class MemoryTree(TreeReader, TreeWriter, Attributes):
    """A tree of files in memory. Set the faults directly; make what lies there with `put_...`.

    `space`: bytes that may still be written. `read_only`: paths at and below which nothing can be
    changed. `unreadable`: paths that cannot be read or listed. `owners`: those that this machine
    knows. `steps`: counts what changes the tree, and may kill. `restless`: files that change at
    each read. `writers`: files that somebody has open for writing, and
    has written to at `written_ns`.
    """

    def __init__(self, steps: Steps | None = None) -> None:
        self.steps = steps or Steps()
        self.space: int | None = None
        self.read_only: set[str] = set()
        self.unreadable: set[str] = set()
        self.restless: set[str] = set()
        self.writers: set[str] = set()
        self.written_ns = 0
        self.owners = set(OWNERS)
        self.folders: dict[str, int] = {}
        self.service_folders: set[str] = set()
        self._nodes: dict[str, _Node] = {}
        self._count = 0

    # --- set the scene ---------------------------------------------------------------------------

    def put(self, path: str, content: bytes = b"", *, mode: int = -1, ownership: str = "") -> None:
        """An edit on this machine: a file as the scope table wants it, unless said otherwise."""
        rule = scope.rule_for(path)
        wanted = (rule.mode, rule.ownership) if rule else (0o644, "root:root")
        self._make_folders(path)
        node = self._new(FileKind.FILE, content)
        mode = wanted[0] if mode < 0 else mode
        self._nodes[path] = replace(node, mode=mode, ownership=ownership or wanted[1])

    def put_kind(self, path: str, kind: FileKind) -> None:
        """Something that is no file; also in the place of a folder."""
        self.drop(path)
        self._make_folders(path)
        if kind is FileKind.FOLDER:
            self.folders[path] = 0o755
        else:
            self._nodes[path] = self._new(kind)

    def put_sparse(self, path: str, size: int) -> None:
        """A file that says it is `size` bytes."""
        self.put(path)
        self._nodes[path] = replace(self._nodes[path], claimed_size=size)

    def drop(self, path: str) -> None:
        """Remove the file or the folder with all in it."""
        for table in (self._nodes, self.folders):
            for gone in [p for p in table if p == path or p.startswith(path + "/")]:
                table.pop(gone)

    def files(self, *, leavings: bool = False) -> dict[str, bytes]:
        """All files and their contents."""
        return {
            path: node.content
            for path, node in sorted(self._nodes.items())
            if node.kind is FileKind.FILE
            and (leavings or not scope.is_leaving(path.rpartition("/")[2]))
        }

    # --- TreeReader ------------------------------------------------------------------------------

    def walk(self, start: str = "") -> Iterable[Seen]:
        if any(scope.is_leaving(element) for element in start.split("/") if start):
            return
        if start and self._blocked(start):
            yield Seen(start, FileKind.UNREADABLE)
            return
        starts = [start] if start else [p for p in PLACES if self._is_there(p)]
        for top in starts:
            yield from self._walk_at(top)

    def _walk_at(self, path: str) -> Iterable[Seen]:
        node = self._nodes.get(path)
        if node is not None:
            yield self._seen(path, node)
            return
        if path not in self.folders:
            return
        rule = scope.rule_for(path)
        if rule is not None and rule.pattern == path:
            yield Seen(path, FileKind.FOLDER)
        elif path in PLACES or scope.holds_synced_files(path):
            if path in self.unreadable:
                yield Seen(path, FileKind.UNREADABLE)
                return
            for child in self._children(path):
                if not scope.is_leaving(child.rpartition("/")[2]):
                    yield from self._walk_at(child)
        elif rule is not None:
            yield Seen(path, FileKind.FOLDER)

    def stat(self, path: str) -> Seen | None:
        self._require_real_folders(path, HostError)
        if path in self.folders:
            return Seen(path, FileKind.FOLDER, mode=self.folders[path])
        node = self._nodes.get(path)
        return None if node is None else self._seen(path, node)

    def read(self, path: str, *, limit: int, ask_for_writers: bool = False) -> tuple[bytes, Seen]:
        seen = self.stat(path)
        if seen is None:
            raise HostError("cannot read it: does not exist", where=path, mend="retried")
        if seen.kind is not FileKind.FILE:
            raise HostError(f"is a {seen.kind.value}", where=path, mend="replace it")
        if seen.size > limit:
            raise HostError(f"is larger than {limit} bytes", where=path, mend="make it smaller")
        if path in self.unreadable:
            raise HostError("cannot read it: permission denied", where=path, mend="mend it")
        if path in self.restless:
            raise HostError("keeps changing while it is read", where=path, mend="wait")
        if ask_for_writers and path in self.writers:
            seen = replace(seen, being_written=True, modified_ns=self.written_ns)
        return self._nodes[path].content, seen

    def can_write(self, folder: str) -> bool:
        return folder not in self.read_only

    def has_attributes(self, path: str, mode: int, ownership: str) -> bool:
        seen = self.stat(path)
        assert seen is not None
        return (seen.mode, seen.ownership) == (mode, ownership)

    def staged(self) -> Sequence[str]:
        return sorted(
            path
            for path in (*self._nodes, *self.folders)
            if path.rpartition("/")[2].startswith(scope.STAGE_PREFIX)
            and (_is_walked(folder := path.rpartition("/")[0]) or folder in self.service_folders)
        )

    def at_once(self) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def syncing(self, paths: Sequence[str]) -> Iterator[None]:
        yield
        self.sync_files(paths)

    # --- TreeWriter ------------------------------------------------------------------------------

    def write(self, path: str, content: bytes, *, mode: int, ownership: str) -> str:
        self._require_real_folders(path, StageError)
        self._require_writable(path, StageError)
        if path in self.folders:
            raise StageError("cannot write it: is a folder", where=path, mend="remove it")
        if self.space is not None and len(content) > self.space:
            raise StageError("cannot write it: no space left on the disk", where=path, mend="free")
        self.steps.step(f"write {path}")
        if self.space is not None:
            self.space -= len(content)
        self._make_folders(path)
        node = self._new(FileKind.FILE, content)
        self._nodes[path] = replace(node, mode=mode, ownership=ownership)
        return "" if ownership in self.owners else f"{path}: no {ownership} here; root is used"

    def set_attributes(self, path: str, *, mode: int, ownership: str) -> None:
        self._require_real_folders(path, HostError)
        self._require_writable(path, HostError)
        self.steps.step(f"attributes {path}")
        self._nodes[path] = replace(self._nodes[path], mode=mode, ownership=ownership)

    def link(self, path: str, new: str) -> None:
        node = self._node_to_move(path, new)
        self.steps.step(f"link {path} {new}")
        self._nodes[new] = node
        for marked in (self.restless, self.unreadable):
            if path in marked:
                marked.add(new)

    def rename(self, path: str, new: str) -> None:
        node = self._node_to_move(path, new)
        if new in self.folders:
            raise HostError("cannot replace it: is a folder", where=new, mend="remove it")
        self.steps.step(f"rename {path} {new}")
        del self._nodes[path]
        self._nodes[new] = node
        for marked in (self.restless, self.unreadable):
            marked.discard(new)
            if path in marked:
                marked.remove(path)
                marked.add(new)

    def remove(self, path: str) -> None:
        self._require_real_folders(path, HostError)
        if path in self.folders:
            raise HostError("cannot remove it: is a folder", where=path, mend="remove it")
        if path in self._nodes:
            self._require_writable(path, HostError)
            self.steps.step(f"remove {path}")
            del self._nodes[path]

    def remove_folder(self, path: str) -> None:
        self._require_real_folders(path, HostError)
        if not self._is_there(path):
            return
        self._require_writable(path, HostError)
        if any(p == path or p.startswith(path + "/") for p in self._nodes):
            raise HostError("cannot remove the folder: it is not empty", where=path, mend="empty")
        self.steps.step(f"remove folder {path}")
        self.drop(path)

    def sync_files(self, paths: Sequence[str]) -> None:
        for path in paths:
            if path not in self._nodes:
                raise HostError("cannot bring it to disk: does not exist", where=path)
        self.steps.step(f"sync {len(paths)} files")

    def sync_folders(self, folders: Iterable[str]) -> None:
        wanted = sorted(set(folders))
        for folder in wanted:
            if folder not in self.folders:
                raise HostError("cannot bring it to disk: does not exist", where=folder)
        self.steps.step(f"sync {len(wanted)} folders")

    # --- inside ----------------------------------------------------------------------------------

    def _new(self, kind: FileKind, content: bytes = b"") -> _Node:
        self._count += 1
        return _Node(kind, content, inode=self._count, changed_ns=self._count)

    def _seen(self, path: str, node: _Node) -> Seen:
        changed = node.changed_ns
        return Seen(
            path, node.kind, node.size, node.mode, node.ownership, node.inode, changed, changed
        )

    def _children(self, folder: str) -> list[str]:
        inside = folder + "/"
        names = {p for p in (*self._nodes, *self.folders) if p.startswith(inside)}
        return sorted(p for p in names if "/" not in p[len(inside) :])

    def _is_there(self, path: str) -> bool:
        return path in self.folders or path in self._nodes

    def _blocked(self, path: str) -> bool:
        return any(above in self._nodes for above in _above(path))

    def _require_real_folders(self, path: str, kind: type[HostError]) -> None:
        for above in _above(path):
            node = self._nodes.get(above)
            if node is not None:
                is_link = node.kind is FileKind.LINK
                what = "is a symbolic link" if is_link else "is not a folder"
                raise kind(what, where=above, mend="put a real folder there")

    def _require_writable(self, path: str, kind: type[HostError]) -> None:
        if any(path == p or path.startswith(p + "/") for p in self.read_only):
            raise kind("cannot write it: the file system is read-only", where=path, mend="remount")

    def _node_to_move(self, path: str, new: str) -> _Node:
        if path.rpartition("/")[0] != new.rpartition("/")[0]:
            raise RuntimeError(f"{path!r} and {new!r} are not in one folder")
        self._require_real_folders(path, HostError)
        self._require_writable(new, HostError)
        if path not in self._nodes:
            raise HostError("does not exist", where=new, mend="retried")
        return self._nodes[path]

    def _make_folders(self, path: str) -> None:
        for folder in _above(path):
            self.folders.setdefault(folder, scope.folder_mode(folder))


def _is_walked(folder: str) -> bool:
    below = any(folder.startswith(f"{place}/") for place in PLACES)
    return folder in PLACES or (below and scope.holds_synced_files(folder))


def _above(path: str) -> list[str]:
    elements = path.split("/")[:-1]
    return ["/".join(elements[: n + 1]) for n in range(len(elements))]


class MemorySource(ChangeSource):
    """Looks that a test hands in with `say`. `trouble`: why nothing can be watched now."""

    def __init__(self) -> None:
        self.trouble: HostError | None = None
        self._look = Look()
        self._came = asyncio.Event()
        self.armed = 1

    def say(self, *paths: str, everywhere: bool = False) -> None:
        self._look |= Look(frozenset(paths), everywhere)
        if self._look:
            self._came.set()

    async def wait(self) -> Look:
        await self._came.wait()
        self._came.clear()
        self._require_watches()
        look, self._look = self._look, Look()
        return look

    def rearm(self) -> None:
        self._require_watches()
        self.armed += 1

    def _require_watches(self) -> None:
        if self.trouble is not None:
            raise self.trouble


Program = Callable[[Sequence[str]], CommandResult]


class FakeCommands(CommandRunner):
    """A table of programs; what is not in it is not installed. `ran` holds what was run."""

    def __init__(self, tree: MemoryTree | None = None) -> None:
        self.programs: dict[str, Program] = {}
        self.ran: list[tuple[str, ...]] = []
        if tree is not None:
            self.programs["postmap"] = postmap(tree)

    def answer(self, program: str, status: int = 0, output: str = "") -> None:
        self.programs[program] = lambda _argv: CommandResult(status, output)

    def available(self, program: str) -> bool:
        return program in self.programs

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> CommandResult:
        self.ran.append(tuple(argv))
        if argv[0] not in self.programs:
            raise HostError("is not installed", where=argv[0], mend="install it")
        return self.programs[argv[0]](argv)


def postmap(tree: MemoryTree) -> Program:
    """Postfix's `postmap`: writes PATH.db for each file named (`TYPE:PATH` or PATH).

    A file with the line `!` is one that it refuses.
    """

    def run(argv: Sequence[str]) -> CommandResult:
        if "-q" in argv:  # a look-up that wants no file
            return CommandResult(0, "y\n")
        for option, argument in itertools.pairwise(argv):
            if argument.startswith("-") or option == "-c":  # `-c` takes a folder
                continue
            path = argument.partition(":")[2] or argument
            path = path.lstrip("/")
            content = tree.files(leavings=True).get(path)
            if content is None:
                return CommandResult(1, f"postmap: fatal: open {path}: No such file or directory\n")
            if b"!" in content.splitlines():
                return CommandResult(1, f"postmap: fatal: {path}, line 1: bad entry\n")
            tree.put(f"{path}.db", digest_of(content).encode(), mode=0o644)
        return CommandResult(0, "")

    return run
