"""A master on paper: the real cores on the doubles, with a cluster of three."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pmgsync.errors import PmgsyncError
from pmgsync.master.feed import FeedConfig, Feeds
from pmgsync.master.holds import Holds
from pmgsync.master.publish import Published, Publisher
from pmgsync.master.role import MasterConfig, MasterParts, MasterRole
from pmgsync.master.roster import Roster
from pmgsync.model.changeset import ChangeSet, Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Membership, admit, found
from pmgsync.model.messages import Hello, Offer, SignedReport, SnapshotPart, ToAgent, ToMaster
from pmgsync.model.report import Outcome, Report
from pmgsync.model.trust import Head, TrustedHistory
from pmgsync.ports import AgentEnd, Look
from pmgsync.survey import Survey
from tests.sim.clock import FakeClock
from tests.sim.host import MemorySource, MemoryTree
from tests.sim.network import Network
from tests.sim.store import MemoryStore
from tests.unit.model import sample

T = TypeVar("T")

FILES = {
    "etc/pmg/pmg.conf": b"section: mail\n\trelay mx.example\n\n",
    "etc/pmg/domains": b"a.example 1\n",
    "etc/pmg/transport": b"a.example smtp:[192.0.2.1]:25\n",
    "etc/pmg/mynetworks": b"192.0.2.0/24 #\n",
    "etc/pmg/templates/main.cf.in": b"myhostname = [% dns.fqdn %]\n",
}
EVERYTHING = Look(everywhere=True)


def look(*paths: str) -> Look:
    return Look(frozenset(paths))


def cluster_of(count: int) -> Membership:
    members = tuple(sample.member(cid) for cid in range(1, count + 1))
    recovery = sample.RECOVERY.public_key
    return found(sample.CLUSTER, members, master=1, max_cid=count, recovery=recovery)


async def run_here(work: Callable[[], T], /) -> T:
    """A `RunBlocking` that gives others a turn and works in the same thread."""
    await asyncio.sleep(0)
    return work()


class Rig:
    """The publishing half of a master."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        tree: MemoryTree | None = None,
        membership: Membership | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.store = store or MemoryStore()
        self.tree = tree or filled_tree()
        chain = [sample.seal_membership(membership or sample.genesis())]
        self.history = TrustedHistory(chain, self.store.head()[0])
        self.survey = Survey(self.tree, self.clock, before=self.history.head.manifest)
        self.holds = Holds(self.store)
        self.publisher = Publisher(
            self.survey, self.store, self.history, sample.MASTER, self.clock, self.holds
        )

    @property
    def head(self) -> Head:
        return self.history.head

    @property
    def version(self) -> int:
        """The newest version, which memory and disk agree on."""
        assert self.store.head()[0] == self.history.head
        return self.history.head.position.version

    def edit(self, path: str, content: bytes | None, message: str = "") -> Published | None:
        """Edit one file (None: remove it) and publish."""
        if content is None:
            self.tree.drop(path)
        else:
            self.tree.put(path, content)
        return self.publisher.publish(look(path), message)


def filled_tree() -> MemoryTree:
    tree = MemoryTree()
    for path, content in FILES.items():
        tree.put(path, content)
    return tree


