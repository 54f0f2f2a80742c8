"""The log of the daemon: lines on stderr, for journald or for a terminal, without secrets.

journald takes a line's priority from `<N>` at its start, and adds the time itself; it says by
JOURNAL_STREAM that stderr is its. What can only be a credential is masked in every line, as a last
line of defence; a log is prose, so a word after "token" or "password" stays.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, TextIO

from pmgsync.model.credentials import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
_SECRETS = (
    re.compile(r"(?P<key>\b[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/@:]*:)?)[^\s/@]+(?=@)"),  # in a URL
    re.compile(r"(?P<key>)\$[0-9a-z]{1,3}\$[^\s:\"']+"),  # a password's hash
    re.compile(r"(?P<key>(?<![\w-])join-)[\w-]{20,}=*"),  # a join token
    re.compile(r"(?P<key>)(?<![\w-])[A-Za-z2-7]{4}(?:-[A-Za-z2-7]{4}){13}(?![\w-])"),  # recovery
    re.compile(r"(?P<key>--token[ =])(?!TOKEN\b)\S+"),
    re.compile(r"(?P<key>\bbindpw[ \t]+)\S+"),
    re.compile(
        r"""(?ix) (?P<key> (?<![\w.-]) [\w.-]*
            (?: pass | passwd | password | passphrase | pwd | bindpw | secret | token
              | api[_-]?key | client[_-]?key | private[_-]?key )
            (?: \s* = \s* | ["'] \s* [:=] \s* ) )
        (?: "[^"]*" | '[^']*' | \S+ )"""
    ),
)


class LineFormatter(logging.Formatter):
    """Each line of a record (a traceback has many) with its priority, or with time and level."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """The lines of `record`."""
        text = super().format(record)
        if self._journal:
            head = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        else:
            head = (
                f"{self.formatTime(record, '%H:%M:%S')}.{record.msecs:03.0f} {record.levelname:7} "
            )
        lines = [masked(line) for line in text.splitlines()] or [""]
        return "\n".join(f"{head}{line}" for line in lines)


def masked(line: str) -> str:
    """`line` without what can only be a secret."""
    for pattern in _SECRETS:
        line = pattern.sub(rf"\g<key>{MASK}", line)
    return line


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
