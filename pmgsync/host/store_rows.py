"""Values of the model to rows of the database and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pmgsync.host.store_schema import Cell, Row, seal_of, sealed, to_text, unseal
from pmgsync.model.changeset import ChangeSet, Diff, Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.manifest import Digest, FileEntry, Manifest, parse_digest
from pmgsync.model.paths import ManagedPath
from pmgsync.ports import Intent, Keepsake, LogLine, LogRecord, Orphan, Step, StepKind


def version_row(record: LogRecord) -> tuple[int, Row]:
    """The version and the row of a record."""
    change_set = ChangeSet.from_bytes(record.envelope.payload)
    position, change = change_set.position, record.change
    row = sealed(
        position.version,
        position.epoch,
        record.envelope.to_bytes(),
        change_set.created,
        change_set.message,
        len(change.puts),
        len(change.deletes),
        change.size,
        _change_seal(change),
    )
    return position.version, row


def entry_rows(version: int, change: Diff) -> list[Row]:
    """The rows of what a version changed."""
    puts: list[Row] = [
        (entry.path, version, entry.digest, entry.size, entry.mode, entry.ownership)
        for entry in change.puts
    ]
    return [*puts, *((path, version, None, None, None, None) for path in change.deletes)]


def entry_of(path: Cell, digest: Cell, size: Cell, mode: Cell, ownership: Cell) -> FileEntry:
    """The entry in a row."""
    return FileEntry(
        ManagedPath(text_of(path)),
        parse_digest(text_of(digest)),
        int_of(size),
        int_of(mode),
        text_of(ownership),
    )


def manifest_of(rows: Iterable[Row]) -> Manifest:
    """The manifest in rows of path, digest, size, mode, ownership; without digest: deleted."""
    return Manifest(entry_of(*row[:5]) for row in rows if row[1] is not None)


def record_of(row: Row, entries: Iterable[Row]) -> LogRecord:
    """The record in the row of a version and the rows of its entries (path, digest, ...)."""
    values = unseal(row, "a version of the log")
    rows = sorted(entries, key=lambda entry: text_of(entry[0]))
    change = Diff(
        tuple(entry_of(*entry) for entry in rows if entry[1] is not None),
        tuple(ManagedPath(text_of(entry[0])) for entry in rows if entry[1] is None),
    )
    if _change_seal(change) != values[8]:
        raise ValueError("what a version changed was altered")
    return LogRecord(Envelope.from_bytes(bytes_of(values[2])), change)


def line_of(row: Row) -> LogLine:
    """The line in the row of a version."""
    version, epoch, _, created, message, puts, deletes, size, _ = unseal(
        row, "a version of the log"
    )
    return LogLine(
        Position(int_of(epoch), int_of(version)),
        int_of(created),
        text_of(message),
        int_of(puts),
        int_of(deletes),
        int_of(size),
    )


def intent_text(intent: Intent) -> str:
    """The text column of an intent."""
    return to_text(
        [
            [intent.before.epoch, intent.before.version],
            [intent.after.epoch, intent.after.version],
            [
                [step.kind.value, step.target, step.staged, step.backup, step.digest]
                for step in intent.steps
            ],
        ]
    )


def intent_of(text: str) -> Intent:
    """The intent that `intent_text` wrote."""
    before, after, steps = json.loads(text)
    return Intent(
        Position(*before),
        Position(*after),
        tuple(Step(StepKind(kind), *paths) for kind, *paths in steps),
    )


def keepsake_of(row: Row) -> Keepsake:
    """The keepsake in a row. Its number came after the row was sealed and is not covered."""
    path, digest, size, kept, reason = unseal(row[1:], "a keepsake")
    return Keepsake(
        int_of(row[0]),
        text_of(path),
        None if digest is None else parse_digest(text_of(digest)),
        int_of(size),
        int_of(kept),
        text_of(reason),
    )


def result_of(envelope: Envelope) -> tuple[Position, Digest]:
    """Where the change set in `envelope` stands and the state that it names."""
    change_set = ChangeSet.from_bytes(envelope.payload)
    return change_set.position, change_set.result


def change_text(change: Diff) -> str:
    """The text column of what an orphan changed."""
    return to_text([[put.to_json() for put in change.puts], list(change.deletes)])


def orphan_of(row: Row) -> Orphan:
    """The orphan in a row. Its number came after the row was sealed and is not covered."""
    envelope, change, kept = unseal(row[1:], "an orphan")
    puts, deletes = json.loads(text_of(change))
    record = LogRecord(
        Envelope.from_bytes(bytes_of(envelope)),
        Diff(
            tuple(FileEntry.from_json(put) for put in puts),
            tuple(ManagedPath(path) for path in deletes),
        ),
    )
    return Orphan(int_of(row[0]), record, int_of(kept))


def text_of(cell: Cell) -> str:
    """`cell`, which must be text."""
    if not isinstance(cell, str):
        raise TypeError("a text is none")
    return cell


def int_of(cell: Cell) -> int:
    """`cell`, which must be a number."""
    if not isinstance(cell, int):
        raise TypeError("a number is none")
    return cell


def bytes_of(cell: Cell) -> bytes:
    """`cell`, which must be bytes."""
    if not isinstance(cell, bytes):
        raise TypeError("bytes are none")
    return cell


def _change_seal(change: Diff) -> str:
    cells: Sequence[Cell] = [*(entry.line for entry in change.puts), *change.deletes]
    return seal_of(cells)
