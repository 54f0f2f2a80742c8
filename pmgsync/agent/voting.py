"""This member's vote: durable before anybody hears of it, and kept from then on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pmgsync.errors import PeerError
from pmgsync.model.ballot import NO_BALLOT, Ballot, Proposal, Refused, Voter, decide, sign
from pmgsync.model.envelope import Envelope, Signature
from pmgsync.model.keys import Signer
from pmgsync.model.membership import Base, Membership
from pmgsync.model.peers import Propose, Refusal, Vote
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import Store

log = logging.getLogger(__name__)

NOTE = "ballot"


@dataclass(frozen=True, slots=True)
class VotingParts:
    """What a vote depends on. `history` is what this node believes, `live` whether it hears the
    master (or is it), `yields` whether it is the master and has stopped for somebody else;
    `promised` is told the epoch of each vote, once that is durable.
    """

    cid: int
    store: Store
    signer: Signer
    history: Callable[[], TrustedHistory]
    live: Callable[[], bool]
    yields: Callable[[], bool]
    promised: Callable[[int], None]


def ballot_in(store: Store) -> Ballot:
    """What the node of this database has signed for last; `MalformedError` if it was altered."""
    note = store.note(NOTE)
    return NO_BALLOT if note is None else Ballot.from_json(note)


class Voting:
    """Decides by `model.ballot.decide`, writes down, signs; in this order."""

    def __init__(self, parts: VotingParts) -> None:
        self._parts = parts
        self._ballot = ballot_in(parts.store)

    @property
    def ballot(self) -> Ballot:
        """What was signed last."""
        return self._ballot

    @property
    def head(self) -> Base:
        """The newest version that is durable here."""
        head, _ = self._parts.store.head()
        return Base(head.position, head.manifest.digest)

    @property
    def live(self) -> bool:
        """Does this node hear the master, or is it the master?"""
        return self._parts.live()

    def answer(self, question: Propose) -> Vote | Refusal:
        """The vote that is asked for, or why not. `HostError` if it cannot be written down."""
        proof = Envelope.from_bytes(question.proof) if question.proof else None
        given = self.vote(Proposal(Envelope.from_bytes(question.document), proof))
        if isinstance(given, Refused):
            return Refusal(given.why, given.behind)
        return Vote(given.key_id, given.value)

    def vote(self, proposal: Proposal) -> Signature | Refused:
        """Sign `proposal`, or say why not."""
        ballot = decide(proposal, self._voter())
        if isinstance(ballot, Refused):
            log.info("does not sign for %s: %s", _candidate_of(proposal), ballot.why)
            return ballot
        return self.cast(proposal.document, ballot)

    def cast(self, document: Envelope, ballot: Ballot) -> Signature:
        """Write down `ballot`, and sign `document`, of which it is. Only the admin's own word (a
        recovery) may come here without `vote`.
        """
        if ballot != self._ballot:
            self._parts.store.write_note(NOTE, ballot.to_json())
            self._ballot = ballot
            log.warning(
                "has signed for cid %d as master of epoch %d", ballot.candidate, ballot.epoch
            )
        self._parts.promised(ballot.epoch)
        return sign(document, self._parts.signer)

    def _voter(self) -> Voter:
        parts, history = self._parts, self._parts.history()
        return Voter(
            cid=parts.cid,
            chain=history.chain,
            membership=history.membership,
            head=self.head,
            ballot=self._ballot,
            live=parts.live(),
            yields=parts.yields(),
        )


def _candidate_of(proposal: Proposal) -> str:
    try:
        return Membership.from_bytes(proposal.document.payload).master_member.label
    except PeerError:
        return "somebody"
