"""One writer at a time in a tree, also between processes."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pmgsync.errors import HostError
from pmgsync.host.lock import TreeLock
from tests.e2e.cluster import environment

HOLD = """
import sys
from pathlib import Path
from pmgsync.host.lock import TreeLock
with TreeLock(Path(sys.argv[1]))():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_who_comes_second_waits_until_the_first_is_done(tmp_path: Path) -> None:
    path = tmp_path / "run/pmgsync/tree.lock"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    with other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        got = threading.Event()

        def take() -> None:
            with TreeLock(path)():
                got.set()

        thread = threading.Thread(target=take)
        thread.start()
        assert not got.wait(0.2)
        other.stdin.write(b"\n")
        other.stdin.close()
        assert got.wait(20)
        thread.join()


def test_a_process_that_dies_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tree.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        other.kill()
    with TreeLock(path)():
        pass


def test_it_can_be_taken_again_and_again(tmp_path: Path) -> None:
    lock = TreeLock(tmp_path / "deep/er/tree.lock")
    for _ in range(3):
        with lock():
            pass
    assert (tmp_path / "deep/er/tree.lock").stat().st_mode & 0o777 == 0o600


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "tree.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError), TreeLock(tmp_path / "tree.lock")():
        pass
    assert not (tmp_path / "elsewhere").exists()
