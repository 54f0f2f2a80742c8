"""pmgsync in the harness that measures the others, `../shared/bench`.

    sudo .venv/bin/python bench/peer_driver.py --peers pmgsync,etcd-watch --n 3 --quick
    sudo .venv/bin/python bench/peer_driver.py table

runs the harness with this driver added: latency, load, readers, faults. Its README says what its
options and scenarios are. Where it is not beside this checkout there is nothing to measure with,
and that is said. It needs root, iproute2, iptables and util-linux, and the packages of the peers.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machines import (
    PLACE,
    REPOSITORY,
    Machine,
    all_in_sync,
    environment,
    found,
    join,
    until,
)

HARNESS = REPOSITORY.parent / "shared" / "bench" / "bench.py"


def _base() -> Any:  # noqa: ANN401
    """The harness's `Driver`; it can be imported only while the harness runs."""
    try:
        return importlib.import_module("drivers").Driver
    except ModuleNotFoundError:
        return object


_Driver: Any = _base()


def interpreter() -> str:
    """The one that has what pmgsync needs."""
    chosen = REPOSITORY / ".build/python"
    if chosen.exists():
        return str(REPOSITORY / chosen.read_text("ascii").strip())
    return sys.executable


class Pmgsync(_Driver):  # type: ignore[misc]  # the harness has no types
    """pmgsync: signed, durable, all or nothing; the nodes are members before the clock starts"""

    name = "pmgsync"

    def __init__(self, topo: Any, base: str) -> None:  # noqa: ANN401
        super().__init__(topo, base)
        roles: list[Any] = ["master", *range(self.n)]
        self.machines = {
            role: Machine(self.label(role), self.t.ip(role), Path(base) / self.label(role))
            for role in roles
        }
        self.master_dir = str(self.machines["master"].root / PLACE)
        self.node_dirs = [str(self.machines[number].root / PLACE) for number in range(self.n)]

    @staticmethod
    def label(role: Any) -> str:  # noqa: ANN401
        """A name for a role of the harness."""
        return "pmaster" if role == "master" else f"pnode{role}"

    def prepare(self) -> None:
        """Found the cluster and join the nodes, then stop all; not timed."""
        daemons = []
        for role, machine in self.machines.items():
            machine.lay_out()
            daemons.append(self.run(role))
        for machine in self.machines.values():
            until(machine.answers, f"the daemon of {machine.name}")
        master, *nodes = self.machines.values()
        found(master)
        for node in nodes:
            join(master, node)
        until(lambda: all_in_sync(master, len(self.machines)), "all nodes to be in sync")
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(20)

    def start_node(self, number: int) -> None:
        """Start the daemon of a node, also after a kill."""
        self.run(number)

    def start_master(self) -> None:
        """Start the daemon of the master, also after a kill."""
        self.run("master")

    def run(self, role: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401
        """A daemon in the network and the control group of `role`."""
        root = str(self.machines[role].root)
        argv = [interpreter(), "-m", "pmgsync", "daemon", "--root", root]
        process: subprocess.Popen[bytes] = self.t.spawn(
            role, argv, self.lg(role), env=environment(), cwd=root
        )
        return process


DRIVERS = {Pmgsync.name: Pmgsync}


def main() -> int:
    """Hand over to the harness."""
    if not HARNESS.exists():
        print("peer bench: skipped, the harness (../shared/bench) is not beside this checkout")
        return 0
    words = sys.argv[1:]
    if not words or words[0].startswith("-"):
        words = ["run", *words]
    results = Path(tempfile.gettempdir()) / "pmgsync-peers.jsonl"
    paths = os.pathsep.join([str(REPOSITORY / "bench"), str(REPOSITORY)])
    extra = {"PYTHONPATH": paths, "BENCH_DRIVERS": "peer_driver"}
    known = {"BENCH_OUT": str(results), **environment(), **extra}
    print(f"peer bench: results go to {known['BENCH_OUT']}", file=sys.stderr)
    os.execve(sys.executable, [sys.executable, str(HARNESS), *words], known)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
