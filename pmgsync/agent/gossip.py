"""Who has begun a newer epoch, and who has not heard of it? Asked of those that no stream tells.

A node follows one master, and hears of the next only through somebody who knows it. So a master
asks the members that do not follow it, and a node without a master asks the others, now and then:
whoever knows newer links of the chain hands them over. That is how all follow after a promotion,
and how a master that was away finds out that it is none any more.

A node that has a master asks, too: those whom its master does not reach, as one that has come back
may know this node, and none of the master's certificates. The nodes that follow do so in turn, so
that about one of them asks in a second. And all others each `RARELY` rounds: it may be that it
follows the older of two masters, and that the newer one cannot tell it, as its keys were changed by
the older.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from pmgsync.agent.peers import Peers
from pmgsync.agent.reach import Reach
from pmgsync.errors import GapError, PeerError, PmgsyncError
from pmgsync.model.membership import Member
from pmgsync.model.messages import Memberships, ToAgent
from pmgsync.model.peers import Ask, Standing, Tell
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import Clock

log = logging.getLogger(__name__)

AT_ONCE = 16
"""So many members are asked in one round."""
RARELY = 30
"""With that, all of 17 members are asked each half a minute, and a hundred in three minutes."""


@dataclass(frozen=True, slots=True)
class GossipParts:
    """`uninformed` are the members to ask now. While there are none, the node `cid` asks `others`:
    those with the cids `missed`, whom its master does not reach, and now and then all of them.
    `take` takes in what one of them handed over.
    """

    cid: int
    peers: Peers
    clock: Clock
    history: Callable[[], TrustedHistory]
    uninformed: Callable[[], Collection[Member]]
    others: Callable[[], Collection[Member]]
    missed: Callable[[], Collection[int]]
    links_after: Callable[[int, int], tuple[bytes, ...]]
    take: Callable[[ToAgent], object]
    shut_out_by: Callable[[Collection[int]], None] = lambda _cids: None
    """Is told after each round who does not let this node in."""


class Gossip:
    """Asks in rounds, `every_s` apart, until cancelled."""

    def __init__(self, parts: GossipParts, every_s: float = 1.0) -> None:
        self._parts = parts
        self._every_s = every_s
        self._turn = self._rounds = 0
        self._reach = Reach()

    @property
    def leaders(self) -> frozenset[int]:
        """Who says, for some rounds now, that it is the master."""
        return self._reach.leaders

    @property
    def is_alone(self) -> bool:
        """Does nobody answer, for some rounds now?"""
        return self._reach.is_alone

    async def run(self) -> None:
        """Ask, again and again."""
        while True:
            await self.round()
            await self._parts.clock.sleep(self._every_s)

    async def round(self) -> None:
        """Ask the next ones of those that nobody tells."""
        self._rounds += 1
        members = _sorted(self._parts.uninformed())
        self._reach.forget_others([member.cid for member in members])
        self._reach.ask([member.cid for member in members])
        members = members or self._as_a_node()
        if len(members) > AT_ONCE:
            start = self._turn % len(members)
            members = [*members[start:], *members[:start]][:AT_ONCE]
            self._turn += AT_ONCE
        await asyncio.gather(*(self._ask(member) for member in members))
        self._parts.shut_out_by(self._reach.shut_out_by)

    def _as_a_node(self) -> list[Member]:
        """Whom to ask in this round although this node has a master."""
        others, cids = _sorted(self._parts.others()), self._parts.missed()
        if self._rounds % RARELY == 0:
            return others
        missed = [one for one in others if one.cid in cids]
        nodes = max(1, len(others) - len(missed))
        return missed if (self._rounds + self._parts.cid) % nodes == 0 else []

    async def _ask(self, member: Member) -> None:
        try:
            await self._hear(member)
        except PmgsyncError as error:
            self._reach.failed(member.cid, error)
            log.debug("%s: %s", member.label, error)

    async def _hear(self, member: Member) -> None:
        """Take in what `member` knows, from further back until it attaches here; or tell it."""
        parts = self._parts
        mine = next(parts.history().places_back())
        for place in parts.history().places_back():
            said = await parts.peers.ask(member, Ask(*place))
            leads = isinstance(said, Standing) and said.master
            self._reach.answered(member.cid, leads=leads)
            if not isinstance(said, Standing):
                return
            if said.place <= mine:
                if said.place < mine:
                    await self._tell(member, said)
                return
            try:
                parts.take(Memberships(said.links))
            except GapError:
                continue
            return

    async def _tell(self, member: Member, known: Standing) -> None:
        """Tell `member` what it lacks, from further back until it attaches there."""
        parts = self._parts
        back = [place for place in parts.history().places_back() if place < known.place]
        for place in (known.place, *back):
            try:
                await parts.peers.ask(member, Tell(parts.links_after(*place)))
            except PeerError:
                continue
            return


def _sorted(members: Collection[Member]) -> list[Member]:
    return sorted(members, key=lambda member: member.cid)
