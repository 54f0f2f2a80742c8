"""How fast a change travels, and what it costs: one table, beside a bare pipeline in the same run.

    make bench                                   everything, three minutes or so
    make bench ARGS="--quick --nodes 3"          a look
    make bench ARGS="--only latency --samples 200 --nodes 1,3,8"

Times are in milliseconds from just before the writer's rename to the right bytes on every
node, read there. All nodes, the master and the measuring share this machine's processors and
disk. Nothing is left behind. The exit code says whether it could measure, not whether a target
was met.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bare import pipeline
from crowd import found_crowd
from machines import (
    BenchError,
    Machine,
    all_in_sync,
    cluster,
    die_with_parent,
    environment,
    found,
    join,
    machines,
    until,
)
from processes import idle_percent, proportional_mb, resident_mb
from watching import Watcher, percentile, put, text

from pmgsync.errors import PmgsyncError

PARTS = ("latency", "load", "initial", "cost", "crowd")
WARM = 5
HEADS = ("", "pmgsync (p50 / p95)", "bare (p50 / p95)", "target (p50)")
LATENCY_TARGETS = {3: 8.0, 8: 14.0}
CROWD_TARGETS = {100: 100.0, 1000: 1000.0}
REJOIN_TARGETS = {100: 5000.0}
BURST_TARGET, INITIAL_TARGET, BIG_TARGET, MIXED_TARGET = 500.0, 2000.0, 300.0, 0.3
MEMORY_TARGET, IDLE_TARGET, AGENT_TARGET = 50.0, 0.5, 0.2


@dataclass
class Table:
    """What is printed: as it comes, and all of it again at the end."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, what: str, ours: str, bare: str = "", target: str = "") -> None:
        """One row."""
        self.rows.append((what, ours, bare, target))
        print(f"  {what}: {ours}" + (f"; bare {bare}" if bare else ""), flush=True)

    def judged(
        self, what: str, values: list[float], most: float | None, unit: str, bare: str = ""
    ) -> None:
        """A row whose median has a target, if there is one."""
        target = ""
        if most is not None:
            met = statistics.median(values) <= most
            target = f"<= {most:g} {unit}: {'met' if met else 'MISSED'}"
        self.add(what, spread(values, unit), bare, target)

    def show(self) -> None:
        """All of it."""
        rows = [HEADS, *self.rows]
        widths = [max(len(row[at]) for row in rows) for at in range(len(HEADS))]
        dashes = ["-" * width for width in widths]
        print()
        for row in (rows[0], dashes, *rows[1:]):
            print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")


def spread(values: list[float], unit: str) -> str:
    """Median and 95th percentile; the one value, if it is one."""
    middle = f"{statistics.median(values):.4g}"
    most = f" / {percentile(values, 95):.4g}" if len(values) > 1 else ""
    return f"{middle}{most} {unit}"


def milliseconds(began: float, ended: float) -> float:
    """Of two moments."""
    return (ended - began) * 1000


# --- propagation -------------------------------------------------------------------------------


def latency(table: Table, count: int, options: argparse.Namespace) -> None:
    """One small change at a time, through pmgsync and through the bare pipeline in turn."""
    rng = random.Random(count)
    with cluster(count) as made, pipeline(count) as (bare, bare_nodes):
        ours = Watcher([node.place for node in made[1:]])
        floor = Watcher(bare_nodes)
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(options.samples + WARM):
            for which, watcher, folder in ((0, ours, made[0].place), (1, floor, bare)):
                name, data = f"lat{number % 10}.conf", text(rng, 2048)
                watcher.expect({name: data})
                began = put(folder, name, data)
                times[which].append(milliseconds(began, watcher.wait()))
                time.sleep(0.05 + rng.random() * 0.05)
        ours.close()
        floor.close()
    mine, its = times[0][WARM:], times[1][WARM:]
    what = f"2 KB change, {count} node{'s' if count > 1 else ''}"
    table.judged(what, mine, LATENCY_TARGETS.get(count), "ms", spread(its, "ms"))


