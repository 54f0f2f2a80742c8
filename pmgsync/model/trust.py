"""The one door to trust: unverified envelopes go in, verified values come out, nothing else can
make one.

`TrustedHistory` is a node's memory of what it believes: the membership chain, and the head of the
version log (position and manifest). Each `accept_*` either returns a verified value and moves on,
or raises a `PeerError` and leaves everything as it was. The rules:

* An envelope counts only if the key that must sign did sign exactly these bytes.
* A membership must be the legal next link of the chain (`membership.follows`).
* A change set must be of this cluster and this epoch (`StaleError` before, `GapError` after it),
  signed by this epoch's master, carry the next version (`StaleError` below it, `GapError` above),
  start from the head's state and lead to the state it names; every entry must be in scope.
* A snapshot is the newest change set together with the complete manifest it names: then the
  versions between need not be seen, but a version at or below the head is refused all the same.
* A heartbeat must be the master's, of this cluster and epoch, and count upwards.
* A report must be signed by the member that it speaks of.

`stage()` and everything behind it take only `VerifiedChangeSet`, whose constructor wants a key
that only this module has; so mypy and the tests refuse a way around the door.
"""

from __future__ import annotations

import itertools
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Final

from pmgsync.errors import (
    BadSignatureError,
    DigestMismatchError,
    GapError,
    MalformedError,
    StaleError,
    WrongClusterError,
)
from pmgsync.model.changeset import CHANGE_SET_TYPE, NOWHERE, ChangeSet, Position
from pmgsync.model.heartbeat import HEARTBEAT_TYPE, Heartbeat
from pmgsync.model.manifest import Digest, Manifest, digest_of
from pmgsync.model.membership import MEMBERSHIP_TYPE, Member, Membership, follows
from pmgsync.model.paths import printable
from pmgsync.model.report import REPORT_TYPE, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmgsync.model.envelope import Envelope


class _Door:
    """The key to `VerifiedChangeSet`; there is one, and it stays here."""


_DOOR: Final = _Door()


