"""Locks that end with the process that holds them, however that ends: one daemon a root, and one
writer at a time of a file, or in its tree.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmgsync.errors import HostError, OperatorError
from pmgsync.host.clock import pause
from pmgsync.host.faults import host_error

_TRY_EVERY_S = 0.02


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock at `path` (whose folder is made); `OperatorError` if another process holds it.

    The file holds the number of the process, for people. It is never removed: a process that has it
    open would lock a file that nobody else can find.
    """
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise host_error(error, str(path), "open the lock") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(path, handle) from None
        try:
            os.ftruncate(handle, 0)
            os.write(handle, b"%d\n" % os.getpid())
        except OSError as error:  # a full disk
            raise host_error(error, str(path), "write the lock") from None
        yield
    finally:
        os.close(handle)


@contextmanager
def wait_for_lock(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock of writers at `path`: a file, made where it is missing, or a folder.

    PMG's own writers take it in the same way (flock). `HostError` if another process holds it for
    longer than `seconds`.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise host_error(error, str(path), "open the lock") from None
    try:
        tries = max(1, round(seconds / _TRY_EVERY_S))
        while not _taken(handle):
            if not (tries := tries - 1):
                raise HostError(
                    "another writer of this file has not finished",
                    where=str(path),
                    mend="see what PMG or another admin is doing there, then try again",
                )
            pause(_TRY_EVERY_S)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(path: Path, handle: int) -> OperatorError:
    holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
    return OperatorError(
        f"another pmgsyncd (pid {holder}) runs on this root",
        where=str(path),
        mend="stop it first, or give this one another --root",
    )


class TreeLock:
    """Whoever writes in the tree does so inside `with lock():`, and waits while another one does.

    The file is opened at the first use and stays open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold it; `HostError` where it cannot be opened."""
        handle = self._open() if self._handle is None else self._handle
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._handle = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise host_error(error, str(self._path), "open the lock") from None
        return self._handle
