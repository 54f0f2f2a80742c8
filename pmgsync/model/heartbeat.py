"""Heartbeats: the master's signed word on which version is the newest, against withheld news (a
freeze).

A heartbeat counts only on the stream it came on and only with a higher `count` than the last; how
old the last good one is tells a node whether it may be missing something.
"""

from __future__ import annotations

from dataclasses import dataclass

from pmgsync.model import canonical
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import Digest, parse_digest

HEARTBEAT_TYPE = "application/vnd.pmgsync.heartbeat.v1+json"
MAX_HEARTBEAT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The newest version and the state it leads to, said for the `count`th time by this daemon."""

    cluster: str
    position: Position
    manifest: Digest
    serial: int
    count: int

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical.encode(
            {
                "cluster": self.cluster,
                "epoch": self.position.epoch,
                "version": self.position.version,
                "manifest": self.manifest,
                "serial": self.serial,
                "count": self.count,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Heartbeat:
        """The heartbeat in `data`; `MalformedError` for anything else."""
        fields = canonical.decode(data, "a heartbeat", most=MAX_HEARTBEAT_BYTES)
        heartbeat = cls(
            cluster=fields.take("cluster", str),
            position=Position(fields.count("epoch"), fields.count("version")),
            manifest=parse_digest(fields.take("manifest", str)),
            serial=fields.count("serial"),
            count=fields.count("count"),
        )
        fields.done()
        return heartbeat
