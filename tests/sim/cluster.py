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
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pmgsync.agent.activate import Activator
from pmgsync.agent.candidate import Won
from pmgsync.agent.maps import MapBuilder
from pmgsync.agent.parts import AgentParts
from pmgsync.agent.role import AgentRole
from pmgsync.agent.voting import ballot_in
from pmgsync.cli import orphaned
from pmgsync.cli.peering import Peering
from pmgsync.cli.peering_ports import PeeringParts
from pmgsync.cli.removal import removal_in
from pmgsync.errors import HostError, NoMasterError, PmgsyncError, TransportError
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
from pmgsync.model.membership import Member, MemberKeys, Membership, admit
from pmgsync.model.messages import Memberships
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.promotion import voters
from pmgsync.model.rekeying import KeyChange, sign_change
from pmgsync.model.trust import TrustedHistory
from pmgsync.survey import Survey
from pmgsync.wire.local import LocalDialer
from tests.sim.author import CLUSTER, Author
from tests.sim.host import FakeCommands, MemorySource, MemoryTree
from tests.sim.keys import Pair, SimKeys
from tests.sim.network import Network
from tests.sim.reach import SimDialer, SimPeers, SimPort, can_ask, faces_of
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
        self, cluster: SimCluster, cid: int, pair: Pair, chain: Sequence[Envelope]
    ) -> None:
        self.cluster = cluster
        self.cid = cid
        self.keys = SimKeys(pair)
        self.chain = tuple(chain)
        self.store, self.tree = MemoryStore(), MemoryTree()
        self.agent: AgentRole | None = None
        self.master: SimMaster | None = None
        self.peering: Peering | None = None
        self.busy, self._changing = asyncio.Lock(), asyncio.Lock()
        self._deposed: SimMaster | None = None
        self._leading: list[asyncio.Task[None]] = []
        self.port_is_taken = self.disk_is_full = False
        self.removed = False
        """Has it been told, by its master's signature, that it is no member any more?"""
        self.source = MemorySource()
        self._epoch = 0
        self._roles: asyncio.Task[None] | None = None
        self._change: asyncio.Task[None] | None = None
        self._standing_aside: asyncio.Task[None] | None = None
        self._alive: set[asyncio.Future[None]] = set()
        self._attempts: set[asyncio.Future[Any]] = set()

    # --- as `cli.node` does it ---

    async def begin(self) -> None:
        """Take up the roles that the chain gives."""
        history = TrustedHistory(self.chain)
        self.keys.follow(history.membership)
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
        self._roles.add_done_callback(self._roles_ended)

    def _leads(self, membership: Membership) -> bool:
        return membership.master == self.cid

    def _new_peering(self) -> Peering:
        peers = SimPeers(self.cluster, self)
        parts = PeeringParts(
            cid=self.cid,
            cluster=CLUSTER,
            store=self.store,
            signer=self.keys,
            own_keys=lambda: self.keys.all_keys,
            clock=self.cluster.clock,
            peers=peers,
            write_chain=self._write_chain,
            only_here=lambda: self.cluster.only_here,
        )
        return Peering(self, parts, lambda peering: SimPort(self, peering))

    def _new_master(self, peering: Peering) -> SimMaster:
        clock, store = self.cluster.clock, self.store
        promised = ballot_in(store, CLUSTER).epoch
        history = TrustedHistory(self.chain, store.head()[0], promised=promised)
        roster = Roster()
        feeds = Feeds(store, history, self.keys, clock, roster)
        feeds.on_promise = peering.renewal.heard
        register = Register(history, self.keys, clock, self._write_chain, lambda: announce())

        def announce() -> None:
            self._trust(history.membership)
            role.membership_changed()

        survey = Survey(self.tree, clock, before=history.head.manifest)
        role = MasterRole(
            MasterParts(
                publisher=Publisher(survey, store, history, self.keys, clock),
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
        clock = self.cluster.clock
        maps = MapBuilder(FakeCommands(), "/", "/etc/postfix")
        return AgentRole(
            AgentParts(
                cid=self.cid,
                software="sim",
                signer=self.keys,
                store=self.store,
                survey=Survey(self.tree, clock),
                source=self.source,
                activator=Activator(self.tree, self.store, maps),
                dialer=LocalDialer(self.cid, master.feeds, self._spawn)
                if master
                else SimDialer(self),
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
            group.create_task(self._write_down_again(agent))
            if self.master is not None:
                leading = self.master.role.run(), peering.renewal.run()
                self._leading = [group.create_task(loop) for loop in leading]

    async def _write_down_again(self, agent: AgentRole) -> None:
        while True:
            await self.cluster.clock.sleep(1)
            with suppress(HostError):
                agent.save_chain()

    def _spawn(self, work: Awaitable[None]) -> None:
        async def quietly() -> None:
            with suppress(PmgsyncError):
                await work

        task = asyncio.ensure_future(quietly())
        self._alive.add(task)
        task.add_done_callback(self._alive.discard)

    def _write_chain(self, chain: tuple[Envelope, ...]) -> None:
        require_newer(self.chain[-1], chain[-1])
        if self.disk_is_full:
            raise HostError("cannot write it: no space left", where="chain.json")
        self.chain = chain

    def _chain_grew(
        self, chain: tuple[Envelope, ...], known: Membership, note: Callable[[], None]
    ) -> None:
        began = Membership.from_bytes(chain[-1].payload).epoch != self._epoch
        if began:
            self._step_down()
        note()
        if self.master is None:
            self._write_chain(chain)
            self._trust(known)
        if began:
            self._change = asyncio.create_task(self._change_roles())
            self._change.add_done_callback(self.cluster.came_to_grief)

    def _step_down(self) -> None:
        master, self.master = self.master, None
        if master is not None:
            self._deposed = master
            master.register.close()
            master.feeds.end("is not the master any more")
            for loop in self._leading:
                loop.cancel()

    def _trust(self, membership: Membership) -> None:
        is_new = self.keys.follow(membership)
        if is_new and self.master is not None and self.agent is not None:
            known = self.agent.history.membership
            links = self.master.history.links_after(known.epoch, known.serial)
            self.agent.link.on_message(Memberships(tuple(link.to_bytes() for link in links)))
        if self.peering is not None:
            self.peering.trust(membership)

    def _roles_ended(self, roles: asyncio.Task[None]) -> None:
        error = None if roles.cancelled() else roles.exception()
        if removal_in(error):
            self.removed = True
            self._standing_aside = asyncio.create_task(self.crash())
        elif error is not None:
            self.cluster.failure = error

    async def _change_roles(self) -> None:
        async with self._changing:
            agent = self.require_agent()
            if agent.history.membership.epoch == self._epoch:
                return
            master, self._deposed = self._deposed, None
            if master is not None:
                await self.cluster.network.stop(self.me)
                with suppress(PmgsyncError):
                    await master.role.publish_now("edited while another node was the master")
            await self._end()
            await self.begin()

    async def _end(self) -> None:
        if self._roles is not None:
            self._roles.remove_done_callback(self._roles_ended)
            self._roles.cancel()
            await asyncio.gather(self._roles, *self._alive, return_exceptions=True)

    # --- what `Peering` wants to know ---

    @property
    def me(self) -> Member:
        memberships = (Membership.from_bytes(link.payload) for link in reversed(self.chain))
        return next(m for one in memberships for m in one.members if m.cid == self.cid)

    @property
    def faces(self) -> Collection[MemberKeys]:
        """The keys that it shows to those who connect."""
        return faces_of(self)

    @property
    def is_up(self) -> bool:
        return self.agent is not None

    def require_agent(self) -> AgentRole:
        if self.agent is None:
            raise TransportError("is not running")
        return self.agent

    def require_master(self) -> SimMaster:
        if self.master is None:
            raise NoMasterError("is not the master")
        return self.master

    async def roles_changed(self) -> None:
        if (change := self._change) is not None:
            await asyncio.wait((change,))
            self.require_agent() if change.cancelled() else change.result()

    # --- what people and accidents do ---

    async def crash(self) -> None:
        """The machine loses power: what is on its disk stays."""
        self.cluster.network.drop(self.cid)
        self.agent = self.master = self._deposed = None
        ending = {*self._attempts, *([self._change] if self._change else [])}
        for task in ending | self._alive:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
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

    def rekey(self, pair: Pair, *, lost: bool = False) -> None:
        """As `pmgsync rotate-keys` does it; `lost`: the master's answer is. `PmgsyncError` where
        the master is out of reach or refuses.
        """
        self.keys.prepare(pair)
        history = self.require_agent().history
        membership, last = history.membership, history.chain[-1].digest
        if self.master is not None:
            self.master.register.rekey(self.me, pair.keys, pair.key)
            return
        master = self.cluster.nodes[membership.master]
        if master.peering is None or self.cluster.network.is_parted(self.cid, master.cid):
            raise TransportError("cannot be reached")
        request = KeyChange(membership.cluster, self.cid, last, pair.keys)
        asked = sign_change(request, self.keys, pair.key).to_bytes()
        link = master.peering.rekey(self.me, asked, b"")
        if not lost and self.peering is not None:
            self.peering.take(Memberships((link,)))

    def try_promote(self) -> None:
        """The same, and nobody waits for it."""
        self._attempts.add(asyncio.ensure_future(self._attempt()))

    async def _attempt(self) -> None:
        with suppress(PmgsyncError):
            await self.promote()

    async def promote(self, *recovery: Signer, without: Position | None = None) -> Won:
        """As `pmgsync promote` does it; it dies with the machine."""
        self.require_agent()
        assert self.peering is not None
        attempt = asyncio.ensure_future(self.peering.promote(recovery, without=without))
        self._attempts.add(attempt)
        try:
            await asyncio.wait((attempt,))
        except asyncio.CancelledError:
            attempt.cancel()
            await asyncio.wait((attempt,))
            raise
        if attempt.cancelled():
            raise TransportError("has lost its power")
        return attempt.result()

    @property
    def attention(self) -> list[str]:
        """What it says of promotions, and of what they have undone."""
        peering, agent = self.peering, self.agent
        undone = agent.undone_lines if agent else ()
        return [*(peering.attention if peering else ()), *undone]

    @property
    def runs(self) -> Position:
        """The version that it runs."""
        return self.store.active().position

    def text_of(self, name: str) -> str:
        return self.tree.files().get(f"etc/pmg/{name}", b"(none)").decode().strip()


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
            cid: SimNode(self, cid, Pair(key, b"certificate %d" % cid), author.chain)
            for cid, key in author.keys.items()
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

    async def admit(self, master: SimNode, pair: Pair) -> SimNode:
        """A new node joins at `master`; `InvalidError` where that is none any more."""
        register = master.require_master().register
        cid = max(*self.nodes, register.membership.max_cid) + 1
        member = Member(
            cid, f"node{cid}", f"127.0.0.{cid}", 26, PmgKeys("", "", ""), keys=pair.keys
        )
        register.enter(
            register.draft(admit(register.membership, register.last, member), member.label)
        )
        register.announce()
        node = self.nodes[cid] = SimNode(self, cid, pair, register.chain)
        await node.begin()
        return node

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
    def members(self) -> list[SimNode]:
        """The members by the newest epoch, but for those whom only an admin can bring back: who
        was told that it was removed, by a link that was displaced; and who can ask none of the
        others, nor be asked, as one knows the other by keys of before only, or not at all.
        """
        newest = Membership.from_bytes(self.leader.chain[-1].payload)
        left = [self.nodes[m.cid] for m in voters(newest) if not self.nodes[m.cid].removed]
        found = [self.leader]
        for one in found:
            near = [node for node in left if can_ask(node, one) or can_ask(one, node)]
            found += [node for node in near if node not in found]
        return found

    @property
    def is_level(self) -> bool:
        """Do all members run the same state under the same master?"""
        seen = {
            (
                node.chain[-1].digest,
                node.store.active().position,
                node.store.active().manifest.digest,
            )
            for node in self.members
        }
        files = {tuple(sorted(node.tree.files().items())) for node in self.members}
        return len(seen) == len(files) == 1


async def _here(work: Callable[[], T], /) -> T:
    """No thread: done here and now."""
    await asyncio.sleep(0)
    return work()
