"""PURE. What has to happen in the tree to get from the state that is there to the state that is
wanted.

A plan is computed from manifests alone and is empty where they agree. On the master's own node the
synced files are *authored*: there a plan never puts or deletes one, it only builds what is derived
from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pmgsync.agent.service_work import NO_WORK, ServiceWork
from pmgsync.model.changeset import Diff, Position, diff
from pmgsync.model.manifest import Digest, FileEntry, Manifest
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import rule_for
from pmgsync.ports import LogRecord
from pmgsync.render.targets import is_source


@dataclass(frozen=True, slots=True)
class Plan:
    """From `before` to `after`: files to put and delete, maps to build (by source; None: from
    nothing), service files that are put or removed in the same step.
    """

    before: Position
    after: Position
    puts: tuple[FileEntry, ...] = ()
    deletes: tuple[ManagedPath, ...] = ()
    maps: tuple[tuple[ManagedPath, FileEntry | None], ...] = ()
    records: tuple[LogRecord, ...] = ()
    services: ServiceWork = NO_WORK
    renders: bool = False
    """Does something change of which service files are made?"""

    @property
    def contents(self) -> frozenset[Digest]:
        """The digests of everything that has to be at hand."""
        sources = (entry for _, entry in self.maps if entry is not None)
        return frozenset(entry.digest for entry in (*self.puts, *sources))

    @property
    def size(self) -> int:
        """Bytes to write."""
        return sum(entry.size for entry in self.puts)

    @property
    def touched(self) -> frozenset[str]:
        """The synced paths that it puts or deletes."""
        return frozenset(entry.path for entry in self.puts) | frozenset(self.deletes)


@dataclass(frozen=True, slots=True)
class Advance:
    """A step in history that a node is to make: the wanted state, its position, and the log records
    up to it. `change`, if somebody knows it, is what differs from `since`.
    """

    position: Position
    manifest: Manifest
    records: tuple[LogRecord, ...]
    since: Manifest | None = None
    change: Diff | None = None

    def change_from(self, base: Mapping[ManagedPath, FileEntry]) -> Diff:
        """What turns `base` into what is wanted."""
        known = self.change if base is self.since else None
        return diff(base, self.manifest) if known is None else known


def plan_advance(
    base: Mapping[ManagedPath, FileEntry], before: Position, advance: Advance, *, authored: bool
) -> Plan:
    """The plan that turns `base` into what `advance` wants."""
    change = advance.change_from(base)
    return Plan(
        before,
        advance.position,
        puts=() if authored else change.puts,
        deletes=() if authored else change.deletes,
        maps=maps_of(change.paths, advance.manifest),
        records=advance.records,
        renders=any(map(is_source, change.paths)),
    )


def plan_repair(
    active: Manifest, position: Position, *, paths: Iterable[str], unmapped: Iterable[str]
) -> Plan:
    """The plan that puts `paths` back to what `active` says, and builds maps that are missing."""
    wanted = sorted(set(paths))
    puts = tuple(active[ManagedPath(path)] for path in wanted if path in active)
    deletes = tuple(ManagedPath(path) for path in wanted if path not in active)
    maps = maps_of([*(entry.path for entry in puts), *deletes, *map(ManagedPath, unmapped)], active)
    return Plan(position, position, puts, deletes, maps)


def stages(plan: Plan) -> tuple[Plan, ...]:
    """`plan`, in two where a file takes the place of a folder or the reverse: first the deletes
    that are in the way, while the position stays, then the rest.
    """
    if not plan.deletes:
        return (plan,)
    puts = {entry.path for entry in plan.puts}
    above = {folder for path in puts for folder in _folders_above(path)}
    first = {
        path: None
        for path in plan.deletes
        if path in above or not puts.isdisjoint(_folders_above(path))
    }
    if not first:
        return (plan,)
    rest = tuple(path for path in plan.deletes if path not in first)
    return Plan(plan.before, plan.before, deletes=tuple(first)), replace(plan, deletes=rest)


def _folders_above(path: str) -> Iterator[ManagedPath]:
    while path := path.rpartition("/")[0]:
        yield ManagedPath(path)


def maps_of(
    paths: Iterable[ManagedPath], target: Manifest
) -> tuple[tuple[ManagedPath, FileEntry | None], ...]:
    """The maps to build for those of `paths` that have one, each with its source in `target`."""
    mapped = sorted(
        {path for path in paths if (rule := rule_for(path)) is not None and rule.postmap}
    )
    return tuple((path, target.get(path)) for path in mapped)
