"""Versions as a master would make them, for tests of whatever stores, sends or applies them."""

from collections.abc import Mapping

from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Position, apply, diff
from pmgsync.model.envelope import seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest, FileEntry, Manifest, digest_of
from pmgsync.model.paths import ManagedPath
from pmgsync.ports import LogRecord

KEY = SigningKey(b"k" * 32)


class Author:
    """Makes one version after the other; `records` holds them, `states` the state after each."""

    def __init__(self, cluster: str = "c" * 32, epoch: int = 1, key: SigningKey = KEY) -> None:
        self.cluster, self.epoch, self.key = cluster, epoch, key
        self.records: list[LogRecord] = []
        self.states = [Manifest()]
        self.contents: dict[Digest, bytes] = {}

    @property
    def version(self) -> int:
        return len(self.records)

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.version)

    def edit(self, files: Mapping[str, bytes | None], message: str = "") -> LogRecord:
        """The next version: contents by path, None for a deletion."""
        before = self.states[-1]
        puts = [FileEntry.of(ManagedPath(p), c) for p, c in files.items() if c is not None]
        gone = [ManagedPath(p) for p, c in files.items() if c is None]
        after = before.changed(puts, gone)
        self.contents |= {digest_of(c): c for c in files.values() if c is not None}
        return self._publish(before, after, message)

    def _publish(self, before: Manifest, after: Manifest, message: str) -> LogRecord:
        change_set = ChangeSet(
            cluster=self.cluster,
            position=Position(self.epoch, self.version + 1),
            parent=before.digest,
            result=after.digest,
            change=diff(before, after),
            created=1_700_000_000_000 + self.version,
            message=message,
        )
        record = LogRecord(
            seal(CHANGE_SET_TYPE, change_set.to_bytes(), self.key), change_set.change
        )
        self.records.append(record)
        self.states.append(after)
        return record

    def jump(self, known: Manifest) -> LogRecord:
        """The newest version as a snapshot brings it to a node that has `known`."""
        return LogRecord(self.records[-1].envelope, diff(known, self.states[-1]))

    def contents_of(self, record: LogRecord) -> dict[Digest, bytes]:
        """The contents that a record puts."""
        return {entry.digest: self.contents[entry.digest] for entry in record.change.puts}


def state_of(records: list[LogRecord]) -> Manifest:
    """What records make of nothing."""
    state = Manifest()
    for record in records:
        state = apply(state, record.change)
    return state
