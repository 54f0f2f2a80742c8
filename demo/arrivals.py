"""When a change is there: all files of a node with the wanted content, seen by looking all the
time.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from cluster import PATIENCE, DemoError, Node

from pmgsync.model.scope import PMG, SPAMASSASSIN, rule_for

Wanted = dict[str, bytes | None]  # path -> content, None: the file is gone
BETWEEN_LOOKS = 0.0002  # seconds; looking without a pause would take the daemons' processor


class Edit:
    """Some files of the master, written beside their places as PMG does, then renamed at once."""

    def __init__(self, root: Path, wanted: Wanted) -> None:
        self.root = root
        self.wanted = wanted
        self.moves: list[tuple[Path, Path]] = []
        for path, data in wanted.items():
            if data is not None:
                target = root / path
                aside = target.with_name(f"{target.name}.tmp.1")
                target.parent.mkdir(parents=True, exist_ok=True)
                aside.write_bytes(data)
                rule = rule_for(path)
                aside.chmod(rule.mode if rule else 0o644)
                self.moves.append((aside, target))

    def make(self) -> None:
        """Now."""
        for aside, target in self.moves:
            aside.rename(target)
        for path, data in self.wanted.items():
            if data is None:
                (self.root / path).unlink()


def arrivals(nodes: list[Node], wanted: Wanted, start: Callable[[], None]) -> list[float]:
    """Call `start`, then look until every node has everything; seconds since before `start`."""
    todo = {node.name: list(wanted.items()) for node in nodes}
    seen: dict[str, float] = {}
    began = time.perf_counter()
    start()
    while len(seen) < len(nodes):
        for node in nodes:
            rest = todo[node.name]
            while rest and is_there(node.root, *rest[-1]):
                rest.pop()
            if not rest and node.name not in seen:
                seen[node.name] = time.perf_counter() - began
        if time.perf_counter() - began > PATIENCE:
            late = next(node for node in nodes if todo[node.name])
            path = todo[late.name][-1][0]
            raise DemoError(f"{path} did not arrive on {late.name} within {PATIENCE:.0f} s")
        time.sleep(BETWEEN_LOOKS)
    return [seen[node.name] for node in nodes]


def is_there(root: Path, path: str, data: bytes | None) -> bool:
    """Has this file the wanted content?"""
    place = root / path
    try:
        size = place.stat().st_size
        return data is not None and size == len(data) and place.read_bytes() == data
    except FileNotFoundError:
        return data is None


def synced_files(root: Path) -> dict[str, str]:
    """Every synced file of a node: its path, and its mode and digest."""
    found: dict[str, str] = {}
    for place in sorted([*(root / PMG).rglob("*"), *(root / SPAMASSASSIN).rglob("*")]):
        path = place.relative_to(root).as_posix()
        if place.is_file() and rule_for(path) is not None:
            digest = hashlib.sha256(place.read_bytes()).hexdigest()
            found[path] = f"{place.stat().st_mode & 0o7777:04o} {digest}"
    return found


def digest_of(files: dict[str, str]) -> str:
    """One digest over all of them."""
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