@dataclass(frozen=True, slots=True)
class VerifiedChangeSet:
    """A change set that may be believed, the envelope it came in, and the state it leads to."""

    change_set: ChangeSet
    envelope: Envelope
    manifest: Manifest
    door: InitVar[_Door]

    def __post_init__(self, door: _Door) -> None:
        if door is not _DOOR:
            raise RuntimeError("a VerifiedChangeSet is made by TrustedHistory only")

    @property
    def position(self) -> Position:
        """Where it stands."""
        return self.change_set.position


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log stands: the position of its newest version and the state that it leads to."""

    position: Position = NOWHERE
    manifest: Manifest = field(default_factory=Manifest)


class TrustedHistory:
    """What one node believes. Not shared between threads."""

    def __init__(self, chain: Sequence[Envelope], head: Head | None = None) -> None:
        """Believe `chain` (oldest first, genesis included) and `head`, both from this node's own
        store.

        Raises `PeerError` if the chain is not one: the store was altered.
        """
        if not chain:
            raise GapError("the membership chain is empty")
        self._chain = list(chain)
        self._membership = genesis_of(chain[0])
        for previous, link in itertools.pairwise(chain):
            self._membership = follows(self._membership, previous, link)
        self._head = head or Head()
        self._before: Head | None = None
        self._last_count = -1

    @property
    def membership(self) -> Membership:
        """The newest membership."""
        return self._membership

    @property
    def chain(self) -> tuple[Envelope, ...]:
        """All memberships, oldest first."""
        return tuple(self._chain)

    @property
    def head(self) -> Head:
        """The newest believed version."""
        return self._head

    def accept_membership(self, envelope: Envelope) -> Membership:
        """Move on to the next membership."""
        membership = follows(self._membership, self._chain[-1], envelope)
        self._chain.append(envelope)
        self._membership = membership
        return membership

    def accept(self, envelope: Envelope, known: Manifest | None = None) -> VerifiedChangeSet:
        """Move on to the next version. `known`: its state, if the caller has it; see `lead`."""
        change_set = self._authentic(envelope)
        if change_set.position.version > self._head.position.version + 1:
            raise GapError(f"version {change_set.position} does not follow {self._head.position}")
        return self._move_to(change_set, envelope, change_set.lead(self._head.manifest, known))

    def accept_snapshot(self, envelope: Envelope, manifest: Manifest) -> VerifiedChangeSet:
        """Move on to a later version whose complete state is `manifest`."""
        change_set = self._authentic(envelope)
        change_set.require_end(manifest)
        return self._move_to(change_set, envelope, manifest)

    def undo(self, verified: VerifiedChangeSet) -> None:
        """Forget `verified`, the newest version: it could not be made durable and nobody heard of
        it.
        """
        if self._before is None or verified.position != self._head.position:
            raise RuntimeError(f"version {verified.position} cannot be undone")
        self._head, self._before = self._before, None

    def accept_heartbeat(self, envelope: Envelope) -> Heartbeat:
        """The master's newest word. `new_stream` forgets the last count when a stream begins."""
        payload = envelope.require(HEARTBEAT_TYPE, self._membership.master_key)
        heartbeat = Heartbeat.from_bytes(payload)
        self._require_cluster(heartbeat.cluster)
        self._require_epoch(heartbeat.position, "a heartbeat")
        if heartbeat.count <= self._last_count:
            raise StaleError(f"heartbeat {heartbeat.count} comes again or late")
        self._last_count = heartbeat.count
        return heartbeat

    def new_stream(self) -> None:
        """A stream begins: its heartbeats count from anywhere."""
        self._last_count = -1

    def accept_report(self, envelope: Envelope, member: Member) -> Report:
        """The report of `member`, who signed it."""
        if member.keys is None:
            raise BadSignatureError("has no keys yet", where=member.label)
        report = Report.from_bytes(envelope.require(REPORT_TYPE, member.keys.identity))
        self._require_cluster(report.cluster)
        if report.cid != member.cid:
            raise BadSignatureError(f"reports for cid {report.cid}", where=member.label)
        return report

    def _authentic(self, envelope: Envelope) -> ChangeSet:
        payload = envelope.require(CHANGE_SET_TYPE, self._membership.master_key)
        change_set = ChangeSet.from_bytes(payload)
        self._require_cluster(change_set.cluster)
        self._require_epoch(change_set.position, "a change set")
        if change_set.position.version <= self._head.position.version:
            raise StaleError(
                f"version {change_set.position} is not newer than {self._head.position}"
            )
        return change_set

    def _move_to(
        self, change_set: ChangeSet, envelope: Envelope, manifest: Manifest
    ) -> VerifiedChangeSet:
        verified = VerifiedChangeSet(change_set, envelope, manifest, _DOOR)
        self._before = self._head
        self._head = Head(change_set.position, manifest)
        return verified

    def _require_epoch(self, position: Position, what: str) -> None:
        if position.epoch > self._membership.epoch:
            raise GapError(f"{what} of epoch {position.epoch} comes before its membership")
        if position.epoch < self._membership.epoch:
            raise StaleError(f"{what} is of epoch {position.epoch}, not {self._membership.epoch}")

    def _require_cluster(self, cluster: str) -> None:
        if cluster != self._membership.cluster:
            raise WrongClusterError(f"signed for another cluster, {printable(cluster[:40])}")


def genesis_of(envelope: Envelope) -> Membership:
    """The genesis in `envelope`, which its own master must have signed."""
    genesis = Membership.from_bytes(envelope.payload)
    if (genesis.epoch, genesis.serial, genesis.parent) != (1, 1, None):
        raise MalformedError("the membership chain does not begin with a genesis")
    envelope.require(MEMBERSHIP_TYPE, genesis.master_key)
    return genesis


def verify_content(data: bytes, digest: Digest) -> bytes:
    """`data`, if it has `digest`; `DigestMismatchError` otherwise."""
    if digest_of(data) != digest:
        raise DigestMismatchError(
            "content does not have the digest that was signed", where=digest[:16]
        )
    return data
