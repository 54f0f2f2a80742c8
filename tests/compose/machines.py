"""Four gateways that can be broken in every way a machine breaks, and the verbs to do it.

`Machines` is what a scenario speaks. There are two kinds: containers of docker-compose.yml, with a
service manager or without, and network namespaces with a process each. Both run the same daemon on
separate network stacks; what differs is how a fault is made. Whatever is waited for has a deadline.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from tests.e2e.cluster import PATIENCE, until

NAMES = ("mail1", "mail2", "mail3", "mail4")
YEAR_S = 366 * 86400
SMALL = "2m"
LEAVINGS = "find $ROOT/etc/pmg $ROOT/etc/mail/spamassassin -name '.pmgsync-*'"
DIGESTS = (
    "cd $ROOT/ && find etc/pmg etc/mail/spamassassin -type f -not -name '.*' -not -name '*.db' "
    "-exec sha256sum {} + 2>/dev/null | sort -k 2"
)
_KEY = re.compile(r"\s*(?:[A-Z2-7]{4}-)+[A-Z2-7]+\s*")
PMG_CONF = "section: mail\n\trelay 192.0.2.25\n"


def domains(text: str) -> str:
    """A list of relay domains that tells which edit it is."""
    return f"example.com 1\n{text}.example 1\n"


@dataclass(frozen=True)
class Done:
    """A command that has ended on a gateway."""

    code: int
    out: str
    err: str


class Machines(Protocol):
    """The gateways and their network. `has_services`: each has a Postfix of its own."""

    has_services: bool

    def start(self) -> None:
        """All gateways up, each with an empty configuration and a running daemon."""

    def end(self) -> None:
        """Everything that was started is gone."""

    def shell(self, name: str, script: str, *, stdin: str = "") -> Done:
        """Run a script of `sh` on a gateway, as root; `$ROOT` stands before every path of it."""

    def pmgsync(self, name: str, *words: str) -> Done:
        """Run `pmgsync WORDS` on a gateway."""

    def crash(self, name: str) -> None:
        """The gateway loses its power."""

    def boot(self, name: str, *, clock_s: int = 0) -> None:
        """It comes back; its clock differs from the true time by so many seconds."""

    def stop(self, name: str) -> None:
        """Shut it down in good order."""

    def kill_daemon(self, name: str) -> None:
        """`kill -9` of the daemon alone; what watches over it (or we) starts it again."""

    def pause(self, name: str) -> None:
        """Nothing on it moves any more."""

    def resume(self, name: str) -> None:
        """All on it goes on."""

    def disconnect(self, name: str) -> None:
        """Its cable is pulled."""

    def connect(self, name: str, *, number: int | None = None) -> None:
        """Its cable is back; with `number` it has the address of that number from now on."""

    def shrink(self, name: str) -> None:
        """Its /etc/pmg lies on a disk of two megabytes from now on, until it loses its power."""

    def grow(self, name: str) -> None:
        """That disk has room again."""

    def log(self, name: str) -> str:
        """What its daemon logged."""


@dataclass
class Gateways:
    """A cluster of them. The first one founds it."""

    machines: Machines
    master: str = NAMES[0]
    recovery_key: str = ""
    measured: dict[str, float] = field(default_factory=dict)
    """What was timed, in seconds: said at the end of the run, never judged."""

    def found(self, count: int = 4) -> Gateways:
        """A cluster of the first `count`, level."""
        self.write(self.master, "pmg.conf", PMG_CONF)
        self.write(self.master, "domains", "example.com 1\n")
        said = self.ok(self.master, "create").out
        self.recovery_key = next(line.strip() for line in said.splitlines() if _KEY.fullmatch(line))
        for name in NAMES[1:count]:
            self.join(name)
        self.level(*NAMES[:count])
        return self

    def join(self, name: str) -> None:
        """Let `name` in with a token."""
        line = self.ok(self.master, "join-cmd").out.strip().splitlines()[-1]
        self.ok(name, *shlex.split(line)[1:])

    def ok(self, name: str, *words: str) -> Done:
        """Run `pmgsync WORDS`, which must end well."""
        done = self.machines.pmgsync(name, *words)
        assert done.code == 0, f"{name}: pmgsync {' '.join(words)}: {done.code}: {done.err}"
        assert "Traceback" not in done.err
        return done

    def write(self, name: str, file: str, content: str) -> None:
        """Write /etc/pmg/FILE on a gateway as PMG does: beside it, then renamed."""
        path = f"$ROOT/etc/pmg/{shlex.quote(file)}"
        script = f"mkdir -p $(dirname {path}) && cat > {path}.tmp.1 && mv {path}.tmp.1 {path}"
        done = self.machines.shell(name, script, stdin=content)
        assert done.code == 0, done.err

    def read(self, name: str, file: str) -> str | None:
        """The content of /etc/pmg/FILE there; None if there is none, or it cannot be asked."""
        done = self.machines.shell(name, f"cat $ROOT/etc/pmg/{shlex.quote(file)}")
        return done.out if done.code == 0 else None

    def status(self, name: str) -> dict[str, Any]:
        """`pmgsync status --json` there; empty while it does not answer."""
        done = self.machines.pmgsync(name, "status", "--json")
        document: dict[str, Any] = json.loads(done.out) if done.out else {}
        return document

    def state_of(self, name: str, at: str = "") -> str:
        """The state of a gateway as `at` (default: the master) tells it."""
        rows = (self.status(at or self.master).get("status") or {"nodes": []})["nodes"]
        return next((str(row["state"]) for row in rows if row["name"] == name), "unknown")

    def is_state(self, name: str, state: str, at: str = "") -> Callable[[], bool]:
        return lambda: self.state_of(name, at) == state

    def master_of(self, name: str) -> str:
        """Whom a gateway calls master, as far as it is in touch with it."""
        status = self.status(name)
        if status.get("source") not in {"live", "master"}:
            return ""
        rows = status["status"]["nodes"]
        return next((str(row["name"]) for row in rows if row["role"] == "master"), "")

    def follow(self, master: str, *names: str) -> None:
        """From now on `master` is; wait until these (default: the other three) are in touch."""
        self.master = master
        for name in names or tuple(name for name in NAMES if name != master):
            until(partial(self._obeys, name, master), f"{name} to follow {master}")

    def _obeys(self, name: str, master: str) -> bool:
        return self.master_of(name) == master

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """How long what is done inside takes."""
        begin = time.monotonic()
        yield
        self.measured[what] = time.monotonic() - begin

    def digests(self, name: str) -> str:
        """Every synced file with its digest."""
        return self.machines.shell(name, DIGESTS).out

    def level(self, *names: str, seconds: float = PATIENCE) -> None:
        """Wait until these (default: all four) run the newest version and hold the same files."""
        chosen = names or NAMES
        until(lambda: self._are_level(chosen), f"{', '.join(chosen)} to be level", seconds)

    def _are_level(self, names: tuple[str, ...]) -> bool:
        wanted = self.digests(self.master)
        rows = (self.status(self.master).get("status") or {"nodes": []})["nodes"]
        states = {row["name"]: row["state"] for row in rows}
        return all(
            states.get(name) == "in sync"
            and self.digests(name) == wanted
            and not self.machines.shell(name, LEAVINGS).out
            for name in names
        )
