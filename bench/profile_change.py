"""Where the milliseconds of one change go, on the master and on a node.

    PYTHONPATH=. .venv/bin/python bench/profile_change.py [--nodes 1,3] [--files 1000]

Runs a cluster whose daemons carry stopwatches (`traced_daemon.py`), puts one file after
another, and prints for each station the median moment at which it began (after the writer's rename)
and how long it took. A station that lies inside another one is part of it.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from machines import REPOSITORY, BenchError, Machine, cluster
from watching import Watcher, percentile, put, text

WINDOW = 0.2  # seconds of trace that belong to one change, and more for a large one


class Mark(NamedTuple):
    """One call."""

    began: float
    ended: float
    label: str


class Sample(NamedTuple):
    """One change: its rename, and when its bytes were there on the last node."""

    put: float
    seen: float


def changes(made: list[Machine], samples: int, files: int, size: int) -> list[Sample]:
    """Put so many files, one after the other, beside `files` others that lie there already."""
    rng, watcher = random.Random(7), Watcher([node.place for node in made[1:]])
    others = {f"other{number}.conf": text(rng, 1000) for number in range(files)}
    watcher.expect(others)
    for name, data in others.items():
        put(made[0].place, name, data)
    if others:
        watcher.wait()
        time.sleep(3)
    taken: list[Sample] = []
    for number in range(samples + 5):
        name, data = f"change{number % 10}.conf", text(rng, size)
        watcher.expect({name: data})
        before = put(made[0].place, name, data)
        taken.append(Sample(before, watcher.wait()))
        time.sleep(window(size) + rng.random() * 0.1)
    watcher.close()
    return taken[5:]


def window(size: int) -> float:
    """How long after its rename a change of so many bytes may go on."""
    return WINDOW + size / 1e7


def marks_of(trace: Path) -> list[Mark]:
    """What a daemon wrote when it ended."""
    return sorted(Mark(b, e, label) for b, e, label, _ in json.loads(trace.read_text("ascii")))


def table(marks: list[Mark], samples: list[Sample], seconds: float) -> None:
    """One line per station, in the order in which they begin."""
    begins: dict[str, list[float]] = {}
    takes: dict[str, list[float]] = {}
    for sample in samples:
        mine = [m for m in marks if sample.put <= m.ended < sample.put + seconds]
        counts: dict[str, int] = {}
        for mark in mine:
            counts[mark.label] = counts.get(mark.label, 0) + 1
            label = mark.label
            if counts[mark.label] > 1:
                label += f" ({counts[mark.label]})"
            begins.setdefault(label, []).append(mark.began - sample.put)
            takes.setdefault(label, []).append(mark.ended - mark.began)
    often = [label for label, times in begins.items() if len(times) >= len(samples) * 0.6]
    print(f"  {'station':<22}{'begins at':>10}{'takes':>9}{'p95':>9}{'ends at':>10}")
    for label in sorted(often, key=lambda name: statistics.median(begins[name])):
        at, took = statistics.median(begins[label]), statistics.median(takes[label])
        ends = statistics.median([b + t for b, t in zip(begins[label], takes[label], strict=True)])
        most = percentile(takes[label], 95)
        begin = f"{at * 1000:10.2f}" if at > 0 else f"{'waiting':>10}"
        print(f"  {label:<22}{begin}{took * 1000:9.2f}{most * 1000:9.2f}{ends * 1000:10.2f}")


def profile(count: int, samples: int, files: int, size: int) -> None:
    """One cluster, one pair of tables."""
    with tempfile.TemporaryDirectory(prefix="pmgsync-trace-") as folder:
        traces = Path(folder)
        program = str(REPOSITORY / "bench/traced_daemon.py")
        with cluster(
            count, runner=lambda name: [sys.executable, program, str(traces / name)]
        ) as made:
            taken = changes(made, samples, files, size)
            for machine in made:
                machine.stop()
        total = [sample.seen - sample.put for sample in taken]
        middle, most = statistics.median(total) * 1000, percentile(total, 95) * 1000
        print(f"\n{count} node(s), {samples} changes beside {files} files")
        print(f"p50 {middle:.2f} ms, p95 {most:.2f} ms")
        for name in ("master", f"node{count}"):
            print(f"\n {name} (ms after the rename)")
            table(marks_of(traces / name), taken, window(size))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", default="1,3", help="sizes of the cluster (default: 1,3)")
    parser.add_argument("--samples", type=int, default=40, help="changes (default: 40)")
    parser.add_argument("--files", type=int, default=0, help="other synced files (default: 0)")
    parser.add_argument("--size", type=int, default=2048, help="of the change (default: 2048)")
    options = parser.parse_args()
    try:
        for count in map(int, options.nodes.split(",")):
            profile(count, options.samples, options.files, options.size)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
