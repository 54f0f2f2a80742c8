"""Says "look" when something moved in the synced places (`ports.ChangeSource`), read on the event
loop: how a node hears of drift.

What a node applies is most of what moves there, and all of it is told: six events a file, each of
which would wake the three threads of watchdog, just when the loop's thread is writing (ADR 0009).
Here the kernel's queue is read when the loop is idle again, in one call, and what this program
itself staged and moved into place asks for no look.

One watch for each folder. Events of folders, a queue that ran over, and a watched folder that went
away set the watches anew and ask for a look everywhere (`places.py`).
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from pmgsync.errors import HostError
from pmgsync.host.faults import plainly
from pmgsync.host.places import EVERYTHING, ON_THE_WAY, folders, look_for, together, watches
from pmgsync.model.scope import STAGE_PREFIX
from pmgsync.ports import ChangeSource, Look

# inotify(7); these numbers are the kernel's and never change.
_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_ONLY_FOLDER, _NO_FOLLOW, _IS_FOLDER = 0x0100_0000, 0x0200_0000, 0x4000_0000

_CAME_OR_WENT = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_ITSELF = _DELETE_SELF | _MOVE_SELF | _UNMOUNT
_WANTED = (
    _MODIFY | _ATTRIB | _CLOSE_WRITE | _CAME_OR_WENT | _DELETE_SELF | _MOVE_SELF
    | _ONLY_FOLDER | _NO_FOLLOW
)  # fmt: skip
_HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows
_READ_BYTES = 64 << 10
_ARM_TRIES = 3

_libc = ctypes.CDLL(None, use_errno=True)


class LoopSource(ChangeSource):
    """The looks below `root`. `wait` and `close` belong to the loop, `rearm` to any thread."""

    def __init__(self, root: Path) -> None:
        """Watch from now on; `HostError` if the kernel gives no watches."""
        self._root = os.path.realpath(root)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._came = asyncio.Event()
        self._look = Look()
        self._rearm_due = False
        self._arming = threading.Lock()
        self._watched: dict[int, str] = {}
        self._arriving = 0
        """The kernel's cookie for the last staged file that left its name."""
        self._handle = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._handle < 0:
            raise self._refusal()
        try:
            self.rearm()
        except HostError:
            os.close(self._handle)
            raise

    async def wait(self) -> Look:
        """See the port."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._handle, self._read)
        while not self._look:
            self._came.clear()
            await self._came.wait()
        if self._rearm_due:
            self._rearm_due = False
            await asyncio.to_thread(self.rearm)
        # Folders that moved while we armed: the next call arms again and looks once more.
        look, self._look = self._look, Look(everywhere=self._rearm_due)
        return look

    def rearm(self) -> None:
        """See the port."""
        with self._arming:
            for _ in range(_ARM_TRIES):
                found = folders(self._root)
                below = [folder for folder in found if folder not in ON_THE_WAY]
                self._watch([*watches(found), *below])
                if folders(self._root) == found:
                    return
            # They keep moving, and so are told of by now.

    def close(self) -> None:
        """Stop watching; a `wait` in progress goes on waiting."""
        if self._loop is not None:
            self._loop.remove_reader(self._handle)
        os.close(self._handle)

    def _watch(self, wanted: list[str]) -> None:
        added = {number: folder for folder in wanted if (number := self._add(folder)) >= 0}
        old, self._watched = self._watched, added
        for number in old.keys() - added.keys():
            _libc.inotify_rm_watch(self._handle, number)  # it may be gone already

    def _add(self, folder: str) -> int:
        path = os.fsencode(os.path.join(self._root, folder) if folder else self._root)
        number = int(_libc.inotify_add_watch(self._handle, path, _WANTED))
        # One that went meanwhile has been told of by the folder above it.
        gone = folder and ctypes.get_errno() in (errno.ENOENT, errno.ENOTDIR)
        if number < 0 and not gone:
            raise self._refusal()
        return number

    def _refusal(self) -> HostError:
        number = ctypes.get_errno()
        what, mend = plainly(OSError(number, os.strerror(number)))
        return HostError(
            f"cannot watch for changes: {what}",
            where=self._root,
            mend=f"{mend} (sysctl fs.inotify.max_user_watches, max_user_instances)",
        )

    def _read(self) -> None:
        try:
            data = os.read(self._handle, _READ_BYTES)
        except BlockingIOError:
            return
        for number, mask, cookie, name in _events(data):
            self._note(number, mask, cookie, name)
        if self._look:
            self._came.set()

    def _note(self, number: int, mask: int, cookie: int, name: str) -> None:
        folder = self._watched.get(number)
        if mask & _OVERFLOW:
            self._ask(EVERYTHING)
        elif folder is None or mask & _IGNORED or self._is_ours(mask, cookie, name):
            return
        elif mask & _ITSELF:
            self._ask(look_for(folder, is_folder=True))
        elif not mask & _IS_FOLDER or mask & _CAME_OR_WENT:
            path = f"{folder}/{name}" if folder else name
            self._ask(look_for(path, is_folder=bool(mask & _IS_FOLDER)))

    def _is_ours(self, mask: int, cookie: int, name: str) -> bool:
        """Is it a file that this program staged, on its way into place?"""
        if mask & _MOVED_FROM and name.startswith(STAGE_PREFIX):
            self._arriving = cookie
        return bool(mask & (_MOVED_FROM | _MOVED_TO)) and cookie == self._arriving

    def _ask(self, look: Look) -> None:
        self._rearm_due |= look.everywhere
        self._look = together(self._look, look)


def _events(data: bytes) -> Iterator[tuple[int, int, int, str]]:
    """Watch, mask, cookie and name of each event."""
    at = 0
    while at < len(data):
        number, mask, cookie, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size + length
        yield number, mask, cookie, os.fsdecode(data[at - length : at].rstrip(b"\0"))
