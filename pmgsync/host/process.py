"""Other programs (`ports.CommandRunner`): argument lists, never a shell.

A program gets no input, a fixed short PATH, C's locale and nothing else of our environment (no
socket of systemd, no secrets). It runs in a process group of its own, which is killed as a whole
when its time is up. What a program leaves running when it ends in time (a service, say) is left
alone.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from pmgsync.errors import HostError
from pmgsync.host.clock import SystemClock
from pmgsync.host.faults import plainly
from pmgsync.ports import CommandResult, CommandRunner

MAX_OUTPUT_BYTES = 64 << 10

_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
_PATH = ":".join(_FOLDERS)
_ENVIRONMENT = {"PATH": _PATH, "LC_ALL": "C"}


def _path_of(program: str) -> str | None:
    """Where `program` is, if it is installed. (`shutil` has this, and loads three compressors.)"""
    places = [program] if "/" in program else [f"{folder}/{program}" for folder in _FOLDERS]
    return next((p for p in places if os.path.isfile(p) and os.access(p, os.X_OK)), None)


class SystemRunner(CommandRunner):
    """Runs programs of this machine."""

    def available(self, program: str) -> bool:
        """See the port."""
        return _path_of(program) is not None

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> CommandResult:
        """See the port. A status below zero is the signal that ended the program, negated."""
        program = _path_of(argv[0])
        if program is None:
            raise HostError("is not installed", where=argv[0], mend="install the package it is in")
        with self._start(program, argv) as process:
            try:
                output = _output_of(process, timeout)
            except TimeoutError:
                _kill_group(process)
                raise HostError(
                    f"took longer than {timeout:g} seconds and was ended",
                    where=" ".join(argv)[:200],
                    mend="run it by hand to see why",
                ) from None
            except BaseException:
                _kill_group(process)
                raise
        return CommandResult(process.returncode, output.decode("utf-8", "replace"))

    def _start(self, program: str, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [program, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_ENVIRONMENT,
                process_group=0,
            )
        except (OSError, ValueError) as error:
            what, mend = plainly(error) if isinstance(error, OSError) else (str(error), "")
            raise HostError(f"cannot be started: {what}", where=argv[0], mend=mend) from None


def _output_of(process: subprocess.Popen[bytes], timeout: float) -> bytes:
    """What the process wrote until it ended, bounded; `TimeoutError` when its time is up.

    The end of the process counts, not that of its output: a daemon that it started may hold the
    pipe.
    """
    clock = SystemClock()
    deadline = clock.monotonic() + timeout
    output = bytearray()
    pipe = process.stdout
    if pipe is None:
        raise RuntimeError("started without a pipe")
    os.set_blocking(pipe.fileno(), False)
    ended = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            while True:
                left = deadline - clock.monotonic()
                ready = selector.select(left) if left > 0 else []
                if not ready:
                    raise TimeoutError
                open_still = _drain(pipe.fileno(), output)
                if any(key.fd == ended for key, _ in ready):
                    return bytes(output)
                if not open_still:
                    selector.unregister(pipe)
    finally:
        os.close(ended)


def _drain(pipe: int, output: bytearray) -> bool:
    """Take what is in the pipe, keep the first of it; False when it has been closed."""
    # Bounded, so that a program that writes without end meets its deadline.
    for _ in range(64):
        try:
            data = os.read(pipe, MAX_OUTPUT_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        output += data[: MAX_OUTPUT_BYTES - len(output)]
    return True


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the group, then the process is collected by its `with`."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
