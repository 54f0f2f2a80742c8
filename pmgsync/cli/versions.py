"""What `log`, `show` and `status` say about this node's own database, as documents of the local
API.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from pmgsync.cli.answers import KeptFile, LogEntry, ShownFile, ShownVersion
from pmgsync.errors import OperatorError
from pmgsync.model.changeset import ChangeSet
from pmgsync.model.manifest import FileEntry
from pmgsync.model.paths import ManagedPath, printable
from pmgsync.model.scope import require_rule
from pmgsync.model.textdiff import text_diff
from pmgsync.ports import ContentStore, KeepsakeStore, LogRecord, Store

KEPT_SHOWN = 3
KEPT_LOOKED_AT = 1_000
"""Entries without content (something was deleted) may be the newest ones."""
KEPT_MOST = 100_000


def lines(store: Store, *, most: int, before: int | None) -> list[dict[str, Any]]:
    """The newest versions, newest first."""
    return [
        asdict(
            LogEntry(
                version=line.position.version,
                epoch=line.position.epoch,
                created=line.created,
                message=line.message,
                puts=line.puts,
                deletes=line.deletes,
                size=line.size,
            )
        )
        for line in store.lines(most=most, before=before)
    ]


def show(store: Store, version: int, *, with_diff: bool) -> ShownVersion:
    """One version; `OperatorError` where this node's log does not have it."""
    record = store.record(version)
    if record is None:
        raise OperatorError(
            "is not in this node's log",
            where=f"version {version}",
            mend="`pmgsync log` lists what is",
        )
    change_set = ChangeSet.from_bytes(record.envelope.payload)
    return ShownVersion(
        version=version,
        epoch=change_set.position.epoch,
        created=change_set.created,
        message=change_set.message,
        signer=record.envelope.signatures[0].key_id,
        parent=change_set.parent,
        result=change_set.result,
        files=_files(store, record, version, with_diff=with_diff),
    )


def kept_lines(store: KeepsakeStore) -> tuple[str, ...]:
    """The contents in the drift store, in a few lines for `status`."""
    kept = [one for one in store.keepsakes(most=KEPT_LOOKED_AT) if one.digest]
    shown = [
        f"kept aside: {printable(one.path)} ({one.reason}); `pmgsync kept` shows it"
        for one in kept[:KEPT_SHOWN]
    ]
    return (
        (*shown, "more is kept aside; see `pmgsync kept`")
        if len(kept) > KEPT_SHOWN
        else tuple(shown)
    )


def kept(store: KeepsakeStore) -> list[dict[str, Any]]:
    """Everything in the drift store, newest first."""
    return [
        asdict(
            KeptFile(one.number, one.path, one.size if one.digest else None, one.kept, one.reason)
        )
        for one in store.keepsakes(most=KEPT_MOST)
    ]


def kept_content(store: Store, number: int) -> dict[str, Any]:
    """The content of one kept file in base64, None for a deletion; `OperatorError` if there is no
    such one.
    """
    for one in store.keepsakes(most=KEPT_MOST):
        if one.number == number:
            content = store.content(one.digest) if one.digest else None
            return {
                "path": one.path,
                "content": base64.b64encode(content).decode() if content is not None else None,
            }
    raise OperatorError(
        "there is no such file", where=f"kept {number}", mend="`pmgsync kept` lists them"
    )


def _files(
    store: Store, record: LogRecord, version: int, *, with_diff: bool
) -> tuple[ShownFile, ...]:
    after = store.manifest_at(version)
    touched = record.change.paths
    before = _before(store, version)
    return tuple(
        shown_file(store, path, before.get(path), after.get(path), with_diff=with_diff)
        for path in touched
    )


def _before(store: Store, version: int) -> dict[ManagedPath, FileEntry]:
    """The state that this node knew before `version`; empty if it was the first it ever had."""
    earlier = store.lines(most=1, before=version)
    return dict(store.manifest_at(earlier[0].position.version)) if earlier else {}


def shown_file(
    store: ContentStore,
    path: ManagedPath,
    old: FileEntry | None,
    new: FileEntry | None,
    *,
    with_diff: bool,
) -> ShownFile:
    """How a file changes from `old` to `new`, secrets masked."""
    rule = require_rule(path)
    diff = text_diff(path, _content(store, old), _content(store, new), rule) if with_diff else None
    return ShownFile(
        path=path,
        change="added" if old is None else "deleted" if new is None else "changed",
        size=new.size if new else 0,
        old_size=old.size if old else 0,
        mode=rule.mode,
        ownership=rule.ownership,
        secret=rule.secret,
        diff=diff,
    )


def _content(store: ContentStore, entry: FileEntry | None) -> bytes | None:
    return store.content(entry.digest) if entry is not None else None