# --- load, three nodes -------------------------------------------------------------------------


def load(table: Table, options: argparse.Namespace) -> None:
    """A burst, a big file, and a pair that belongs together."""
    repeats = 2 if options.quick else 5
    with cluster(3) as made, pipeline(3) as (bare, bare_nodes):
        ours, floor = Watcher([node.place for node in made[1:]]), Watcher(bare_nodes)
        mine = [burst(ours, made[0].place) for _ in range(repeats)]
        its = [burst(floor, bare) for _ in range(repeats)]
        table.judged("200 changes to 50 files", mine, BURST_TARGET, "ms", spread(its, "ms"))
        mine, its = big(ours, made[0].place, repeats), big(floor, bare, repeats)
        table.judged("one line of a 10 MB file", mine, BIG_TARGET, "ms", spread(its, "ms"))
        ours.close()
        floor.close()
        windows = [mixed(made, number) for number in range(10 if options.quick else 50)]
        table.judged("pair seen mixed on a node", windows, MIXED_TARGET, "ms")


def burst(watcher: Watcher, folder: Path) -> float:
    """Milliseconds until all nodes have the last state of 50 files, changed four times each."""
    rng = random.Random()
    plan = [(f"burst{number:02}.conf", text(rng, 2048)) for number in list(range(50)) * 4]
    rng.shuffle(plan)
    watcher.expect(dict(plan))
    began = time.monotonic()
    for name, data in plan:
        put(folder, name, data)
    took = milliseconds(began, watcher.wait())
    time.sleep(0.5)
    return took


def big(watcher: Watcher, folder: Path, repeats: int) -> list[float]:
    """Milliseconds until one changed line of a large file is on all nodes."""
    rng, times = random.Random(1), []
    data = text(rng, 10_000_000)
    for _ in range(repeats + 1):
        watcher.expect({"big.txt": data})
        began = put(folder, "big.txt", data)
        times.append(milliseconds(began, watcher.wait()))
        time.sleep(0.5)
        at = data.index(b"\n", rng.randrange(9_000_000)) + 1
        data = data[:at] + b"changed: %x" % rng.getrandbits(64) + data[data.index(b"\n", at) :]
    return times[1:]


def mixed(made: list[Machine], number: int) -> float:
    """Milliseconds for which a node shows one new and one old file of a pair that was published as
    one change; from the first look that saw that to the first that saw both, looking all the time.
    """
    master, node = made[0], made[1]
    word = b"%08d\n" % number
    master.tell("/v1/hold", message="a pair")
    for name in ("pair-a.conf", "pair-b.conf"):
        put(master.place, name, word + b"x" * 2000)
    release = threading.Thread(target=master.tell, args=("/v1/release",))
    release.start()
    first = last = 0.0
    end = time.monotonic() + 30
    files = [os.fspath(node.place / name) for name in ("pair-a.conf", "pair-b.conf")]
    while True:
        new = [starts_with(file, word) for file in files]
        now = time.monotonic()
        if all(new):
            last = now
            break
        if any(new) and not first:
            first = now
        if now > end:
            raise BenchError("a pair did not arrive")
    release.join()
    time.sleep(0.05)
    return milliseconds(first, last) if first else 0.0


def starts_with(file: str, word: bytes) -> bool:
    """Does the file begin with `word`? (The cheapest possible look.)"""
    try:
        handle = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return os.read(handle, len(word)) == word
    finally:
        os.close(handle)


# --- the first state ---------------------------------------------------------------------------


def initial(table: Table, options: argparse.Namespace) -> None:
    """A master with 1,000 files, and three empty nodes that join at the same time."""
    times = [join_empty() for _ in range(1 if options.quick else 3)]
    table.judged("1,000 files to 3 nodes that join", times, INITIAL_TARGET, "ms")


