"""PURE but for one note in the store. What this node had believed of the membership, and another
master's promotion has undone; see `model.undone`.

It is written down before the chain that undoes it, so no crash in between loses it: while the
chain is the one of before, nothing of it holds. It is forgotten when something was done about it,
or when an admin says so.
"""

from __future__ import annotations

import logging

from pmgsync.model.canonical import Fields, Json
from pmgsync.model.membership import Membership
from pmgsync.model.trust import TrustedHistory
from pmgsync.model.undone import Undone, undone_by, undone_lines
from pmgsync.ports import Notebook

log = logging.getLogger(__name__)

NOTE = "what was undone"
MOST = 100
"""So many changes are remembered, the newest."""


class UndoneNotes:
    """What is known to be undone, as it is in the note."""

    def __init__(self, store: Notebook, cluster: str) -> None:
        """Read the note, if it was made in `cluster`; `StoreError` where it cannot be read."""
        self._store = store
        self._cluster = cluster
        self._known = _read(store, cluster)
        self._taken = 0

    def take(self, history: TrustedHistory) -> None:
        """Note down what `history` has displaced since the last time, and forget what holds no
        more. `HostError` where the note cannot be written; then the next time does it.
        """
        fresh = [
            one
            for gone in history.displaced[self._taken :]
            for one in undone_by(gone.parting, gone.own, gone.other)
        ]
        known = dict.fromkeys((*self._known, *fresh))
        holds = tuple(one for one in known if one.holds(history.membership))
        self._write(holds[-MOST:])
        self._taken = len(history.displaced)
        for line in undone_lines(fresh):
            log.warning("%s", line)

    def lines(self, membership: Membership) -> tuple[str, ...]:
        """What an admin should know while `membership` is the newest."""
        return undone_lines([one for one in self._known if one.holds(membership)])

    def clear(self) -> int:
        """Forget all; how many there were."""
        forgotten = len(self._known)
        self._write(())
        return forgotten

    def _write(self, known: tuple[Undone, ...]) -> None:
        if known != self._known:
            rows: list[Json] = [one.to_json() for one in known]
            note: Json = {"cluster": self._cluster, "changes": rows}
            self._store.write_note(NOTE, note if rows else None)
            self._known = known


def _read(store: Notebook, cluster: str) -> tuple[Undone, ...]:
    note = store.note(NOTE)
    if note is None:
        return ()
    fields = Fields(note, "a note of what was undone")
    made_in, rows = fields.take("cluster", str), fields.take("changes", list)
    return tuple(map(Undone.from_json, rows)) if made_in == cluster else ()
