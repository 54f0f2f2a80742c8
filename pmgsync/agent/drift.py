"""PURE. Drift: a synced file on a node that is not what the active version says.

What a look found is compared with what the node runs. Drift is put back, and what is overwritten is
kept first; `keep` decides what is worth keeping and why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pmgsync.model.changeset import diff
from pmgsync.model.manifest import FileEntry, Manifest
from pmgsync.model.paths import ManagedPath
from pmgsync.survey import Observation

EDITED = "edited on this node"
ADDED = "added on this node"
DELETED = "deleted on this node"
REPLACED = "replaced on this node by something that is no file"
"""Also what cannot be read; the caller must tell the two apart, for that would be lost."""
ATTRIBUTES = "mode or owner changed on this node"
BEFORE_JOINING = "was here before the node joined"

_DONE = {ADDED: "it was removed", BEFORE_JOINING: "it made way for the cluster's"}


@dataclass(frozen=True, slots=True)
class Drift:
    """One path that has drifted, how, and what lies there now (None: nothing, or nothing that can
    be kept).
    """

    path: str
    reason: str
    found: FileEntry | None


def find(active: Manifest, observation: Observation) -> tuple[Drift, ...]:
    """Everything that a look found to be unlike `active`, sorted by path."""
    troubled = {problem.path for problem in observation.problems}
    change = diff(active, observation.manifest)
    drifts = [
        Drift(entry.path, EDITED if entry.path in active else ADDED, entry)
        for entry in change.puts
        if entry.path not in troubled
    ]
    drifts += [Drift(path, DELETED, None) for path in change.deletes if path not in troubled]
    drifts += [Drift(path, REPLACED, None) for path in troubled if path in active]
    known = {drift.path for drift in drifts}
    drifts += [
        Drift(path, ATTRIBUTES, None)
        for path in observation.unlike
        if path in active and path not in known
    ]
    return tuple(sorted(drifts, key=lambda drift: drift.path))


def overwritten(
    touched: Iterable[str],
    observation: Observation,
    active: Manifest,
    target: Manifest,
    *,
    joining: bool,
) -> tuple[Drift, ...]:
    """What a plan that touches `touched` would overwrite although no version put it there."""
    lost = []
    troubled = {problem.path for problem in observation.problems}
    for path in map(ManagedPath, sorted(touched)):
        if path in troubled:
            lost.append(Drift(path, REPLACED, None))
            continue
        found = observation.manifest.get(path)
        if found is None or _same(found, active.get(path)) or _same(found, target.get(path)):
            continue
        lost.append(Drift(path, BEFORE_JOINING if joining else EDITED, found))
    return tuple(lost)


def note(drifts: Iterable[Drift]) -> tuple[str, ...]:
    """One line a drift that was undone, for `status`."""
    return tuple(f"{drift.path}: {drift.reason}; {_done(drift)}{_kept(drift)}" for drift in drifts)


def _done(drift: Drift) -> str:
    return _DONE.get(drift.reason, "it was put back")


def _kept(drift: Drift) -> str:
    return "; the local content is kept (`pmgsync kept` on the node)" if drift.found else ""


def _same(found: FileEntry, other: FileEntry | None) -> bool:
    return other is not None and found.digest == other.digest
