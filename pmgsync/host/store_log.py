"""The log of versions and the journal of activations.

A version's row holds its envelope; the rows of `entry` hold what each version changed, and a state
is the newest row of each path. The last states that were read are kept in memory: they were checked
when they were read, and this is the only connection that writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

from pmgsync.errors import StoreError
from pmgsync.host import store_rows as rows
from pmgsync.host.store_base import State, StoreBase
from pmgsync.host.store_schema import Row, sealed, unseal
from pmgsync.model.changeset import ChangeSet, Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.manifest import Digest, Manifest
from pmgsync.model.trust import Head
from pmgsync.ports import History, Intent, Journal, LogLine, LogRecord, Upkeep

_REMEMBERED = 4
"""States kept in memory: the head and what runs, before and after a step."""

# The newest row of each path. SQLite takes the other columns from the row that has the maximum.
_MANIFEST = """
select path, digest, size, mode, ownership, max(version) from entry
where version <= ? group by path
"""

# Rows below `floor` that a later row, at or below `floor`, covers.
_DROP_COVERED_ENTRIES = """
delete from entry where version < :floor and exists (
    select 1 from entry as later
    where later.path = entry.path and later.version > entry.version and later.version <= :floor
)
"""

_DROP_OLD_DELETES = "delete from entry where version < :floor and digest is null"

# Contents come before the version that needs them: one without use is dropped only when it had
# none at the pruning before as well.
_DROP_UNUSED = (
    "delete from content where digest in (select digest from idle intersect select * from unused)",
    "delete from idle",
    "insert into idle select digest from unused",
)


@dataclass(frozen=True, slots=True)
class _Ready:
    """Of what is written ahead: version and row, and the contents that are in the database."""

    row: tuple[int, Row]
    contents: frozenset[Digest]


class StoreLog(StoreBase, History, Journal, Upkeep):
    """See the ports."""

    def __init__(self, path: Path) -> None:
        self._manifests: dict[int, Manifest] = {0: Manifest()}
        self._ready: _Ready | None = None
        super().__init__(path)
        try:
            self._append_ahead()
        except BaseException:
            self._database.close()
            raise

    def head(self) -> tuple[Head, Envelope | None]:
        """See the port. Everything that it is made of is checked."""
        with self._turn():
            version = self._state.head
            if not version:
                return Head(), None
            envelope = self._envelope(version)
            position, _ = rows.result_of(envelope)
            return Head(position, self._manifest(version)), envelope

    def append(self, record: LogRecord, contents: Mapping[Digest, bytes]) -> None:
        """See the port."""
        with self._turn():
            is_durable = record.envelope.to_bytes() == self._ahead
            ready = self._ready if is_durable else None
            version, row = ready.row if ready else rows.version_row(record)
            if ready:
                contents = {d: data for d, data in contents.items() if d not in ready.contents}
            before = self._state.head
            if version <= before:
                raise RuntimeError(f"version {version} is not after {before}")
            with (
                self._not_waiting() if is_durable else nullcontext(),
                self._writing(replace(self._state, head=version)),
            ):
                self._insert_contents(contents)
                self._insert_version(version, row, record)
            self._remember_next(before, version, record)

    def write_ahead(self, record: LogRecord, contents: Mapping[Digest, bytes]) -> None:
        """See the port."""
        envelope = record.envelope.to_bytes()
        with self._turn():
            ready = _Ready(rows.version_row(record), frozenset(contents))
            with self._transaction():
                self._insert_contents(contents)
                self._database.execute(
                    "insert or replace into ahead values (1, ?, ?)", sealed(envelope)
                )
            self._ahead, self._ready = envelope, ready

    def withdraw(self, *, durable: bool = False) -> None:
        """See the port."""
        with self._turn():
            if not self._ahead and not durable:
                return
            with nullcontext() if durable else self._not_waiting(), self._transaction():
                self._database.execute("delete from ahead")
                if durable:  # a commit that changes nothing waits for no disk
                    self._database.execute("update state set head = head")
            self._ahead = b""

    def _append_ahead(self) -> None:
        """At the opening: what was written ahead may have been published."""
        with self._turn():
            if not self._ahead:
                return
            envelope = Envelope.from_bytes(self._ahead)
            change_set = ChangeSet.from_bytes(envelope.payload)
            follows = (
                change_set.position.version == self._state.head + 1
                and change_set.parent == self._manifest(self._state.head).digest
                and all(self._has(put.digest) for put in change_set.change.puts)
            )
            if follows:
                self.append(LogRecord(envelope, change_set.change), {})
            else:
                self.withdraw()

    def after(self, version: int, *, most: int = 1000) -> Sequence[LogRecord]:
        """See the port. Stops where a version is missing, for what follows does not follow."""
        with self._turn():
            found = self._rows(
                "select * from version where version > ? order by version limit ?",
                version,
                most,
            )
            following = [row for n, row in enumerate(found, version + 1) if row[0] == n]
            return [self._record(row) for row in following]

    def lines(self, *, most: int, before: int | None = None) -> Sequence[LogLine]:
        """See the port."""
        with self._turn():
            found = self._rows(
                "select * from version where version < ? order by version desc limit ?",
                self._state.head + 1 if before is None else before,
                most,
            )
            return [rows.line_of(row) for row in found]

    def record(self, version: int) -> LogRecord | None:
        """See the port."""
        with self._turn():
            row = self._version_row(version)
            return None if row is None else self._record(row)

    def manifest_at(self, version: int) -> Manifest:
        """See the port. The state before the first version is the empty one."""
        with self._turn():
            return self._manifest(version)

    def active(self) -> Head:
        """See the port. Everything that it is made of is checked."""
        with self._turn():
            position = self._state.active
            return Head(position, self._manifest(position.version))

    def pending(self) -> Intent | None:
        """See the port."""
        with self._turn():
            return self._state.intent

    def begin(
        self, intent: Intent, records: Sequence[LogRecord], contents: Mapping[Digest, bytes]
    ) -> None:
        """See the port."""
        with self._turn():
            new = self._new(records)
            added = tuple(version for version, _, _ in new)
            head = new[-1][0] if new else self._state.head
            state = State(head, self._state.active, intent, added)
            self._take_in(state, new, contents)

    def adopt(
        self, after: Position, records: Sequence[LogRecord], contents: Mapping[Digest, bytes]
    ) -> None:
        """See the port. It waits for the disk only if there is something that is not there yet."""
        with self._turn():
            new = self._new(records)
            lacking = {d: data for d, data in contents.items() if not self._has(d)}
            head = new[-1][0] if new else self._state.head
            state = replace(self._state, head=head, active=after)
            with nullcontext() if new or lacking else self._not_waiting():
                self._take_in(state, new, lacking)

    def _new(self, records: Sequence[LogRecord]) -> list[tuple[int, Row, LogRecord]]:
        """Those that the log does not have yet, with their version and row; oldest first."""
        if self._state.intent is not None:
            raise RuntimeError("an activation is already in progress")
        made = [(*rows.version_row(record), record) for record in records]
        return sorted((one for one in made if one[0] > self._state.head), key=itemgetter(0))

    def _take_in(
        self,
        state: State,
        new: Sequence[tuple[int, Row, LogRecord]],
        contents: Mapping[Digest, bytes],
    ) -> None:
        """One transaction: these records and contents, and `state`."""
        before = self._state.head
        with self._writing(state):
            self._insert_contents(contents)
            for version, row, record in new:
                self._insert_version(version, row, record)
        for version, _, record in new:
            self._remember_next(before, version, record)
            before = version

    def finish(self, intent: Intent) -> None:
        """See the port."""
        with self._turn():
            self._require_pending(intent)
            state = replace(self._state, active=intent.after, intent=None, added=())
            with self._not_waiting(), self._writing(state):
                pass

    def abandon(self, intent: Intent) -> None:
        """See the port. New is what this `begin` itself put into the log."""
        with self._turn():
            self._require_pending(intent)
            added = self._state.added
            state = replace(self._state, active=intent.before, intent=None, added=())
            if added:
                row = self._rows("select max(version) from version where version < ?", min(added))
                state = replace(state, head=rows.int_of(row[0][0] or 0))
            with self._writing(state):
                for version in added:
                    self._database.execute("delete from version where version = ?", (version,))
                    self._database.execute("delete from entry where version = ?", (version,))
            for version in added:
                self._manifests.pop(version, None)

    def prune(self, keep_versions: int) -> int:
        """See the port."""
        with self._turn():
            floor = self._oldest_needed(keep_versions)
            with self._transaction():
                dropped = self._database.execute(
                    "delete from version where version < ?", (floor,)
                ).rowcount
                self._database.execute(_DROP_COVERED_ENTRIES, {"floor": floor})
                self._database.execute(_DROP_OLD_DELETES, {"floor": floor})
                # What is written ahead needs contents that nothing else needs yet.
                for statement in () if self._ahead else _DROP_UNUSED:
                    self._database.execute(statement)
            self._any_idle = self._have_idle()
            kept = {version for version in self._manifests if not 0 < version < floor}
            self._manifests = {version: self._manifests[version] for version in kept}
            return dropped

    def forget_history(self) -> None:
        """See the port. The contents go with the next prunings."""
        with self._turn():
            if self._state.intent is not None:
                raise RuntimeError("an activation is in progress")
            with self._writing(State()):
                for table in ("version", "entry", "note", "ahead"):
                    self._database.execute(f"delete from {table}")  # noqa: S608 - our own names
            self._manifests, self._ahead = {0: Manifest()}, b""

    def _oldest_needed(self, keep_versions: int) -> int:
        newest = self._rows(
            "select version from version order by version desc limit ?", max(1, keep_versions)
        )
        needed = [rows.int_of(row[0]) for row in newest[-1:]] + [self._state.head]
        if self._state.active.version:
            needed.append(self._state.active.version)
        if self._state.intent is not None and self._state.intent.before.version:
            needed.append(self._state.intent.before.version)
        return min(needed)

    def _version_row(self, version: int) -> Row | None:
        found = self._rows("select * from version where version = ?", version)
        return found[0] if found else None

    def _envelope(self, version: int) -> Envelope:
        row = self._version_row(version)
        if row is None:
            raise StoreError(f"version {version} is not in the log", where=self._path)
        return Envelope.from_bytes(rows.bytes_of(unseal(row, "a version of the log")[2]))

    def _record(self, row: Row) -> LogRecord:
        entries = self._rows(
            "select path, digest, size, mode, ownership from entry where version = ?",
            rows.int_of(row[0]),
        )
        return rows.record_of(row, entries)

    def _manifest(self, version: int) -> Manifest:
        """The state after `version`, which must be the one that its change set names."""
        known = self._manifests.get(version)
        if known is not None:
            return known
        _, result = rows.result_of(self._envelope(version))
        manifest = rows.manifest_of(self._rows(_MANIFEST, version))
        if manifest.digest != result:
            raise ValueError(f"the files of version {version} were altered")
        self._remember(version, manifest)
        return manifest

    def _remember(self, version: int, manifest: Manifest) -> None:
        self._manifests[version] = manifest
        for old in list(self._manifests)[1 : -_REMEMBERED + 1]:  # the first is the empty state
            del self._manifests[old]

    def _forget_manifests(self, first: int) -> None:
        """Those from `first` on are no states of this log any more."""
        self._manifests = {v: known for v, known in self._manifests.items() if v < first}

    def _remember_next(self, before: int, version: int, record: LogRecord) -> None:
        """What `record`, newly added, makes of the state `before` it, if that is in memory."""
        parent = self._manifests.get(before)
        if parent is not None:
            self._remember(version, parent.changed(record.change.puts, record.change.deletes))

    def _require_pending(self, intent: Intent) -> None:
        if self._state.intent != intent:
            raise RuntimeError("this activation is not the one in progress")

    def _insert_version(self, version: int, row: Row, record: LogRecord) -> None:
        self._database.execute("insert into version values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._database.executemany(
            "insert into entry values (?, ?, ?, ?, ?, ?)", rows.entry_rows(version, record.change)
        )
        self._wake(put.digest for put in record.change.puts)
