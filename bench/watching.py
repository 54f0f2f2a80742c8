"""The measuring end: puts files as PMG does, and sees on the nodes when the right bytes are there.

Inotify on each node's folder wakes us, reading the file decides; between two events we sleep, so
the looking costs the daemons nothing but that wake-up.
"""

from __future__ import annotations

import ctypes
import os
import random
import select
import struct
import time
from typing import TYPE_CHECKING

from machines import BenchError

if TYPE_CHECKING:
    from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
MOVED_TO = 0x80
CLOSE_WRITE = 0x08
OVERFLOW = 0x4000
HEAD = struct.Struct("iIII")


class Watcher:
    """Tells when files first hold the wanted bytes on each of `folders`."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders
        self._fd = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._which = {self._watch(folder): at for at, folder in enumerate(folders)}
        self._want: dict[str, bytes] = {}
        self.seen: dict[tuple[int, str], float] = {}

    def _watch(self, folder: Path) -> int:
        number = int(LIBC.inotify_add_watch(self._fd, os.fsencode(folder), MOVED_TO | CLOSE_WRITE))
        if number < 0:
            raise BenchError(f"cannot watch {folder}: {os.strerror(ctypes.get_errno())}")
        return number

    def expect(self, wanted: dict[str, bytes]) -> None:
        """From now on these files and bytes are waited for, and nothing else."""
        self._events()
        self._want = dict(wanted)
        self.seen.clear()

    def wait(self, seconds: float = 30.0) -> float:
        """When the last of them had arrived on the last node."""
        end = time.monotonic() + seconds
        left = len(self._want) * len(self.folders)
        while len(self.seen) < left:
            now = time.monotonic()
            if now > end:
                self._sweep()
                if len(self.seen) < left:
                    raise BenchError(f"{left - len(self.seen)} of {left} files did not arrive")
                break
            if not select.select([self._fd], [], [], min(1.0, end - now))[0]:
                self._sweep()
            self._events()
        return max(self.seen.values())

    def close(self) -> None:
        """Watch no more."""
        os.close(self._fd)

    def _events(self) -> None:
        try:
            data = os.read(self._fd, 1 << 18)
        except BlockingIOError:
            return
        now, at = time.monotonic(), 0
        todo: dict[tuple[int, str], None] = {}
        while at < len(data):
            number, mask, _, length = HEAD.unpack_from(data, at)
            at += HEAD.size
            name = data[at : at + length].rstrip(b"\0").decode("utf-8", "replace")
            at += length
            if mask & OVERFLOW:
                self._sweep()
            elif number in self._which and name in self._want:
                todo[self._which[number], name] = None
        for which, name in todo:
            self._check(which, name, now)

    def _check(self, which: int, name: str, now: float) -> None:
        if (which, name) in self.seen:
            return
        try:
            data = (self.folders[which] / name).read_bytes()
        except OSError:
            return
        if data == self._want[name]:
            self.seen[which, name] = now

    def _sweep(self) -> None:
        now = time.monotonic()
        for name in self._want:
            for which in range(len(self.folders)):
                self._check(which, name, now)


def put(folder: Path, name: str, data: bytes) -> float:
    """Write as PMG does, beside the target and then rename; the moment just before the rename."""
    aside = folder / f"{name}.tmp.{os.getpid()}"
    aside.write_bytes(data)
    aside.chmod(0o600)
    before = time.monotonic()
    aside.rename(folder / name)
    return before


def text(rng: random.Random, size: int) -> bytes:
    """Lines as in a configuration, never twice the same."""
    words = ("smtp", "relay", "greylist", "domain", "spam", "virus", "tls", "quota", "queue")
    lines: list[str] = []
    length = 0
    while length < size:
        line = f"{rng.choice(words)}_{rng.getrandbits(24):x}: {rng.getrandbits(32):x}\n"
        lines.append(line)
        length += len(line)
    return "".join(lines)[:size].encode()


def percentile(values: list[float], percent: float) -> float:
    """The value below which so many percent lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(percent / 100 * len(ordered)))]
