"""The command of `pmgsync run`: it has the terminal, we wait.

Ctrl-C and Ctrl-\\ reach it directly, as it is in the same process group; we ignore them while it
runs, so that its edits are published in good order. SIGTERM and SIGHUP are for us alone and are
handed on.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pmgsync.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOT_FOUND = 127
NOT_EXECUTABLE = 126
BY_SIGNAL = 128

_IGNORED = (signal.SIGINT, signal.SIGQUIT)
_HANDED_ON = (signal.SIGTERM, signal.SIGHUP)
_OURS = (signal.SIGPIPE, signal.SIGXFSZ)  # ignored by Python, not by those who started us


class CannotRunError(OperatorError):
    """The command could not be started; `status` is what a shell would end with."""

    def __init__(self, what: str, *, where: str, status: int) -> None:
        super().__init__(what, where=where)
        self.status = status


def run_child(argv: Sequence[str]) -> int:
    """Run it to its end and return its status as a shell shows it. `CannotRunError` if it cannot
    start.
    """
    before = {number: signal.getsignal(number) for number in (*_IGNORED, *_HANDED_ON)}
    reset = [number for number, was in before.items() if was is not signal.SIG_IGN]
    environment = os.environ  # noqa: TID251 - the command's own, handed on as it is
    with _signals(dict.fromkeys(_IGNORED, signal.SIG_IGN)), _blocked() as mask:
        try:
            pid = os.posix_spawnp(
                argv[0], list(argv), environment, setsigdef=[*reset, *_OURS], setsigmask=mask
            )
        except FileNotFoundError:
            raise CannotRunError("command not found", where=argv[0], status=NOT_FOUND) from None
        except OSError as error:
            what = f"cannot be run: {error.strerror}"
            raise CannotRunError(what, where=argv[0], status=NOT_EXECUTABLE) from None
        return _wait(pid, mask)


def _wait(pid: int, mask: set[int]) -> int:
    def hand_on(number: int, _frame: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    with _signals(dict.fromkeys(_HANDED_ON, hand_on)):
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else BY_SIGNAL - code


@contextmanager
def _blocked() -> Iterator[set[int]]:
    """No signal that is to be handed on comes before there is somebody to hand it to; the mask from
    before.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDED_ON)
    try:
        yield mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _signals(handlers: dict[signal.Signals, signal._HANDLER]) -> Iterator[None]:
    """Handle these signals so within the `with`."""
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