def join_empty() -> float:
    """Milliseconds from the three joins to the last file on the last node."""
    rng = random.Random(3)
    files = {f"f{n:04}.conf": text(rng, int(200 * 40 ** rng.random())) for n in range(1000)}
    with machines(3) as (master, *nodes):
        for name, data in files.items():
            put(master.place, name, data)
        found(master)
        watcher = Watcher([node.place for node in nodes])
        watcher.expect(files)
        joins = [threading.Thread(target=join, args=(master, node)) for node in nodes]
        began = time.monotonic()
        for one in joins:
            one.start()
        took = milliseconds(began, watcher.wait(60))
        for one in joins:
            one.join()
        watcher.close()
        return took


# --- what it costs -----------------------------------------------------------------------------


def cost(table: Table, options: argparse.Namespace) -> None:
    """Memory and idle processor time of a master and a node, after some changes."""
    with cluster(3) as made:
        watcher, rng = Watcher([node.place for node in made[1:]]), random.Random(5)
        for number in range(20):
            name, data = f"file{number}.conf", text(rng, 2048)
            watcher.expect({name: data})
            put(made[0].place, name, data)
            watcher.wait()
        watcher.close()
        for machine in made:  # making keys and joining load what a daemon in service does not
            machine.stop()
            machine.start()
        until(lambda: made[0].answers() and all_in_sync(made[0], 4), "all to be back")
        time.sleep(3)
        pids = [made[0].pid, made[1].pid]
        idle = idle_percent(pids, 3.0 if options.quick else 10.0)
        for name, pid, percent in zip(("master", "node"), pids, idle, strict=True):
            resident, shared = resident_mb(pid), proportional_mb(pid)
            met = "met" if resident <= MEMORY_TARGET else "MISSED"
            target = f"<= {MEMORY_TARGET:g} MB: {met}" if name == "node" else ""
            table.add(f"{name}: RSS / PSS", f"{resident:.1f} / {shared:.1f} MB", "", target)
            table.judged(f"{name}: idle, of one core", [percent], IDLE_TARGET, "%")


# --- many agents -------------------------------------------------------------------------------


def crowd(table: Table, count: int, options: argparse.Namespace) -> None:
    """A real master, and so many agents that verify nothing but report correctly."""
    with tempfile.TemporaryDirectory(prefix="pmgsync-crowd-") as base:
        folder = Path(base)
        net = f"127.{88 + os.getpid() % 128}.{os.getpid() // 128 % 256}"
        master = Machine("master", f"{net}.2", folder / "master")
        master.lay_out()
        keys = folder / "keys"
        keys.mkdir()
        found_crowd(master, count, keys)
        agents: list[subprocess.Popen[bytes]] = []
        try:
            master.start()
            until(master.answers, "the master of the crowd")
            put(master.place, "first.conf", b"first\n")
            until(lambda: newest(master) >= 1, "the first version")
            time.sleep(2)
            alone = resident_mb(master.pid)
            agents = gather(keys, count, processes=1 if count <= 200 else 2)
            until(lambda: in_sync(master) == count + 1, f"{count} agents in sync", 180)
            time.sleep(3)
            each = (resident_mb(master.pid) - alone) / count
            pushes(table, master, count, 10 if options.quick else 30)
            rejoins(table, master, count, 3 if options.quick else 7)
            table.judged(f"{count} agents: master RSS each", [each], AGENT_TARGET, "MB")
            idle = idle_percent([master.pid], 3.0 if options.quick else 10.0)
            table.add(f"{count} agents: master idle, of one core", spread(idle, "%"))
        except (BenchError, PmgsyncError) as error:
            raise BenchError(f"{error}\n{master.tail()}") from error
        finally:
            for process in agents:
                process.kill()
                process.wait()
            master.stop()


