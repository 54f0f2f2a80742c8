"""Reports: what a node says about itself, signed with its identity key.

A report is the node's receipt: which version it runs, or why it does not run the one it was given.
Reports are data of limited size; the master never acts on their text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pmgsync.errors import MalformedError
from pmgsync.model import canonical
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import Digest, parse_digest
from pmgsync.model.paths import printable

REPORT_TYPE = "application/vnd.pmgsync.report.v1+json"
MAX_REPORT_BYTES = 512 << 10
MAX_NOTES = 50
MAX_NOTE_CHARACTERS = 500
MAX_RENDERED = 200


class Outcome(Enum):
    """How a node stands to the version it was given."""

    ACTIVATED = "activated"
    """It runs it; everything is on disk."""
    INVALID = "invalid"
    """Its checks refused it; it runs the version before."""
    UNABLE = "unable"
    """This machine cannot now (disk full, read-only); it runs the one before and tries again."""


@dataclass(frozen=True, slots=True)
class Report:
    """What member `cid` says: it runs `active` (with state `manifest`); `wanted` came out as
    `outcome`.

    `detail` is the one line of why not; `notes` are what the admin should know all the same (drift
    that was put back, an owner that does not exist). `milliseconds` is from receipt to durable
    activation. `rendered` is path and digest of each service file that it made of `active`; empty
    where it makes none.
    """

    cluster: str
    cid: int
    active: Position
    manifest: Digest
    wanted: Position
    outcome: Outcome
    detail: str = ""
    notes: tuple[str, ...] = ()
    milliseconds: int = 0
    rendered: tuple[tuple[str, Digest], ...] = ()

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical.encode(
            {
                "cluster": self.cluster,
                "cid": self.cid,
                "active": str(self.active),
                "manifest": self.manifest,
                "wanted": str(self.wanted),
                "outcome": self.outcome.value,
                "detail": _line(self.detail),
                "notes": [_line(note) for note in self.notes[:MAX_NOTES]],
                "ms": self.milliseconds,
                **({"rendered": dict(self.rendered[:MAX_RENDERED])} if self.rendered else {}),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Report:
        """The report in `data`; `MalformedError` for anything else."""
        fields = canonical.decode(data, "a report", most=MAX_REPORT_BYTES)
        notes = fields.texts("notes")
        if len(notes) > MAX_NOTES:
            raise MalformedError("a report has too many notes")
        outcome = fields.take("outcome", str)
        if outcome not in {known.value for known in Outcome}:
            raise MalformedError("a report has an unknown outcome", where=printable(outcome[:40]))
        report = cls(
            cluster=fields.take("cluster", str),
            cid=fields.count("cid"),
            active=Position.parse(fields.take("active", str)),
            manifest=parse_digest(fields.take("manifest", str)),
            wanted=Position.parse(fields.take("wanted", str)),
            outcome=Outcome(outcome),
            detail=_line(fields.take("detail", str)),
            notes=tuple(_line(note) for note in notes),
            milliseconds=fields.count("ms"),
            rendered=_rendered(fields.optional("rendered", dict)),
        )
        fields.done()
        return report


def _rendered(members: dict[str, object] | None) -> tuple[tuple[str, Digest], ...]:
    rows = []
    for path, digest in sorted((members or {}).items()):
        if not isinstance(digest, str):
            raise MalformedError("a report has a service file without a digest")
        rows.append((_line(path), parse_digest(digest)))
    if len(rows) > MAX_RENDERED:
        raise MalformedError("a report has too many service files")
    return tuple(rows)


def _line(text: str) -> str:
    """One line of limited length that no terminal or log takes for anything but text."""
    return printable(text[:MAX_NOTE_CHARACTERS])[:MAX_NOTE_CHARACTERS]
