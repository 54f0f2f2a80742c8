"""PURE: the documents of the local API as values, for both of its ends.

`api.py` makes them and says `to_json`, the commands read them with `from_json`. Members that a
reader does not know are left alone, so that a command and a daemon of neighbouring releases
understand each other; what is missing or mistyped is a `MalformedError`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pmgsync.cli.status_answer import (
    ASKED,
    LAST_KNOWN,
    LIVE,
    REMOVED,
    SOURCES,
    NodeInfo,
    StatusAnswer,
    texts,
)
from pmgsync.errors import ExitCode
from pmgsync.model.canonical import Fields

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ARRIVED",
    "ASKED",
    "LAST_KNOWN",
    "LIVE",
    "REFUSED",
    "REMOVED",
    "ROLLED_BACK",
    "SOURCES",
    "UNABLE",
    "Arrival",
    "KeptFile",
    "LogEntry",
    "NodeInfo",
    "Release",
    "ShownFile",
    "ShownVersion",
    "StatusAnswer",
    "each",
    "texts",
]

ARRIVED = "activated"
REFUSED = "invalid"
UNABLE = "unable"
ROLLED_BACK = "rolled back"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One version of GET /v1/log."""

    version: int
    epoch: int
    created: int
    message: str
    puts: int
    deletes: int
    size: int

    @classmethod
    def from_json(cls, value: object) -> LogEntry:
        """The entry in `value`."""
        fields = Fields(value, "a log entry")
        return cls(
            version=fields.count("version"),
            epoch=fields.count("epoch"),
            created=fields.count("created"),
            message=fields.take("message", str),
            puts=fields.count("puts"),
            deletes=fields.count("deletes"),
            size=fields.count("size"),
        )


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file of GET /v1/kept; `size` None: a deletion. `kept`: milliseconds since 1970."""

    number: int
    path: str
    size: int | None
    kept: int
    reason: str

    @classmethod
    def from_json(cls, value: object) -> KeptFile:
        """The file in `value`."""
        fields = Fields(value, "a kept file")
        return cls(
            number=fields.count("number"),
            path=fields.take("path", str),
            size=fields.optional("size", int),
            kept=fields.count("kept"),
            reason=fields.take("reason", str),
        )


@dataclass(frozen=True, slots=True)
class ShownFile:
    """One changed file of GET /v1/versions/N; `change` is added, changed or deleted."""

    path: str
    change: str
    size: int
    old_size: int
    mode: int
    ownership: str
    secret: bool
    diff: str | None = None

    @classmethod
    def from_json(cls, value: object) -> ShownFile:
        """The file in `value`."""
        fields = Fields(value, "a changed file")
        return cls(
            path=fields.take("path", str),
            change=fields.take("change", str),
            size=fields.optional("size", int) or 0,
            old_size=fields.optional("old_size", int) or 0,
            mode=fields.optional("mode", int) or 0,
            ownership=fields.optional("ownership", str) or "",
            secret=fields.take("secret", bool),
            diff=fields.optional("diff", str),
        )


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """GET /v1/versions/N."""

    version: int
    epoch: int
    created: int
    message: str
    signer: str
    parent: str
    result: str
    files: tuple[ShownFile, ...]

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {**asdict(self), "files": [asdict(file) for file in self.files]}

    @classmethod
    def from_json(cls, value: object) -> ShownVersion:
        """The version in `value`."""
        fields = Fields(value, "a version")
        return cls(
            version=fields.count("version"),
            epoch=fields.count("epoch"),
            created=fields.count("created"),
            message=fields.take("message", str),
            signer=fields.take("signer", str),
            parent=fields.optional("parent", str) or "",
            result=fields.take("result", str),
            files=each(fields, "files", ShownFile.from_json),
        )


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a version on one node: `outcome` in the words of a report, `ms` after
    publishing.
    """

    cid: int
    name: str
    outcome: str
    ms: int
    detail: str = ""

    @classmethod
    def from_json(cls, value: object) -> Arrival:
        """The arrival in `value`."""
        fields = Fields(value, "an arrival")
        return cls(
            cid=fields.count("cid"),
            name=fields.take("name", str),
            outcome=fields.take("outcome", str),
            ms=fields.count("ms"),
            detail=fields.optional("detail", str) or "",
        )


_EXIT_OF = {
    REFUSED: ExitCode.REJECTED,
    ROLLED_BACK: ExitCode.ROLLED_BACK,
    UNABLE: ExitCode.DEGRADED,
    ARRIVED: ExitCode.FINE,
}


@dataclass(frozen=True, slots=True)
class Release:
    """The answer of release, confirm and wait. `version` None: nothing was published, as nothing
    had changed; or it is `held`, which says by what and what to do. With a version, `held` is what
    is not in it.
    """

    version: int | None
    files: int
    arrived: tuple[Arrival, ...] = ()
    missing: tuple[str, ...] = ()
    held: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """0 it runs everywhere, 3 refused or held, 4 rolled back, 5 a node cannot or has not said
        anything.
        """
        if self.held:
            return ExitCode.REJECTED
        outcomes = {_EXIT_OF.get(arrival.outcome, ExitCode.DEGRADED) for arrival in self.arrived}
        for code in (ExitCode.REJECTED, ExitCode.ROLLED_BACK, ExitCode.DEGRADED):
            if code in outcomes:
                return code
        return ExitCode.DEGRADED if self.missing else ExitCode.FINE

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "version": self.version,
            "files": self.files,
            "arrived": [asdict(arrival) for arrival in self.arrived],
            "missing": list(self.missing),
            "held": self.held,
        }

    @classmethod
    def from_json(cls, value: object) -> Release:
        """The release in `value`."""
        fields = Fields(value, "a release")
        return cls(
            version=fields.optional("version", int),
            files=fields.count("files"),
            arrived=each(fields, "arrived", Arrival.from_json),
            missing=texts(fields, "missing"),
            held=fields.take("held", str),
        )


def each(fields: Fields, name: str, make: Callable[[object], T]) -> tuple[T, ...]:
    """The list `name`, each element made with `make`."""
    return tuple(make(element) for element in fields.take(name, list))
