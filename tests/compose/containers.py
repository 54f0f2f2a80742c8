"""Gateways as containers of docker-compose.yml, in one of its two profiles.

`scripts/failover` has built the image and sees to it that docker answers.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.compose.machines import NAMES, SMALL, Done
from tests.compose.namespaces import faketime
from tests.e2e.cluster import REPOSITORY, until

PATIENCE_S = 120
PREFIX = {"systemd": "mail", "process": "node"}
NETWORK = "172.30.77"
CLOCK = "/etc/pmgsync/clock"


@dataclass
class Containers:
    """See `Machines`. `profile` is `systemd` or `process`."""

    profile: str
    has_services: bool = True
    project: str = field(default_factory=lambda: f"pmgsync-{os.getpid()}")

    def start(self) -> None:
        self._compose("up", "-d", "--no-build")
        for name in NAMES:
            until(partial(self._answers, name), f"{name} to answer", PATIENCE_S)

    def end(self) -> None:
        self._compose("down", "--volumes", "--timeout", "2")

    def shell(self, name: str, script: str, *, stdin: str = "") -> Done:
        words = ["exec", "-i", "-e", "ROOT=", self._container(name), "sh", "-c", script]
        return _docker(*words, stdin=stdin)

    def pmgsync(self, name: str, *words: str) -> Done:
        return _docker("exec", self._container(name), "pmgsync", *words)

    def crash(self, name: str) -> None:
        _must("kill", self._container(name))

    def boot(self, name: str, *, clock_s: int = 0) -> None:
        variables = faketime(clock_s) if clock_s else {}
        self._put(name, CLOCK, "".join(f"export {k}={v}\n" for k, v in variables.items()))
        _must("start", self._container(name))

    def stop(self, name: str) -> None:
        _must("stop", "--time", "20", self._container(name))

    def kill_daemon(self, name: str) -> None:
        if self.profile == "process":
            self.crash(name)
            self.boot(name)
            return
        done = self.shell(name, "kill -9 $(systemctl show -p MainPID --value pmgsyncd)")
        assert done.code == 0, done.err

    def pause(self, name: str) -> None:
        _must("pause", self._container(name))

    def resume(self, name: str) -> None:
        _must("unpause", self._container(name))

    def disconnect(self, name: str) -> None:
        _must("network", "disconnect", f"{self.project}_gateways", self._container(name))

    def connect(self, name: str, *, number: int | None = None) -> None:
        address = f"{NETWORK}.{10 + (number or NAMES.index(name) + 1)}"
        network = f"{self.project}_gateways"
        _must("network", "connect", "--ip", address, network, self._container(name))

    def shrink(self, name: str) -> None:
        # Filled before it is put in place: nothing sees the folder empty.
        mounted = (
            f"mkdir -p /small && mount -t tmpfs -o size={SMALL},mode=755 small /small"
            " && cp -a /etc/pmg/. /small/ && mount --move /small /etc/pmg"
        )
        around = "systemctl stop pmgsyncd && {} && systemctl start pmgsyncd"
        done = self.shell(name, around.format(mounted) if self._has_systemd else mounted)
        assert done.code == 0, done.err

    def grow(self, name: str) -> None:
        done = self.shell(name, "mount -o remount,size=64m /etc/pmg")
        assert done.code == 0, done.err

    def log(self, name: str) -> str:
        if self._has_systemd:
            return self.shell(name, "journalctl -u pmgsyncd -o short-precise --no-pager").out
        done = _docker("logs", self._container(name))
        return done.out + done.err

    # --- how ---

    @property
    def _has_systemd(self) -> bool:
        return self.profile == "systemd"

    def _answers(self, name: str) -> bool:
        return self.pmgsync(name, "kept").code == 0

    def _container(self, name: str) -> str:
        return f"{self.project}_{PREFIX[self.profile]}{NAMES.index(name) + 1}_1"

    def _compose(self, *words: str) -> None:
        done = _run(
            ["docker-compose", "-p", self.project, "--profile", self.profile, *words], timeout=300
        )
        assert done.code == 0, done.err

    def _put(self, name: str, path: str, content: str) -> None:
        """Write a file of a container that does not run."""
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(content)
            file.flush()
            Path(file.name).chmod(0o644)
            _must("cp", file.name, f"{self._container(name)}:{path}")


def _docker(*words: str, stdin: str = "") -> Done:
    return _run(["docker", *words], stdin=stdin)


def _must(*words: str) -> None:
    done = _docker(*words)
    assert done.code == 0, f"docker {' '.join(words)}: {done.err}"


def _run(words: list[str], *, stdin: str = "", timeout: float = PATIENCE_S) -> Done:
    done = subprocess.run(
        words,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=REPOSITORY,
    )
    return Done(done.returncode, done.stdout, done.stderr)
