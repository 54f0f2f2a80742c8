"""A daemon that hangs: the command says so and ends."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pmgsync.cli.control_client import ANSWER_SECONDS, SOCKET, WORK_SECONDS, patience
from tests.control.fake_node import environment


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[Path]:
    """A root whose daemon is there and says nothing, as one that was stopped by a signal."""
    path = tmp_path / SOCKET
    path.parent.mkdir(parents=True)
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))
        listening.listen(1)
        yield tmp_path


def hurried(root: Path, *words: str) -> tuple[int, str, str]:
    """`pmgsync WORDS`, with patience for a blink only."""
    program = (
        "import sys; from pmgsync.cli import control_client;"
        "control_client.ANSWER_SECONDS = control_client.WORK_SECONDS = 0.2;"
        "from pmgsync.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, words[0], "--root", str(root), *words[1:]],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    "words",
    [
        *(["status"], ["log"], ["show", "3"], ["kept"], ["join-cmd"], ["hold"], ["create"]),
        *(["join", "192.0.2.1", "--token", "x"], ["release"], ["confirm", "3"], ["run", "true"]),
    ],
    ids=" ".join,
)
def test_no_command_waits_for_ever(mute: Path, words: list[str]) -> None:
    assert hurried(mute, *words) == (
        124,
        "",
        f"pmgsync: {mute / SOCKET}: pmgsyncd does not answer; "
        "restart it: systemctl restart pmgsyncd\n",
    )


def test_nor_where_so_many_wait_that_it_takes_no_more(mute: Path) -> None:
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    try:
        for one in waiting:
            one.settimeout(0.05)
            one.connect_ex(str(mute / SOCKET))
        code, _, err = hurried(mute, "status")
    finally:
        for one in waiting:
            one.close()
    assert (code, "pmgsyncd does not answer" in err) == (124, True)


def test_more_patience_where_other_nodes_are_asked() -> None:
    for target in ("/v1/status?fresh=1", "/v1/log", "/v1/versions/3", "/v1/kept", "/v1/tokens"):
        assert patience(target) == ANSWER_SECONDS
    for target in ("/v1/create", "/v1/join", "/v1/release", "/v1/confirm", "/v1/wait?version=3"):
        assert patience(target) == WORK_SECONDS
