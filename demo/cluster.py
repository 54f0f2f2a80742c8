"""Three nodes on one machine: a root and a daemon each, started, talked to, surely stopped."""

import ctypes
import errno
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import content

from pmgsync.cli.control_client import ControlClient
from pmgsync.errors import PmgsyncError

REPOSITORY = Path(__file__).resolve().parents[1]
PATIENCE = 30.0  # seconds for anything that takes milliseconds when all is well
STOPPING = 5.0  # seconds for a daemon to end in good order
ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
MEMBER_PORT, JOIN_PORT = 7643, 7644  # the defaults of the settings
PREFIX = "pmgsync-demo-"
LOG_LINES = 15
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """A step that did not work: one line."""


@dataclass
class Node:
    """One node: its root, its daemon, and the file that the daemon's log goes to."""

    name: str
    address: str
    root: Path
    log: Path
    daemon: "subprocess.Popen[bytes] | None" = None

    def start(self, *, stays: bool) -> None:
        """Start its daemon; one that does not `stay` dies with us, however we die."""
        with self.log.open("wb") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "pmgsync", "daemon", "--root", str(self.root)],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for us; we stop it in good order
                preexec_fn=None if stays else die_with_parent,  # no threads here
            )

    def answers(self) -> bool:
        """Is its daemon up?"""
        if self.daemon is not None and self.daemon.poll() is not None:
            raise DemoError(f"the daemon of {self.name} ended with {self.daemon.returncode}")
        try:
            with ControlClient(self.root):
                return True
        except PmgsyncError:
            return False

    def status(self) -> dict[str, Any]:
        """What `pmgsync status --json` says there."""
        with ControlClient(self.root) as client:
            return client.get("/v1/status", fresh=0)

    def command(self, *words: str) -> list[str]:
        """`pmgsync WORDS` for this node."""
        return [sys.executable, "-m", "pmgsync", words[0], "--root", str(self.root), *words[1:]]

    def pmgsync(self, *words: str) -> str:
        """Run `pmgsync WORDS` here and return what it printed; one line of blame if it failed."""
        ended = subprocess.run(
            self.command(*words),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )
        if ended.returncode:
            spoken = f"`{shlex.join(['pmgsync', *words])}` on {self.name}"
            raise DemoError(f"{spoken} ended with {ended.returncode}: {ended.stderr.strip()}")
        return ended.stdout.rstrip()

    def tail(self) -> str:
        """The end of its daemon's log."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "\n".join(f"  {self.name}: {line}" for line in lines[-LOG_LINES:])

    def ask_to_stop(self) -> None:
        """Tell its daemon to end, if it runs."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)

    def make_sure(self) -> None:
        """Wait for its end, and bring it about if need be."""
        if self.daemon is not None:
            try:
                self.daemon.wait(STOPPING)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()


@contextmanager
def three_nodes(*, keep: bool) -> Iterator[list[Node]]:
    """The nodes, their daemons up. At the end nothing is left, unless `keep` and all went well."""
    require_free_ports()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    names = [f"mail{number}" for number in range(1, len(ADDRESSES) + 1)]
    nodes = [
        Node(name, address, folder / name, folder / f"{name}.log")
        for name, address in zip(names, ADDRESSES, strict=True)
    ]
    stays = False
    try:
        for node in nodes:
            content.write_node(node.root, node.name, node.address)
        content.write_configuration(nodes[0].root)
        for node in nodes:
            node.start(stays=keep)
        for node in nodes:
            until(node.answers, f"the daemon of {node.name} to answer")
        yield nodes
        stays = keep
    except DemoError as error:
        raise DemoError("\n".join([str(error), *(node.tail() for node in nodes)])) from None
    finally:
        if not stays:
            stop(nodes)
            shutil.rmtree(folder, ignore_errors=True)


def require_free_ports() -> None:
    """Refuse to start beside a demo that was kept, and say how to stop it."""
    for port in (MEMBER_PORT, JOIN_PORT):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESSES[0], port))
            except OSError as error:
                where = f"{ADDRESSES[0]}:{port}"
                if error.errno != errno.EADDRINUSE:
                    raise DemoError(f"cannot listen on {where}: {error.strerror}") from None
                raise DemoError(f"{where} is taken{_by_whom()}") from None


def _by_whom() -> str:
    daemons = kept_daemons()
    if not daemons:
        return ", and not by a demo; stop what listens there"
    folders = sorted({folder for _, folder in daemons})
    pids = " ".join(str(pid) for pid, _ in daemons)
    return (
        f": another demo, perhaps one with KEEP=1, runs below {', '.join(folders)}."
        " Stop and remove it:\n"
        f"  kill {pids}; sleep 1; rm -r {' '.join(folders)}"
    )


def kept_daemons() -> list[tuple[int, str]]:
    """Process and folder of each daemon that another demo has started."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if "daemon" not in words or "--root" not in words:
            continue
        folder = Path(words[words.index("--root") + 1]).parent
        if folder.name.startswith(PREFIX):
            found.append((int(place.parent.name), str(folder)))
    return sorted(found)


def stop(nodes: list[Node]) -> None:
    """End all daemons."""
    for node in nodes:
        node.ask_to_stop()
    for node in nodes:
        node.make_sure()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it, but not for ever."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise DemoError(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.01)


def environment() -> dict[str, str]:
    """What daemons and commands are started with: this checkout's code."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


def die_with_parent() -> None:
    """Runs in the child: SIGTERM for it when we are gone, even if we were killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
