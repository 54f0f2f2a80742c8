"""Clusters of real daemons on this machine: a process, a root and a loopback address for each node.

All names, folders and addresses are those of one test run, so that runs can go on beside each
other and beside a demo. Whatever is waited for has a deadline, and no daemon outlives its test: it
is ended at the end of its `Cluster`, and by the kernel if pytest itself is killed.
"""

import atexit
import hashlib
import json
import os
import random
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pmgsync.cli.control_client import ControlClient
from pmgsync.errors import PmgsyncError
from pmgsync.model.manifest import FileEntry, Manifest
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import FOLDERS, rule_for

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds for what takes milliseconds when all is well
STOPPING = 10.0
LOG_LINES = 60
RESERVATION_PORT = 7640
PMG_CONF = "section: mail\n\tbanner ESMTP gateway\n\trelay 192.0.2.25\n\ttls 1\n"


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def document(self) -> Any:  # noqa: ANN401 - whatever JSON it printed
        """What it printed, as JSON."""
        return json.loads(self.out)


@dataclass
class Node:
    """One node: its root, its daemon, and the log of all daemons that it has had."""

    name: str
    address: str
    root: Path
    python: str = sys.executable
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    # --- its daemon ---

    def start(self, *, ready: bool = True) -> "Node":
        """Start its daemon, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *self.command("daemon")],
                env={**environment(), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if ready:
            until(self.answers, f"{self.name} to answer")
        return self

    def answers(self) -> bool:
        """Is its daemon up?"""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(
                f"{self.name} ended with {self.process.returncode}:\n{self.tail()}"
            )
        try:
            with ControlClient(self.root):
                return True
        except PmgsyncError:
            return False

    def stop(self) -> int:
        """End its daemon in good order; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOPPING)

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOPPING)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for its daemon to end by itself; its exit code."""
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def surely_end(self) -> None:
        """At the end of the test, in whatever state it is."""
        if self.process is not None and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(STOPPING)

    @property
    def log(self) -> Path:
        return self.root.parent / f"{self.name}.log"

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def tail(self) -> str:
        return "\n".join(
            f"  {self.name}: {line}" for line in self.log_text().splitlines()[-LOG_LINES:]
        )

    def logged(self, text: str) -> list[str]:
        """The lines of its log with `text` in them."""
        return [line for line in self.log_text().splitlines() if text in line]

    # --- commands ---

    def command(self, *words: str) -> list[str]:
        """`pmgsync WORDS` for this node."""
        rest = [self.python, "-m", "pmgsync", words[0], "--root", str(self.root), *words[1:]]
        return [*_dies_with_us(), *rest] if words[0] == "daemon" else rest

    def pmgsync(self, *words: str, code: int | None = 0) -> Ended:
        """Run `pmgsync WORDS` here; it must end with `code`."""
        done = subprocess.run(
            self.command(*words),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
        assert code in (None, done.returncode), (
            f"{words} ended with {done.returncode}: {done.stderr}"
        )
        assert "Traceback" not in done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    def status(self) -> dict[str, Any]:
        """What `pmgsync status --json` says, without a process."""
        with ControlClient(self.root) as client:
            return client.get("/v1/status", fresh=1)

    @property
    def applied(self) -> int | None:
        """The version that it runs."""
        number: int | None = self.status()["node"]["applied"]
        return number

    def attention(self) -> str:
        """All lines of its status that ask for action."""
        answer = self.status()
        status = answer["status"] or {"attention": [], "nodes": []}
        details = [node["detail"] for node in status["nodes"]]
        return "\n".join([*status["attention"], *answer["attention"], *details])

    def versions(self) -> list[int]:
        """The versions in its log, newest first."""
        with ControlClient(self.root) as client:
            return [line["version"] for line in client.get("/v1/log", most=1000)["versions"]]

    # --- files ---

    def path(self, name: str) -> Path:
        """`domains` for etc/pmg/domains; anything with `etc/` in front as it stands."""
        return (
            self.root / name
            if name.startswith(("etc/", "var/", "run/"))
            else self.root / "etc/pmg" / name
        )

    def write(self, name: str, content: str | bytes, mode: int = 0o644) -> Path:
        """Write a file as PMG does: beside the target, then renamed over it."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.tmp.{os.getpid()}")
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.chmod(mode)
        beside.replace(path)
        return path

    def read(self, name: str) -> bytes | None:
        """The file's content, None if there is none."""
        try:
            return self.path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def has(self, name: str, content: str | bytes | None) -> bool:
        wanted = content.encode() if isinstance(content, str) else content
        return self.read(name) == wanted

    def tree(self) -> dict[str, str]:
        """Every synced file with the digest of its content."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in _files(self.root)
        }

    def manifest(self) -> str:
        """The digest of the state that its files are."""
        entries = [
            FileEntry.of(ManagedPath(str(path.relative_to(self.root))), path.read_bytes())
            for path in _files(self.root)
        ]
        return Manifest().changed(entries, []).digest

    def leftovers(self) -> list[str]:
        """What an apply has left beside its targets."""
        found = [self.root / folder for folder in FOLDERS]
        return [str(p) for folder in found if folder.is_dir() for p in folder.rglob(".pmgsync-*")]


def _files(root: Path) -> Iterator[Path]:
    for top in ("etc/pmg", "etc/mail/spamassassin"):
        for folder, _, names in os.walk(root / top):
            for name in names:
                path = Path(folder) / name
                if rule_for(str(path.relative_to(root))) and stat.S_ISREG(path.lstat().st_mode):
                    yield path


@dataclass
class Cluster:
    """Some nodes; the first one is the master."""

    folder: Path
    nodes: list[Node] = field(default_factory=list)
    recovery_key: str = ""

    @property
    def master(self) -> Node:
        return self.nodes[0]

    def add(self, name: str = "", *, settings: str = "", address: str = "", **more: Any) -> Node:  # noqa: ANN401
        """One more node, with a root of its own and nothing in it."""
        name = name or f"mail{len(self.nodes) + 1}"
        node = Node(name, address or free_address(), self.folder / name, **more)
        (node.root / "etc/pmg").mkdir(parents=True)
        node.write("etc/hostname", f"{name}.example.com\n")
        node.write("etc/pmgsync/pmgsync.toml", f'[node]\naddress = "{node.address}"\n{settings}')
        self.nodes.append(node)
        return node

    def found(
        self, count: int = 3, files: Mapping[str, str] | None = None, *, settings: str = ""
    ) -> "Cluster":
        """`count` nodes in all, started, the cluster founded on the first, the others joined."""
        while len(self.nodes) < count:
            self.add(settings=settings)
        wanted = {
            "pmg.conf": PMG_CONF,
            "domains": "example.com 1\n",
            "mynetworks": "192.0.2.0/24\n",
        }
        for name, content in {**wanted, **(files or {})}.items():
            self.master.write(name, content)
        for node in self.nodes:
            node.start(ready=False)
        for node in self.nodes:
            until(node.answers, f"{node.name} to answer")
        founded = self.master.pmgsync("create", "--json").document()
        self.recovery_key = founded["recovery_key"]
        for node in self.nodes[1:]:
            self.join(node)
        self.settle()
        return self

    def join(self, node: Node) -> Ended:
        """Join `node` with the line that the master prints."""
        line = self.master.pmgsync("join-cmd").out.strip().splitlines()[-1]
        return node.pmgsync(*shlex.split(line)[1:])

    def settle(self, *nodes: Node, seconds: float = PATIENCE) -> None:
        """Wait until these (default: all) run what lies on the master, proven by all digests."""
        chosen = nodes or tuple(self.nodes)
        until(lambda: all(map(self._is_level, chosen)), "all to be level", seconds)
        wanted = self.master.tree()
        for node in chosen:
            assert node.tree() == wanted, f"{node.name} differs"

    def _is_level(self, node: Node) -> bool:
        """Is the newest version that of the master's files, and does the node run and hold it?"""
        status = self.master.status()["status"]
        return (
            status is not None
            and status["manifest"] == self.master.manifest() == node.manifest()
            and status["version"] == node.applied
            and node.leftovers() == []
        )

    def state_of(self, node: Node, at: Node | None = None) -> dict[str, Any]:
        """The row of `node` in the status of the master (or of `at`)."""
        status = (at or self.master).status()["status"]
        rows: list[dict[str, Any]] = [row for row in status["nodes"] if row["name"] == node.name]
        return rows[0] if rows else {"state": "unknown"}

    def is_state(self, node: Node, state: str) -> Callable[[], bool]:
        return lambda: bool(self.state_of(node)["state"] == state)

    @property
    def version(self) -> int:
        """The newest version."""
        number: int = self.master.status()["status"]["version"]
        return number

    def end(self) -> None:
        """Kill what runs and show what it said; pytest prints that if the test failed."""
        for node in self.nodes:
            node.surely_end()
        for node in self.nodes:
            print(node.tail())  # noqa: T201


