"""Versions that this node had and the cluster's history has not, kept beside the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pmgsync.host import store_rows as rows
from pmgsync.host.store_log import StoreLog
from pmgsync.host.store_schema import sealed
from pmgsync.model.changeset import NOWHERE
from pmgsync.ports import LogRecord, Orphan, Orphanage


class StoreOrphans(StoreLog, Orphanage):
    """See the ports."""

    def orphan(self, first: int, now: int) -> int:
        """See the port. One transaction: they are in the log, or here."""
        with self._turn():
            if self._state.intent is not None:
                raise RuntimeError("an activation is in progress")
            found = self._rows("select * from version where version >= ? order by version", first)
            gone = [self._record(row) for row in found]
            left = self._rows("select max(version) from version where version < ?", first)
            head = rows.int_of(left[0][0] or 0)
            state = replace(self._state, head=head)
            if state.active.version >= first:
                at = rows.result_of(self._envelope(head))[0] if head else NOWHERE
                state = replace(state, active=at)
            with self._writing(state):
                for record in gone:
                    self._insert_orphan(record, now)
                self._database.execute("delete from version where version >= ?", (first,))
                # Where nothing is left, what pruned versions left behind is the state of nothing.
                self._database.execute(
                    "delete from entry where version >= ?", (first if head else 0,)
                )
            self._forget_manifests(first)
            return len(gone)

    def orphans(self) -> Sequence[Orphan]:
        """See the port."""
        with self._turn():
            found = self._rows("select * from orphan order by number desc")
            return [rows.orphan_of(row) for row in found]

    def clear_orphans(self) -> int:
        """See the port. Their contents go with the next prunings."""
        with self._turn(), self._transaction():
            self._database.execute("delete from orphan_content")
            return self._database.execute("delete from orphan").rowcount

    def _insert_orphan(self, record: LogRecord, now: int) -> None:
        made = self._database.execute(
            "insert into orphan (envelope, change, kept, seal) values (?, ?, ?, ?)",
            sealed(record.envelope.to_bytes(), rows.change_text(record.change), now),
        )
        self._database.executemany(
            "insert or ignore into orphan_content values (?, ?)",
            [(made.lastrowid, put.digest) for put in record.change.puts],
        )
