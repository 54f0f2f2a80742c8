"""How long another master takes: from the command to the moment at which all others follow it.

    python bench/promotion.py [ROUNDS]

Three real daemons over loopback, with the defaults. `handover`: the master answers. `loss`: it was
killed, and the nodes have noticed. `return`: from the start of the old master's daemon until it
runs the new master's version. The time of the command includes its own start.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from tests.e2e.cluster import Cluster, Node, a_cluster, until


def follows(node: Node, master: Node) -> bool:
    """Does it run what `master` has, under it?"""
    status = node.status()
    view = status["status"]
    leaders = [row["name"] for row in view["nodes"] if row["role"] == "master"] if view else []
    return leaders == [master.name] and status["source"] in {"live", "master"}


def timed(act: Callable[[], object], master: Node, others: list[Node]) -> float:
    """Seconds from `act` until `others` follow `master`."""
    began = time.monotonic()
    act()
    for node in others:
        until(partial(follows, node, master), f"{node.name} to follow")
    return time.monotonic() - began


def lead(cluster: Cluster, node: Node) -> None:
    cluster.nodes.remove(node)
    cluster.nodes.insert(0, node)


def rounds(cluster: Cluster, count: int) -> dict[str, list[float]]:
    """The seconds of each, `count` times."""
    found: dict[str, list[float]] = {"handover": [], "loss": [], "return": []}
    for _ in range(count):
        old, heir, third = cluster.nodes
        found["handover"].append(timed(lambda: heir.pmgsync("promote"), heir, [old, third]))  # noqa: B023 - called at once
        lead(cluster, heir)
        cluster.settle()
        lost, heir, third = cluster.nodes
        lost.kill()
        until(lambda: third.status()["source"] == "last known", "the loss to be noticed")  # noqa: B023
        until(lambda: heir.status()["source"] == "last known", "the loss to be noticed")  # noqa: B023
        found["loss"].append(timed(lambda: heir.pmgsync("promote"), heir, [third]))  # noqa: B023
        lead(cluster, heir)
        found["return"].append(timed(lambda: lost.start(), heir, [lost]))  # noqa: B023
        cluster.settle()
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder, a_cluster(Path(folder)) as cluster:
        found = rounds(cluster.found(3), count)
    for name, seconds in found.items():
        print(f"{name:8}  median {median(seconds):.2f} s  most {max(seconds):.2f} s  of {count}")


if __name__ == "__main__":
    main()
