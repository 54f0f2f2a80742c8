"""Votes: when a member signs for a candidate, and what it has promised when it has.

A vote is the member's signature on the candidate's next membership, the very bytes that become the
next link of the chain. It is asked for by a `Proposal` and decided by `decide`, a function of what
the member knows. Whoever has signed for an epoch has promised two things, and writes the promise
(`Ballot`) down before it answers: to sign for nobody else in that epoch, and to take in nothing of
an older epoch any more (`TrustedHistory.promise`). The second is what keeps a version from being
acknowledged by a majority behind the back of a candidate that was already signed for.

A master that has signed for somebody signs for nobody else before a newer epoch has begun: its word
alone lets a promotion through, and of two such neither would displace the other.

A promise that comes to nothing (the candidate was gone, or found no majority) is resolved by the
next epoch, which the old master itself may ask for: see `agent/campaign.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pmgsync.errors import MalformedError, PeerError
from pmgsync.model import canonical
from pmgsync.model.changeset import CHANGE_SET_TYPE, NOWHERE, ChangeSet, Position
from pmgsync.model.envelope import Envelope, Signature
from pmgsync.model.manifest import Digest, Manifest, parse_digest
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, Membership
from pmgsync.model.promotion import MOST_VOTED, require_promotion, signed_by
from pmgsync.model.trust import keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmgsync.model.keys import PublicKey, Signer
    from pmgsync.model.membership import Member


@dataclass(frozen=True, slots=True)
class Ballot:
    """What this member has signed last: the epoch, the document's digest, and for whom."""

    epoch: int = 0
    document: Digest | None = None
    candidate: int = 0

    def to_json(self) -> canonical.Json:
        """The ballot as JSON."""
        return {"epoch": self.epoch, "document": self.document, "candidate": self.candidate}

    @classmethod
    def from_json(cls, value: object) -> Ballot:
        """The ballot in `value`; `MalformedError` for anything else."""
        fields = canonical.Fields(value, "a ballot")
        document = fields.optional("document", str)
        ballot = cls(
            epoch=fields.count("epoch"),
            document=parse_digest(document) if document else None,
            candidate=fields.count("candidate"),
        )
        fields.done()
        return ballot


NO_BALLOT = Ballot()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a candidate asks the members to sign.

    `document` is the next membership, signed by the candidate and by whoever has done so by now;
    `proof` is the envelope of the version that it names as base (None: there is none yet).
    """

    document: Envelope
    proof: Envelope | None


@dataclass(frozen=True, slots=True)
class Voter:
    """What a member knows when it is asked. `head` is what its log holds, durably.

    `live`: it has a connection to the master on which something was heard lately; or it is the
    master. `yields_to`: it is the master, and has stopped publishing so that this member may begin;
    0: nobody. `unfinished`: a version that it is writing down at this moment.
    """

    cid: int
    chain: Sequence[Envelope]
    membership: Membership
    head: Base
    ballot: Ballot
    live: bool
    yields_to: int = 0
    unfinished: Position | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a member does not sign. `behind`: because it has newer versions, up to there."""

    why: str
    behind: Position | None = None


def decide(proposal: Proposal, voter: Voter) -> Ballot | Refused:
    """What the member does: sign, which is the ballot to write down first, or refuse."""
    try:
        candidate = require_promotion(voter.membership, voter.chain[-1], proposal.document)
        base = _proven(candidate, proposal.proof, voter.chain)
    except PeerError as error:
        return Refused(str(error))
    return (
        _too_far(candidate, proposal.document, voter)
        or _spoken_for(candidate, proposal.document, voter)
        or _behind(base, voter.head)
        or _unfinished(voter)
        or _master_is_there(candidate, proposal.document, voter)
        or Ballot(candidate.epoch, proposal.document.digest, candidate.master)
    )


def shows_promise(promise: bytes, member: Member, epoch: int, membership: Membership) -> bool:
    """Does `promise` (an envelope) show that `member` has signed for `epoch`, rather than say so?

    It is a proposal of another member of `membership` for that epoch. A member could make one of
    its own for any epoch, so that one shows nothing; and whoever lies would need somebody who lies
    with it. That it has signed what it shows, nobody need see: it can do that at any moment.
    """
    try:
        envelope = Envelope.from_bytes(promise)
        document = Membership.from_bytes(envelope.payload)
    except PeerError:
        return False
    proposer = next((m.keys for m in membership.members if m.cid == document.master), None)
    return (
        (document.cluster, document.epoch) == (membership.cluster, epoch)
        and envelope.payload_type == MEMBERSHIP_TYPE
        and document.master != member.cid
        and proposer is not None
        and bool(envelope.signers([proposer.identity]))
    )


