"""One daemon a root: a lock that ends with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmgsync.errors import OperatorError
from pmgsync.host.faults import host_error


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


def _held(path: Path, handle: int) -> OperatorError:
    holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
    return OperatorError(
        f"another pmgsyncd (pid {holder}) runs on this root",
        where=str(path),
        mend="stop it first, or give this one another --root",
    )
