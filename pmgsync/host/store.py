"""A node's database (`ports.Store`): one SQLite file, WAL, synchronous=FULL, one connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from pmgsync.errors import StoreError
from pmgsync.host import store_rows as rows
from pmgsync.host.store_orphans import StoreOrphans
from pmgsync.host.store_schema import sealed, to_text, unseal
from pmgsync.model.canonical import Json
from pmgsync.model.manifest import Digest, digest_of
from pmgsync.ports import Keepsake, Store


class SqliteStore(StoreOrphans, Store):
    """See the ports."""

    def missing(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """See the port."""
        with self._turn():
            return frozenset(digest for digest in digests if not self._has(digest))

    def content(self, digest: Digest) -> bytes:
        """See the port."""
        with self._turn():
            found = self._rows("select data from content where digest = ?", digest)
            if not found:
                raise StoreError(f"has no content {digest[:16]}", where=self._path)
            data = rows.bytes_of(found[0][0])
            if digest_of(data) != digest:
                raise ValueError(f"content {digest[:16]} was altered")
            return data

    def add_contents(self, contents: Mapping[Digest, bytes]) -> None:
        """See the port."""
        with self._turn(), self._transaction():
            self._insert_contents(contents)

    def keep(self, path: str, content: bytes | None, reason: str, now: int) -> Keepsake:
        """See the port."""
        digest = None if content is None else digest_of(content)
        with self._turn(), self._transaction():
            old = self._rows(
                "select * from keepsake where path = ? and digest is ?"
                " order by number desc limit 1",
                path,
                digest,
            )
            if old:
                return rows.keepsake_of(old[0])
            if content is not None and digest is not None:
                self._insert_contents({digest: content})
            size = len(content or b"")
            made = self._database.execute(
                "insert into keepsake (path, digest, size, kept, reason, seal)"
                " values (?, ?, ?, ?, ?, ?)",
                sealed(path, digest, size, now, reason),
            )
            return Keepsake(int(made.lastrowid or 0), path, digest, size, now, reason)

    def keepsakes(self, *, most: int = 100) -> Sequence[Keepsake]:
        """See the port."""
        with self._turn():
            found = self._rows("select * from keepsake order by number desc limit ?", most)
            return [rows.keepsake_of(row) for row in found]

    def clear_keepsakes(self) -> int:
        """See the port. Their contents go with the next pruning."""
        with self._turn(), self._transaction():
            return self._database.execute("delete from keepsake").rowcount

    def note(self, name: str) -> Json:
        """See the port."""
        with self._turn():
            found = self._rows("select name, value, seal from note where name = ?", name)
            return json.loads(rows.text_of(unseal(found[0], "a note")[1])) if found else None

    def write_note(self, name: str, value: Json) -> None:
        """See the port."""
        text = to_text(value)
        with self._turn(), self._transaction():
            if value is None:
                self._database.execute("delete from note where name = ?", (name,))
            else:
                self._database.execute(
                    "insert or replace into note values (?, ?, ?)", sealed(name, text)
                )
