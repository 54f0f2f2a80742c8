"""The log of the daemon: lines on stderr, for journald or for a terminal, without secrets.

journald takes a line's priority from `<N>` at its start, and adds the time itself; it says by
JOURNAL_STREAM that stderr is its. Whatever looks like a credential is masked in every line, as a
last line of defence.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, TextIO

from pmgsync.model.textdiff import MASK, mask_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
_TOKEN = re.compile(r"(--token[ =])\S+")


class LineFormatter(logging.Formatter):
    """Each line of a record (a traceback has many) with its priority, or with time and level."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """The lines of `record`."""
        text = _TOKEN.sub(rf"\g<1>{MASK}", super().format(record))
        if self._journal:
            head = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        else:
            head = (
                f"{self.formatTime(record, '%H:%M:%S')}.{record.msecs:03.0f} {record.levelname:7} "
            )
        lines = [mask_credentials(line) for line in text.splitlines()] or [""]
        return "\n".join(f"{head}{line}" for line in lines)


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Is `stream` connected to journald? (Redirected children inherit JOURNAL_STREAM, too.)"""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def set_up_logging(level: str) -> None:
    """Send the log to stderr, from `level` on. May be called again, with another level."""
    environment = os.environ  # noqa: TID251 - systemd says so by JOURNAL_STREAM, and only so
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(journal=is_journal(sys.stderr, environment)))
    logging.raiseExceptions = False  # a closed stderr must not end the daemon
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
