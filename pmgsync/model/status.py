"""The cluster as one value: what `pmgsync status` prints and `--json` hands out.

Computed by the master from what it knows, never stored as truth; a node keeps the last one it was
given, with its age, for the time when the master is away.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum

from pmgsync.errors import ExitCode, MalformedError
from pmgsync.model import canonical

MAX_TEXT = 2000


class NodeState(Enum):
    """How a node stands, in the words of `pmgsync status`."""

    IN_SYNC = "in sync"
    BEHIND = "behind"
    UNABLE = "unable"
    INVALID = "refused"
    AWAY = "away"
    NOT_JOINED = "not joined"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One line of the table. Times are milliseconds since 1970 by the master's clock; versions are
    numbers.

    `lag_ms` is how long the node has been behind the newest version (0: it is not); `took_ms` is
    what it said its last activation took.
    """

    cid: int
    name: str
    address: str
    role: str
    state: NodeState
    applied: int | None
    wanted: int
    lag_ms: int
    last_contact: int | None
    took_ms: int | None = None
    detail: str = ""
    notes: tuple[str, ...] = ()
    rendered: tuple[tuple[str, str], ...] = ()
    """Path and digest of each service file that the node made of the version that it runs."""
    clock_off_ms: int | None = None
    """How far its clock is ahead of the time by most of the clocks of connected nodes; None: that
    is not known."""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The whole table. `attention` holds one line for each thing that an admin should act on."""

    cluster: str
    epoch: int
    version: int
    manifest: str
    files: int
    published: int | None
    as_of: int
    nodes: tuple[NodeStatus, ...]
    attention: tuple[str, ...] = ()
    held: int | None = None
    """The version that a change would get which waits for `confirm`."""

    @property
    def exit_code(self) -> ExitCode:
        """0 where every joined node is in sync; else 3 (one refused it, or a change is held for
        safety) or 5 (one is degraded).
        """
        states = {node.state for node in self.nodes}
        if NodeState.INVALID in states or self.held is not None:
            return ExitCode.REJECTED
        if states - {NodeState.IN_SYNC, NodeState.NOT_JOINED}:
            return ExitCode.DEGRADED
        return ExitCode.FINE

    def to_json(self) -> dict[str, canonical.Json]:
        """The status as a JSON object."""
        document: dict[str, canonical.Json] = asdict(self)
        document["nodes"] = [
            {
                **asdict(node),
                "state": node.state.value,
                "notes": list(node.notes),
                "rendered": dict(node.rendered),
            }
            for node in self.nodes
        ]
        document["attention"] = list(self.attention)
        return document

    @classmethod
    def from_bytes(cls, document: bytes) -> ClusterStatus:
        """The status in a `document` of a master; `MalformedError` for anything else."""
        try:
            return cls.from_json(json.loads(document))
        except (ValueError, RecursionError):
            raise MalformedError("a cluster status that is no JSON") from None

    @classmethod
    def from_json(cls, value: object) -> ClusterStatus:
        """The status in `value`; `MalformedError` for anything else.

        Members that we do not know are passed over: a master of a neighbouring release may say
        more than this node understands, and its view is still worth showing.
        """
        fields = canonical.Fields(value, "a cluster status")
        nodes: list[object] = fields.take("nodes", list)
        attention = fields.texts("attention")
        status = cls(
            cluster=fields.take("cluster", str),
            epoch=fields.count("epoch"),
            version=fields.count("version"),
            manifest=fields.take("manifest", str),
            files=fields.count("files"),
            published=fields.optional_count("published"),
            as_of=fields.count("as_of"),
            nodes=tuple(_node(row) for row in nodes),
            attention=tuple(line[:MAX_TEXT] for line in attention),
            held=fields.optional_count("held"),
        )
        return status


def _node(value: object) -> NodeStatus:
    fields = canonical.Fields(value, "a node's status")
    state, notes = fields.take("state", str), fields.take("notes", list)
    if state not in {known.value for known in NodeState} or not all(
        isinstance(note, str) for note in notes
    ):
        raise MalformedError("a node's status has an unknown state or a note that is not text")
    node = NodeStatus(
        cid=fields.count("cid"),
        name=fields.take("name", str),
        address=fields.take("address", str),
        role=fields.take("role", str),
        state=NodeState(state),
        applied=fields.optional_count("applied"),
        wanted=fields.count("wanted"),
        lag_ms=fields.count("lag_ms"),
        last_contact=fields.optional_count("last_contact"),
        took_ms=fields.optional_count("took_ms"),
        detail=fields.take("detail", str)[:MAX_TEXT],
        notes=tuple(note[:MAX_TEXT] for note in notes),
        rendered=_rendered(fields.optional("rendered", dict)),
        clock_off_ms=fields.optional("clock_off_ms", int),
    )
    return node


def _rendered(members: dict[str, object] | None) -> tuple[tuple[str, str], ...]:
    return tuple((path, str(digest)[:MAX_TEXT]) for path, digest in sorted((members or {}).items()))
