"""The next epoch: who may begin one, and what a chain does with a link that begins one.

A promotion is a membership in which nothing changes but master, epoch, base and date. It is
signed by the new master and, besides, on one of three grounds (`grounds_of`), judged by the
membership before it:

* handover: the master before it signs;
* majority: more than half of the members with keys sign; a key counts once, and the new master's
  own counts, as does that of a master that is lost;
* recovery: the cluster's recovery key signs.

The epoch is not the very next number, but the next one that is the candidate's own (`epoch_for`),
as with the ballots of Paxos; and an attempt that found no majority has used up its own.
There are more of them than anybody can use up: a member signs for one that is at most `MOST_VOTED`
above what it knows of, and a link is at most `MOST_SKIPPED` above the one before it, where it has
not the recovery key's signature, which is the way out of everything.

Two promotions may start from one link: one of them was never heard of by a majority. The higher
epoch stands and *displaces* what follows on their common link (`VERDICTS`), but only on grounds
that hold in every membership that it displaces: those who were removed meanwhile cannot come back
by signing an old link's successor, nor can the few members of a young cluster take over the many of
today. `docs/adr/0010` has the reasons.

Who has signed for a newer epoch takes in no link of its own any more, for the epoch that it has
signed for may begin before that link. It *sets it aside*: votes, and an epoch that begins on it,
are judged as if it had been taken in.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from pmgsync.errors import (
    BadSignatureError,
    GapError,
    MalformedError,
    StaleError,
    WrongClusterError,
)
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, Member, Membership, follows
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pmgsync.model.envelope import Envelope

MOST_SKIPPED = 10**9
"""An epoch is at most so far above the one before it, unless the recovery key has signed."""
CANDIDATES = 100
"""Each candidate has every hundredth epoch for itself."""
MOST_VOTED = 1000 * CANDIDATES
"""A member signs for an epoch that is at most so far above its own and what it has signed for."""
MOST_BELIEVED = 500 * CANDIDATES
"""What a member says that it has signed for counts up to so far above the epoch that goes on; more
than that it must show (`ballot.shows_promise`). Below `MOST_VOTED`: so all sign for what a
candidate asks for that believes no more.
"""


class Ground(Enum):
    """What lets a promotion through, besides the new master's own signature."""

    HANDOVER = "the master before hands over"
    MAJORITY = "a majority of the members"
    RECOVERY = "the recovery key"


class Era(Enum):
    """The epoch of an offered link, compared with this node's."""

    OLDER = "of an older epoch"
    FENCED = "of this epoch, while this node has signed for a newer one"
    SAME = "of this epoch"
    NEWER = "of a newer epoch"


class Fit(Enum):
    """Which link of this node's chain an offered one names as its parent."""

    TIP = "the newest"
    ASIDE = "one that was set aside after the newest"
    EARLIER = "an earlier one"
    NOWHERE = "none"


class Verdict(Enum):
    """What becomes of an offered link, if its signatures are good."""

    EXTEND = "it is the next link"
    SET_ASIDE = "it counts once a newer epoch begins on it"
    DISPLACE = "it takes the place of what follows on its parent"
    STALE = "it is not newer"
    GAP = "links between are missing"


VERDICTS: Mapping[tuple[Era, Fit], Verdict] = {
    (Era.FENCED, Fit.TIP): Verdict.SET_ASIDE,
    (Era.FENCED, Fit.ASIDE): Verdict.SET_ASIDE,
    (Era.FENCED, Fit.EARLIER): Verdict.STALE,
    (Era.FENCED, Fit.NOWHERE): Verdict.GAP,
    (Era.OLDER, Fit.TIP): Verdict.STALE,
    (Era.OLDER, Fit.ASIDE): Verdict.STALE,
    (Era.OLDER, Fit.EARLIER): Verdict.STALE,
    (Era.OLDER, Fit.NOWHERE): Verdict.STALE,
    (Era.SAME, Fit.TIP): Verdict.EXTEND,
    (Era.SAME, Fit.ASIDE): Verdict.GAP,
    (Era.SAME, Fit.EARLIER): Verdict.STALE,
    (Era.SAME, Fit.NOWHERE): Verdict.GAP,
    (Era.NEWER, Fit.TIP): Verdict.EXTEND,
    (Era.NEWER, Fit.ASIDE): Verdict.EXTEND,
    (Era.NEWER, Fit.EARLIER): Verdict.DISPLACE,
    (Era.NEWER, Fit.NOWHERE): Verdict.GAP,
}


def era_of(epoch: int, *, own: int, promised: int) -> Era:
    """How `epoch` compares with that of this node, which has signed for `promised` (0: nothing)."""
    if epoch != own:
        return Era.OLDER if epoch < own else Era.NEWER
    return Era.FENCED if own < promised else Era.SAME


def voters(membership: Membership) -> tuple[Member, ...]:
    """The members whose signatures count: those with keys."""
    return tuple(member for member in membership.members if member.keys is not None)


def majority(membership: Membership) -> int:
    """How many signatures are more than half."""
    return len(voters(membership)) // 2 + 1


def half(membership: Membership) -> int:
    """How many signatures leave no majority among the others."""
    return (len(voters(membership)) + 1) // 2


