"""PURE. What a node lacks, given where it stands and what the log holds: nothing, versions, or a
snapshot.

A node that stands on a state of this history gets the versions since, unless the complete manifest
is fewer bytes; one whose state is not of this history gets the manifest. Contents are not counted:
a node activates only the newest state, so it needs the same ones either way.

A node that is at or above the newest version, but not at it, cannot be served: it would refuse to
go back, and rightly so. That is said, and mends itself with a version above both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pmgsync.model.changeset import ChangeSet, Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.manifest import Digest

MOST_LINKS = 256
"""A node that is further behind gets a snapshot without asking the log."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a node will stand once it has taken in what was sent; `lost`: it asked for a
    snapshot.
    """

    position: Position
    manifest: Digest
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """One version of the log: which state it leads from and to, and its envelope's bytes."""

    position: Position
    parent: Digest
    result: Digest
    envelope: bytes

    @classmethod
    def of(cls, envelope: Envelope) -> "Link":
        """The link in `envelope`, which comes from this node's own log."""
        change = ChangeSet.from_bytes(envelope.payload)
        return cls(change.position, change.parent, change.result, envelope.to_bytes())

    @property
    def end(self) -> Standing:
        """Where a node stands after it."""
        return Standing(self.position, self.result)


class Log(Protocol):
    """What the decision needs to know of the log."""

    @property
    def head(self) -> Link | None:
        """The newest version, None if there is none."""

    @property
    def snapshot_bytes(self) -> int:
        """The size of the newest version's manifest and envelope."""

    def after(self, version: int) -> Sequence[Link]:
        """The versions above `version`, oldest first; empty if the next one is not to be had."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """The node has everything."""


@dataclass(frozen=True, slots=True)
class Versions:
    """These versions, in this order; the last one is the newest."""

    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest version with its complete manifest."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The node stands where this log does not reach: `what`, for the admin."""

    what: str


Step = Nothing | Versions | Snapshot | Ahead
NOTHING = Nothing()
SNAPSHOT = Snapshot()


def catch_up(standing: Standing, log: Log) -> Step:
    """What a node that stands at `standing` is to be sent."""
    head = log.head
    if head is None:
        return NOTHING if not standing.position.version else _ahead(standing, "no version yet")
    if (standing.position, standing.manifest) == (head.position, head.result):
        return SNAPSHOT if standing.lost else NOTHING
    if standing.position >= head.position:
        return _ahead(standing, f"version {head.position}")
    if standing.lost:
        return SNAPSHOT
    links = _links_to(head, standing, log)
    if not links or (len(links) > 1 and sum(len(x.envelope) for x in links) > log.snapshot_bytes):
        return SNAPSHOT
    return Versions(links)


def _links_to(head: Link, standing: Standing, log: Log) -> tuple[Link, ...]:
    """The unbroken way from `standing` to `head`; empty if there is none that this epoch
    vouches for.
    """
    distance = head.position.version - standing.position.version
    if distance == 1 and head.parent == standing.manifest:
        return (head,)
    if not 1 < distance <= MOST_LINKS:
        return ()
    links = tuple(log.after(standing.position.version))
    state, version = standing.manifest, standing.position.version
    for link in links:
        if (link.parent, link.position) != (state, Position(head.position.epoch, version + 1)):
            return ()
        state, version = link.result, version + 1
    return links if links and links[-1].position == head.position else ()


def _ahead(standing: Standing, here: str) -> Ahead:
    return Ahead(
        f"is ahead of this master: it runs version {standing.position} with state "
        f"{standing.manifest[:12]}, which is not in this log ({here} here); its history "
        "is newer: bring back this master's database from a backup"
    )
