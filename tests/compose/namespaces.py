"""Gateways as network namespaces: a root folder, a network stack and a daemon for each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from tests.compose.machines import NAMES, SMALL, Done
from tests.e2e.cluster import REPOSITORY, environment, until

NETWORK = "10.98.13"
PATIENCE_S = 60
PLACES = ("etc/pmg", "etc/mail/spamassassin", "etc/pmgsync", "var/lib/pmgsync", "run/pmgsync")
FAKETIME = "/usr/lib/{}/faketime/libfaketimeMT.so.1"


@dataclass
class Namespaces:
    """See `Machines`."""

    folder: Path
    has_services: bool = False
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: f"pmgsync-{os.getpid()}")

    def start(self) -> None:
        hub = self._space("hub")
        _ip("netns", "add", hub)
        _ip("-n", hub, "link", "add", "br0", "type", "bridge")
        _ip("-n", hub, "link", "set", "br0", "up")
        for number, name in enumerate(NAMES, 1):
            space = self._space(name)
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", hub, "link", "add", name, "type", "veth", "peer", "eth0", "netns", space)
            _ip("-n", hub, "link", "set", name, "master", "br0", "up")
            self._address(name, number)
            self._furnish(name)
        for name in NAMES:
            self.boot(name)
        for name in NAMES:
            until(partial(self._answers, name), f"{name} to answer")

    def end(self) -> None:
        for daemon in self.daemons.values():
            with suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait(PATIENCE_S)
        for name in ("hub", *NAMES):
            subprocess.run(
                ["umount", self._root(name) / "etc/pmg"], check=False, capture_output=True
            )
            subprocess.run(["ip", "netns", "delete", self._space(name)], check=False)

    def shell(self, name: str, script: str, *, stdin: str = "") -> Done:
        variables = {"ROOT": str(self._root(name))}
        return self._run([*self._inside(name), "sh", "-c", script], stdin, variables)

    def pmgsync(self, name: str, *words: str) -> Done:
        return self._run([*self._inside(name), *self._command(name, *words)])

    def crash(self, name: str) -> None:
        os.killpg(self.daemons[name].pid, signal.SIGKILL)
        self.daemons[name].wait(PATIENCE_S)

    def boot(self, name: str, *, clock_s: int = 0) -> None:
        variables = faketime(clock_s) if clock_s else {}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                [
                    *(*self._inside(name), "setpriv", "--pdeathsig", "KILL", "--"),
                    *self._command(name, "daemon"),
                ],
                env={**environment(), **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name: str) -> None:
        self.daemons[name].terminate()
        assert self.daemons[name].wait(PATIENCE_S) == 0

    def kill_daemon(self, name: str) -> None:
        self.crash(name)
        self.boot(name)

    def pause(self, name: str) -> None:
        os.killpg(self.daemons[name].pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        os.killpg(self.daemons[name].pid, signal.SIGCONT)

    def disconnect(self, name: str) -> None:
        _ip("-n", self._space("hub"), "link", "set", name, "down")

    def connect(self, name: str, *, number: int | None = None) -> None:
        if number is not None:
            _ip("-n", self._space(name), "addr", "flush", "dev", "eth0")
            self._address(name, number)
        _ip("-n", self._space("hub"), "link", "set", name, "up")

    def shrink(self, name: str) -> None:
        place = self._root(name) / "etc/pmg"
        aside = self._root(name) / "aside"
        self.stop(name)
        _sh(f"mv {place} {aside} && mkdir {place}")
        _sh(f"mount -t tmpfs -o size={SMALL},mode=755 small {place} && cp -a {aside}/. {place}/")
        self.boot(name)

    def grow(self, name: str) -> None:
        _sh(f"mount -o remount,size=64m {self._root(name)}/etc/pmg")

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    # --- how ---

    def _answers(self, name: str) -> bool:
        return self.pmgsync(name, "kept").code == 0

    def _space(self, name: str) -> str:
        return f"{self.mark}-{name}"

    def _root(self, name: str) -> Path:
        return self.folder / name

    def _inside(self, name: str) -> list[str]:
        return ["ip", "netns", "exec", self._space(name)]

    def _command(self, name: str, *words: str) -> list[str]:
        first, *rest = words
        return [sys.executable, "-m", "pmgsync", first, "--root", str(self._root(name)), *rest]

    def _address(self, name: str, number: int) -> None:
        space = self._space(name)
        _ip("-n", space, "addr", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")

    def _furnish(self, name: str) -> None:
        root = self._root(name)
        for place in PLACES:
            (root / place).mkdir(parents=True)
        (root / "etc/hostname").write_text(f"{name}\n")
        address = f"{NETWORK}.{NAMES.index(name) + 1}"
        settings = f'[node]\naddress = "{address}"\n[network]\nheartbeat_ms = 500\n'
        (root / "etc/pmgsync/pmgsync.toml").write_text(settings)

    def _run(
        self, words: list[str], stdin: str = "", variables: Mapping[str, str] = MappingProxyType({})
    ) -> Done:
        done = subprocess.run(
            words,
            env={**environment(), **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            cwd=REPOSITORY,
        )
        return Done(done.returncode, done.stdout, done.stderr)


def faketime(offset_s: int) -> dict[str, str]:
    """The environment in which a program believes another date, and the same intervals."""
    library = FAKETIME.format(os.uname().machine + "-linux-gnu")
    return {
        "LD_PRELOAD": library,
        "FAKETIME": f"{offset_s:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _sh(script: str) -> None:
    subprocess.run(["sh", "-c", script], check=True, capture_output=True)
