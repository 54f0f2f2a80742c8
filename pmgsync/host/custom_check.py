"""Runs an admin's own check of mails as PMG's filter would: stdout and stderr apart, to the end of
both, within a deadline.

What the program leaves running holds its output open, and so uses up its time; PMG waits for it,
too. A script without `#!` line is run by the shell, as the C library does it for PMG.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from pmgsync.errors import HostError
from pmgsync.host.clock import SystemClock
from pmgsync.host.faults import plainly

MAX_OUTPUT_BYTES = 64 << 10
"""More of a stream is read, but not kept."""

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_CHUNK_BYTES = 16 << 10


@dataclass(slots=True)
class CheckRun:
    """How it ended. `status` is None where it did not end in time, negative for a signal."""

    status: int | None = None
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    seconds: float = 0.0


def run_check(program: str, *arguments: str, timeout: float) -> CheckRun:
    """Run `program`; `HostError` where it cannot be started at all."""
    clock = SystemClock()
    begin = clock.monotonic()
    run = CheckRun()
    with _start(program, arguments) as process:
        is_done = False
        try:
            is_done = _collect(process, run, begin + timeout)
        finally:
            if not is_done:
                _end_group(process)
        if is_done:
            run.status = process.wait()
    run.seconds = clock.monotonic() - begin
    return run


def _start(program: str, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    try:
        return _popen(program, *arguments)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            return _popen("/bin/sh", program, *arguments)
        what, mend = _cause(program, error)
        raise HostError(what, where=program, mend=mend) from None


def _popen(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=_ENVIRONMENT,
        process_group=0,
    )


def _cause(program: str, error: OSError) -> tuple[str, str]:
    """Why it cannot be started, and the mend."""
    if error.errno == errno.ENOENT and os.path.exists(program):
        return "its interpreter does not exist", "correct its first line (`#!`; a CR at its end?)"
    if error.errno == errno.ENOENT:
        return "does not exist", "put the program there"
    if error.errno == errno.EACCES and os.path.isfile(program):
        return "is not executable", f"chmod 755 {program}"
    what, _ = plainly(error)
    return f"cannot be started: {what}", "put a program there"


def _collect(process: subprocess.Popen[bytes], run: CheckRun, deadline: float) -> bool:
    """Read both streams to their ends, and wait for the process; False where the time is up."""
    clock = SystemClock()
    with selectors.DefaultSelector() as selector:
        for stream, kept in ((process.stdout, run.output), (process.stderr, run.errors)):
            selector.register(_required(stream), selectors.EVENT_READ, kept)
        ended = os.pidfd_open(process.pid)
        try:
            selector.register(ended, selectors.EVENT_READ)
            while selector.get_map():
                left = deadline - clock.monotonic()
                ready = selector.select(left) if left > 0 else []
                if not ready:
                    return False
                for key, _ in ready:
                    if key.fd == ended or not _take(key.fd, key.data):
                        selector.unregister(key.fileobj)
        finally:
            os.close(ended)
    return True


def _take(descriptor: int, kept: bytearray) -> bool:
    """Take what there is; False at the end of the stream."""
    data = os.read(descriptor, _CHUNK_BYTES)
    kept += data[: MAX_OUTPUT_BYTES - len(kept)]
    return bool(data)


def _required(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("started without a pipe")
    return stream


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the program and whatever it started that is still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
