"""The writing half of `pmgsync sync`: the agent's own recipe, without a history behind it.

All files are staged and on disk before the first one is switched, and a failure switches back. A
crash between two renames leaves some files new and some old, each whole, and the next `pmgsync
sync` goes on from there. A daemon may run on the same root: both write under one lock, except for
the daemon's small changes of synced files, which never meet what is written here.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pmgsync.agent.activate import Activator
from pmgsync.agent.beside import backup, map_of, staged
from pmgsync.agent.plan import Plan
from pmgsync.cli.rendering import TREE_LOCK, map_builder, service_checks
from pmgsync.errors import HostError
from pmgsync.host.disk import DiskTree
from pmgsync.host.lock import TreeLock
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.manifest import FileEntry
from pmgsync.model.paths import ManagedPath
from pmgsync.model.trust import Head
from pmgsync.render.targets import MAPPED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pmgsync.agent.service_files import Outlook, ServiceFiles
    from pmgsync.model.changeset import Position
    from pmgsync.model.manifest import Digest
    from pmgsync.ports import Intent, LogRecord


class ForgetfulJournal:
    """The journal of a process that writes once and has no history (`ports.Journal`): it knows the
    step that is under way, and that only as long as the process lives.
    """

    def __init__(self) -> None:
        self._intent: Intent | None = None

    def active(self) -> Head:
        """See the port."""
        return Head()

    def pending(self) -> Intent | None:
        """See the port."""
        return self._intent

    def begin(
        self,
        intent: Intent,
        records: Sequence[LogRecord],  # noqa: ARG002 - as the port has it
        contents: Mapping[Digest, bytes],  # noqa: ARG002 - as the port has it
    ) -> None:
        """See the port."""
        self._intent = intent

    def finish(self, intent: Intent) -> None:  # noqa: ARG002 - as the port has it
        """See the port."""
        self._intent = None

    def adopt(
        self, after: Position, records: Sequence[LogRecord], contents: Mapping[Digest, bytes]
    ) -> None:
        """See the port."""

    def abandon(self, intent: Intent) -> None:  # noqa: ARG002 - as the port has it
        """See the port."""
        self._intent = None


def checked(root: Path, outlook: Outlook) -> tuple[str, ...]:
    """What the services' own programs warn of in the files to be; `CheckFailedError` where one
    refuses them.
    """
    version = outlook.facts.postgres_version
    warned = service_checks(root).check(outlook.rendered, outlook.changes, postgres=version)
    return tuple(chain.from_iterable(warned.values()))


def write(
    root: Path, tree: DiskTree, files: ServiceFiles, outlook: Outlook, stale: Sequence[str]
) -> tuple[str, ...]:
    """Bring everything to what `outlook` says, and the maps of the `stale` files; notes."""
    work = files.work(outlook)  # before the lock: a certificate takes a second to make
    sources = [(ManagedPath(path), _source(path, outlook, files)) for path in stale]
    entries = tuple(
        (path, None if data is None else FileEntry.of(path, data)) for path, data in sources
    )
    contents = {
        entry.digest: data or b""
        for (_, entry), (_, data) in zip(entries, sources, strict=True)
        if entry is not None
    }
    plan = Plan(NOWHERE, NOWHERE, maps=entries, services=work)
    maps = map_builder(root)
    activator = Activator(_OwnTree(root, _places(outlook, stale)), ForgetfulJournal(), maps)
    with TreeLock(root / TREE_LOCK)():
        activator.recover(_refuse)  # sweeps what a run before this one left behind
        notes = activator.activate(plan, contents, _refuse) if work or entries else ()
        maps.build_aliases(tree)
    return (*notes, *files.put_right(work))


class _OwnTree(DiskTree):
    """The tree, of which only what is written here is ours to sweep."""

    def __init__(self, root: Path, targets: Sequence[str]) -> None:
        super().__init__(root)
        self._beside = [name for path in targets for name in (staged(path), backup(path))]

    def staged(self) -> Sequence[str]:
        """See the port."""
        return [name for name in self._beside if self.stat(name) is not None]


def _places(outlook: Outlook, stale: Sequence[str]) -> list[str]:
    """Every path that a run may write: all service files, so that what an earlier one left beside
    one is found, and the maps.
    """
    paths = [*(file.path for file in outlook.rendered), *(c.path for c in outlook.changes)]
    return [*paths, *map(map_of, MAPPED), *(map_of(staged(path)) for path in stale), *stale]


def _source(path: str, outlook: Outlook, files: ServiceFiles) -> bytes | None:
    """What the file at `path` will be: made now, or what lies there."""
    made = (change.new for change in outlook.changes if change.path == path)
    data = next(made, None)
    return files.lies_at(path) if data is None else data


def _refuse(path: str, _content: bytes) -> None:
    raise HostError("was made by somebody else just now", where=path, mend="run it again")
