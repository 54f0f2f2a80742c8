"""The primitive steps of an apply on a real disk (`ports.TreeWriter`).

A new file gets its owner and mode before its first byte, and no partial file is left where a write
fails. Every name is taken below a folder handle (`folders.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from pmgsync.errors import StageError
from pmgsync.host.faults import host_error
from pmgsync.host.folders import open_folder, split
from pmgsync.host.owners import Owners

# fsync in several threads lets the file system put many files into one commit of its journal. fsync
# and not fdatasync: mode and owner of a new file must be on disk too.
_SYNC_THREADS = 8
_SYNC_INLINE = 8

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


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
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=handle)
                opened = os.open(name, _NEW, 0o600, dir_fd=handle)
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

    def link(self, path: str, new: str) -> None:
        """See the port."""
        with self._in_one_folder(path, new, "give it a second name") as (handle, name, new_name):
            with suppress(FileNotFoundError):
                os.unlink(new_name, dir_fd=handle)
            os.link(name, new_name, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)

    def rename(self, path: str, new: str) -> None:
        """See the port."""
        with self._in_one_folder(path, new, "replace it") as (handle, name, new_name):
            os.rename(name, new_name, src_dir_fd=handle, dst_dir_fd=handle)

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

    def sync_files(self, paths: Sequence[str]) -> None:
        """See the port."""
        if len(paths) <= _SYNC_INLINE:
            for path in paths:
                self._sync_file(path)
            return
        with ThreadPoolExecutor(_SYNC_THREADS, "pmgsync-fsync") as pool:
            for _ in pool.map(self._sync_file, paths):
                pass  # raises what the call raised

    def _sync_file(self, path: str) -> None:
        folder, name = split(path)
        try:
            with open_folder(self._root, folder) as handle:
                opened = os.open(name, _OLD, dir_fd=handle)
                try:
                    os.fsync(opened)
                finally:
                    os.close(opened)
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

    @contextmanager
    def _in_one_folder(self, path: str, new: str, doing: str) -> Iterator[tuple[int, str, str]]:
        """The handle of the folder of both, and their names; errors name `new`."""
        (folder, name), (new_folder, new_name) = split(path), split(new)
        if folder != new_folder:
            raise RuntimeError(f"{path!r} and {new!r} are not in one folder")
        try:
            with open_folder(self._root, folder) as handle:
                yield handle, name, new_name
        except OSError as error:
            raise host_error(error, new, doing) from None


def _fill(opened: int, content: bytes, uid: int, gid: int, mode: int) -> None:
    if os.geteuid() == 0:
        os.fchown(opened, uid, gid)
    os.fchmod(opened, mode)  # after chown, which takes away set-id bits; not cut by the umask
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(opened, rest) :]