def signed_by(membership: Membership, envelope: Envelope) -> tuple[Member, ...]:
    """The members of `membership` that have signed `envelope`."""
    keys = {member.keys.identity for member in voters(membership) if member.keys}
    signers = envelope.signers(keys)
    return tuple(m for m in voters(membership) if m.keys and m.keys.identity in signers)


def grounds_of(membership: Membership, envelope: Envelope) -> frozenset[Ground]:
    """On which grounds, by `membership`, the promotion in `envelope` stands; empty: on none."""
    signers = signed_by(membership, envelope)
    grounds = set()
    if any(member.cid == membership.master for member in signers):
        grounds.add(Ground.HANDOVER)
    if len(signers) >= majority(membership):
        grounds.add(Ground.MAJORITY)
    if envelope.signers([membership.recovery]):
        grounds.add(Ground.RECOVERY)
    return frozenset(grounds)


def epoch_for(candidate: int, above: int) -> int:
    """The first epoch above `above` that is that candidate's own.

    So two of them never begin the same one, whatever they know of each other: also where an admin
    has used the recovery key on one, or each has been elected by another membership. (cids that are
    equal modulo `CANDIDATES` share theirs; among them, the votes alone see to it.)
    """
    return above + 1 + (candidate - above - 1) % CANDIDATES


def promoted(
    previous: Membership,
    previous_envelope: Envelope,
    candidate: int,
    *,
    epoch: int,
    base: Base,
    now: int | None,
) -> Membership:
    """The membership in which `candidate` is the master of `epoch`, to be signed."""
    return replace(
        previous,
        epoch=epoch,
        serial=previous.serial + 1,
        parent=previous_envelope.digest,
        master=candidate,
        base=base,
        created=now,
    )


def require_promotion(
    previous: Membership, previous_envelope: Envelope, envelope: Envelope
) -> Membership:
    """The promotion in `envelope`, if nothing in it is other than it may be and the new master has
    signed it. Whether it stands on any grounds is not said.

    Raises `WrongClusterError`, `StaleError`, `GapError`, `BadSignatureError`, `MalformedError`.
    """
    candidate = Membership.from_bytes(envelope.payload)
    if candidate.cluster != previous.cluster:
        raise WrongClusterError(
            f"a membership of another cluster, {printable(candidate.cluster[:40])}"
        )
    if candidate.epoch <= previous.epoch:
        raise StaleError(f"epoch {candidate.epoch} is not newer than {previous.epoch}")
    if candidate.parent != previous_envelope.digest:
        raise GapError("a promotion names another predecessor than the one known here")
    far = candidate.epoch > previous.epoch + MOST_SKIPPED
    if far and not envelope.signers([previous.recovery]):
        raise MalformedError(f"a promotion skips more than {MOST_SKIPPED} epochs")
    base = _require_base(previous, candidate)
    wanted = promoted(
        previous,
        previous_envelope,
        candidate.master,
        epoch=candidate.epoch,
        base=base,
        now=candidate.created,
    )
    if candidate != wanted:
        raise MalformedError("a promotion changes more than the master")
    envelope.require(MEMBERSHIP_TYPE, candidate.master_key)
    return candidate


def _require_base(previous: Membership, candidate: Membership) -> Base:
    """The base of `candidate`: a version of the epoch before it, or what that one followed on.

    Anything else was published by a master on whose work that epoch did not follow.
    """
    base = candidate.base
    if base is not None and base.position.epoch == previous.epoch:
        # Of that very epoch, whichever of its master's keys has signed it (`rekeying`): a base that
        # the master has moved within its epoch is his word alone, and may be nobody else's version.
        return base
    if base is None or (previous.base is not None and base.position < previous.base.position):
        raise MalformedError("a promotion does not go on from where the epoch before began")
    if base.position.epoch > previous.epoch:
        raise MalformedError("a promotion begins on a version of an epoch that there was not")
    if previous.base is not None and base.position.epoch < previous.epoch and base != previous.base:
        raise MalformedError(
            f"a promotion begins on version {base.position}, which is orphaned: epoch "
            f"{previous.epoch} followed on {previous.base.position}"
        )
    return base


def next_link(previous: Membership, previous_envelope: Envelope, envelope: Envelope) -> Membership:
    """The membership in `envelope`, if it is the legal next link after `previous`, of the same
    epoch or of a newer one. Raises as `follows` and `require_promotion`.
    """
    if Membership.from_bytes(envelope.payload).epoch <= previous.epoch:
        return follows(previous, previous_envelope, envelope)
    candidate = require_promotion(previous, previous_envelope, envelope)
    _require_grounds(previous, envelope)
    return candidate


def stands_in(memberships: Iterable[Membership], envelope: Envelope) -> bool:
    """Does the promotion in `envelope` stand by each of `memberships`?"""
    return all(grounds_of(membership, envelope) for membership in memberships)


def _require_grounds(membership: Membership, envelope: Envelope) -> None:
    if not grounds_of(membership, envelope):
        signers = ", ".join(member.label for member in signed_by(membership, envelope))
        raise BadSignatureError(
            f"a promotion is signed by {signers or 'nobody'} only: neither by the master before "
            f"it, nor by {majority(membership)} members, nor with the recovery key"
        )
