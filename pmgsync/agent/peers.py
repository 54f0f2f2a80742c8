"""How a member asks the others. The real one is `wire.peers.GrpcPeers`."""

from __future__ import annotations

from typing import Protocol

from pmgsync.model.membership import Member
from pmgsync.model.peers import Answer, Question
from pmgsync.ports import AgentEnd


class Peers(Protocol):
    """Asks members; see `model.peers`."""

    async def ask(self, member: Member, question: Question, *, seconds: float = 2.0) -> Answer:
        """The answer of exactly this member (its pinned certificate), or what a stream raises."""

    async def catch_up(self, member: Member) -> AgentEnd:
        """A stream on which `member` hands over what it has, as a master does on a follow stream,
        but without heartbeats.
        """
