"""The synced places on a real disk, read without ever following a link (`ports.TreeReader`).

`DiskTree` is reader and writer in one; the writing half is `disk_writer.py`. The owner in a `Seen`
is the one that the scope table wants wherever the file lies as `write` would put it on this
machine: where the wanted account does not exist (root stands in), or where we are not root (files
are our own), such a file is as it should be.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from pmgsync.errors import HostError
from pmgsync.host.clock import pause
from pmgsync.host.disk_writer import SYNC_AT_ONCE, DiskWriter, Opened, sync
from pmgsync.host.faults import host_error
from pmgsync.host.folders import kept_handles, open_folder, split
from pmgsync.host.owners import Owners
from pmgsync.host.sync_thread import SyncThread
from pmgsync.host.writers import has_writer
from pmgsync.model import scope
from pmgsync.model.paths import MAX_PATH_BYTES, printable
from pmgsync.ports import Attributes, FileKind, Seen, TreeReader, TreeWriter

PLACES = (scope.PMG, scope.SPAMASSASSIN)
"""The tops of the synced places; all other folders lie below them."""

# A writer that rewrites a file in place is done within microseconds; one that never stops is an
# error.
_READ_TRIES = 6
_READ_PAUSE_S = 0.002

# A FIFO must not hang the open, a terminal must not become ours.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class DiskReader(TreeReader):
    """Reads below `root`."""

    def __init__(
        self, root: Path, owners: Owners | None = None, service_folders: Sequence[str] = ()
    ) -> None:
        self._root = str(root)
        self._owners = owners or Owners()
        self._service_folders = tuple(service_folders)

    def walk(self, start: str = "") -> Iterable[Seen]:
        """See the port. One folder is open at a time: neither depth nor number costs handles."""
        folders = [] if start else list(PLACES)
        if start:
            yield from self._walk_start(start, folders)
        while folders:
            yield from self._walk_folder(folders.pop(), folders)

    def _walk_start(self, start: str, folders: list[str]) -> Iterator[Seen]:
        if any(scope.is_leaving(element) for element in start.split("/")):
            return
        try:
            seen = self.stat(start)
        except HostError:  # a parent is a link or cannot be opened: what lies here cannot be told
            yield Seen(start, FileKind.UNREADABLE)
            return
        if seen is not None:
            yield from _report(seen, folders)

    def _walk_folder(self, folder: str, folders: list[str]) -> Iterator[Seen]:
        if len(os.fsencode(folder)) > MAX_PATH_BYTES:
            yield Seen(folder, FileKind.UNREADABLE)
            return
        found: list[Seen] = []
        try:
            with open_folder(self._root, folder) as handle, os.scandir(handle) as entries:
                for entry in entries:
                    if not scope.is_leaving(entry.name):
                        found += self._seen_entry(f"{folder}/{entry.name}", entry)
        except FileNotFoundError:
            return
        except (OSError, HostError):
            yield self._obstacle(folder)
            return
        for seen in found:
            yield from _report(seen, folders)

    def _obstacle(self, folder: str) -> Seen:
        """What lies where `folder` could not be listed: a link, say, or a folder that is closed."""
        try:
            seen = self.stat(folder)
        except HostError:
            seen = None
        if seen is None or seen.kind is FileKind.FOLDER:
            return Seen(folder, FileKind.UNREADABLE)
        return seen

    def _seen_entry(self, path: str, entry: os.DirEntry[str]) -> Iterator[Seen]:
        try:
            yield self._seen(path, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            return  # gone since the folder was listed
        except OSError:
            yield Seen(path, FileKind.UNREADABLE)

    def stat(self, path: str) -> Seen | None:
        """See the port. `HostError` where a folder on the way is a link."""
        folder, name = split(path)
        try:
            with open_folder(self._root, folder) as handle:
                return self._seen(path, os.stat(name, dir_fd=handle, follow_symlinks=False))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise host_error(error, path) from None

    def read(self, path: str, *, limit: int, ask_for_writers: bool = False) -> tuple[bytes, Seen]:
        """See the port."""
        folder, name = split(path)
        try:
            with open_folder(self._root, folder) as handle:
                for attempt in range(_READ_TRIES):
                    if attempt:
                        pause(_READ_PAUSE_S)
                    got = self._read_once(path, name, handle, limit, ask=ask_for_writers)
                    if got is not None:
                        return got
        except OSError as error:
            raise host_error(error, path, "read it") from None
        raise HostError(
            "keeps changing while it is read",
            where=printable(path),
            mend="it is read again when its writer is done",
        )

    def _read_once(
        self, path: str, name: str, handle: int, limit: int, *, ask: bool
    ) -> tuple[bytes, Seen] | None:
        """Content and stat of one moment; None if the file changed meanwhile."""
        # Looked at before it is opened: opening some devices has effects.
        _require_file(self._seen(path, os.stat(name, dir_fd=handle, follow_symlinks=False)))
        opened = os.open(name, _READ_FLAGS, dir_fd=handle)
        try:
            before = self._seen(path, os.fstat(opened))
            _require_file(before)
            if before.size > limit:
                raise HostError(
                    f"is larger than {limit} bytes",
                    where=printable(path),
                    mend="make it smaller or remove it",
                )
            data = _read_at_most(opened, before.size + 1)
            # Before the second look, which sees what a writer has done who is gone by now.
            being_written = ask and has_writer(opened)
            after = self._seen(path, os.fstat(opened))
            if before != after or len(data) != after.size:
                return None
            return data, replace(after, being_written=True) if being_written else after
        finally:
            os.close(opened)

    def can_write(self, folder: str) -> bool:
        """See the port."""
        try:
            with open_folder(self._root, folder) as handle:
                return os.access(".", os.W_OK, dir_fd=handle, effective_ids=True)
        except OSError as error:
            raise host_error(error, folder) from None

    def has_attributes(self, path: str, mode: int, ownership: str) -> bool:
        """See the port."""
        folder, name = split(path)
        try:
            with open_folder(self._root, folder) as handle:
                found = os.stat(name, dir_fd=handle, follow_symlinks=False)
        except OSError as error:
            raise host_error(error, path) from None
        wanted = self._owners.resolve(ownership)[:2]
        return stat.S_IMODE(found.st_mode) == mode and wanted == (found.st_uid, found.st_gid)

    def staged(self) -> Sequence[str]:
        """See the port."""
        found: list[str] = []
        folders = [*PLACES, *(f for f in self._service_folders if f not in PLACES)]
        while folders:
            folder = folders.pop()
            try:
                with open_folder(self._root, folder) as handle, os.scandir(handle) as entries:
                    for entry in entries:
                        path = f"{folder}/{entry.name}"
                        if entry.name.startswith(scope.STAGE_PREFIX):
                            found.append(path)
                        elif entry.is_dir(follow_symlinks=False) and _is_entered(path):
                            folders.append(path)
            except (OSError, HostError):
                continue  # nothing can be staged where nothing can be listed
        return sorted(found)

    def _seen(self, path: str, status: os.stat_result) -> Seen:
        return Seen(
            path,
            _kind_of(status.st_mode),
            status.st_size,
            stat.S_IMODE(status.st_mode),
            self._ownership(path, status.st_uid, status.st_gid),
            status.st_ino,
            max(status.st_mtime_ns, status.st_ctime_ns),
            status.st_mtime_ns,
        )

    def _ownership(self, path: str, uid: int, gid: int) -> str:
        rule = scope.rule_for(path)
        if rule is not None and self._owners.resolve(rule.ownership)[:2] == (uid, gid):
            return rule.ownership
        return self._owners.text(uid, gid)


class DiskTree(DiskReader, DiskWriter, TreeWriter, Attributes):
    """The tree below `root`, to read and to write. `service_folders`: where service files lie."""

    def __init__(self, root: Path, service_folders: Sequence[str] = ()) -> None:
        owners = Owners()
        DiskReader.__init__(self, root, owners, service_folders)
        DiskWriter.__init__(self, root, owners)
        self._sync_thread = SyncThread()

    def at_once(self) -> AbstractContextManager[None]:
        """What is done inside is done at once: handles of folders are kept for that long."""
        return kept_handles()

    @contextmanager
    def syncing(self, paths: Sequence[str]) -> Iterator[None]:
        """See `agent.activate.Tree`: a helper thread syncs while the body runs."""
        if not paths:
            yield
            return
        # Opened here, where folders are open already, so that a few files are one call to it.
        with self.opened(paths[:SYNC_AT_ONCE]) as first:
            self._sync_thread.begin(partial(self._sync, first, paths[SYNC_AT_ONCE:]))
            try:
                yield
            finally:
                error = self._sync_thread.end()
        if error is not None:
            raise error

    def _sync(self, first: Opened, rest: Sequence[str]) -> None:
        sync(first)
        self.sync_files(rest)


def _report(seen: Seen, folders: list[str]) -> Iterator[Seen]:
    """`seen`, or its place in the queue where it is a folder to enter."""
    if seen.kind is not FileKind.FOLDER:
        yield seen
    elif _is_entered(seen.path):
        folders.append(seen.path)
    elif scope.rule_for(seen.path) is not None:
        yield seen


def _is_entered(folder: str) -> bool:
    rule = scope.rule_for(folder)
    if rule is not None and rule.pattern == folder:
        return False  # the table wants a file of exactly this name
    return folder in PLACES or scope.holds_synced_files(folder)


def _require_file(seen: Seen) -> None:
    if seen.kind is not FileKind.FILE:
        raise HostError(
            f"is a {seen.kind.value}",
            where=printable(seen.path),
            mend="only plain files are synced; replace it",
        )


def _kind_of(mode: int) -> FileKind:
    if stat.S_ISREG(mode):
        return FileKind.FILE
    if stat.S_ISDIR(mode):
        return FileKind.FOLDER
    return FileKind.LINK if stat.S_ISLNK(mode) else FileKind.OTHER


def _read_at_most(opened: int, most: int) -> bytes:
    """Up to `most` bytes; one call for nearly every file."""
    data = os.read(opened, most)
    if not data or len(data) == most:
        return data
    parts, size = [data], len(data)
    while size < most and (data := os.read(opened, most - size)):
        parts.append(data)
        size += len(data)
    return b"".join(parts)
