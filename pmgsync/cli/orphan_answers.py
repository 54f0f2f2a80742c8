"""PURE: what the local API says about orphans, as values for both of its ends; see `answers`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pmgsync.cli.answers import ShownFile, each
from pmgsync.cli.status_answer import texts
from pmgsync.model.canonical import Fields


@dataclass(frozen=True, slots=True)
class OrphanLine:
    """One orphaned version. Times are milliseconds since 1970."""

    number: int
    version: str
    created: int
    kept: int
    message: str
    files: int

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> OrphanLine:
        """The orphan in `value`."""
        fields = Fields(value, "an orphan")
        return cls(
            number=fields.count("number"),
            version=fields.take("version", str),
            created=fields.count("created"),
            kept=fields.count("kept"),
            message=fields.take("message", str),
            files=fields.count("files"),
        )


@dataclass(frozen=True, slots=True)
class ShownOrphan:
    """GET /v1/orphans/N: what it would change in the files that the cluster has now. `changed` are
    the paths that the cluster has changed since it went on without this version.
    """

    line: OrphanLine
    files: tuple[ShownFile, ...]
    changed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "orphan": self.line.to_json(),
            "files": [asdict(file) for file in self.files],
            "changed": list(self.changed),
        }

    @classmethod
    def from_json(cls, value: object) -> ShownOrphan:
        """The orphan in `value`."""
        fields = Fields(value, "an orphan")
        line: dict[str, Any] = fields.take("orphan", dict)
        return cls(
            OrphanLine.from_json(line),
            each(fields, "files", ShownFile.from_json),
            texts(fields, "changed"),
        )
