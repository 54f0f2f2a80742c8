"""A whole agent on doubles, and a master who says what the test tells it to."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from pmgsync.agent.activate import Activator
from pmgsync.agent.link import LinkConfig
from pmgsync.agent.maps import MapBuilder
from pmgsync.agent.parts import AgentConfig, AgentParts
from pmgsync.agent.role import AgentRole
from pmgsync.agent.services import Services
from pmgsync.errors import PmgsyncError, TransportError
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Member, Membership
from pmgsync.model.messages import Hello, SignedReport, ToAgent, ToMaster
from pmgsync.model.report import Report
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import AgentEnd, MasterEnd
from pmgsync.survey import Survey
from pmgsync.wire.local import stream_pair
from tests.sim.author import Author, Version
from tests.sim.clock import FakeClock
from tests.sim.host import FakeCommands, MemorySource, MemoryTree
from tests.sim.store import MemoryStore

CID = 2


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: object, **named: object) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **named), 20))

    return run


class Desk:
    """The master's end: takes down what the agent says, says what it is told."""

    def __init__(self) -> None:
        self.inbox: list[ToMaster] = []
        self.dials = 0
        self.refuses: PmgsyncError | None = None
        self.deaf = False
        self._end: MasterEnd | None = None
        self._reading: asyncio.Task[None] | None = None

    async def dial(self, master: Member) -> AgentEnd:
        """See `ports.Dialer`."""
        self.dials += 1
        if self.refuses is not None:
            raise self.refuses
        agent_end, self._end = stream_pair()
        if not self.deaf:
            self._reading = asyncio.create_task(self._read(self._end))
        return agent_end

    async def _read(self, end: MasterEnd) -> None:
        with suppress(TransportError):
            while (message := await end.receive()) is not None:
                self.inbox.append(message)

    async def say(self, *messages: ToAgent) -> None:
        """Say these, in order."""
        assert self._end is not None
        for message in messages:
            await self._end.send(message)

    async def hang_up(self) -> None:
        """End the stream in good order."""
        assert self._end is not None
        await self._end.close()

    def heard(self, kind: type[ToMaster]) -> list[ToMaster]:
        """What the agent said of this kind."""
        return [message for message in self.inbox if isinstance(message, kind)]


class Stage:
    """One agent, its machine and its master."""

    def __init__(self, *, authored: bool = False, postfix: bool = False, nodes: int = 1) -> None:
        self.author, self.desk = Author(nodes), Desk()
        self.clock, self.source = FakeClock(), MemorySource()
        self.tree, self.store = MemoryTree(), MemoryStore()
        self.commands = FakeCommands(self.tree if postfix else None)
        self.authored = authored
        self.chains: list[tuple[Envelope, ...]] = []
        self.chain_error: PmgsyncError | None = None
        self.in_thread: Callable[[Callable[[], None]], Awaitable[None]] = at_once
        self.apart: Callable[[Callable[[], None]], Awaitable[None]] | None = None
        self.services: Callable[[], Services | None] = lambda: None
        self.config = AgentConfig(link=LinkConfig(silence_s=10))
        self.role = self.build()

    def build(self) -> AgentRole:
        """A new agent on this machine, as after a restart."""
        parts = AgentParts(
            cid=1 if self.authored else CID,
            software="test",
            signer=self.author.keys[1 if self.authored else CID],
            store=self.store,
            survey=Survey(self.tree, self.clock),
            source=self.source,
            activator=Activator(
                self.tree, self.store, MapBuilder(self.commands, "/", "/etc/postfix")
            ),
            dialer=self.desk,
            clock=self.clock,
            chain_grew=self._chain_grew,
            in_thread=lambda work: self.in_thread(work),
            services=self.services(),
            apart=self.apart,
        )
        chain = tuple(self.author.chain)
        return AgentRole(parts, chain, authored=self.authored, config=self.config)

    def _chain_grew(
        self, chain: tuple[Envelope, ...], _known: Membership, note: Callable[[], None]
    ) -> None:
        note()
        if self.chain_error is not None:
            raise self.chain_error
        self.chains.append(chain)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Stage"]:
        """The agent at work, with a stream to its master that has been greeted."""
        self.role.recover()
        task = asyncio.create_task(self.role.run())
        try:
            await self.settle()
            await self.desk.say(self.author.beat(0))
            await self.settle()
            yield self
            if task.done():
                await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def settle(self) -> None:
        """Let everything happen that can happen without time passing."""
        await self.clock.settle(100)

    async def offer(self, *versions: Version, inline: bool = True) -> None:
        """Offer these, and let the agent do what it does."""
        await self.desk.say(*(version.offer(inline=inline) for version in versions))
        await self.settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps, so that what happens may cause more."""
        for _ in range(round(seconds * 10)):
            await self.clock.advance(0.1)
            await self.settle()

    async def look(self, *paths: str, everywhere: bool = False) -> None:
        """Say that something moved, and wait until the agent has looked."""
        self.source.say(*paths, everywhere=everywhere)
        await self.settle()
        await self.pass_time(0.3)

    @property
    def reports(self) -> list[Report]:
        """All reports that came, each accepted as a master does."""
        history = TrustedHistory(tuple(self.author.chain))
        member = history.membership.member(1 if self.authored else CID)
        return [
            history.accept_report(Envelope.from_bytes(said.envelope), member)
            for said in self.desk.inbox
            if isinstance(said, SignedReport)
        ]

    @property
    def hellos(self) -> list[Hello]:
        """The first words of all streams."""
        return [said for said in self.desk.inbox if isinstance(said, Hello)]

    @property
    def kept(self) -> dict[str, tuple[bytes | None, str]]:
        """The keepsakes: content and reason by path."""
        return {
            kept.path: (self.store.content(kept.digest) if kept.digest else None, kept.reason)
            for kept in self.store.keepsakes()
        }


async def at_once(work: Callable[[], None]) -> None:
    """No thread: done here and now."""
    await asyncio.sleep(0)
    work()


class Gate:
    """A worker that does its work only once the test opens the gate."""

    def __init__(self) -> None:
        self.waiting = 0
        self._open = asyncio.Event()

    async def __call__(self, work: Callable[[], None]) -> None:
        self.waiting += 1
        await self._open.wait()
        self.waiting -= 1
        work()

    def open(self) -> None:
        """Let all through, from now on."""
        self._open.set()