@contextmanager
def a_cluster(folder: Path) -> Iterator[Cluster]:
    """An empty one, surely ended."""
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.end()


# --- waiting ---


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for it, but not for ever. An answer that does not come is a no."""
    end = time.monotonic() + seconds
    while True:
        with suppress(PmgsyncError, FileNotFoundError, NotADirectoryError):
            if condition():
                return
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)


def never(condition: Callable[[], object], what: str, seconds: float = 1.0) -> None:
    """It must not happen for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not condition(), what
        time.sleep(0.02)


# --- the machine ---


def environment() -> dict[str, str]:
    """What daemons and commands are started with: this checkout's code, and no service manager."""
    mine = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")}
    return {**mine, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


def _dies_with_us() -> Sequence[str]:
    return ("setpriv", "--pdeathsig", "KILL", "--")


@cache
def _network() -> tuple[socket.socket, str]:
    """A 127.x.y that no other run has: the one that can bind its reservation."""
    for _ in range(200):
        network = f"127.{random.randint(64, 254)}.{random.randint(0, 255)}"
        holder = socket.socket()
        try:
            holder.bind((f"{network}.254", RESERVATION_PORT))
        except OSError:
            holder.close()
            continue
        atexit.register(holder.close)
        return holder, network
    raise AssertionError("no free loopback network")


_used: list[str] = []


def free_address() -> str:
    """A loopback address that nobody else uses."""
    _, network = _network()
    _used.append(f"{network}.{len(_used) % 250 + 1}")
    return _used[-1]
