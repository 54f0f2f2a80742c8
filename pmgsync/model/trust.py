"""The one door to trust: unverified envelopes go in, verified values come out, nothing else can
make one.

`TrustedHistory` is a node's memory of what it believes: the membership chain, and the head of the
version log (position and manifest). Each `accept_*` either returns a verified value and moves on,
or raises a `PeerError` and leaves everything as it was; of several links, each does so. The rules:

* An envelope counts only if the key that must sign did sign exactly these bytes.
* A membership must be the legal next link of the chain (`promotion.next_link`), or begin a newer
  epoch on an earlier link and stand in every membership that it displaces (`promotion.VERDICTS`).
  A certificate that it brings must have dates that fit (`rekeying.require_dates`).
* A change set must be of this cluster and this epoch (`StaleError` before, `GapError` after it),
  signed by this epoch's master, carry the next version (`StaleError` below it, `GapError` above),
  start from the head's state and lead to the state it names; every entry must be in scope.
* The first version of an epoch follows on its base. A head that is not of the history which the
  base ends (`is_forked`) is followed by nothing but a snapshot.
* So does the first version that a master signs with a new key within its epoch: what its key
  before signs counts no longer, but for that base itself.
* A snapshot is the newest change set together with the complete manifest it names: then the
  versions between need not be seen, but a version at or below the head is refused all the same.
* The base of the epoch may be taken in although it is of an older one: the membership names its
  very state.
* Whoever has signed for an epoch (`promise`) takes in nothing of an older one, and finishes
  nothing that it has not written down (`fences`). Links of its own epoch it sets aside: they count
  where a newer epoch begins on them, and for who is who until then (`known_membership`).
* A heartbeat must be the master's, of this cluster and epoch, and count upwards.
* A report must be signed by the member that it speaks of.

`stage()` and everything behind it take only `VerifiedChangeSet`, whose constructor wants a key
that only this module has; so mypy and the tests refuse a way around the door.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Final

from pmgsync.errors import (
    BadSignatureError,
    DigestMismatchError,
    GapError,
    MalformedError,
    RivalError,
    StaleError,
    WrongClusterError,
)
from pmgsync.model.changeset import CHANGE_SET_TYPE, NOWHERE, ChangeSet, Position
from pmgsync.model.heartbeat import HEARTBEAT_TYPE, Heartbeat
from pmgsync.model.keys import PublicKey
from pmgsync.model.manifest import Digest, Manifest, digest_of
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, Member, Membership
from pmgsync.model.paths import printable
from pmgsync.model.promotion import (
    VERDICTS,
    Era,
    Fit,
    Verdict,
    era_of,
    next_link,
    stands_in,
)
from pmgsync.model.rekeying import require_dates
from pmgsync.model.report import REPORT_TYPE, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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


@dataclass(frozen=True, slots=True)
class Branch:
    """Links that lead away from an earlier link of a chain, each legal after the one before.

    `parting` is the membership of that link, `promotions` are those that begin a newer epoch than
    the chain's, `displaced` what they would take the place of.
    """

    parting: Membership
    memberships: tuple[Membership, ...]
    promotions: tuple[Envelope, ...]
    displaced: tuple[Membership, ...]


@dataclass(frozen=True, slots=True)
class Displaced:
    """Links were known that led from the membership `parting` to `own`, or had been set aside;
    others, that lead to `other`, took their place.
    """

    parting: Membership
    own: Membership
    other: Membership


class TrustedHistory:
    """What one node believes. Not shared between threads."""

    def __init__(
        self, chain: Sequence[Envelope], head: Head | None = None, *, promised: int = 0
    ) -> None:
        """Believe `chain` (oldest first, genesis included) and `head`, both from this node's own
        store; `promised` is the epoch that this node has signed for last.

        Raises `PeerError` if the chain is not one: the store was altered.
        """
        if not chain:
            raise GapError("the membership chain is empty")
        self._aside: list[tuple[Membership, Envelope]] = []
        self._chain = [chain[0]]
        self._memberships = [genesis_of(chain[0])]
        for link in chain[1:]:
            # (The dates of certificates were looked at when it came: a rule of today's forbids no
            # link that was believed.)
            self._memberships.append(next_link(self._memberships[-1], self._chain[-1], link))
            self._chain.append(link)
        self._head = head or Head()
        self._before: Head | None = None
        self._last_count = -1
        self._promised = promised
        self.displaced: tuple[Displaced, ...] = ()
        """What came to nothing since this object was made."""

    @property
    def membership(self) -> Membership:
        """The newest membership."""
        return self._memberships[-1]

    @property
    def chain(self) -> tuple[Envelope, ...]:
        """All memberships, oldest first."""
        return tuple(self._chain)

    @property
    def known_chain(self) -> tuple[Envelope, ...]:
        """The same, and the links that this node has set aside: what the next epoch begins on."""
        return (*self._chain, *(link for _, link in self._aside))

    @property
    def known_membership(self) -> Membership:
        """The newest of `known_chain`."""
        return self._aside[-1][0] if self._aside else self.membership

    @property
    def known_members(self) -> tuple[Member, ...]:
        """All by the newest membership and by the newest that is set aside, as either may come to
        count: who has other keys in the second comes twice.
        """
        both = (*self.known_membership.members, *self.membership.members)
        return tuple({(member.cid, member.keys): member for member in reversed(both)}.values())

    @property
    def recovery_since(self) -> tuple[int, int] | None:
        """Epoch and serial of the link that gave the recovery key that counts; None: the first."""
        later: Membership | None = None
        for one in reversed(self._memberships):
            if one.recovery != self.membership.recovery:
                break
            later = one
        else:
            return None
        return (later.epoch, later.serial) if later else None

    @property
    def head(self) -> Head:
        """The newest believed version."""
        return self._head

    @property
    def is_forked(self) -> bool:
        """Is the head of an older epoch, and not of the history on which this epoch follows?"""
        return self.fork(self._head.position, self._head.manifest.digest) is not None

    def fork(self, position: Position, result: Digest) -> Base | None:
        """Where the history that counts left a version that led to `result`, if that version is not
        of it: the base of the first newer epoch.
        """
        newer = (m.base for m in self._memberships if m.epoch > position.epoch and m.base)
        base = next(newer, None)
        if base is None or position < base.position or Base(position, result) == base:
            return None
        return base

    def strays(self, position: Position, result: Digest) -> bool:
        """Is a version that led to `result` of no history that is known here: of an epoch that
        another master has begun, or orphaned? What a cluster was founded on, of an earlier one's
        epochs, is of its history.
        """
        epochs = {membership.epoch for membership in self._known()}
        founded_on = self._memberships[0].base
        inherited = founded_on.position if founded_on else NOWHERE
        unknown = position > inherited and position.epoch not in epochs
        return unknown or self.fork(position, result) is not None

    @property
    def promised(self) -> int:
        """The epoch that this node has signed for and that has not begun here; 0: none."""
        return self._promised if self._promised > self.membership.epoch else 0

    def links_after(self, epoch: int, serial: int) -> tuple[Envelope, ...]:
        """The links that somebody lacks whose newest membership is that one, oldest first."""
        pairs = zip(self._known(), self.known_chain, strict=True)
        return tuple(link for m, link in pairs if (m.epoch, m.serial) > (epoch, serial))

    def places_back(self) -> Iterator[tuple[int, int]]:
        """(epoch, serial) of the newest link, then of earlier ones in growing steps, down to before
        the first: where to ask others from until what they know attaches here.
        """
        places = [(m.epoch, m.serial) for m in self._known()]
        back = 1
        while back <= len(places):
            yield places[-back]
            back *= 2
        yield 0, 0

    def fences(self, position: Position, logged: Position) -> bool:
        """Must a version that was believed not be finished any more, as this node has signed for a
        newer epoch since? One that its log has (the newest is `logged`) was voted on.
        """
        return self.promised > 0 and position > logged

    def promise(self, epoch: int) -> None:
        """This node has signed for `epoch`, durably: nothing older counts from now on."""
        self._promised = max(self._promised, epoch)

    def accept_membership(self, envelope: Envelope) -> Membership:
        """Move on to the next membership, or to one that displaces the newest ones.

        `StaleError` also for one that is set aside.
        """
        offered, own = Membership.from_bytes(envelope.payload), self.membership
        era = era_of(offered.epoch, own=own.epoch, promised=self._promised)
        match VERDICTS[era, self._fit_of(offered)]:
            case Verdict.DISPLACE:
                self._displace([envelope])
            case Verdict.SET_ASIDE:
                self._aside = self._way_to(envelope)
                raise StaleError(f"membership {offered.epoch}.{offered.serial} is {era.value}")
            case Verdict.STALE if era is not Era.SAME:
                raise StaleError(f"membership {offered.epoch}.{offered.serial} is {era.value}")
            case _:  # what is wrong with it, if anything, `next_link` knows best
                self._extend(envelope)
        return self.membership

    def accept_memberships(self, envelopes: Sequence[Envelope]) -> bool:
        """Move on along these links, oldest first; whether that led anywhere. What is known or
        stale is passed over.

        Links that lead away from an earlier link of this chain are judged as a whole: where they
        end in a newer epoch, they displace what follows on that link here. Of others, those
        before one that is wrong count, and it raises what is wrong with that.
        """
        known = {link.digest for link in self.known_chain}
        fresh = [envelope for envelope in envelopes if envelope.digest not in known]
        if len(fresh) > 1 and self._leads_away(fresh):
            self._displace(fresh)
            return True
        return sum(map(self._accepts, fresh)) > 0

    def _accepts(self, envelope: Envelope) -> bool:
        try:
            self.accept_membership(envelope)
        except StaleError:
            return False
        return True

    def _leads_away(self, fresh: Sequence[Envelope]) -> bool:
        first, last = (Membership.from_bytes(fresh[at].payload) for at in (0, -1))
        return self._fit_of(first) is Fit.EARLIER and last.epoch > self.membership.epoch

    def _fit_of(self, offered: Membership) -> Fit:
        if offered.parent == self._chain[-1].digest:
            return Fit.TIP
        if any(link.digest == offered.parent for _, link in self._aside):
            return Fit.ASIDE
        earlier = any(link.digest == offered.parent for link in self._chain)
        return Fit.EARLIER if earlier else Fit.NOWHERE

    def _known(self) -> list[Membership]:
        return [*self._memberships, *(membership for membership, _ in self._aside)]

    def _way_to(self, envelope: Envelope) -> list[tuple[Membership, Envelope]]:
        """The link in `envelope`, legal after the one before it; and before it those that had been
        set aside and lead there.
        """
        parent = Membership.from_bytes(envelope.payload).parent
        count = next((n for n, (_, link) in enumerate(self._aside, 1) if link.digest == parent), 0)
        way = self._aside[:count]
        membership, link = way[-1] if way else (self.membership, self._chain[-1])
        return [*way, (_fresh_link(membership, link, envelope), envelope)]

    def _extend(self, envelope: Envelope) -> None:
        way = self._way_to(envelope)
        if len(way) <= len(self._aside):
            self._note(way[-2][0] if len(way) > 1 else self.membership, way[-1][0])
        for membership, link in way:
            self._chain.append(link)
            self._memberships.append(membership)
        self._aside = []

    def _displace(self, envelopes: Sequence[Envelope]) -> None:
        """Put `envelopes` in the place of what follows on the parent of the first. One of them must
        be a promotion to a newer epoch than this node's that stands in all that it displaces.
        """
        branch = self._branch(envelopes)
        if not any(stands_in(branch.displaced, one) for one in branch.promotions):
            raise RivalError(
                "a promotion on an earlier link is signed by too few of those who came after it"
            )
        self._note(branch.parting, branch.memberships[-1])
        kept = len(self._chain) - len(branch.displaced)
        self._chain = [*self._chain[:kept], *envelopes]
        self._memberships = [*self._memberships[:kept], *branch.memberships]
        self._aside = []

    def _note(self, parting: Membership, other: Membership) -> None:
        self.displaced += (Displaced(parting, self.known_membership, other),)

    def branch(self, envelopes: Sequence[Envelope]) -> Branch:
        """What `accept_memberships` has refused with `RivalError`, link by link."""
        known = {link.digest for link in self._chain}
        return self._branch([one for one in envelopes if one.digest not in known])

    def _branch(self, envelopes: Sequence[Envelope]) -> Branch:
        parent = Membership.from_bytes(envelopes[0].payload).parent if envelopes else None
        at = next((n for n, link in enumerate(self._chain, 1) if link.digest == parent), 0)
        if not at:
            raise GapError("a link names another predecessor than those known here")
        own, parting, link = self.membership.epoch, self._memberships[at - 1], self._chain[at - 1]
        before = parting
        memberships: list[Membership] = []
        promotions: list[Envelope] = []
        for envelope in envelopes:
            membership = _fresh_link(before, link, envelope)
            if membership.epoch > max(own, before.epoch):
                promotions.append(envelope)
            memberships.append(membership)
            before, link = membership, envelope
        displaced = tuple(self._memberships[at:])
        return Branch(parting, tuple(memberships), tuple(promotions), displaced)

    def accept(self, envelope: Envelope, known: Manifest | None = None) -> VerifiedChangeSet:
        """Move on to the next version. `known`: its state, if the caller has it; see `lead`."""
        change_set = self._authentic(envelope)
        if change_set.position.version > self._head.position.version + 1 or self.is_forked:
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
        payload = envelope.require(HEARTBEAT_TYPE, self.known_membership.master_key)
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
        membership = self.known_membership
        base, signer = membership.base, self._signer(envelope)
        change_set = ChangeSet.from_bytes(envelope.require(CHANGE_SET_TYPE, signer))
        position = change_set.position
        if base is None or Base(position, change_set.result) != base:
            self._require_cluster(change_set.cluster)
            self._require_epoch(position, "a change set")
            if base is not None and position.version <= base.position.version:
                raise StaleError(f"version {position} does not follow {base.position}")
            envelope.require(CHANGE_SET_TYPE, membership.master_key)
        if self.promised:
            raise StaleError(f"version {position}: this node has signed for epoch {self.promised}")
        if not self.is_forked and position.version <= self._head.position.version:
            raise StaleError(f"version {position} is not newer than {self._head.position}")
        return change_set

    def _signer(self, envelope: Envelope) -> PublicKey:
        """Whose word it is that this might be: this epoch's master's; or, if it has not signed,
        that of the master of the epoch in which the base was made, by whichever of its keys.
        """
        membership = self.known_membership
        if membership.base is None or envelope.signers([membership.master_key]):
            return membership.master_key
        keys = keys_of(membership.base.position.epoch, self._known())
        return next(iter(envelope.signers(keys)), membership.master_key)

    def _move_to(
        self, change_set: ChangeSet, envelope: Envelope, manifest: Manifest
    ) -> VerifiedChangeSet:
        verified = VerifiedChangeSet(change_set, envelope, manifest, _DOOR)
        self._before = self._head
        self._head = Head(change_set.position, manifest)
        return verified

    def _require_epoch(self, position: Position, what: str) -> None:
        if position.epoch > self.membership.epoch:
            raise GapError(f"{what} of epoch {position.epoch} comes before its membership")
        if position.epoch < self.membership.epoch:
            raise StaleError(f"{what} is of epoch {position.epoch}, not {self.membership.epoch}")

    def _require_cluster(self, cluster: str) -> None:
        if cluster != self.membership.cluster:
            raise WrongClusterError(f"signed for another cluster, {printable(cluster[:40])}")


def _fresh_link(previous: Membership, link: Envelope, envelope: Envelope) -> Membership:
    """The membership in `envelope`, if it is the next one after `previous`, which `link` holds."""
    membership = next_link(previous, link, envelope)
    require_dates(previous, membership)
    return membership


def genesis_of(envelope: Envelope) -> Membership:
    """The genesis in `envelope`, which its own master must have signed.

    It begins with epoch 1, or with the one after its base where it goes on from another cluster's
    history.
    """
    genesis = Membership.from_bytes(envelope.payload)
    first = genesis.base.position.epoch + 1 if genesis.base else 1
    if (genesis.epoch, genesis.serial, genesis.parent) != (first, 1, None):
        raise MalformedError("the membership chain does not begin with a genesis")
    envelope.require(MEMBERSHIP_TYPE, genesis.master_key)
    return genesis


def keys_of(epoch: int, memberships: Iterable[Membership]) -> tuple[PublicKey, ...]:
    """The keys that signed the versions of `epoch`: more than one if its master took a new one."""
    return tuple(dict.fromkeys(m.master_key for m in memberships if m.epoch == epoch))


def verify_content(data: bytes, digest: Digest) -> bytes:
    """`data`, if it has `digest`; `DigestMismatchError` otherwise."""
    if digest_of(data) != digest:
        raise DigestMismatchError(
            "content does not have the digest that was signed", where=digest[:16]
        )
    return data
