"""PURE. What the answers of other members are worth to a candidate: what is signed counts, and what
is not is their word alone.
"""

from __future__ import annotations

from pmgsync.agent.campaign import Heard
from pmgsync.errors import PeerError
from pmgsync.model.ballot import require_shown, shows_promise
from pmgsync.model.envelope import Envelope, Signature
from pmgsync.model.membership import Base, Member
from pmgsync.model.peers import Answer, Refusal, Standing, Vote
from pmgsync.model.trust import TrustedHistory


def heard_from(
    member: Member, answer: Answer | None, why: str, history: TrustedHistory, head: Base
) -> Heard:
    """What `member` has said of where it stands (None: nothing, and `why`), to a candidate whose
    log ends with `head`.
    """
    if not isinstance(answer, Standing):
        return Heard(member, None, words_of(answer, why))
    strays, doubt = history.strays(answer.head, answer.manifest), ""
    if not strays and answer.head > head.position:
        doubt = _not_shown(answer, history)
    return Heard(
        member,
        answer,
        strays=strays,
        shown=shows_promise(answer.promise, member, answer.promised, history.known_membership),
        doubt=doubt,
        is_signed=not doubt,
    )


def _not_shown(said: Standing, history: TrustedHistory) -> str:
    """Why the newest version that it says it has is none; empty: it is one."""
    version = Base(said.head, said.manifest)
    try:
        proof = Envelope.from_bytes(said.proof) if said.proof else None
        require_shown(version, proof, history.membership.cluster, history.known_chain)
    except PeerError as error:
        return f"says that it has version {said.head}, which does not count: {error.what}"
    return ""


def is_vote_of(member: Member, vote: Vote, document: Envelope) -> bool:
    """Is it the signature of that member on this very document?"""
    signed = Envelope(
        document.payload_type, document.payload, (Signature(vote.key_id, vote.signature),)
    )
    return member.keys is not None and bool(signed.signers([member.keys.identity]))


def words_of(answer: Answer | None, why: str) -> str:
    """Why it is no vote and no standing, in words."""
    if isinstance(answer, Refusal):
        return answer.why
    return why or "gave an answer that is none"
