"""Folder handles: the one way by which pmgsync reaches a file below its root.

Each component of a path is opened below the handle of the one before, with `O_NOFOLLOW |
O_DIRECTORY`. So a symbolic link planted at any level is refused instead of followed, also when it
is planted between two calls. The root itself is the admin's choice and may be a link.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pmgsync.errors import HostError
from pmgsync.host.faults import host_error
from pmgsync.model import scope
from pmgsync.model.paths import printable

_ROOT_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER_FLAGS = _ROOT_FLAGS | os.O_NOFOLLOW
# A FIFO must not hang the open, a terminal must not become ours.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def split(path: str) -> tuple[str, str]:
    """Folder and name of `path`. A path that could leave the root is a mistake in our own code."""
    folder, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        raise RuntimeError(f"not a path to a file: {path!r}")
    return folder, name


class _Kept(threading.local):
    """Handles that this thread keeps, by root and folder; None: it keeps none."""

    handles: dict[tuple[str, str], int] | None = None


_kept = _Kept()


@contextmanager
def kept_handles() -> Iterator[None]:
    """What this thread does inside is done at once: each folder is opened once, and kept until the
    end. Opening every component anew for every step is most of what a small activation costs.
    """
    if _kept.handles is not None:
        yield
        return
    _kept.handles = {}
    try:
        yield
    finally:
        handles, _kept.handles = _kept.handles, None
        for handle in handles.values():
            os.close(handle)


class _Handle:
    """An open handle, closed at the end unless it is `kept`. (No generator: a small activation
    opens its folder ten times.)
    """

    __slots__ = ("_handle", "_kept")

    def __init__(self, handle: int, *, kept: bool) -> None:
        self._handle = handle
        self._kept = kept

    def __enter__(self) -> int:
        return self._handle

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            os.close(self._handle)


def open_folder(
    root: str, folder: str, *, make: bool = False, kind: type[HostError] = HostError
) -> _Handle:
    """For `with`: the handle of `folder` below `root`; with `make`, missing folders are made.

    `FileNotFoundError` where it does not exist (the caller knows what that means); an error of
    `kind` that names the component for everything else, also for what is done under the handle.
    """
    handles = _kept.handles
    if handles is None:
        return _Handle(_open(root, folder, make=make, kind=kind), kept=False)
    handle = handles.get((root, folder))
    if handle is None:
        handle = handles[root, folder] = _open(root, folder, make=make, kind=kind)
    return _Handle(handle, kept=True)


def read_file(root: str, path: str, limit: int) -> bytes | None:
    """The content of the plain file at `path` below `root`; None where there is none.

    `HostError` for what cannot be read, is no plain file or is larger than `limit` bytes. For the
    commands, which read once; `disk.py` sees to it that a file does not change meanwhile.
    """
    folder, name = split(path)
    try:
        with open_folder(root, folder) as handle:
            opened = os.open(name, _FILE_FLAGS, dir_fd=handle)
            try:
                if not stat.S_ISREG(os.fstat(opened).st_mode):
                    raise HostError("is no plain file", where=printable(path), mend="replace it")
                with open(opened, "rb", closefd=False) as file:
                    data = file.read(limit + 1)
            finally:
                os.close(opened)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise host_error(error, path, "read it") from None
    if len(data) > limit:
        raise HostError(
            f"is larger than {limit} bytes", where=printable(path), mend="make it smaller"
        )
    return data


def _open(root: str, folder: str, *, make: bool, kind: type[HostError]) -> int:
    try:
        handle = os.open(root, _ROOT_FLAGS)
    except OSError as error:
        raise host_error(error, root, "open the root folder", kind=kind) from None
    try:
        so_far = ""
        for element in folder.split("/") if folder else ():
            so_far = f"{so_far}/{element}" if so_far else element
            below = _open_below(handle, element, so_far, make=make, kind=kind)
            os.close(handle)
            handle = below
    except BaseException:
        os.close(handle)
        raise
    return handle


def _open_below(
    handle: int, element: str, so_far: str, *, make: bool, kind: type[HostError]
) -> int:
    if element in ("", ".", ".."):
        raise RuntimeError(f"not a path to a folder: {so_far!r}")
    try:
        return os.open(element, _FOLDER_FLAGS, dir_fd=handle)
    except FileNotFoundError:
        if not make:
            raise
    except OSError as error:
        raise _refusal(error, handle, element, so_far, kind) from None
    try:
        return _make_below(handle, element, scope.folder_mode(so_far))
    except OSError as error:
        raise host_error(error, so_far, "make the folder", kind=kind) from None


def _make_below(handle: int, element: str, mode: int) -> int:
    os.mkdir(element, 0o700, dir_fd=handle)
    made = os.open(element, _FOLDER_FLAGS, dir_fd=handle)
    try:
        os.fchmod(made, mode)  # mkdir's own mode is cut by the umask
        # A file inside is durable only if the folder is; so rare that it need not wait for
        # sync_folders.
        os.fsync(handle)
    except OSError:
        os.close(made)
        raise
    return made


def _refusal(
    error: OSError, handle: int, element: str, so_far: str, kind: type[HostError]
) -> HostError:
    """ENOTDIR is what the kernel says for a link and for a file alike; tell them apart."""
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        if _is_link(handle, element):
            return kind(
                "is a symbolic link",
                where=printable(so_far),
                mend="links are never followed; put a real folder there",
            )
        return kind("is not a folder", where=printable(so_far), mend="remove it or move it away")
    return host_error(error, so_far, "open the folder", kind=kind)


def _is_link(handle: int, element: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(element, dir_fd=handle, follow_symlinks=False).st_mode)
    except OSError:
        return False
