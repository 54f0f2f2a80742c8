"""PURE: the answer to `GET /v1/status` as a value, for both ends of the local API.

Apart from `answers.py`, because `pmgsync status` must start fast. The same rules hold.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pmgsync.errors import ExitCode, MalformedError
from pmgsync.model.canonical import Fields
from pmgsync.model.status import ClusterStatus

LIVE = "live"
ASKED = "master"
LAST_KNOWN = "last known"
SOURCES = (LIVE, ASKED, LAST_KNOWN)
REMOVED = "removed"
"""The role of a node that was removed from its cluster and belongs to no other."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """This node. `cid` None: it belongs to no cluster; `applied` None: it runs no version yet."""

    name: str
    cid: int | None
    role: str
    version: str
    pid: int
    uptime_ms: int
    applied: int | None
    rival: str = ""
    """On a master: who else is one."""

    @classmethod
    def from_json(cls, value: object) -> NodeInfo:
        """The node in `value`."""
        fields = Fields(value, "a node")
        return cls(
            name=fields.take("name", str),
            cid=fields.optional("cid", int),
            role=fields.take("role", str),
            version=fields.take("version", str),
            pid=fields.count("pid"),
            uptime_ms=fields.count("uptime_ms"),
            applied=fields.optional("applied", int),
            rival=fields.optional("rival", str) or "",
        )


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """GET /v1/status. `source` is one of SOURCES; `age_ms` is how old the view is."""

    status: ClusterStatus | None
    source: str
    age_ms: int
    node: NodeInfo
    attention: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """What `pmgsync status` ends with: 1 no member, 6 the master is away, or there is another
        one, else what the view says.
        """
        if self.node.cid is None:
            return ExitCode.ERROR
        if self.status is None or self.source == LAST_KNOWN or self.node.rival:
            return ExitCode.NO_MASTER
        return self.status.exit_code

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "status": self.status.to_json() if self.status else None,
            "source": self.source,
            "age_ms": self.age_ms,
            "node": asdict(self.node),
            "attention": list(self.attention),
        }

    @classmethod
    def from_json(cls, value: object) -> StatusAnswer:
        """The answer in `value`."""
        fields = Fields(value, "the status")
        status, source = fields.optional("status", dict), fields.take("source", str)
        if source not in SOURCES:
            raise MalformedError("the status has an unknown source", where=source[:40])
        return cls(
            status=ClusterStatus.from_json(status) if status is not None else None,
            source=source,
            age_ms=fields.count("age_ms"),
            node=NodeInfo.from_json(fields.take("node", dict)),
            attention=texts(fields, "attention"),
        )


def texts(fields: Fields, name: str) -> tuple[str, ...]:
    """The list `name`, which must be of text."""
    found = fields.take(name, list)
    if not all(isinstance(text, str) for text in found):
        raise MalformedError(f"{name!r} has something that is not text")
    return tuple(found)
