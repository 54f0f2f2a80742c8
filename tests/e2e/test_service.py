"""The daemon as systemd sees it, and clusters of two sets of dependencies."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.cluster import REPOSITORY, Cluster, environment, until
from tests.e2e.privileges import lacking

OTHER_PYTHONS = (sys.executable, "/usr/bin/python3", str(REPOSITORY / ".venv/bin/python"))


@contextmanager
def service_manager() -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """A socket like systemd's, and what a service finds in its environment."""
    name = f"pmgsync-test-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0{name}")
        end.settimeout(10)
        yield end, {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "400000"}


def heard(end: socket.socket, word: str) -> str:
    """The next message with that word in it."""
    while True:
        message = end.recv(4096).decode()
        if word in message:
            return message


def test_systemd_hears_of_ready_status_watchdog_reload_and_stop(cluster: Cluster) -> None:
    with service_manager() as (end, variables):
        node = cluster.add(environment=variables)
        node.write("pmg.conf", "section: mail\n\trelay 192.0.2.1\n")
        node.start()
        assert "STATUS=belongs to no cluster yet" in heard(end, "READY=1")
        begin = time.monotonic()
        heard(end, "WATCHDOG=1")
        heard(end, "WATCHDOG=1")
        assert time.monotonic() - begin < 1
        node.pmgsync("create")
        heard(end, "STATUS=master of cluster")
        node.signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in heard(end, "RELOADING=1")
        heard(end, "READY=1")
        assert node.stop() == 0
        heard(end, "STOPPING=1")


def test_a_daemon_that_cannot_start_never_says_that_it_is_ready(cluster: Cluster) -> None:
    with service_manager() as (end, variables):
        node = cluster.add(environment=variables, settings="[log]\nlevel = 3\n")
        node.start(ready=False)
        assert node.ended() == 3
        end.settimeout(0.2)
        with pytest.raises(TimeoutError):
            heard(end, "READY=1")


def test_sigint_is_as_good_as_sigterm(cluster: Cluster) -> None:
    node = cluster.add().start()
    node.signal(signal.SIGINT)
    assert node.ended() == 0
    assert node.logged("stopped")


def test_an_idle_node_uses_next_to_no_time(cluster: Cluster) -> None:
    cluster.found(2)
    node = cluster.nodes[1]
    time.sleep(1)  # what it has to do after joining
    before, begin = _cpu_seconds(node.process), time.monotonic()
    time.sleep(3)
    share = (_cpu_seconds(node.process) - before) / (time.monotonic() - begin)
    assert share < 0.05


def _cpu_seconds(process: "subprocess.Popen[bytes] | None") -> float:
    assert process is not None
    with open(f"/proc/{process.pid}/stat") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _grpc_of(python: str) -> str:
    words = [python, "-c", "import grpc, cryptography, watchdog; print(grpc.__version__)"]
    try:
        done = subprocess.run(
            words, env=environment(), capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def _other_python() -> str:
    """An interpreter with another set of dependencies than ours."""
    ours = _grpc_of(sys.executable)
    for python in OTHER_PYTHONS:
        found = _grpc_of(python)
        if found and found != ours:
            return python
    lacking("there is no second interpreter with other releases of the dependencies")
    raise AssertionError


@pytest.mark.parametrize("master_is_ours", [True, False])
def test_master_and_node_run_on_different_dependencies(
    cluster: Cluster, *, master_is_ours: bool
) -> None:
    other = _other_python()
    pythons = (sys.executable, other) if master_is_ours else (other, sys.executable)
    for python in pythons:
        cluster.add(python=python)
    cluster.found(2, {"templates/a.tt": "a\n"})
    cluster.master.write("acme/large", b"z" * (3 << 20))
    cluster.master.path("templates/a.tt").unlink()
    cluster.settle()
    cluster.master.kill()
    cluster.master.start()
    cluster.master.write("domains", "example.com 1\nafter.example 1\n")
    until(lambda: cluster.nodes[1].has("domains", cluster.master.read("domains")), "the change")
    cluster.settle()
