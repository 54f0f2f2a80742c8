"""What a process costs: memory, and processor time to the microsecond."""

from __future__ import annotations

import time
from pathlib import Path


def _kilobytes(pid: int, file: str, key: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text("ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise ValueError(f"no {key} of {pid}")


def resident_mb(pid: int) -> float:
    """All memory that it has in RAM, also what it shares with others (VmRSS)."""
    return _kilobytes(pid, "status", "VmRSS") / 1024


def proportional_mb(pid: int) -> float:
    """The same with shared pages divided by the number of those that share them (PSS)."""
    return _kilobytes(pid, "smaps_rollup", "Pss") / 1024


def processor_seconds(pid: int) -> float:
    """Time that all its threads have run."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e9


def idle_percent(pids: list[int], seconds: float) -> list[float]:
    """How much of a core each uses while nothing happens."""
    before = [processor_seconds(pid) for pid in pids]
    time.sleep(seconds)
    return [
        100 * (processor_seconds(pid) - began) / seconds
        for pid, began in zip(pids, before, strict=True)
    ]
