"""Another master, which this node's own newest memberships do not let through.

A master that is cut off may let nodes in and remove some, while the others promote one of them by
the membership that they know. Healed, it meets a promotion that was legal, and that too few have
signed of those who belong to its own newest memberships. Two cases, told apart by `concession`:

* At least half of each of these have signed. Then no majority is left on this master's side: it
  signs as well, which is a handover by the rule of the chain, and becomes a node. Whom it let in or
  removed meanwhile is named: that did not happen.
* Fewer. Then each side may have a majority of its own, and an admin has to choose. Both go on, and
  this one says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pmgsync.agent.voting import Voting
from pmgsync.model.ballot import Ballot, Refused, with_signatures
from pmgsync.model.envelope import Envelope
from pmgsync.model.keys import PublicKey, Signer
from pmgsync.model.membership import Membership
from pmgsync.model.promotion import half, signed_by, voters
from pmgsync.model.trust import Branch, TrustedHistory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RivalParts:
    """`signer` is what this node signs with, `history` what it believes, `may_concede` whether it
    is a master that hands over to whoever asks.
    """

    signer: Signer
    voting: Voting
    history: Callable[[], TrustedHistory]
    may_concede: Callable[[], bool]


class Rivals:
    """What became of other masters; kept for `attention` until this node starts anew."""

    def __init__(self, parts: RivalParts) -> None:
        self._parts = parts
        self._standing: Membership | None = None
        self._undone = ""

    @property
    def attention(self) -> tuple[str, ...]:
        """What an admin should know."""
        rival, own = self._standing, self._parts.history().membership
        unsettled = rival is not None and rival.epoch > own.epoch
        lines = (_choose(rival, own) if rival and unsettled else "", self._undone)
        return tuple(filter(None, lines))

    def meet(self, links: Sequence[Envelope]) -> tuple[Envelope, ...] | None:
        """What `RivalError` was raised for: `links` as they may be taken in, with this master's
        signature; None if this node goes on as it is.
        """
        history = self._parts.history()
        branch, own = history.branch(links), history.membership
        document = (
            concession(branch, self._parts.signer.public_key) if self._parts.may_concede() else None
        )
        signed = self._sign(document, own) if document else None
        if document is None or signed is None:
            if branch.memberships[-1] != self._standing:
                self._standing = branch.memberships[-1]
                log.warning("%s", _choose(self._standing, own))
            return None
        self._undone = undone(own, branch.memberships[-1])
        log.warning("goes over to the majority, which has another master. %s", self._undone)
        return tuple(signed if link.digest == signed.digest else link for link in links)

    def _sign(self, document: Envelope, own: Membership) -> Envelope | None:
        """`document` with this master's signature, as a vote that is written down first."""
        offered, voting = Membership.from_bytes(document.payload), self._parts.voting
        ballot = Ballot(offered.epoch, document.digest, offered.master)
        if voting.ballot.epoch > own.epoch and voting.ballot != ballot:
            return None  # its word is given to somebody else
        signature = voting.cast(document, ballot)
        return None if isinstance(signature, Refused) else with_signatures(document, signature)


def concession(branch: Branch, key: PublicKey) -> Envelope | None:
    """The newest promotion in `branch` that the master with `key` should sign as well; None if
    there is none: it must be the master, by that key, of all that is displaced, half of the members
    of each must have signed, and the new master be one of them.
    """
    for document in reversed(branch.promotions):
        if all(_gives_way(membership, document, key) for membership in branch.displaced):
            return document
    return None


def _gives_way(membership: Membership, document: Envelope, key: PublicKey) -> bool:
    signers = signed_by(membership, document)
    leader = Membership.from_bytes(document.payload).master_key
    return (
        membership.master_key == key
        and len(signers) >= half(membership)
        and any(member.keys and member.keys.identity == leader for member in signers)
    )


def undone(own: Membership, other: Membership) -> str:
    """Whom `own` has and `other` has not, the reverse, and who has other keys there; and what to do
    about it.
    """
    here = {member.cid: member for member in voters(own)}
    there = {member.cid: member for member in voters(other)}
    let_in = ", ".join(here[cid].label for cid in here if cid not in there)
    removed = ", ".join(there[cid].label for cid in there if cid not in here)
    both = here.keys() & there.keys()
    new_keys = ", ".join(here[c].label for c in here if c in both and here[c].keys != there[c].keys)
    lines = []
    if let_in:
        lines.append(
            f"let in here while another master was made, and no member: {let_in}; `pmgsync leave` "
            "there, then join again"
        )
    if removed:
        lines.append(
            f"removed here while another master was made, and a member again: {removed}; "
            "`pmgsync delete` on the master"
        )
    if new_keys:
        lines.append(
            f"has the keys again that it had before another master was made: {new_keys}; `pmgsync "
            "rotate-keys` there, or join it again if it had joined anew"
        )
    if own.recovery != other.recovery:
        lines.append(
            f"the recovery key {own.recovery.key_id[:16]}… that was made here does not count, but "
            f"{other.recovery.key_id[:16]}… does: `pmgsync rotate-keys --recovery` on the master"
        )
    return "; ".join(lines)


def _choose(rival: Membership, own: Membership) -> str:
    return (
        f"{rival.master_member.label} is the master of epoch {rival.epoch} for others, and "
        f"{own.master_member.label} that of epoch {own.epoch} here: the membership was changed "
        "here meanwhile, and too few of its members have signed. Choose one of the two: `pmgsync "
        "promote --recovery-key FILE` there makes it stand; without the key, `pmgsync delete` the "
        "nodes of this side there, and join them anew after `pmgsync leave`"
    )
