"""A node among the others, whatever its role: its member port, its vote, and how it becomes master.

Built with the first role that a node takes up, and kept while roles change. What other members ask
is answered here; which of it is believed is decided in `model` and `agent`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from pmgsync.agent.gossip import Gossip, GossipParts
from pmgsync.agent.missed import Missed
from pmgsync.agent.reach import ALONE
from pmgsync.agent.renewing import Renewal, RenewalParts
from pmgsync.agent.rival import RivalParts, Rivals
from pmgsync.agent.voting import Voting, VotingParts
from pmgsync.cli.peering_ports import MemberPort, PeeringNode, PeeringParts
from pmgsync.errors import NoMasterError, OperatorError, RivalError, TransportError
from pmgsync.master.requests import Requests, change_keys, handover_objection
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.keys import Signer
from pmgsync.model.lineage import Lineage
from pmgsync.model.membership import Member, MemberKeys, Membership
from pmgsync.model.messages import MESSAGE_BYTES, Memberships, ToAgent, batch_of
from pmgsync.model.peers import Answer, Ask, Propose, Question, Refusal, Standing, StepDown, Tell
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import Look, MasterEnd

if TYPE_CHECKING:
    from pmgsync.agent.campaign import Way
    from pmgsync.agent.candidate import Candidate, Won
    from pmgsync.master.holds import Hold
    from pmgsync.master.role import MasterRole

log = logging.getLogger(__name__)

YIELD_SECONDS = 10.0
"""So long a master publishes nothing for a candidate that asked it to step down."""
AGREED_SECONDS = 60.0
WRITTEN_SECONDS = 1.0
"""So long a vote waits for a version that is being written down."""
WRITTEN_POLL_S = 0.01
FRAMING_BYTES = 8192
"""What else is in a message with links and a version."""


class Peering:
    """A `PeerHandler`; and a `ports.FollowHandler` that hands on to the master's feeds."""

    def __init__(
        self, node: PeeringNode, parts: PeeringParts, port: Callable[[Peering], MemberPort]
    ) -> None:
        """`port` makes the member port, which asks this object what to answer."""
        self._node = node
        self._parts = parts
        self.voting = Voting(
            VotingParts(
                cid=parts.cid,
                cluster=parts.cluster,
                store=parts.store,
                own_keys=parts.own_keys,
                history=self.history,
                live=lambda: self._leads or node.require_agent().link.up,
                yields_to=lambda: self._yields_to,
                unfinished=lambda: node.require_agent().unfinished,
                promised=self._promise,
            )
        )
        self._yields = (0, 0.0)
        self._agreed = (0, 0.0)
        self._yield_hold: Hold | None = None
        self._resuming: asyncio.Task[None] | None = None
        self.renewal = self._new_renewal()
        self._rivals = Rivals(
            RivalParts(
                cid=parts.cid,
                own_keys=parts.own_keys,
                voting=self.voting,
                history=self.history,
                may_concede=lambda: node.master is not None and not parts.only_here(),
            )
        )
        self._port = port(self)
        self.listening_trouble = ""
        self.came_to_nothing: tuple[str, float] | None = None
        """Why the last promotion here by votes did, and when; of the monotonic clock."""
        self.gossip = self._new_gossip()

    def _new_gossip(self) -> Gossip:
        node, parts, missed = self._node, self._parts, Missed()
        return Gossip(
            GossipParts(
                cid=parts.cid,
                peers=parts.peers,
                clock=parts.clock,
                history=self.history,
                uninformed=self._uninformed,
                others=lambda: () if node.master is not None else self._others,
                missed=lambda: missed.by(
                    node.agent.view[0] if node.agent and node.agent.view else b""
                ),
                links_after=self._links_after,
                take=self.take,
                shut_out_by=self._shut_out_by,
            )
        )

    def _new_renewal(self) -> Renewal:
        return Renewal(
            RenewalParts(
                cid=self._parts.cid,
                clock=self._parts.clock,
                busy=self._node.busy,
                history=self.history,
                leads=lambda: self._node.master is not None and not self._yields_to,
                promised=lambda: self.voting.ballot.epoch,
                run=lambda: self.candidate().run(),
                begin=self._begin,
            )
        )

    @property
    def attention(self) -> tuple[str, ...]:
        """What an admin should know of it."""
        epoch, promised = self.history().membership.epoch, self.voting.ballot.epoch
        waits = (
            f"this node has signed for epoch {promised}, which has not begun: it takes in no "
            "version until one begins; the master begins one by itself, or `pmgsync promote` does"
        )
        alone = self._node.master is None and self.gossip.is_alone
        lines = (
            self.listening_trouble,
            waits if promised > epoch else "",
            ALONE if alone else "",
            "" if self._rivals.attention or not self.rival else f"{self.rival} is a master, too",
        )
        return (*filter(None, lines), *self._rivals.attention)

    @property
    def rival(self) -> str:
        """Who else has said for some seconds that it is the master, while this node is it."""
        leaders = self.gossip.leaders if self._node.master is not None else ()
        return ", ".join(one.label for one in self._others if one.cid in leaders)

    # --- life ---

    async def listen(self, me: Member, *, needed: bool) -> None:
        """Listen at the member port, unless that is done already. Where it is not `needed`, since
        the node is not the master, a port that is taken is a trouble and no error.
        """
        if self._port.is_open:
            return
        try:
            await self._port.open(me)
        except OperatorError as error:
            if needed:
                raise
            self.listening_trouble = f"other members cannot reach this node: {error}"
            log.error("%s", self.listening_trouble)
        else:
            self.listening_trouble = ""

    def trust(self, membership: Membership) -> None:
        """Let in the members of `membership`, and cut off who is none any more."""
        self._port.trust(membership)

    def take_turns(self) -> None:
        """See `MemberPort`."""
        self._port.take_turns()

    def end_streams(self, why: str) -> None:
        """The master here is none any more: its nodes follow another one."""
        self._port.end_streams(TransportError(why))

    async def stop(self) -> None:
        """Stop listening."""
        if self._resuming is not None:
            self._resuming.cancel()
        await self._port.stop()

    # --- what others ask ---

    async def follow(self, member: Member, stream: MasterEnd) -> None:
        """See `ports.FollowHandler`: only a master is followed."""
        master = self._node.master
        if master is None:
            raise TransportError("is not the master")
        await master.feeds.follow(member, stream)

    def leave(self, member: Member) -> bytes:
        """See `join_ports.MemberRequests`: only a master can let a member go."""
        master = self._node.master
        if master is None:
            raise TransportError("is not the master")
        return Requests(master.register).leave(member)

    def rekey(self, member: Member, request: bytes, proof: bytes) -> bytes:
        """See `join_ports.MemberRequests`."""
        master = self._node.master
        if master is None:
            raise TransportError("is not the master")
        parts = self._parts
        return change_keys(
            master.register,
            member,
            request,
            proof,
            check_key=parts.check_key,
            objection=parts.objection,
            clock=parts.clock,
            now=master.role.time_by_most,
        )

    def notice(self, keys: MemberKeys) -> bytes | None:
        """See `join_ports.MemberRequests`: only a master can sign one."""
        master = self._node.master
        if master is not None:
            return Requests(master.register).notice(keys)
        return b"" if Lineage(self.history().known_chain).has_others(keys) else None

    async def catch_up(self, member: Member, stream: MasterEnd) -> None:
        """See `wire.peer_service.PeerHandler`: what this node's log holds, by a feed of its own."""
        from pmgsync.master.feed import Feeds
        from pmgsync.master.roster import Roster

        parts = self._parts
        feeds = Feeds(parts.store, self.history(), parts.signer, parts.clock, Roster())
        await feeds.follow(member, stream)

    async def answer(self, member: Member, question: Question) -> Answer:
        """See `wire.peer_service.PeerHandler`."""
        match question:
            case Ask(epoch, serial, proof):
                return self._standing(self._links_after(epoch, serial), proof=proof)
            case Tell(links):
                self.take(Memberships(links))
                return self._standing()
            case Propose():
                log.info("%s asks for a signature", member.label)
                await self._until_written()
                return self.voting.answer(question)
            case StepDown():
                return await self._step_down(member)
        return await self._take_over()

    async def _until_written(self) -> None:
        """Wait a moment for a version that is being written down, so that it is voted on, too."""
        clock = self._parts.clock
        deadline = clock.monotonic() + WRITTEN_SECONDS
        while self._node.require_agent().unfinished and clock.monotonic() < deadline:
            await clock.sleep(WRITTEN_POLL_S)

    def _standing(self, links: tuple[bytes, ...] = (), *, proof: bool = False) -> Standing:
        """Where this node stands. With `proof`, its newest version is shown, if that fits into the
        message: links go first, and whoever has taken them in asks again.
        """
        membership, (head, envelope) = self.history().known_membership, self._parts.store.head()
        shown, promise = envelope.to_bytes() if proof and envelope else b"", self.voting.shown
        if sum(map(len, (*links, shown, promise))) > MESSAGE_BYTES - FRAMING_BYTES:
            shown = b""
        return Standing(
            epoch=membership.epoch,
            serial=membership.serial,
            head=head.position,
            manifest=head.manifest.digest,
            proof=shown,
            promised=self.voting.ballot.epoch,
            promise=promise,
            live=self.voting.live,
            master=self._node.master is not None,
            links=links,
        )

    def _links_after(self, epoch: int, serial: int) -> tuple[bytes, ...]:
        """The first links after that place, as many as fit into a message."""
        return batch_of(link.to_bytes() for link in self.history().links_after(epoch, serial))

    async def _step_down(self, member: Member) -> Answer:
        """Publish what has been edited, and then nothing any more for a while."""
        master = self._node.master
        if master is None:
            return Refusal("is not the master")
        clock = self._parts.clock
        chosen, until = self._agreed
        agreed = chosen == member.cid and until >= clock.monotonic()
        if self._parts.only_here() and not agreed:
            return Refusal(
                "hands over only when `pmgsync switchover NAME` is typed on it (its setting "
                "[promotion] hand_over)"
            )
        if why := handover_objection(master.register, clock.now(), agreed=agreed):
            return Refusal(why)
        held = [hold.who for hold in master.role.holds if hold is not self._yield_hold]
        if held:
            return Refusal(
                f"is on hold by {held[0]}, and what is edited would be put back; wait for its end, "
                "or `pmgsync release` there"
            )
        await master.role.publish_now()
        if master.role.held is not None:
            return Refusal(
                f"has a change that is not published, and would be put back: {master.role.held}"
            )
        self._yield_to(member, master.role)
        return self._standing()

    def _yield_to(self, member: Member, role: MasterRole) -> None:
        """Publish nothing for a while. A hold of an earlier candidate ends with the new one."""
        hold = role.hold(f"a handover to {member.label}", durable=False)
        log.warning("publishes nothing for now: %s is about to take over", member.label)
        before, self._yield_hold = self._yield_hold, hold
        if self._resuming is not None and before is not None and not self._resuming.done():
            self._resuming.cancel()
            role.abandon_hold(before)
        self._yields = member.cid, self._parts.clock.monotonic() + YIELD_SECONDS
        self._resuming = asyncio.create_task(self._resume(hold, role))

    @property
    def _yields_to(self) -> int:
        """The member for which this master publishes nothing now; 0: none."""
        cid, until = self._yields
        return cid if until > self._parts.clock.monotonic() else 0

    async def _resume(self, hold: Hold, role: MasterRole) -> None:
        await self._parts.clock.sleep(YIELD_SECONDS)
        role.abandon_hold(hold)

    def agree_to(self, member: Member) -> None:
        """An admin of this node wants `member` to take over, within a minute."""
        self._agreed = (member.cid, self._parts.clock.monotonic() + AGREED_SECONDS)

    async def _take_over(self) -> Answer:
        from pmgsync.agent.campaign import Way

        try:
            await self.promote(only=Way.HANDOVER)
        except NoMasterError as error:
            return Refusal(str(error))
        return self._standing()

    async def ask(self, member: Member, question: Question, *, seconds: float) -> Answer:
        """See `agent.peers.Peers`."""
        return await self._parts.peers.ask(member, question, seconds=seconds)

    # --- becoming master ---

    def candidate(
        self, recovery: Sequence[Signer] = (), without: Position | None = None
    ) -> Candidate:
        """An attempt of this node; see `Candidate`."""
        # Most nodes never make one, and need not carry what it takes.
        from pmgsync.agent.candidate import Candidate, CandidateParts
        from pmgsync.agent.fetching import fetcher_for

        node, parts = self._node, self._parts
        agent = node.require_agent()
        return Candidate(
            CandidateParts(
                me=lambda: node.me,
                own_keys=parts.own_keys,
                store=parts.store,
                clock=parts.clock,
                peers=parts.peers,
                voting=self.voting,
                link=agent.link,
                fetcher=fetcher_for(agent, parts.store, parts.clock, parts.peers),
                history=self.history,
                announced=self._announced,
            ),
            recovery,
            without,
        )

    def _announced(self) -> Position | None:
        """The newest version that the master spoke of since this node started; None: it has not."""
        agent = self._node.require_agent()
        if agent.link.last_heard is None:
            return None
        believed = agent.history.head.position
        said = agent.heard.heartbeat.position if agent.heard else believed
        return max(said, believed, key=lambda position: position.version)

    async def promote(
        self,
        recovery: Sequence[Signer] = (),
        only: Way | None = None,
        without: Position | None = None,
    ) -> Won:
        """Become the master, or with the recovery key (see `Candidate`) be it in a newer epoch;
        `NoMasterError` with the reasons if that cannot be.
        """
        node = self._node
        if node.busy.locked():
            raise OperatorError(
                "this node is joining, being promoted or changing its keys already",
                mend="try again in a moment",
            )
        async with node.busy:
            if node.master is None:
                await self.listen(node.me, needed=True)
                self._parts.require_ports()
            elif not recovery:
                raise OperatorError("this node is the master", mend="see `pmgsync status`")
            await self.be_as_the_cluster()
            return await self._run(self.candidate(recovery, without), only)

    async def be_as_the_cluster(self) -> None:
        """A master publishes what lies in its tree: first, that has to be what the cluster has.
        `NoMasterError` where it cannot be.
        """
        agent = self._node.require_agent()
        await agent.repair(Look(everywhere=True))
        if agent.trouble:
            raise NoMasterError(
                f"this node cannot be the master, its files are not the cluster's: {agent.trouble}",
                mend="mend that first, or promote another node",
            )

    async def _run(self, candidate: Candidate, only: Way | None = None) -> Won:
        won = await candidate.run(only)
        await self._begin(won)
        return won

    async def _begin(self, won: Won) -> None:
        """Lead the epoch that was won; where it cannot be written down first, none has begun."""
        begun = TrustedHistory(self.history().known_chain)
        begun.accept_memberships([won.document])
        self._parts.write_chain(begun.chain)
        self.take(Memberships((won.document.to_bytes(),)))
        # The others are told by the gossip of the new role, at once.
        await self._node.roles_changed()

    # --- what this node believes ---

    @property
    def _leads(self) -> bool:
        """Is this node the master, if only in a moment, when its roles have changed?"""
        return self.history().membership.master == self._parts.cid

    def history(self) -> TrustedHistory:
        """The master's where this node is it, else the agent's."""
        node = self._node
        if node.agent is None:
            raise TransportError("is starting", mend="ask again")
        return node.master.history if node.master is not None else node.agent.history

    def take(self, message: ToAgent) -> None:
        """Take in links of the chain, as if they came on the agent's stream; see `agent.rival` for
        those that only another membership lets through. `PeerError` for what must not be believed.
        """
        try:
            self._take(message)
        except RivalError:
            if not isinstance(message, Memberships):
                raise
            links = self._rivals.meet([Envelope.from_bytes(link) for link in message.envelopes])
            if links is None:
                raise
            self._take(Memberships(tuple(link.to_bytes() for link in links)))

    def _take(self, message: ToAgent) -> None:
        node = self._node
        agent = node.require_agent()
        if node.master is not None:
            # On the master, its own agent hears of new members a moment later than it knows them.
            known = agent.history.membership
            newer = node.master.history.links_after(known.epoch, known.serial)
            agent.link.on_message(Memberships(tuple(link.to_bytes() for link in newer)))
        agent.link.on_message(message)

    def _promise(self, epoch: int) -> None:
        node = self._node
        node.require_agent().history.promise(epoch)
        if node.master is not None:
            node.master.history.promise(epoch)

    def _uninformed(self) -> Collection[Member]:
        """Whom no stream tells of a newer epoch, or who could tell this node of one."""
        node = self._node
        agent = node.agent
        if agent is None:
            return ()
        if node.master is not None:
            connected = node.master.feeds.connected
            return [member for member in self._others if member.cid not in connected]
        return () if agent.link.up else self._others

    def _shut_out_by(self, cids: Collection[int]) -> None:
        if self._node.master is not None:
            self._node.master.roster.is_shut_out_by(cids)

    @property
    def _others(self) -> Collection[Member]:
        members = self.history().known_members
        return [member for member in members if member.keys and member.cid != self._parts.cid]
