"""This member's vote: durable before anybody hears of it, and kept from then on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pmgsync.errors import PeerError
from pmgsync.model import canonical
from pmgsync.model.ballot import NO_BALLOT, Ballot, Proposal, Refused, Voter, decide, sign
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope, Signature
from pmgsync.model.keys import OwnKeys
from pmgsync.model.membership import Base, Membership
from pmgsync.model.peers import Propose, Refusal, Vote
from pmgsync.model.promotion import MOST_BELIEVED
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import Store

log = logging.getLogger(__name__)

NOTE = "ballot"
SHOWN = "what was signed"
MOST_SHOWN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class VotingParts:
    """What a vote depends on. `history` is what this node believes, `live` whether it hears the
    master (or is it), `yields_to` for whom it has stopped if it is the master (0: nobody),
    `unfinished` the version that it is writing down at this moment; `own_keys` are all that this
    node has, and `promised` is told the epoch of each vote, once that is durable.
    """

    cid: int
    cluster: str
    store: Store
    own_keys: OwnKeys
    history: Callable[[], TrustedHistory]
    live: Callable[[], bool]
    yields_to: Callable[[], int]
    unfinished: Callable[[], Position | None]
    promised: Callable[[int], None]


def ballot_in(store: Store, cluster: str) -> Ballot:
    """What the node of this database has signed for last in `cluster`; `MalformedError` if it was
    altered. A promise binds in the cluster that it was made in, and in no other.
    """
    note = store.note(NOTE)
    if note is None:
        return NO_BALLOT
    fields = canonical.Fields(note, "a ballot's note")
    made_in, ballot = fields.take("cluster", str), Ballot.from_json(fields.take("ballot", dict))
    fields.done()
    return ballot if made_in == cluster else NO_BALLOT


class Voting:
    """Decides by `model.ballot.decide`, writes down, signs; in this order."""

    def __init__(self, parts: VotingParts) -> None:
        self._parts = parts
        self._ballot = ballot_in(parts.store, parts.cluster)
        self.asked_for: Envelope | None = None
        """What this node, as a candidate, has asked for signatures on last; with those it got."""

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

    def cast(self, document: Envelope, ballot: Ballot) -> Signature | Refused:
        """Write down `ballot`, and sign `document`, of which it is, with the key that it names for
        this node. Only the admin's own word (a recovery) may come here without `vote`.
        """
        named = Membership.from_bytes(document.payload).identity_of(self._parts.cid)
        signer = next((key for key in self._parts.own_keys() if key.public_key == named), None)
        if signer is None:
            return Refused("has not the key that the membership names for it")
        if ballot != self._ballot and self._is_far(ballot.epoch):
            # First: a promise that cannot be shown might be believed by nobody.
            self._parts.store.write_note(SHOWN, document.to_bytes().decode("ascii"))
        return self.promise(ballot) or sign(document, signer)

    @property
    def shown(self) -> bytes:
        """The document that was signed last, where the word alone would not be believed."""
        note = self._parts.store.note(SHOWN) if self._is_far(self._ballot.epoch) else None
        document = note.encode() if isinstance(note, str) else b""
        return document if len(document) <= MOST_SHOWN_BYTES else b""

    def _is_far(self, epoch: int) -> bool:
        return epoch > self._parts.history().known_membership.epoch + MOST_BELIEVED

    def promise(self, ballot: Ballot) -> Refused | None:
        """Write down `ballot`; never for an epoch in which something else was signed. After that
        its document may be signed.
        """
        if ballot != self._ballot:
            if ballot.epoch <= self._ballot.epoch:
                return Refused(f"has signed for another in epoch {self._ballot.epoch} meanwhile")
            note: canonical.Json = {"cluster": self._parts.cluster, "ballot": ballot.to_json()}
            self._parts.store.write_note(NOTE, note)
            self._ballot = ballot
            log.warning(
                "has signed for cid %d as master of epoch %d", ballot.candidate, ballot.epoch
            )
        self._parts.promised(ballot.epoch)
        return None

    def _voter(self) -> Voter:
        parts, history = self._parts, self._parts.history()
        return Voter(
            cid=parts.cid,
            chain=history.known_chain,
            membership=history.known_membership,
            head=self.head,
            ballot=self._ballot,
            live=parts.live(),
            yields_to=parts.yields_to(),
            unfinished=parts.unfinished(),
        )


def _candidate_of(proposal: Proposal) -> str:
    try:
        return Membership.from_bytes(proposal.document.payload).master_member.label
    except PeerError:
        return "somebody"