def sign(document: Envelope, signer: Signer) -> Signature:
    """The signature of `signer` on `document`."""
    return Signature(signer.public_key.key_id, signer.sign(document.signed_bytes()))


def with_signatures(document: Envelope, *more: Signature) -> Envelope:
    """`document` with these signatures as well."""
    by_key = {signature.key_id: signature for signature in (*more, *document.signatures)}
    return Envelope(document.payload_type, document.payload, tuple(by_key.values()))


def _too_far(candidate: Membership, document: Envelope, voter: Voter) -> Refused | None:
    """A promise far ahead would fence this member off from all epochs up to there."""
    most = max(voter.membership.epoch, voter.ballot.epoch) + MOST_VOTED
    if candidate.epoch <= most or document.signers([voter.membership.recovery]):
        return None
    return Refused(f"signs for epoch {most} at most, and epoch {candidate.epoch} is asked for")


def _spoken_for(candidate: Membership, document: Envelope, voter: Voter) -> Refused | None:
    ballot = voter.ballot
    if document.digest == ballot.document:
        return None
    holder = next((m.label for m in candidate.members if m.cid == ballot.candidate), "another")
    if candidate.epoch <= ballot.epoch:
        return Refused(f"has signed for {holder} in epoch {ballot.epoch}")
    # A master's word alone lets a promotion through: given twice, neither displaces the other.
    is_master = voter.cid == voter.membership.master != candidate.master
    if is_master and ballot.epoch > voter.membership.epoch:
        return Refused(f"has handed over to {holder} in epoch {ballot.epoch}, which has not begun")
    return None


def _behind(base: Base, head: Base) -> Refused | None:
    if base.position < head.position:
        what = f"is behind: it has version {base.position}, here is {head.position}"
        return Refused(what, behind=head.position)
    if base.position == head.position and base.manifest != head.manifest:
        return Refused(f"has another state as version {base.position} than is known here")
    return None


def _unfinished(voter: Voter) -> Refused | None:
    """It would be reported, and might count as acknowledged, after the promise not to."""
    if voter.unfinished is None:
        return None
    return Refused(f"is writing down version {voter.unfinished} at this moment; ask again")


def _master_is_there(candidate: Membership, document: Envelope, voter: Voter) -> Refused | None:
    master = voter.membership.master_member
    agreed = candidate.master in (master.cid, voter.yields_to)
    if not voter.live or agreed or master in signed_by(voter.membership, document):
        return None
    if voter.cid == master.cid:
        return Refused("is the master, and has not been asked to hand over")
    return Refused(f"is connected to the master, {master.label}, which has not agreed")


def _proven(candidate: Membership, proof: Envelope | None, chain: Sequence[Envelope]) -> Base:
    """The base of the candidate's membership, which `proof` shows that it has."""
    if candidate.base is None:
        raise MalformedError("a promotion without a base")
    require_shown(candidate.base, proof, candidate.cluster, chain)
    return candidate.base


def require_shown(
    version: Base, proof: Envelope | None, cluster: str, chain: Sequence[Envelope]
) -> None:
    """`proof` is the envelope of `version`, signed as `chain` wants it; None: there is no version
    yet. Else `MalformedError` or `BadSignatureError`.
    """
    if proof is None:
        if version != Base(NOWHERE, Manifest().digest):
            raise MalformedError("does not show the version that it says it has")
        return
    change_set = ChangeSet.from_bytes(proof.payload)
    if (change_set.position, change_set.result) != (version.position, version.manifest):
        raise MalformedError("shows another version than it says it has")
    if change_set.cluster != cluster and not _is_inherited(version, chain):
        raise MalformedError("shows a version of another cluster")
    keys = _keys_for(version.position, _memberships(chain))
    if keys:
        proof.require(CHANGE_SET_TYPE, next(iter(proof.signers(keys)), keys[-1]))
    elif not _is_inherited(version, chain):
        raise MalformedError(f"shows a version of epoch {version.position.epoch}")


def _keys_for(position: Position, memberships: Sequence[Membership]) -> tuple[PublicKey, ...]:
    """The keys that may have signed the version there: above the base that a master has moved with
    a new key, only that one.
    """
    newest = memberships[-1]
    if newest.epoch == position.epoch and newest.base and position > newest.base.position:
        return (newest.master_key,)
    return keys_of(position.epoch, memberships)


def _is_inherited(base: Base, chain: Sequence[Envelope]) -> bool:
    """Is it the version from which this cluster was founded anew?"""
    return Membership.from_bytes(chain[0].payload).base == base


def _memberships(chain: Sequence[Envelope]) -> list[Membership]:
    return [Membership.from_bytes(link.payload) for link in chain]
