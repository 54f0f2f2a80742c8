"""The demo refuses to start where it cannot work, in words that help."""

import socket
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from tests.control.fake_node import environment

DEMO = Path(__file__).parents[2] / "demo/demo.py"


def test_a_port_that_is_taken_is_named() -> None:
    with closing(socket.socket()) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # taken by somebody else: as good
            listening.bind(("127.0.0.2", 7643))
            listening.listen()
        ended = subprocess.run(
            [sys.executable, str(DEMO)],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert "127.0.0.2:7643 is taken" in ended.stderr
    assert ended.stdout == ""
