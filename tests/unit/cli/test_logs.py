"""Log lines: for journald, for a terminal, without secrets."""

import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pmgsync.cli.logs import LineFormatter, is_journal
from tests.control.fake_node import environment


def record(text: str, level: int = logging.INFO, *args: object) -> logging.LogRecord:
    return logging.LogRecord("pmgsync", level, __file__, 1, text, args, None)


@pytest.mark.parametrize(
    ("level", "head"),
    [
        (logging.DEBUG, "<7>"),
        (logging.INFO, "<6>"),
        (logging.WARNING, "<4>"),
        (logging.ERROR, "<3>"),
        (logging.CRITICAL, "<2>"),
    ],
)
def test_journald_gets_priorities(level: int, head: str) -> None:
    assert LineFormatter(journal=True).format(record("x %d", level, 3)) == f"{head}x 3"


def test_every_line_of_a_record_has_its_priority() -> None:
    assert LineFormatter(journal=True).format(record("a\nb")) == "<6>a\n<6>b"
    assert LineFormatter(journal=True).format(record("")) == "<6>"


def test_a_terminal_gets_time_and_level() -> None:
    line = LineFormatter(journal=False).format(record("x", logging.WARNING))
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} WARNING x", line)


@pytest.mark.parametrize(
    "text",
    [
        "typed: pmgsync join 192.0.2.1 --token hunter2 --root /x",
        "bindpw hunter2",
        "proxy http://joe:hunter2@192.0.2.1/",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "hunter2" not in LineFormatter(journal=True).format(record(text))


def test_journald_is_told_by_the_stream_itself(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        found = os.fstat(stream.fileno())
        ours = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert is_journal(stream, ours)
        assert not is_journal(stream, {"JOURNAL_STREAM": "1:2"})
        assert not is_journal(stream, {})
    assert not is_journal(stream, ours)
    assert not is_journal(io.StringIO(), ours)


def test_set_up_twice_logs_once_and_at_the_last_level() -> None:
    program = (
        "import logging; from pmgsync.cli.logs import set_up_logging;"
        "set_up_logging('debug'); set_up_logging('warning');"
        "logging.getLogger('x').info('quiet'); logging.getLogger('x').warning('loud')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr.count("loud") == 1
    assert "quiet" not in ended.stderr
