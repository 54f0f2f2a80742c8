"""A node's database in plain Python, with the promises of the real one.

`crash` is what a power cut leaves: another store with all that a call had made durable when it
returned.
"""

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pmgsync.errors import StoreError
from pmgsync.model.canonical import Json
from pmgsync.model.changeset import NOWHERE, ChangeSet, Position, apply
from pmgsync.model.envelope import Envelope
from pmgsync.model.manifest import Digest, Manifest, digest_of
from pmgsync.model.trust import Head
from pmgsync.ports import Intent, Keepsake, LogLine, LogRecord, Orphan, Store
from tests.sim.killing import Steps


@dataclass
class _Disk:
    """All that is durable. `before`: the state before the oldest version of the log."""

    log: dict[int, LogRecord] = field(default_factory=dict)
    before: Manifest = field(default_factory=Manifest)
    contents: dict[Digest, bytes] = field(default_factory=dict)
    active: Position = NOWHERE
    intent: Intent | None = None
    added: tuple[int, ...] = ()
    keepsakes: list[Keepsake] = field(default_factory=list)
    numbers: int = 0
    orphans: list[Orphan] = field(default_factory=list)
    orphaned: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    unused: frozenset[Digest] = frozenset()
    ahead: LogRecord | None = None


class MemoryStore(Store):
    """The double. `full`: nothing can be written. `steps`: counts commits, may kill before one."""

    def __init__(self, steps: Steps | None = None) -> None:
        self.steps = steps or Steps()
        self.full = False
        self._disk = _Disk()
        self._crashed = False

    def crash(self) -> "MemoryStore":
        """The store as the next process finds it; this one is of no use any more."""
        self._crashed = True
        after = MemoryStore()
        after._disk = copy.deepcopy(self._disk)
        after._append_ahead()
        return after

    # --- History ---------------------------------------------------------------------------------

    def head(self) -> tuple[Head, Envelope | None]:
        disk = self._read()
        if not disk.log:
            return Head(), None
        version = max(disk.log)
        envelope = disk.log[version].envelope
        return Head(_position(envelope), self.manifest_at(version)), envelope

    def append(self, record: LogRecord, contents: Mapping[Digest, bytes]) -> None:
        version = _position(record.envelope).version
        if version <= max(self._read().log, default=0):
            raise RuntimeError(f"version {version} is not after the head")
        disk = self._write(f"append {version}")
        self._log(disk, {version: record})
        self._add(disk, contents)

    def write_ahead(self, record: LogRecord, contents: Mapping[Digest, bytes]) -> None:
        disk = self._write(f"write ahead {_position(record.envelope).version}")
        self._add(disk, contents)
        disk.ahead = record

    def withdraw(self, *, durable: bool = False) -> None:
        if self._read().ahead is not None:
            self._write("withdraw").ahead = None

    def _append_ahead(self) -> None:
        ahead, self._disk.ahead = self._disk.ahead, None
        head = max(self._disk.log, default=0)
        if ahead and _position(ahead.envelope).version == head + 1:
            change_set = ChangeSet.from_bytes(ahead.envelope.payload)
            lost = self.missing(put.digest for put in ahead.change.puts)
            if change_set.parent == self.manifest_at(head).digest and not lost:
                self._log(self._disk, {head + 1: ahead})

    def after(self, version: int, *, most: int = 1000) -> Sequence[LogRecord]:
        log, found = self._read().log, list[LogRecord]()
        while len(found) < most and version + len(found) + 1 in log:
            found.append(log[version + len(found) + 1])
        return found

    def lines(self, *, most: int, before: int | None = None) -> Sequence[LogLine]:
        log = self._read().log
        wanted = [version for version in log if before is None or version < before]
        return [_line(log[version]) for version in sorted(wanted, reverse=True)[:most]]

    def record(self, version: int) -> LogRecord | None:
        return self._read().log.get(version)

    def manifest_at(self, version: int) -> Manifest:
        disk = self._read()
        if version == 0:
            return Manifest()
        if version not in disk.log:
            raise StoreError(f"version {version} is not in the log", where="memory")
        manifest = disk.before
        for number in sorted(v for v in disk.log if v <= version):
            manifest = apply(manifest, disk.log[number].change)
        return manifest

    # --- ContentStore ----------------------------------------------------------------------------

    def missing(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        return frozenset(digests) - self._read().contents.keys()

    def content(self, digest: Digest) -> bytes:
        try:
            return self._read().contents[digest]
        except KeyError:
            raise StoreError(f"has no content {digest[:16]}", where="memory") from None

    def add_contents(self, contents: Mapping[Digest, bytes]) -> None:
        self._add(self._write(f"add {len(contents)} contents"), contents)

    # --- Journal ---------------------------------------------------------------------------------

    def active(self) -> Head:
        position = self._read().active
        return Head(position, self.manifest_at(position.version))

    def pending(self) -> Intent | None:
        return self._read().intent

    def begin(
        self, intent: Intent, records: Sequence[LogRecord], contents: Mapping[Digest, bytes]
    ) -> None:
        if self._read().intent is not None:
            raise RuntimeError("an activation is already in progress")
        disk = self._write(f"begin {intent.after}")
        head = max(disk.log, default=0)
        new = {_position(r.envelope).version: r for r in records}
        new = {version: record for version, record in new.items() if version > head}
        self._log(disk, new)
        self._add(disk, contents)
        disk.intent, disk.added = intent, tuple(new)

    def adopt(
        self, after: Position, records: Sequence[LogRecord], contents: Mapping[Digest, bytes]
    ) -> None:
        if self._read().intent is not None:
            raise RuntimeError("an activation is already in progress")
        disk = self._write(f"adopt {after}")
        head = max(disk.log, default=0)
        new = {_position(r.envelope).version: r for r in records}
        self._log(disk, {version: record for version, record in new.items() if version > head})
        self._add(disk, contents)
        disk.active = after

    def finish(self, intent: Intent) -> None:
        self._require_pending(intent)
        disk = self._write(f"finish {intent.after}")
        disk.active, disk.intent, disk.added = intent.after, None, ()

    def abandon(self, intent: Intent) -> None:
        self._require_pending(intent)
        disk = self._write(f"abandon {intent.after}")
        for version in disk.added:
            del disk.log[version]
        disk.active, disk.intent, disk.added = intent.before, None, ()

    # --- KeepsakeStore ---------------------------------------------------------------------------

    def keep(self, path: str, content: bytes | None, reason: str, now: int) -> Keepsake:
        digest = None if content is None else digest_of(content)
        for old in reversed(self._read().keepsakes):
            if (old.path, old.digest) == (path, digest):
                return old
        disk = self._write(f"keep {path}")
        disk.numbers += 1
        kept = Keepsake(disk.numbers, path, digest, len(content or b""), now, reason)
        disk.keepsakes.append(kept)
        if content is not None:
            self._add(disk, {digest_of(content): content})
        return kept

    def keepsakes(self, *, most: int = 100) -> Sequence[Keepsake]:
        return self._read().keepsakes[::-1][:most]

    def clear_keepsakes(self) -> int:
        disk = self._write("clear keepsakes")
        count = len(disk.keepsakes)
        disk.keepsakes.clear()
        return count

    # --- Orphanage -------------------------------------------------------------------------------

    def orphan(self, first: int, now: int) -> int:
        if self._read().intent is not None:
            raise RuntimeError("an activation is in progress")
        disk = self._write(f"orphan {first}")
        gone = sorted(version for version in disk.log if version >= first)
        for version in gone:
            disk.orphaned += 1
            disk.orphans.append(Orphan(disk.orphaned, disk.log.pop(version), now))
        left = max(disk.log, default=0)
        disk.before = disk.before if left else Manifest()
        if disk.active.version >= first:
            disk.active = _position(disk.log[left].envelope) if left else NOWHERE
        return len(gone)

    def orphans(self) -> Sequence[Orphan]:
        return self._read().orphans[::-1]

    def clear_orphans(self) -> int:
        disk = self._write("clear orphans")
        count = len(disk.orphans)
        disk.orphans.clear()
        return count

    # --- Notebook --------------------------------------------------------------------------------

    def note(self, name: str) -> Json:
        text = self._read().notes.get(name)
        value: Json = None if text is None else json.loads(text)
        return value

    def write_note(self, name: str, value: Json) -> None:
        disk = self._write(f"note {name}")
        disk.notes.pop(name, None)
        if value is not None:
            disk.notes[name] = json.dumps(value)

    # --- Upkeep ----------------------------------------------------------------------------------

    def prune(self, keep_versions: int) -> int:
        disk = self._write("prune")
        needed = sorted(disk.log)[-max(1, keep_versions) :]
        needed += [disk.active.version] if disk.active.version else []
        if disk.intent is not None and disk.intent.before.version:
            needed.append(disk.intent.before.version)
        old = [version for version in disk.log if version < min(needed, default=0)]
        if old:
            disk.before = self.manifest_at(max(old))
            disk.log = {v: record for v, record in disk.log.items() if v not in old}
        if disk.ahead is None:
            self._drop_unused(disk)
        return len(old)

    def forget_history(self) -> None:
        disk = self._write("forget history")
        if disk.intent is not None:
            raise RuntimeError("an activation is in progress")
        disk.log, disk.before, disk.active = {}, Manifest(), NOWHERE
        disk.notes.clear()

    def _drop_unused(self, disk: _Disk) -> None:
        used = {kept.digest for kept in disk.keepsakes}
        for orphan in disk.orphans:
            used |= {entry.digest for entry in orphan.record.change.puts}
        used |= self.manifest_at(min(disk.log, default=0)).digests
        for record in disk.log.values():
            used |= {entry.digest for entry in record.change.puts}
        unused = frozenset(disk.contents.keys() - used)
        for digest in unused & disk.unused:
            del disk.contents[digest]
        disk.unused = frozenset(unused - disk.unused)

    # --- inside ----------------------------------------------------------------------------------

    def _read(self) -> _Disk:
        if self._crashed:
            raise RuntimeError("this store's process has died")
        return self._disk

    def _write(self, what: str) -> _Disk:
        disk = self._read()
        if self.full:
            raise StoreError("no space left for the database", where="memory", mend="free space")
        self.steps.step(what)
        return disk

    @staticmethod
    def _add(disk: _Disk, contents: Mapping[Digest, bytes]) -> None:
        disk.contents.update(contents)
        disk.unused -= contents.keys()

    @staticmethod
    def _log(disk: _Disk, new: Mapping[int, LogRecord]) -> None:
        disk.log.update(new)
        disk.ahead = None if new else disk.ahead
        disk.unused -= {put.digest for record in new.values() for put in record.change.puts}

    def _require_pending(self, intent: Intent) -> None:
        if self._read().intent != intent:
            raise RuntimeError("this activation is not the one in progress")


def _position(envelope: Envelope) -> Position:
    return ChangeSet.from_bytes(envelope.payload).position


def _line(record: LogRecord) -> LogLine:
    change_set, change = ChangeSet.from_bytes(record.envelope.payload), record.change
    line = LogLine(change_set.position, change_set.created, change_set.message, 0, 0, change.size)
    return replace(line, puts=len(change.puts), deletes=len(change.deletes))
