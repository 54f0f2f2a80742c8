"""Change sets: what turns one manifest into the next, and where in the cluster's history it stands.

`diff` and `apply` are inverse: `apply(base, diff(base, target)) == target`. A change set names the
digest of its parent and of its result, so a node can prove that it applies to what the master
believed, and that it has afterwards what the master meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pmgsync.errors import DigestMismatchError, MalformedError
from pmgsync.model import canonical
from pmgsync.model.manifest import MAX_ENTRIES, Digest, FileEntry, Manifest, parse_digest
from pmgsync.model.paths import ManagedPath, printable
from pmgsync.model.scope import require_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANGE_SET_TYPE = "application/vnd.pmgsync.change-set.v1+json"
MAX_MESSAGE_CHARACTERS = 2000
REMEMBERED_BYTES = 64 << 10
"""Change sets up to this size are parsed once, however often they are asked for."""

_NUMBER = "(0|[1-9][0-9]{0,15})"
_POSITION = re.compile(rf"{_NUMBER}\.{_NUMBER}")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in history: epoch (which mastership), then version; prints as `EPOCH.VERSION`."""

    epoch: int
    version: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.version}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that prints as `text`; `MalformedError` otherwise."""
        match = _POSITION.fullmatch(text)
        if match is None:
            raise MalformedError("is not a position like 1.42", where=printable(text[:40]))
        return cls(int(match[1]), int(match[2]))


NOWHERE = Position(0, 0)
"""The position of a node that has applied nothing yet."""


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between two manifests: entries to put, paths to delete; both sorted by path."""

    puts: tuple[FileEntry, ...] = ()
    deletes: tuple[ManagedPath, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.puts or self.deletes)

    @property
    def paths(self) -> tuple[ManagedPath, ...]:
        """Every path that changes, sorted."""
        return tuple(sorted((*(entry.path for entry in self.puts), *self.deletes)))

    @property
    def size(self) -> int:
        """The bytes of all contents that are put."""
        return sum(entry.size for entry in self.puts)


def diff(base: Mapping[ManagedPath, FileEntry], target: Mapping[ManagedPath, FileEntry]) -> Diff:
    """What turns `base` into `target`."""
    # Manifests share the entries that did not change, and identity is much cheaper to see than
    # equality.
    before = dict(base.items())
    puts = [
        entry
        for path, entry in target.items()
        if (known := before.get(path)) is not entry and known != entry
    ]
    deletes = before.keys() - target.keys()
    return Diff(tuple(sorted(puts, key=lambda entry: entry.path)), tuple(sorted(deletes)))


def apply(base: Manifest, change: Diff) -> Manifest:
    """`base` with `change` made to it."""
    return base.changed(change.puts, change.deletes)


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """One version: its place, the states it leads from and to, and what it changes.

    `created` is the master's clock in milliseconds since 1970, for people to read; nothing is
    decided by it.
    """

    cluster: str
    position: Position
    parent: Digest
    result: Digest
    change: Diff
    created: int
    message: str = ""

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical.encode(
            {
                "cluster": self.cluster,
                "epoch": self.position.epoch,
                "version": self.position.version,
                "parent": self.parent,
                "result": self.result,
                "puts": [entry.to_json() for entry in self.change.puts],
                "deletes": list(self.change.deletes),
                "created": self.created,
                "message": _sendable(self.message),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ChangeSet:
        """The change set in `data`; `MalformedError` or `OutOfScopeError` for anything else."""
        return _parsed(data) if len(data) <= REMEMBERED_BYTES else cls._parse(data)

    @classmethod
    def _parse(cls, data: bytes) -> ChangeSet:
        fields = canonical.decode(data, "a change set")
        puts, deletes = fields.take("puts", list), fields.texts("deletes")
        if len(puts) + len(deletes) > MAX_ENTRIES:
            raise MalformedError(f"a change set names more than {MAX_ENTRIES} files")
        change_set = cls(
            cluster=fields.take("cluster", str),
            position=Position(fields.count("epoch"), fields.count("version")),
            parent=parse_digest(fields.take("parent", str)),
            result=parse_digest(fields.take("result", str)),
            change=Diff(
                tuple(FileEntry.from_json(row) for row in puts),
                tuple(ManagedPath(path) for path in deletes),
            ),
            created=fields.count("created"),
            message=fields.take("message", str),
        )
        fields.done()
        if len(change_set.message) > MAX_MESSAGE_CHARACTERS:
            raise MalformedError(
                f"a change set's message has over {MAX_MESSAGE_CHARACTERS} characters"
            )
        return change_set

    def lead(self, base: Manifest, known: Manifest | None = None) -> Manifest:
        """The manifest that this change set makes of `base`, which must be its parent.

        Where the caller has the result already, as `known`, that very object is returned if it is
        the signed one: manifests that share their entries are compared much faster.

        Raises `DigestMismatchError` if `base` is not the parent or the result is not the signed
        one, and `OutOfScopeError` if an entry is not in scope.
        """
        if base.digest != self.parent:
            raise DigestMismatchError(
                f"version {self.position} does not start from the state known here"
            )
        self._require_scope()
        if any(path not in base for path in self.change.deletes):
            raise DigestMismatchError(f"version {self.position} deletes what is not there")
        fits = known is not None and known.digest == self.result
        result = known if known is not None and fits else apply(base, self.change)
        if result.digest != self.result:
            raise DigestMismatchError(
                f"version {self.position} does not lead to the state that was signed"
            )
        if any(entry.path not in base for entry in self.change.puts):
            result.check_shape()
        return result

    def require_end(self, result: Manifest) -> None:
        """Raise unless this change set may have led to `result`, whatever it led from.

        `DigestMismatchError` if `result` is not the signed one or contradicts what was changed;
        `OutOfScopeError` if an entry is not in scope.
        """
        if result.digest != self.result:
            raise DigestMismatchError(f"the manifest is not that of version {self.position}")
        self._require_scope()
        result.check()
        put = all(result.get(entry.path) == entry for entry in self.change.puts)
        if not put or any(path in result for path in self.change.deletes):
            raise DigestMismatchError(f"version {self.position} does not lead to its own manifest")

    def _require_scope(self) -> None:
        for entry in self.change.puts:
            entry.check()
        for path in self.change.deletes:
            require_rule(path)
        if len(set(self.change.paths)) != len(self.change.paths):
            raise MalformedError(f"version {self.position} changes a path twice")


@lru_cache(maxsize=4)
def _parsed(data: bytes) -> ChangeSet:
    # The door, the log and the feeds each want the same few bytes as a value, one after the other.
    return ChangeSet._parse(data)


def _sendable(message: str) -> str:
    """`message` as every reader takes it: not too long, and with `?` for what is no character."""
    return message[:MAX_MESSAGE_CHARACTERS].encode("utf-8", "replace").decode()
