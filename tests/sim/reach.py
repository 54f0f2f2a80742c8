"""How a node of a `SimCluster` reaches others and is reached, with the keys that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pmgsync.errors import NotAllowedError, OperatorError, PmgsyncError, TransportError
from pmgsync.model.manifest import Digest
from pmgsync.model.membership import Member, MemberKeys, Membership
from pmgsync.model.peers import Answer, Question
from pmgsync.ports import AgentEnd
from pmgsync.wire.peer_codec import (
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
)
from pmgsync.wire.refusals import family_of, status_of
from tests.sim.network import Link

if TYPE_CHECKING:
    from pmgsync.cli.peering import Peering
    from tests.sim.cluster import SimCluster, SimNode

T = TypeVar("T")


async def in_turn(node: SimNode, attempt: Callable[[Member], Awaitable[T]]) -> T:
    """`attempt` as this node with what counts; where the other end does not know that, with what it
    may know.
    """
    *others, last = [replace(node.me, keys=pair.keys) for pair in node.keys.pairs]
    for me in others:
        try:
            return await attempt(me)
        except NotAllowedError:
            continue
    return await attempt(last)


class SimDialer:
    """A `Dialer` with the keys of this moment."""

    def __init__(self, node: SimNode) -> None:
        self._node = node

    async def dial(self, master: Member) -> AgentEnd:
        """See `ports.Dialer`."""
        network = self._node.cluster.network
        return await in_turn(self._node, lambda me: network.dialer(me).dial(master))


class SimPort:
    """A `MemberPort`."""

    def __init__(self, node: SimNode, peering: Peering) -> None:
        self._node, self._peering = node, peering
        self.is_open = False

    async def open(self, me: Member) -> None:
        """See `MemberPort`. Open again after the network has dropped it with a change of roles."""
        if self._node.port_is_taken:
            raise OperatorError("is taken by another program", where="member port")
        network = self._node.cluster.network
        network.serve(me, self._peering, self.lookup, lambda: self._node.faces)

    def lookup(self, fingerprint: Digest) -> Member | None:
        """As that of the real one."""
        return self._peering.history().known_membership.holder_of(fingerprint)

    def trust(self, membership: Membership) -> None:
        """See `MemberPort`. Who is let in is looked up."""
        self._node.cluster.network.cut_unknown(self._node.cid, self.lookup, self._peering.notice)

    def take_turns(self) -> None:
        """All faces are shown at once."""

    def end_streams(self, error: PmgsyncError) -> None:
        """See `MemberPort`."""

    async def stop(self) -> None:
        """See `MemberPort`."""


class SimPeers:
    """`agent.peers.Peers` over the same network: the real bytes, and the same cuts."""

    def __init__(self, cluster: SimCluster, caller: SimNode) -> None:
        self._cluster, self._caller = cluster, caller
        self._serving: set[asyncio.Future[None]] = set()

    async def ask(self, member: Member, question: Question, *, seconds: float = 2.0) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                return await in_turn(self._caller, lambda me: self._exchange(member, question, me))
        except TimeoutError:
            raise TransportError(f"no answer in {seconds:g} s", where=member.label) from None

    async def _exchange(self, member: Member, question: Question, me: Member) -> Answer:
        peering, caller = await self._let_in(member, me)
        try:
            answer = await peering.answer(caller, decode_question(encode_question(question)))
        except PmgsyncError as error:
            raise family_of(*status_of(error), member.label) from None
        await self._pass(member)
        return decode_answer(encode_answer(answer))

    async def _pass(self, member: Member) -> None:
        network = self._cluster.network
        await asyncio.sleep(network.delay)
        if network.is_stalled(self._caller.cid, member.cid):
            await asyncio.sleep(60)  # longer than anybody waits
        if network.is_parted(self._caller.cid, member.cid):
            raise TransportError("cannot be reached", where=member.label)

    async def _let_in(self, member: Member, me: Member) -> tuple[Peering, Member]:
        """What answers as `member`, and as whom it knows `me`. Both are what their keys say."""
        await self._pass(member)
        node = self._cluster.nodes.get(member.cid)
        if node is None or node.peering is None or node.agent is None:
            raise TransportError("connection refused", where=member.label)
        if member.keys not in node.faces:
            raise TransportError("shows another certificate", where=member.label)
        known = node.peering.history().known_membership
        caller = known.holder_of(me.keys.fingerprint) if me.keys else None
        if caller is None:
            raise NotAllowedError("this certificate is no member's", where=member.label)
        return node.peering, caller

    async def catch_up(self, member: Member) -> AgentEnd:
        return await in_turn(self._caller, lambda me: self._catch_up(member, me))

    async def _catch_up(self, member: Member, me: Member) -> AgentEnd:
        peering, caller = await self._let_in(member, me)
        link = Link(self._cluster.clock, self._cluster.network.delay)

        async def serve() -> None:
            with suppress(PmgsyncError):
                await peering.catch_up(caller, link.master)

        task = asyncio.ensure_future(serve())
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return link.agent


def faces_of(node: SimNode) -> list[MemberKeys]:
    """See `SimKeys.faces`."""
    alone = node.master is None and (node.agent is None or not node.agent.link.up)
    return node.keys.faces(alone=alone)


def can_ask(one: SimNode, other: SimNode) -> bool:
    """Does `one` know `other` by the keys that it shows, and is it let in with any of its own?"""
    newest = [Membership.from_bytes(node.chain[-1].payload) for node in (one, other)]
    known, there = (membership.members for membership in newest)
    shown = other.keys.current.keys in [member.keys for member in known]
    return shown and any(pair.keys == member.keys for pair in one.keys.pairs for member in there)
