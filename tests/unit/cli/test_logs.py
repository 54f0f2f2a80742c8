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
from pmgsync.master.founding import recovery_text
from pmgsync.model.credentials import MASK
from pmgsync.model.joining import SECRET_BYTES, Token
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest
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
        "typed: pmgsync join 192.0.2.1 --token=hunter2",
        "bindpw hunter2",
        "bindpw=hunter2",
        "password = hunter2",
        "ldap_secret='hunter2 and more'",
        'answered {"token": "hunter2", "who": "joe"}',
        "proxy http://joe:hunter2@192.0.2.1/",
        "proxy http://hunter2@192.0.2.1/",
        "joe:1:0:$5$salt$hunter2:admin",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "hunter2" not in LineFormatter(journal=True).format(record(text))


def test_join_tokens_and_recovery_keys_are_masked_wherever_they_stand() -> None:
    token = Token(b"s" * SECRET_BYTES, Digest("ab" * 32)).to_text()
    key = recovery_text(SigningKey(b"k" * 32))
    line = LineFormatter(journal=True).format(record(f"got {token}, then {key.lower()} or {key}."))
    assert line == f"<6>got join-{MASK}, then {MASK} or {MASK}."


@pytest.mark.parametrize(
    "text",
    [
        "mail2 (192.0.2.2) may not join: the token was used or ran out",
        "--token: the token is unknown; make another",
        "no such token, or it was used or ran out; get a new one with `pmgsync join-cmd`",
        "the password is wrong, the secret unknown: authorization failed",
        "type: pmgsync join 192.0.2.1 --token TOKEN",
        "joined cluster 4f1c; join-cmd made a token for a join-request",
        f"version 12 is {'ab' * 32}",
        "see http://192.0.2.1:8006/ or write to joe@example.com",
    ],
)
def test_prose_stays_as_it_is(text: str) -> None:
    assert LineFormatter(journal=True).format(record(text)) == f"<6>{text}"


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
