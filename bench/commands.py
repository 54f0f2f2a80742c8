"""How long a command takes from the start of its process to the end: `dump`, `facts`, `check`.

    python bench/commands.py [--times 41]

A node with a cluster of three, a hundred domains and transports; the interpreter that runs this
runs the commands. Prints the median, the fastest and the 95th percentile of each, and the CPU time
of one run, which is what counts on a busy machine. Ends with 1 if `dump` misses its target.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET_MS = 150.0
MANY = 100
KEY = "A" * 200

FACTS = {"hostname": "mail1", "memory_mib": 8192, "postgres_version": "17"}
COMMANDS = {
    "dump": ["dump", "--facts", "facts.json"],
    "facts": ["facts", "--facts", "facts.json"],
    "check": ["check"],
    "version": ["--version"],
}


def node(number: int) -> str:
    """A section of `cluster.conf`."""
    options = {
        "fingerprint": ":".join(["AB"] * 32),
        "hostrsapubkey": KEY,
        "ip": f"192.0.2.{number}",
        "name": f"mail{number}",
        "rootrsapubkey": KEY,
        **({"maxcid": "3"} if number == 1 else {}),
    }
    kind = "master" if number == 1 else "node"
    return f"{kind}: {number}\n" + "".join(f"\t{k} {v}\n" for k, v in options.items()) + "\n"


def make_node(root: Path) -> None:
    """The files of a usual node."""
    files = {
        "etc/hostname": "mail1\n",
        "etc/resolv.conf": "search example.com\nnameserver 192.0.2.53\n",
        "etc/pmg/pmg.conf": "section: mail\n\trelay 192.0.2.9\n\ttls 1\n\n",
        "etc/pmg/cluster.conf": "".join(node(number) for number in (1, 2, 3)),
        "etc/pmg/domains": "".join(f"domain{n}.example 1\n" for n in range(MANY)),
        "etc/pmg/transport": "".join(
            f"domain{n}.example smtp:[192.0.2.9]:25\n" for n in range(MANY)
        ),
        "etc/pmg/mynetworks": "10.0.0.0/8 #inside\n",
        "facts.json": json.dumps(FACTS),
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def cpu_seconds() -> float:
    """Of all programs run so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(root: Path, words: list[str]) -> tuple[float, float]:
    """Milliseconds of one run: on the wall, and of the CPU."""
    program = [sys.executable, "-m", "pmgsync", *words]
    if words[0] != "--version":
        program += ["--root", str(root)]
    before, start = cpu_seconds(), time.perf_counter()
    subprocess.run(
        program,
        cwd=root,
        check=True,
        stdout=subprocess.DEVNULL,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
    )
    wall = time.perf_counter() - start
    return wall * 1000, (cpu_seconds() - before) * 1000


def main() -> int:
    """Print the table; 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=41)
    options = parser.parse_args()
    medians = {}
    print(
        f"{'':8} {'median':>8} {'fastest':>8} {'p95':>8} {'CPU':>8}   ms, of {options.times} runs"
    )
    with tempfile.TemporaryDirectory() as folder:
        make_node(Path(folder))
        for name, words in COMMANDS.items():
            run(Path(folder), words)  # writes the bytecode
            runs = [run(Path(folder), words) for _ in range(options.times)]
            walls = sorted(wall for wall, _ in runs)
            medians[name] = statistics.median(walls)
            last = walls[int(0.95 * (len(walls) - 1))]
            cpu = statistics.median(cpu for _, cpu in runs)
            print(f"{name:8} {medians[name]:8.0f} {walls[0]:8.0f} {last:8.0f} {cpu:8.0f}")
    print(f"target for dump: {TARGET_MS:.0f} ms")
    return 0 if medians["dump"] <= TARGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