def gather(keys: Path, count: int, processes: int) -> list[subprocess.Popen[bytes]]:
    """Start the crowd."""
    share = -(-count // processes)
    program = str(Path(__file__).with_name("crowd.py"))
    return [
        subprocess.Popen(
            [sys.executable, program, str(keys), str(first), str(min(share, count + 2 - first))],
            env=environment(),
            preexec_fn=die_with_parent,
        )
        for first in range(2, count + 2, share)
    ]


def pushes(table: Table, master: Machine, count: int, samples: int) -> None:
    """From the moment at which a version is durable on the master to its last report."""
    rng, pushed, whole = random.Random(2), [], []
    for number in range(samples):
        version = newest(master) + 1
        began = put(master.place, f"crowd{number % 5}.conf", text(rng, 2048))
        answer = settled(master, version)
        whole.append(milliseconds(began, time.monotonic()))
        arrived = [one["ms"] for one in answer["arrived"]]
        if len(arrived) != count + 1 or answer["missing"]:
            raise BenchError(f"{len(arrived)} of {count + 1} nodes reported")
        pushed.append(float(max(arrived)))
        time.sleep(0.3)
    target = CROWD_TARGETS.get(count)
    table.judged(f"{count} agents: push to all reports", pushed, target, "ms")
    table.judged(f"{count} agents: rename to all reports, asked", whole, None, "ms")


def rejoins(table: Table, master: Machine, count: int, samples: int) -> None:
    """From the start of a master that was killed under its agents to the moment at which all are
    back and hold a version that was edited meanwhile.
    """
    rng, took = random.Random(3), []
    for number in range(samples):
        before = newest(master)
        master.kill()
        put(master.place, f"crowd{number % 5}.conf", text(rng, 2048))
        began = time.monotonic()
        master.start()
        until(master.answers, "the master to answer again")
        until(
            lambda before=before: newest(master) > before and in_sync(master) == count + 1,
            f"{count} agents to be back",
        )
        took.append(milliseconds(began, time.monotonic()))
        time.sleep(1)
    table.judged(
        f"{count} agents: back at a restarted master", took, REJOIN_TARGETS.get(count), "ms"
    )


def settled(master: Machine, version: int) -> dict[str, Any]:
    """What became of `version`, once every node has said."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(PmgsyncError):  # is not published yet
            return master.ask(f"/v1/wait?version={version}&timeout_ms=30000")
        time.sleep(0.002)
    raise BenchError(f"version {version} was not published")


def newest(master: Machine) -> int:
    """The newest version, 0 while there is none."""
    versions = master.ask("/v1/log?most=1")["versions"]
    return int(versions[0]["version"]) if versions else 0


def in_sync(master: Machine) -> int:
    """How many nodes are."""
    status = master.ask("/v1/status")["status"]
    return sum(node["state"] == "in sync" for node in status["nodes"])


# --- the command line --------------------------------------------------------------------------


def measure(table: Table, options: argparse.Namespace) -> None:
    """Whatever was asked for."""
    wanted = options.only.split(",")
    if "latency" in wanted:
        for count in map(int, options.nodes.split(",")):
            latency(table, count, options)
    for name, part in (("load", load), ("initial", initial), ("cost", cost)):
        if name in wanted:
            part(table, options)
    if "crowd" in wanted:
        for count in map(int, options.agents.split(",")):
            crowd(table, count, options)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", default="1,3,8", help="for latency (default: 1,3,8)")
    parser.add_argument("--samples", type=int, default=50, help="for latency (default: 50)")
    parser.add_argument("--agents", default="100,1000", help="crowds (default: 100,1000)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if options.quick:
        options.samples = min(options.samples, 15)
    return options


def main() -> int:
    """Measure, then print the table of what was measured."""
    options, table = parse(), Table()
    try:
        measure(table, options)
    except (BenchError, PmgsyncError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        table.show()
        load_now = os.getloadavg()[0]
        print(f"\nload of this machine at the end: {load_now:.2f} on {os.cpu_count()} processors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
