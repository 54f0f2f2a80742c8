"""This checkout beside another one, change by change: what became faster, what became cheaper.

    git worktree add ../before COMMIT
    PYTHONPATH=. .venv/bin/python bench/compare.py ../before [--nodes 3] [--samples 100]

Two clusters run at the same time and take turns, so that whatever else the machine does hits both
alike. For each: milliseconds from the writer's rename to the right bytes on all nodes, and the
processor time of one change, of the master and of a node, until it was visible everywhere and
until half a second later, in milliseconds, with what they use when idle taken off. Processor time
hardly depends on what others do, so it is what to look at on a busy machine.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from machines import REPOSITORY, BenchError, Machine, cluster
from processes import processor_seconds
from watching import Watcher, percentile, put, text

AFTER = 0.5
WARM = 5


@dataclass
class Side:
    """One checkout's cluster, and what was measured on it."""

    name: str
    made: list[Machine]
    watcher: Watcher
    idle: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    until_seen: list[list[float]] = field(default_factory=list)
    in_all: list[list[float]] = field(default_factory=list)

    def used(self) -> list[float]:
        """Processor milliseconds of each daemon so far."""
        return [processor_seconds(machine.pid) * 1000 for machine in self.made]

    def learn_idle(self, before: list[float], seconds: float) -> None:
        """What each daemon uses a second while nothing happens."""
        self.idle = [(now - was) / seconds for was, now in zip(before, self.used(), strict=True)]

    def change(self, name: str, data: bytes) -> None:
        """One change, timed and weighed."""
        self.watcher.expect({name: data})
        before, began = self.used(), time.monotonic()
        renamed = put(self.made[0].place, name, data)
        seen = self.watcher.wait()
        self.latency.append((seen - renamed) * 1000)
        self.until_seen.append(self._since(before, began))
        time.sleep(AFTER)
        self.in_all.append(self._since(before, began))

    def _since(self, before: list[float], began: float) -> list[float]:
        took = time.monotonic() - began
        return [
            now - was - idle * took
            for was, now, idle in zip(before, self.used(), self.idle, strict=True)
        ]

    def line(self) -> str:
        """One row of the table."""
        seen, whole = self.until_seen[WARM:], self.in_all[WARM:]
        cells = [
            statistics.median(self.latency[WARM:]),
            percentile(self.latency[WARM:], 25),
            percentile(self.latency[WARM:], 95),
            *(statistics.median(one[0] for one in rows) for rows in (seen, whole)),
            *(
                statistics.median(statistics.mean(one[1:]) for one in rows)
                for rows in (seen, whole)
            ),
        ]
        return f"{self.name:<24}" + "".join(f"{cell:>10.2f}" for cell in cells)


def runner(checkout: Path, settings: list[str]) -> list[str]:
    """How a daemon of `checkout` is started, with `settings` of the environment."""
    return ["/usr/bin/env", f"PYTHONPATH={checkout}", *settings, sys.executable, "-m", "pmgsync"]


def compare(checkouts: list[Path], options: argparse.Namespace) -> None:
    """Both clusters, in turns."""
    rng = random.Random(11)
    with ExitStack() as stack:
        sides = []
        for number, checkout in enumerate(checkouts):
            command = runner(checkout, options.env if number else [])
            made = stack.enter_context(
                cluster(options.nodes, runner=lambda _, c=command: c, number=number)
            )
            watcher = Watcher([node.place for node in made[1:]])
            sides.append(Side(checkout.name, made, watcher))
        time.sleep(2)
        before = [side.used() for side in sides]
        time.sleep(10)
        for side, was in zip(sides, before, strict=True):
            side.learn_idle(was, 10)
        for number in range(options.samples + WARM):
            for side in sides:
                side.change(f"change{number % 10}.conf", text(rng, options.size))
        for side in sides:
            side.watcher.close()
    heads = ("p50", "p25", "p95", "m seen", "m all", "n seen", "n all")
    print(f"{'':<24}" + "".join(f"{head:>10}" for head in heads))
    for side in sides:
        print(side.line() + "   idle ms/s " + " ".join(f"{i:.1f}" for i in side.idle))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--size", type=int, default=2048, help="bytes of a change")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="for this checkout only"
    )
    options = parser.parse_args()
    try:
        compare([options.other.resolve(), REPOSITORY], options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
