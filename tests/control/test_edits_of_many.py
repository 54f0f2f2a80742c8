"""Edits by several processes at once, and a password typed at a real terminal."""

import fcntl
import os
import pty
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pmgsync.host.password_hash import crypt
from pmgsync.pmgconf.user_conf import parse
from tests.control.fake_node import command_line, environment, outcome

NAMES = [f"d{number}.example" for number in range(8)]
ADD_ANN = ("user", "add", "ann", "--role", "audit")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("etc/pmg", "var/lock"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/hostname").write_text("mail1\n")
    return tmp_path


def test_of_edits_at_once_none_is_lost(root: Path) -> None:
    def add(name: str) -> int:
        return outcome("domain", "add", name, "--root", root)[0]

    with ThreadPoolExecutor(len(NAMES)) as pool:
        assert list(pool.map(add, NAMES)) == [0] * len(NAMES)
    assert (root / "etc/pmg/domains").read_text() == "".join(f"{name} 1\n" for name in NAMES)


def test_an_edit_waits_for_pmgs_own_lock(root: Path) -> None:
    with (root / "var/lock/pmgconfig.lck").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            command_line("domain", "add", "a.example", "--root", root),
            env=environment(),
            stderr=subprocess.PIPE,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        (root / "etc/pmg/domains").write_text("pmg.example 1\n")  # PMG's writer, under its lock
    _, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, err) == (0, b"added a.example to /etc/pmg/domains\n")
    assert (root / "etc/pmg/domains").read_text() == "a.example 1\npmg.example 1\n"


def typed(root: Path, *answers: str) -> tuple[int, str]:
    """Run `pmgsync user add ann` at a terminal and type an answer at each question; exit code and
    all that was to be seen.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        words = command_line(*ADD_ANN, "--root", root)
        os.execve(sys.executable, words, environment())  # noqa: S606 - as asked for
    seen, waiting = "", list(answers)
    while True:
        try:
            seen += os.read(terminal, 4096).decode()
        except OSError:  # the other end is closed
            break
        if seen.endswith(": ") and waiting:
            os.write(terminal, waiting.pop(0).encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


def test_a_password_is_asked_for_twice_and_never_seen(root: Path) -> None:
    code, seen = typed(root, "top secret\n", "top secret\n")
    assert code == 0
    assert "Password of ann@pmg: " in seen
    assert "Once more: " in seen
    assert "top secret" not in seen
    user = parse((root / "etc/pmg/user.conf").read_bytes()).entries["ann@pmg"]
    assert crypt("top secret", user.crypt_pass) == user.crypt_pass


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        (["top secret\n", "top secred\n"], "the two passwords differ; try again"),
        (["\n", "\n"], "there is no password; give one"),
        (["\x04"], "there is no password; give one"),
    ],
)
def test_without_one_password_there_is_no_user(root: Path, answers: list[str], line: str) -> None:
    code, seen = typed(root, *answers)
    assert (code, line in seen) == (1, True), seen
    assert not (root / "etc/pmg/user.conf").exists()


def test_ctrl_c_at_the_question_changes_nothing(root: Path) -> None:
    code, seen = typed(root, "\x03")
    assert (code, "Traceback" in seen) == (130, False)
    assert not (root / "etc/pmg/user.conf").exists()
