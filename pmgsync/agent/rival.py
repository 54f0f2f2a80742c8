"""Another master, which this node's own newest memberships do not let through.

A master that is cut off may let nodes in and remove some, while the others promote one of them by
the membership that they know. Healed, it meets a promotion that was legal, and that too few have
signed of those who belong to its own newest memberships. Two cases, told apart by `concession`:

* At least half of each of these have signed. Then no majority is left on this master's side: it
  signs as well, which is a handover by the rule of the chain, and becomes a node. Where it has
  taken a new identity key meanwhile, it signs with each of those that these memberships name. What
  it changed meanwhile did not happen, and is named: see `model.undone`.
* Fewer. Then each side may have a majority of its own, and an admin has to choose. Both go on, and
  this one says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pmgsync.agent.voting import Voting
from pmgsync.model.ballot import Ballot, sign, with_signatures
from pmgsync.model.envelope import Envelope
from pmgsync.model.keys import OwnKeys, Signer
from pmgsync.model.membership import Membership
from pmgsync.model.promotion import grounds_of, half, signed_by, stands_in
from pmgsync.model.trust import Branch, TrustedHistory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RivalParts:
    """`own_keys` are all that this node has, `history` what it believes, `may_concede` whether it
    is a master that hands over to whoever asks.
    """

    cid: int
    own_keys: OwnKeys
    voting: Voting
    history: Callable[[], TrustedHistory]
    may_concede: Callable[[], bool]


class Rivals:
    """What became of other masters; kept for `attention` until this node starts anew."""

    def __init__(self, parts: RivalParts) -> None:
        self._parts = parts
        self._standing: Membership | None = None

    @property
    def attention(self) -> tuple[str, ...]:
        """What an admin should know."""
        rival, own = self._standing, self._parts.history().membership
        unsettled = rival is not None and rival.epoch > own.epoch
        return (_choose(rival, own),) if rival and unsettled else ()

    def meet(self, links: Sequence[Envelope]) -> tuple[Envelope, ...] | None:
        """What `RivalError` was raised for: `links` as they may be taken in, with this master's
        signature; None if this node goes on as it is.
        """
        history = self._parts.history()
        branch, own = history.branch(links), history.membership
        signed = self._give_way(branch, own) if self._parts.may_concede() else None
        if signed is None:
            if branch.memberships[-1] != self._standing:
                self._standing = branch.memberships[-1]
                log.warning("%s", _choose(self._standing, own))
            return None
        log.warning("goes over to the majority, which has another master")
        return tuple(signed if link.digest == signed.digest else link for link in links)

    def _give_way(self, branch: Branch, own: Membership) -> Envelope | None:
        """The promotion in `branch` with this master's signatures, as a vote that is written down
        first; None where there is none, or its word is given to somebody else.
        """
        signed = giving_way(branch, self._parts.cid, self._parts.own_keys())
        if signed is None:
            return None
        offered, voting = Membership.from_bytes(signed.payload), self._parts.voting
        ballot = Ballot(offered.epoch, signed.digest, offered.master)
        given = voting.ballot.epoch > own.epoch and voting.ballot != ballot
        return None if given or voting.promise(ballot) else signed


def concession(branch: Branch, cid: int) -> Envelope | None:
    """The newest promotion in `branch` that the member `cid` should sign as well; None if there is
    none. In all that is displaced it must stand already; or `cid` be the master, half of the
    members have signed, and the new master be one of them.
    """
    for document in reversed(branch.promotions):
        if all(_gives_way(membership, document, cid) for membership in branch.displaced):
            return document
    return None


def _gives_way(membership: Membership, document: Envelope, cid: int) -> bool:
    if grounds_of(membership, document):
        return True
    signers = signed_by(membership, document)
    leader = Membership.from_bytes(document.payload).master_key
    return (
        membership.master == cid
        and len(signers) >= half(membership)
        and any(member.keys and member.keys.identity == leader for member in signers)
    )


def giving_way(branch: Branch, cid: int, own: Sequence[Signer]) -> Envelope | None:
    """The `concession` of the member `cid`, signed with each of its `own` keys that is the master's
    in what `branch` displaces; None if there is none, or those keys do not let it through.
    """
    document = concession(branch, cid)
    if document is None:
        return None
    named = {membership.master_key for membership in branch.displaced}
    signatures = (sign(document, key) for key in own if key.public_key in named)
    signed = with_signatures(document, *signatures)
    return signed if stands_in(branch.displaced, signed) else None


def _choose(rival: Membership, own: Membership) -> str:
    both = "" if rival.recovery == own.recovery else " (FILE with both recovery keys)"
    return (
        f"{rival.master_member.label} is the master of epoch {rival.epoch} for others, and "
        f"{own.master_member.label} that of epoch {own.epoch} here: the membership was changed "
        "here meanwhile, and too few of its members have signed. Choose one of the two: `pmgsync "
        f"promote --recovery-key FILE` there{both} makes it stand; without the key, `pmgsync "
        "delete` the nodes of this side there, and join them anew after `pmgsync leave`"
    )
