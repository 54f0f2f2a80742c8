"""A whole cluster in one thread: the real master role, agents, votes, candidates and gossip, on
machines in memory, over a network that can be cut, delayed and healed. Run it in virtual time
(`tests/sim/virtual.py`).

    cluster = SimCluster(3)
    await cluster.begin()
    cluster.nodes[1].edit("domains", "a.example 1")
    cluster.crash(1)
    await cluster.nodes[2].promote()
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from pmgsync.agent.activate import Activator
from pmgsync.agent.candidate import Won
from pmgsync.agent.maps import MapBuilder
from pmgsync.agent.parts import AgentParts
from pmgsync.agent.role import AgentRole
from pmgsync.agent.voting import ballot_in
from pmgsync.cli import orphaned
from pmgsync.cli.peering import Peering
from pmgsync.cli.peering_ports import PeeringParts
from pmgsync.errors import OperatorError, PmgsyncError, TransportError
from pmgsync.host.identity import require_newer
from pmgsync.master.cluster_file import ClusterFile
from pmgsync.master.feed import Feeds
from pmgsync.master.publish import Publisher
from pmgsync.master.register import Register
from pmgsync.master.role import MasterParts, MasterRole
from pmgsync.master.roster import Roster
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.keys import Signer, SigningKey
from pmgsync.model.membership import Member, Membership
from pmgsync.model.peers import Answer, Question
from pmgsync.model.promotion import voters
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import AgentEnd
from pmgsync.survey import Survey
from pmgsync.wire.local import LocalDialer
from pmgsync.wire.peer_codec import (
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
)
from pmgsync.wire.refusals import family_of, status_of
from tests.sim.author import CLUSTER, Author
from tests.sim.host import FakeCommands, MemorySource, MemoryTree
from tests.sim.network import Link, Network
from tests.sim.store import MemoryStore
from tests.sim.virtual import VirtualClock

T = TypeVar("T")

RECOVERY = SigningKey(b"r" * 32)
FIRST_FILES = {"pmg.conf": b"section: mail\n\n", "domains": b"example.com 1\n"}


@dataclass(frozen=True)
class SimMaster:
    """The master role of a node."""

    feeds: Feeds
    history: TrustedHistory
    role: MasterRole
    register: Register
    roster: Roster


class SimNode:
    """One machine. What is on its disk are `chain`, `store` and `tree`."""

    def __init__(
        self, cluster: SimCluster, cid: int, key: SigningKey, chain: list[Envelope]
    ) -> None:
        self.cluster = cluster
        self.cid = cid
        self.key = key
        self.chain = tuple(chain)
        self.store, self.tree = MemoryStore(), MemoryTree()
        self.agent: AgentRole | None = None
        self.master: SimMaster | None = None
        self.peering: Peering | None = None
        self.busy, self._changing = asyncio.Lock(), asyncio.Lock()
        self.port_is_taken = False
        self.source = MemorySource()
        self._epoch = 0
        self._roles: asyncio.Task[None] | None = None
        self._change: asyncio.Task[None] | None = None
        self._alive: set[asyncio.Future[None]] = set()
        self._attempts: set[asyncio.Future[None]] = set()

    # --- as `cli.node` does it ---

    async def begin(self) -> None:
        """Take up the roles that the chain gives."""
        history = TrustedHistory(self.chain)
        self.source = MemorySource()
        peering = self.peering or self._new_peering()
        self.peering = peering
        master = self._new_master(peering) if self._leads(history.membership) else None
        agent = self._new_agent(master)
        agent.recover()
        if orphaned.set_aside(agent.history, self.store, self.cluster.clock.now()):
            agent.recover()
        self.agent, self.master = agent, master
        self._epoch = history.membership.epoch
        await peering.listen(self.me, needed=master is not None)
        self._roles = asyncio.create_task(self._run_roles(peering, agent))

    def _leads(self, membership: Membership) -> bool:
        return membership.master == self.cid

    def _new_peering(self) -> Peering:
        peers = SimPeers(self.cluster, self)
        parts = PeeringParts(
            cid=self.cid,
            cluster=CLUSTER,
            store=self.store,
            signer=self.key,
            clock=self.cluster.clock,
            peers=peers,
            only_here=lambda: self.cluster.only_here,
        )
        return Peering(self, parts, lambda peering: SimPort(self, peering))

    def _new_master(self, peering: Peering) -> SimMaster:
        clock, store = self.cluster.clock, self.store
        promised = ballot_in(store, CLUSTER).epoch
        history = TrustedHistory(self.chain, store.head()[0], promised=promised)
        roster = Roster()
        feeds = Feeds(store, history, self.key, clock, roster)
        feeds.on_promise = peering.heard_of_promise
        register = Register(
            history, self.key, clock, self._write_chain, lambda: role.membership_changed()
        )
        survey = Survey(self.tree, clock, before=history.head.manifest)
        role = MasterRole(
            MasterParts(
                publisher=Publisher(survey, store, history, self.key, clock),
                feeds=feeds,
                roster=roster,
                history=history,
                source=self.source,
                clock=clock,
                run_blocking=_here,
                settle_cluster_conf=ClusterFile(self.tree, store, register, clock).settle,
            )
        )
        return SimMaster(feeds, history, role, register, roster)

    def _new_agent(self, master: SimMaster | None) -> AgentRole:
        clock, dialer = self.cluster.clock, SimDialer(self)
        maps = MapBuilder(FakeCommands(), "/", "/etc/postfix")
        return AgentRole(
            AgentParts(
                cid=self.cid,
                software="sim",
                signer=self.key,
                store=self.store,
                survey=Survey(self.tree, clock),
                source=self.source,
                activator=Activator(self.tree, self.store, maps),
                dialer=LocalDialer(self.cid, master.feeds, dialer, self._spawn)
                if master
                else dialer,
                clock=clock,
                chain_grew=self._chain_grew,
                in_thread=_here,
                promised=ballot_in(self.store, CLUSTER).epoch,
            ),
            self.chain,
            authored=master is not None,
        )

    async def _run_roles(self, peering: Peering, agent: AgentRole) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(agent.run())
            group.create_task(peering.gossip.run())
            if self.master is not None:
                group.create_task(self.master.role.run())
                group.create_task(peering.renew_forever())

    def _spawn(self, work: Awaitable[None]) -> None:
        async def quietly() -> None:
            with suppress(PmgsyncError):
                await work

        task = asyncio.ensure_future(quietly())
        self._alive.add(task)
        task.add_done_callback(self._alive.discard)

    def _write_chain(self, chain: tuple[Envelope, ...]) -> None:
        require_newer(self.chain[-1], chain[-1])
        self.chain = chain

    def _chain_grew(self, chain: tuple[Envelope, ...]) -> None:
        began = Membership.from_bytes(chain[-1].payload).epoch != self._epoch
        if self.master is None or began:
            self._write_chain(chain)
        if began:
            self._change = asyncio.create_task(self._change_roles())
            self._change.add_done_callback(self.cluster.came_to_grief)

    async def _change_roles(self) -> None:
        async with self._changing:
            agent = self.require_agent()
            if agent.history.membership.epoch == self._epoch:
                return
            master, self.master = self.master, None
            if master is not None:
                await self.cluster.network.stop(self.me)
                master.register.close()
                with suppress(PmgsyncError):
                    await master.role.publish_now("edited while another node was the master")
            await self._end()
            await self.begin()

    async def _end(self) -> None:
        if self._roles is not None:
            self._roles.cancel()
            await asyncio.gather(self._roles, *self._alive, return_exceptions=True)

    # --- what `Peering` wants to know ---

    @property
    def me(self) -> Member:
        memberships = (Membership.from_bytes(link.payload) for link in reversed(self.chain))
        return next(m for one in memberships for m in one.members if m.cid == self.cid)

    @property
    def is_up(self) -> bool:
        return self.agent is not None

    def require_agent(self) -> AgentRole:
        if self.agent is None:
            raise TransportError("is not running")
        return self.agent

    async def roles_changed(self) -> None:
        if self._change is not None:
            await asyncio.shield(self._change)

    # --- what people and accidents do ---

    async def crash(self) -> None:
        """The machine loses power: what is on its disk stays."""
        self.cluster.network.drop(self.cid)
        self.agent = self.master = None
        for task in (self._change, *self._alive, *self._attempts):
            if task is not None:
                task.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)
        self._attempts.clear()
        await self._end()
        if self.peering is not None:
            await self.peering.stop()
        await self.cluster.network.stop(self.me)
        self.peering, self._change, self._roles = None, None, None
        self.busy, self._changing = asyncio.Lock(), asyncio.Lock()
        self.store = self.store.crash()

    def edit(self, name: str, text: str) -> None:
        """Somebody writes a file."""
        path = f"etc/pmg/{name}"
        self.tree.put(path, text.encode() + b"\n")
        self.source.say(path)

    def try_promote(self) -> None:
        """The same, and nobody waits for it; it dies with the machine."""
        self._attempts.add(asyncio.ensure_future(self._attempt()))

    async def _attempt(self) -> None:
        with suppress(PmgsyncError):
            await self.promote()

    async def promote(self, recovery: Signer | None = None) -> Won:
        """As `pmgsync promote` does it."""
        self.require_agent()
        assert self.peering is not None
        return await self.peering.promote(recovery)

    @property
    def runs(self) -> Position:
        """The version that it runs."""
        return self.store.active().position

    @property
    def state(self) -> str:
        """The digest of what it runs."""
        return self.store.active().manifest.digest

    def text_of(self, name: str) -> str:
        return self.tree.files().get(f"etc/pmg/{name}", b"(none)").decode().strip()


class SimDialer:
    """A `Dialer` with the keys that count now."""

    def __init__(self, node: SimNode) -> None:
        self._node = node

    async def dial(self, master: Member) -> AgentEnd:
        """See `ports.Dialer`."""
        return await self._node.cluster.network.dialer(self._node.me).dial(master)


class SimPort:
    """A `MemberPort`."""

    def __init__(self, node: SimNode, peering: Peering) -> None:
        self._node, self._peering = node, peering
        self.is_open = False

    async def open(self, me: Member) -> None:
        """See `MemberPort`. Open again after the network has dropped it with a change of roles."""
        if self._node.port_is_taken:
            raise OperatorError("is taken by another program", where="member port")
        history = self._peering.history
        self._node.cluster.network.serve(
            me, self._peering, lambda fingerprint: history().membership.holder_of(fingerprint)
        )

    def trust(self, membership: Membership) -> None:
        """See `MemberPort`."""

    def take_turns(self) -> None:
        """Nobody has keys to come here."""

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
                return await self._exchange(member, question)
        except TimeoutError:
            raise TransportError(f"no answer in {seconds:g} s", where=member.label) from None

    async def _exchange(self, member: Member, question: Question) -> Answer:
        await self._pass(member)
        peering = self._cluster.nodes[member.cid].peering
        if peering is None or self._cluster.nodes[member.cid].agent is None:
            raise TransportError("connection refused", where=member.label)
        self._require_trusted(peering)
        try:
            answer = await peering.answer(
                self._caller.me, decode_question(encode_question(question))
            )
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

    def _require_trusted(self, peering: Peering) -> None:
        """As the member port does: only members. Who calls tries all pairs of keys that it has, of
        which here the identity key is the same.
        """
        keys = {m.keys.identity for m in voters(peering.history().membership) if m.keys}
        if self._caller.key.public_key not in keys:
            raise TransportError("this certificate is no member's")

    async def catch_up(self, member: Member) -> AgentEnd:
        await self._pass(member)
        peering = self._cluster.nodes[member.cid].peering
        if peering is None:
            raise TransportError("connection refused", where=member.label)
        self._require_trusted(peering)
        link = Link(self._cluster.clock, self._cluster.network.delay)

        async def serve() -> None:
            with suppress(PmgsyncError):
                await peering.catch_up(self._caller.me, link.master)

        task = asyncio.ensure_future(serve())
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return link.agent


class SimCluster:
    """So many nodes, founded and joined, of which the first is the master."""

    def __init__(self, count: int, *, only_here: bool = False) -> None:
        """`only_here`: masters hand over only where an admin types that on them."""
        author = Author(count - 1)
        self.only_here = only_here
        self.clock = VirtualClock()
        self.network = Network(self.clock)
        self.failure: BaseException | None = None
        self.nodes = {
            cid: SimNode(self, cid, key, author.chain) for cid, key in author.keys.items()
        }
        for name, content in FIRST_FILES.items():
            self.nodes[1].tree.put(f"etc/pmg/{name}", content)

    async def begin(self) -> None:
        """Start them all."""
        for node in self.nodes.values():
            await node.begin()

    async def end(self) -> None:
        """Stop them all; what went wrong in one of them comes out."""
        if self.failure is not None:
            raise self.failure
        for node in self.nodes.values():
            if node.is_up:
                await node.crash()

    def came_to_grief(self, change: asyncio.Task[None]) -> None:
        """A daemon that cannot take up its role ends; here, that is the end of the test."""
        if not change.cancelled() and (error := change.exception()) is not None:
            self.failure = error

    def part(self, one_side: Collection[int]) -> None:
        """Only these reach each other, and only the others do."""
        for one in one_side:
            for other in self.nodes.keys() - set(one_side):
                self.network.part(one, other)

    def heal(self) -> None:
        """Everybody reaches everybody."""
        for one in self.nodes:
            for other in self.nodes:
                if one < other:
                    self.network.heal(one, other)

    @property
    def leader(self) -> SimNode:
        """The master of the newest epoch that any node knows of."""
        chains = (node.chain[-1].payload for node in self.nodes.values())
        newest = max(map(Membership.from_bytes, chains), key=lambda m: (m.epoch, m.serial))
        return self.nodes[newest.master]

    @property
    def is_level(self) -> bool:
        """Do all members run the same state under the same master?"""
        newest = Membership.from_bytes(self.leader.chain[-1].payload)
        members = [self.nodes[member.cid] for member in voters(newest)]
        seen = {
            (
                node.chain[-1].digest,
                node.store.active().position,
                node.store.active().manifest.digest,
            )
            for node in members
        }
        files = {tuple(sorted(node.tree.files().items())) for node in members}
        return len(seen) == len(files) == 1


async def _here(work: Callable[[], T], /) -> T:
    """No thread: done here and now."""
    await asyncio.sleep(0)
    return work()
