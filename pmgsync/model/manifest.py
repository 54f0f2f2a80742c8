"""The manifest: the complete list of synced paths, and the digest that names the state.

A manifest is immutable. Its digest is SHA-256 over one line an entry, sorted by path, so two
manifests are equal exactly if their digests are. Entries keep their line, because a change touches
few of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass
from functools import cached_property
from typing import NewType

from pmgsync.errors import DigestMismatchError, MalformedError, OutOfScopeError
from pmgsync.model import canonical
from pmgsync.model.paths import ManagedPath, printable
from pmgsync.model.scope import require_rule

Digest = NewType("Digest", str)
"""SHA-256 in lower-case hex."""

MAX_FILE_BYTES = 128 << 20
MAX_ENTRIES = 100_000

MODE_BITS = 0o7777

_OWNERSHIP = re.compile(r"[a-z_][a-z0-9_-]{0,31}:[a-z_][a-z0-9_-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def digest_of(data: bytes) -> Digest:
    """The digest of `data`."""
    return Digest(hashlib.sha256(data).hexdigest())


def parse_digest(text: str) -> Digest:
    """`text` as a digest; `MalformedError` where it is none."""
    if _DIGEST.fullmatch(text) is None:
        raise MalformedError("is not a SHA-256 digest", where=printable(text[:80]))
    return Digest(text)


@dataclass(frozen=True)
class FileEntry:
    """One synced file: where, what, its size in bytes, how it lies there (mode, `owner:group`)."""

    path: ManagedPath
    digest: Digest
    size: int
    mode: int
    ownership: str

    @cached_property
    def line(self) -> bytes:
        """The line that the manifest's digest covers."""
        return f"{self.digest} {self.size} {self.mode:o} {self.ownership} {self.path}\n".encode()

    @classmethod
    def of(cls, path: ManagedPath, data: bytes) -> FileEntry:
        """The entry of a file with content `data`: mode and owner come from the scope table."""
        rule = require_rule(path)
        return cls(path, digest_of(data), len(data), rule.mode, rule.ownership)

    def check(self) -> None:
        """Raise `OutOfScopeError` unless path, size, mode and owner are as the scope table says."""
        rule = require_rule(self.path)
        if (self.mode, self.ownership) != (rule.mode, rule.ownership):
            raise OutOfScopeError(
                f"mode {self.mode:o} {self.ownership}, but the scope table says"
                f" {rule.mode:o} {rule.ownership}",
                where=self.path,
            )
        if self.size > MAX_FILE_BYTES:
            raise OutOfScopeError(f"is larger than {MAX_FILE_BYTES} bytes", where=self.path)

    def to_json(self) -> list[str | int]:
        """The entry as a row: path, digest, size, mode, owner."""
        return [self.path, self.digest, self.size, self.mode, self.ownership]

    @classmethod
    def from_json(cls, row: object) -> FileEntry:
        """The entry in `row`; `MalformedError`, or `OutOfScopeError` for a wrong path."""
        if not (
            isinstance(row, list) and [type(cell) for cell in row] == [str, str, int, int, str]
        ):
            raise MalformedError("a manifest row is not [path, digest, size, mode, owner]")
        path, digest, size, mode, ownership = row
        place = ManagedPath(path)
        if not (0 <= size <= canonical.MAX_COUNT and 0 <= mode <= MODE_BITS):
            raise MalformedError("has a size or mode out of range", where=path)
        if _OWNERSHIP.fullmatch(ownership) is None:
            raise MalformedError("has an owner that is not `owner:group`", where=path)
        return cls(place, parse_digest(digest), size, mode, ownership)


class Manifest(Mapping[ManagedPath, FileEntry]):
    """All synced files of one state, by path."""

    def __init__(self, entries: Iterable[FileEntry] = ()) -> None:
        self._entries = {entry.path: entry for entry in entries}
        self._order: list[ManagedPath] | None = None

    def __getitem__(self, path: ManagedPath) -> FileEntry:
        return self._entries[path]

    def __iter__(self) -> Iterator[ManagedPath]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    # What `Mapping` makes of the three above is right, but loops in Python over thousands of files.

    def keys(self) -> KeysView[ManagedPath]:
        """All paths."""
        return self._entries.keys()

    def values(self) -> ValuesView[FileEntry]:
        """All entries."""
        return self._entries.values()

    def items(self) -> ItemsView[ManagedPath, FileEntry]:
        """All entries by path."""
        return self._entries.items()

    def __contains__(self, path: object) -> bool:
        return path in self._entries

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Manifest) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<Manifest {len(self)} files {self.digest[:12]}>"

    @cached_property
    def digest(self) -> Digest:
        """The name of this state."""
        lines = b"".join([self._entries[path].line for path in self._sorted()])
        return Digest(hashlib.sha256(lines).hexdigest())

    @cached_property
    def digests(self) -> frozenset[Digest]:
        """The digests of all contents in this state."""
        return frozenset(entry.digest for entry in self._entries.values())

    def check(self) -> None:
        """Raise `OutOfScopeError` unless this may be a node's state: each entry, and all of it."""
        for entry in self._entries.values():
            entry.check()
        self.check_shape()

    def check_shape(self) -> None:
        """Raise `OutOfScopeError` for too many files, or a path that is a file and a folder."""
        if len(self) > MAX_ENTRIES:
            raise OutOfScopeError(f"a state has more than {MAX_ENTRIES} files")
        for folder in self._folders():
            if folder in self._entries:
                raise OutOfScopeError("is a file and a folder", where=printable(folder))

    def _folders(self) -> frozenset[str]:
        folders: set[str] = set()
        for path in self._entries:
            folder = path.folder
            while folder and folder not in folders:
                folders.add(folder)
                folder = folder.rpartition("/")[0]
        return frozenset(folders)

    def changed(self, puts: Iterable[FileEntry], deletes: Iterable[ManagedPath]) -> Manifest:
        """This manifest with `deletes` taken out and `puts` put in."""
        entries = dict(self._entries)
        for path in deletes:
            entries.pop(path, None)
        for entry in puts:
            entries[entry.path] = entry
        result = Manifest()
        result._entries = entries
        result._order = self._order_after(entries)
        return result

    def _sorted(self) -> list[ManagedPath]:
        """All paths in order; shared by the manifests that have the same paths."""
        if self._order is None:
            self._order = sorted(self._entries)
        return self._order

    def _order_after(self, entries: dict[ManagedPath, FileEntry]) -> list[ManagedPath] | None:
        # Most changes put contents into files that are there already: the order stays what it was.
        same = len(entries) == len(self._entries) and entries.keys() == self._entries.keys()
        return self._order if same else None

    def to_bytes(self) -> bytes:
        """The canonical bytes: rows sorted by path."""
        return canonical.encode(
            {"files": [self._entries[path].to_json() for path in self._sorted()]}
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, expected: Digest) -> Manifest:
        """The manifest in `data`, whose digest must be `expected`; all of it is checked."""
        fields = canonical.decode(data, "a manifest")
        rows = fields.take("files", list)
        fields.done()
        if len(rows) > MAX_ENTRIES:
            raise MalformedError(f"a manifest has more than {MAX_ENTRIES} files")
        manifest = cls(FileEntry.from_json(row) for row in rows)
        if manifest.digest != expected or len(manifest) != len(rows):
            raise DigestMismatchError("a manifest does not have the digest that was signed")
        manifest.check()
        return manifest
