"""What `pmgsync orphans` and `status` say about what the cluster's history has not: versions, and
changes of the membership.
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

from pmgsync.agent.orphans import first_orphan
from pmgsync.cli.orphan_answers import OrphanLine, ShownOrphan
from pmgsync.cli.versions import shown_file
from pmgsync.errors import OperatorError, StoreError
from pmgsync.model.changeset import ChangeSet, Position
from pmgsync.model.manifest import FileEntry, Manifest
from pmgsync.model.paths import ManagedPath
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import Orphan, Store

if TYPE_CHECKING:
    from pmgsync.agent.role import AgentRole

log = logging.getLogger(__name__)


def set_aside(history: TrustedHistory, store: Store, now: int) -> bool:
    """Take the versions that `history` has not out of the log, and keep them; whether there were
    any.
    """
    first = first_orphan(history, store)
    if first is None:
        return False
    number = store.orphan(first, now)
    log.warning(
        "%d versions from %d on are orphaned: another master went on without them; "
        "`pmgsync orphans` shows them",
        number,
        first,
    )
    return True


def all_of(store: Store, agent: AgentRole | None) -> dict[str, list[Any]]:
    """All of them, newest first; and what was undone of the membership, as lines."""
    undone = list(agent.undone_lines) if agent is not None else []
    return {"orphans": [_line(orphan).to_json() for orphan in store.orphans()], "undone": undone}


def clear(store: Store, agent: AgentRole | None) -> dict[str, int]:
    """Forget all of that; how many versions and how many changes of the membership there were."""
    undone = agent.undone.clear() if agent is not None else 0
    return {"forgotten": store.clear_orphans(), "undone": undone}


def attention(store: Store) -> tuple[str, ...]:
    """One line for `status`, if there are any."""
    orphans = store.orphans()
    if not orphans:
        return ()
    first, last = orphans[-1], orphans[0]
    names = str(_position(first)) if len(orphans) == 1 else f"{_position(first)}..{_position(last)}"
    what = "version" if len(orphans) == 1 else f"{len(orphans)} versions"
    return (f"orphaned {what} {names}, kept on this node; `pmgsync orphans list` shows what to do",)


def show(store: Store, number: int, *, with_diff: bool) -> ShownOrphan:
    """One of them, compared with what the cluster has now."""
    orphan = _find(store, number)
    now = store.head()[0].manifest
    wanted = {entry.path: entry for entry in orphan.record.change.puts}
    files = tuple(
        shown_file(store, path, now.get(path), wanted.get(path), with_diff=with_diff)
        for path in orphan.record.change.paths
    )
    return ShownOrphan(_line(orphan), files, _changed(store, orphan, now))


def content(store: Store, number: int, path: str) -> dict[str, Any]:
    """The content of one file of an orphan in base64; None where it is deleted in it."""
    for entry in _find(store, number).record.change.puts:
        if entry.path == path:
            return {"content": base64.b64encode(store.content(entry.digest)).decode()}
    return {"content": None}


def _changed(store: Store, orphan: Orphan, now: Manifest) -> tuple[str, ...]:
    """The paths of `orphan` that the cluster has changed since it went on without it."""
    together = [one for one in store.orphans() if one.kept == orphan.kept]
    base = _position(together[-1]).version - 1
    try:
        before = store.manifest_at(base)
    except StoreError:  # pruned meanwhile: nobody can tell
        return tuple(orphan.record.change.paths)
    known: dict[ManagedPath, list[FileEntry | None]] = {
        path: [before.get(path)] for path in orphan.record.change.paths
    }
    for one in together:
        for put in one.record.change.puts:
            known.setdefault(put.path, []).append(put)
    return tuple(path for path in orphan.record.change.paths if now.get(path) not in known[path])


def _find(store: Store, number: int) -> Orphan:
    for orphan in store.orphans():
        if orphan.number == number:
            return orphan
    raise OperatorError(
        "there is no such orphan", where=f"orphan {number}", mend="`pmgsync orphans list` has them"
    )


def _line(orphan: Orphan) -> OrphanLine:
    change_set = ChangeSet.from_bytes(orphan.record.envelope.payload)
    return OrphanLine(
        number=orphan.number,
        version=str(change_set.position),
        created=change_set.created,
        kept=orphan.kept,
        message=change_set.message,
        files=len(orphan.record.change.paths),
    )


def _position(orphan: Orphan) -> Position:
    return ChangeSet.from_bytes(orphan.record.envelope.payload).position