class Stage(Rig):
    """A whole master role with a network. Made inside a running loop; `async with` runs it."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        tree: MemoryTree | None = None,
        membership: Membership | None = None,
        config: MasterConfig | None = None,
    ) -> None:
        super().__init__(store, tree, membership)
        self.source = MemorySource()
        self.roster = Roster()
        self.feeds = Feeds(
            self.store, self.history, sample.MASTER, self.clock, self.roster, FeedConfig()
        )
        self.file_error: Exception | None = None
        self.file_written = 0
        parts = MasterParts(
            publisher=self.publisher,
            feeds=self.feeds,
            roster=self.roster,
            history=self.history,
            source=self.source,
            clock=self.clock,
            run_blocking=run_here,
            settle_cluster_conf=self._settle_cluster_conf,
        )
        self.role = MasterRole(parts, config)
        self.network = Network(self.clock)
        master = self.history.membership.master_member
        self.network.serve(
            master, self.feeds, lambda fingerprint: self.history.membership.holder_of(fingerprint)
        )

    def _settle_cluster_conf(self) -> bool:
        if self.file_error is not None:
            raise self.file_error
        self.file_written += 1
        return False

    async def __aenter__(self) -> "Stage":
        self._task = asyncio.create_task(self.role.run())
        await self.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert not self._task.done(), self._task
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.network.stop(self.history.membership.master_member)

    async def settle(self) -> None:
        """Let everything happen that a moment is enough for."""
        await self.clock.advance(0.2)
        await self.clock.settle(60)

    async def dial(self, cid: int) -> AgentEnd:
        member = self.history.membership.member(cid)
        return await self.network.dialer(member).dial(self.history.membership.master_member)

    async def node(self, cid: int, hello: Hello | None = None) -> "Node":
        """A node that has said hello; one that has nothing yet, unless `hello` says otherwise."""
        node = Node(self, cid, await self.dial(cid))
        await node.stream.send(hello or hello_at(Head()))
        await self.settle()
        return node

    async def say(self, *paths: str, everywhere: bool = False) -> None:
        """Something moved."""
        self.source.say(*paths, everywhere=everywhere)
        await self.settle()


class Node:
    """The other end of a stream, which only says what a test lets it say."""

    def __init__(self, stage: Stage, cid: int, stream: AgentEnd) -> None:
        self.stage = stage
        self.cid = cid
        self.stream = stream
        self.reading = asyncio.Event()
        self.reading.set()
        self.error: PmgsyncError | None = None
        self._inbox: list[ToAgent] = []
        self._pump = asyncio.create_task(self._read())

    async def _read(self) -> None:
        # A stream whose `receive` is cancelled is a broken one, so one task reads all the time.
        try:
            while await self.reading.wait():
                message = await self.stream.receive()
                if message is None:
                    return
                self._inbox.append(message)
        except PmgsyncError as error:
            self.error = error

    async def tell(self, message: ToMaster) -> None:
        await self.stream.send(message)
        await self.stage.settle()

    async def report(self, outcome: Outcome = Outcome.ACTIVATED, detail: str = "") -> None:
        """Answer the newest version."""
        head = self.stage.head
        active = head if outcome is Outcome.ACTIVATED else Head()
        report = Report(
            sample.CLUSTER,
            self.cid,
            active.position,
            active.manifest.digest,
            head.position,
            outcome,
            detail,
            milliseconds=3,
        )
        envelope = sample.seal_report(report, sample.key(self.cid))
        await self.tell(SignedReport(envelope.to_bytes()))

    async def got(self) -> list[ToAgent]:
        """All that has arrived and was not asked for yet."""
        await self.stage.clock.settle(60)
        messages, self._inbox = self._inbox, []
        return messages

    async def ended(self) -> PmgsyncError:
        """How the stream ended."""
        await asyncio.wait_for(self._pump, 5)
        assert self.error is not None
        return self.error

    async def got_of(self, kind: type[T]) -> list[T]:
        """The messages of one kind among those."""
        return [message for message in await self.got() if isinstance(message, kind)]


def hello_at(head: Head, *, epoch: int = 1, serial: int = 1) -> Hello:
    return Hello(head.position, head.manifest.digest, epoch, serial, "pmgsync 0.1.0")


async def edit(stage: Stage, content: bytes, path: str = "etc/pmg/domains") -> None:
    """Somebody edits a file, and the master hears of it."""
    stage.tree.put(path, content)
    await stage.say(path)


def admit_another(stage: Stage, cid: int = 4) -> None:
    """A node joins."""
    history = stage.history
    envelope = sample.seal_membership(
        admit(history.membership, history.chain[-1], sample.member(cid))
    )
    history.accept_membership(envelope)
    stage.role.membership_changed()


def position_of(message: Offer | SnapshotPart) -> Position:
    """The version that a message brings."""
    return ChangeSet.from_bytes(Envelope.from_bytes(message.envelope).payload).position


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Play a scenario to its end."""

    async def play() -> None:
        await scenario()

    asyncio.run(play())
