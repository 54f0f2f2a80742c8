"""Machines to measure on: a root folder and a daemon each, on loopback addresses of their own."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmgsync.cli.control_client import ControlClient
from pmgsync.errors import PmgsyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).resolve().parents[1]
PATIENCE = 60.0
PLACE = "etc/pmg/acme"  # takes any file, see the scope table
PR_SET_PDEATHSIG = 1


class BenchError(Exception):
    """A measurement that cannot go on: one line."""


@dataclass
class Machine:
    """One node: its root and its daemon. `runner` is the program before `daemon --root ROOT`."""

    name: str
    address: str
    root: Path
    runner: list[str] = field(default_factory=lambda: [sys.executable, "-m", "pmgsync"])
    daemon: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> Path:
        """The folder that the measurements write to."""
        return self.root / PLACE

    @property
    def pid(self) -> int:
        """Of its daemon."""
        assert self.daemon is not None
        return self.daemon.pid

    def lay_out(self) -> None:
        """The least that a daemon wants to find."""
        write(self.root / "etc/hostname", f"{self.name}\n")
        settings = f'[node]\nname = "{self.name}"\naddress = "{self.address}"\n'
        write(self.root / "etc/pmgsync/pmgsync.toml", settings)
        self.place.mkdir(parents=True, exist_ok=True)
        self.place.chmod(0o700)
        (self.root / "etc/mail/spamassassin").mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start the daemon; it dies with us, however we die."""
        with self.root.with_suffix(".log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [*self.runner, "daemon", "--root", str(self.root)],
                env=environment(),
                cwd=self.root,  # else `-m` would prefer a pmgsync in our own folder
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def answers(self) -> bool:
        """Is the daemon up?"""
        if self.daemon is not None and self.daemon.poll() is not None:
            raise BenchError(f"the daemon of {self.name} ended with {self.daemon.returncode}")
        try:
            with ControlClient(self.root):
                return True
        except PmgsyncError:
            return False

    def ask(self, target: str) -> dict[str, Any]:
        """What its local API says."""
        with ControlClient(self.root) as client:
            return client.get(target)

    def tell(self, path: str, **body: object) -> dict[str, Any]:
        """Do something through its local API."""
        with ControlClient(self.root) as client:
            return client.post(path, body)

    def stop(self) -> None:
        """End the daemon in good order, or at least end it."""
        if self.daemon is None:
            return
        with suppress(ProcessLookupError):
            self.daemon.send_signal(signal.SIGTERM)
        try:
            self.daemon.wait(10)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None

    def kill(self) -> None:
        """As if its power was cut."""
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon.wait()

    def tail(self) -> str:
        """The end of its log."""
        log = self.root.with_suffix(".log")
        lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        return "\n".join(f"  {self.name}: {line}" for line in lines[-8:])


def found(master: Machine) -> None:
    """Create the cluster."""
    master.tell("/v1/create", name=None, address=None)


def join(master: Machine, node: Machine) -> None:
    """Join one node."""
    made = master.tell("/v1/tokens")
    node.tell("/v1/join", address=made["address"], token=made["token"], name=None)


def all_in_sync(master: Machine, count: int) -> bool:
    """Does the master say so of all `count` nodes?"""
    status = master.ask("/v1/status")["status"]
    states = [node["state"] for node in status["nodes"]] if status else []
    return states == ["in sync"] * count


def head_of(master: Machine) -> int:
    """The newest version."""
    return int(master.ask("/v1/log?most=1")["versions"][0]["version"])


@contextmanager
def machines(
    count: int, *, runner: Callable[[str], list[str]] | None = None, number: int = 0
) -> Iterator[list[Machine]]:
    """A master and `count` nodes, daemons up, not yet a cluster; nothing is left at the end.

    Those who run several at the same time give each a `number` of its own.
    """
    folder = Path(tempfile.mkdtemp(prefix="pmgsync-bench-"))
    net = f"127.{88 + (os.getpid() + number) % 128}.{os.getpid() // 128 % 256}"
    names = ["master", *(f"node{number}" for number in range(1, count + 1))]
    made = [Machine(n, f"{net}.{at}", folder / n) for at, n in enumerate(names, 2)]
    try:
        for machine in made:
            if runner is not None:
                machine.runner = runner(machine.name)
            machine.lay_out()
            machine.start()
        for machine in made:
            until(machine.answers, f"the daemon of {machine.name} to answer")
        yield made
    except (BenchError, PmgsyncError) as error:
        raise BenchError("\n".join([str(error), *(one.tail() for one in made)])) from error
    finally:
        for machine in made:
            machine.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def cluster(
    count: int, *, runner: Callable[[str], list[str]] | None = None, number: int = 0
) -> Iterator[list[Machine]]:
    """The same, as a cluster in sync."""
    with machines(count, runner=runner, number=number) as made:
        master, *nodes = made
        found(master)
        for node in nodes:
            join(master, node)
        until(lambda: all_in_sync(master, len(made)), "all nodes to be in sync")
        yield made


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait for it, but not for ever."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.02)


def environment() -> dict[str, str]:
    """What daemons are started with: this checkout's code."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def die_with_parent() -> None:
    """Runs in the child: SIGTERM for it when we are gone, even if we were killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def write(path: Path, text: str) -> None:
    """A new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "ascii")
