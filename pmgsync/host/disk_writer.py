"""The primitive steps of an apply on a real disk (`ports.TreeWriter`).

A new file gets its owner and mode before its first byte, and no partial file is left where a write
fails. Every name is taken below a folder handle (`folders.py`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pmgsync.errors import StageError
from pmgsync.host.faults import host_error
from pmgsync.host.folders import open_folder, split
from pmgsync.host.owners import Owners

# The contents of a batch are all sent to the disk before the first fsync waits: so one commit of
# the file system's journal serves many files, which is three times as quick as one after the other,
# and quicker than threads. fsync and not fdatasync: mode and owner of a new file must be on disk
# too.
SYNC_AT_ONCE = 128

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


Opened = Sequence[tuple[str, int]]
"""Files by path and handle."""


class DiskWriter:
    """Writes below `root`."""

    def __init__(self, root: Path, owners: Owners) -> None:
        self._root = str(root)
        self._owners = owners

    def write(self, path: str, content: bytes, *, mode: int, ownership: str) -> str:
        """See the port."""
        folder, name = split(path)
        uid, gid, note = self._owners.resolve(ownership)
        try:
            with open_folder(self._root, folder, make=True, kind=StageError) as handle:
                opened = _make(name, handle)
                try:
                    _fill(opened, content, uid, gid, mode)
                except OSError:
                    os.unlink(name, dir_fd=handle)
                    raise
                finally:
                    os.close(opened)
        except OSError as error:
            raise host_error(error, path, "write it", kind=StageError) from None
        return f"{path}: {note}" if note else ""

    def set_attributes(self, path: str, *, mode: int, ownership: str) -> None:
        """See the port."""
        folder, name = split(path)
        uid, gid, _ = self._owners.resolve(ownership)
        try:
            with open_folder(self._root, folder) as handle:
                opened = os.open(name, _OLD, dir_fd=handle)
                try:
                    _own(opened, uid, gid, mode)
                finally:
                    os.close(opened)
        except OSError as error:
            raise host_error(error, path, "give it its mode and owner") from None

    def link(self, path: str, new: str) -> None:
        """See the port."""
        self._in_one_folder(path, new, "give it a second name", _link)

    def rename(self, path: str, new: str) -> None:
        """See the port."""
        self._in_one_folder(path, new, "replace it", _rename)

    def remove(self, path: str) -> None:
        """See the port."""
        folder, name = split(path)
        try:
            with open_folder(self._root, folder) as handle:
                os.unlink(name, dir_fd=handle)
        except FileNotFoundError:
            return
        except OSError as error:
            raise host_error(error, path, "remove it") from None

    def remove_folder(self, path: str) -> None:
        """See the port."""
        folder, name = split(path)
        try:
            with open_folder(self._root, folder) as handle:
                os.stat(name, dir_fd=handle, follow_symlinks=False)
                walk = os.fwalk(name, topdown=False, follow_symlinks=False, dir_fd=handle)
                for _, below, files, inside in walk:
                    if files:
                        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
                    for empty in below:
                        os.rmdir(empty, dir_fd=inside)
                os.rmdir(name, dir_fd=handle)
        except FileNotFoundError:
            return
        except OSError as error:
            raise host_error(error, path, "remove the folder") from None

    def sync_files(self, paths: Sequence[str]) -> None:
        """See the port."""
        for first in range(0, len(paths), SYNC_AT_ONCE):
            with self.opened(paths[first : first + SYNC_AT_ONCE]) as files:
                sync(files)

    @contextmanager
    def opened(self, paths: Sequence[str]) -> Iterator[Opened]:
        """Handles of these files, for `sync`."""
        files: list[tuple[str, int]] = []
        try:
            for path in paths:
                files.append((path, self._open_old(path)))
            yield files
        finally:
            for _, handle in files:
                os.close(handle)

    def _open_old(self, path: str) -> int:
        folder, name = split(path)
        try:
            with open_folder(self._root, folder) as below:
                return os.open(name, _OLD, dir_fd=below)
        except OSError as error:
            raise host_error(error, path, "bring it to disk") from None

    def sync_folders(self, folders: Iterable[str]) -> None:
        """See the port."""
        for folder in dict.fromkeys(folders):
            try:
                with open_folder(self._root, folder) as handle:
                    os.fsync(handle)
            except OSError as error:
                raise host_error(error, folder, "bring the folder to disk") from None

    def _in_one_folder(
        self, path: str, new: str, doing: str, work: Callable[[str, str, int], None]
    ) -> None:
        """`work` on both names and the handle of their folder; errors name `new`."""
        (folder, name), (new_folder, new_name) = split(path), split(new)
        if folder != new_folder:
            raise RuntimeError(f"{path!r} and {new!r} are not in one folder")
        try:
            with open_folder(self._root, folder) as handle:
                work(name, new_name, handle)
        except OSError as error:
            raise host_error(error, new, doing) from None


def _make(name: str, handle: int) -> int:
    """A new file, in the place of an old one of that name (a crash may have left it)."""
    try:
        return os.open(name, _NEW, 0o600, dir_fd=handle)
    except FileExistsError:
        os.unlink(name, dir_fd=handle)
        return os.open(name, _NEW, 0o600, dir_fd=handle)


def _link(name: str, new: str, handle: int) -> None:
    """A second name, in the place of an old one (a crash may have left it)."""
    try:
        os.link(name, new, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)
    except FileExistsError:
        os.unlink(new, dir_fd=handle)
        os.link(name, new, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)


def _rename(name: str, new: str, handle: int) -> None:
    os.rename(name, new, src_dir_fd=handle, dst_dir_fd=handle)


def sync(files: Opened) -> None:
    """Return when the contents of these files are on disk. Touches nothing but their handles."""
    for path, handle in files:
        try:
            if len(files) > 1:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            raise host_error(error, path, "bring it to disk") from None
    for path, handle in files:
        try:
            os.fsync(handle)
        except OSError as error:
            raise host_error(error, path, "bring it to disk") from None


def _own(opened: int, uid: int, gid: int, mode: int) -> None:
    if os.geteuid() == 0:
        os.fchown(opened, uid, gid)
    os.fchmod(opened, mode)  # after chown, which takes away set-id bits; not cut by the umask


def _fill(opened: int, content: bytes, uid: int, gid: int, mode: int) -> None:
    _own(opened, uid, gid, mode)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(opened, rest) :]
