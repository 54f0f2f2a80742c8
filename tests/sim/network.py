"""A network in memory: streams that keep the contract of `ports.Stream`, and links that can go bad.

Messages pass through the real codec, so what the wire would refuse is refused here. The rules of
the real server hold too: only members get in, a newer stream of a member replaces the older, an
error of the handler reaches the agent as the same family, a removed member is cut.

    network = Network(clock)
    network.serve(master, handler, lookup)
    stream = await network.dialer(node).dial(master)
    network.part(1, 2)      # their links break, and dialing fails
    network.stall(1, 2)     # nothing arrives any more, and nobody is told
    network.heal(1, 2)      # what was stalled arrives
    network.delay = 0.02    # every message takes that long (of the clock's seconds)
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from pmgsync.errors import NotAllowedError, PmgsyncError, RemovedError, TransportError
from pmgsync.model.manifest import Digest
from pmgsync.model.membership import Member, MemberKeys
from pmgsync.model.messages import ToAgent, ToMaster
from pmgsync.ports import AgentEnd, Clock, FollowHandler
from pmgsync.wire import codec
from pmgsync.wire.refusals import family_of, status_of

WINDOW = 16
"""Messages that a direction holds before `send` waits."""
SETTLE_SECONDS = 0.5
"""How long a handler may take to notice that its stream ended."""

Lookup = Callable[[Digest], Member | None]


class Pipe:
    """One direction of a stream: bytes in order, bounded, until it ends or breaks."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.delay = 0.0
        self.stalled = False
        self._clock = clock
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._ended = False
        self._error: PmgsyncError | None = None
        self._changed = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Take `data`, as soon as there is room."""
        while self._error is None and len(self._waiting) >= WINDOW:
            await self._change()
        if self._error is not None:
            raise self._error
        self._waiting.append((self._now() + self.delay, data))
        self.ring()

    async def take(self) -> bytes | None:
        """The next bytes; None at the end."""
        while self._error is None and not self._is_ready():
            if self._ended and not self._waiting:
                return None
            await self._change()
        while self._error is None and (rest := self._waiting[0][0] - self._now()) > 0:
            assert self._clock is not None
            await self._clock.sleep(rest)
        if self._error is not None:
            raise self._error
        self.ring()
        return self._waiting.popleft()[1]

    def end(self) -> None:
        """Nothing more will come; what is under way arrives."""
        self._ended = True
        self.ring()

    def fail(self, error: PmgsyncError) -> None:
        """It is broken, at once and for both sides; the first error counts."""
        self._error = self._error or error
        self.ring()

    def ring(self) -> None:
        """Let everybody look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self) -> None:
        await self._changed.wait()

    def _is_ready(self) -> bool:
        return bool(self._waiting) and not self.stalled

    def _now(self) -> float:
        return self._clock.monotonic() if self._clock else 0.0


class Link:
    """A stream between an agent and the master, seen from outside."""

    def __init__(self, clock: Clock | None = None, delay: float = 0.0) -> None:
        self.up, self.down = Pipe(clock), Pipe(clock)
        self.up.delay = self.down.delay = delay
        self.agent = MemoryAgentEnd(self)
        self.master = MemoryMasterEnd(self)
        self.caller: Member | None = None

    def cut(self, error: PmgsyncError | None = None) -> None:
        """Break it: both ends get `TransportError`, or the master's end and the agent's get
        `error`.
        """
        error = error or TransportError("the connection broke")
        self.up.fail(error)
        self.down.fail(error)

    def stall(self, stalled: bool = True) -> None:
        """Let nothing arrive any more, in silence; or let it arrive again."""
        for pipe in (self.up, self.down):
            pipe.stalled = stalled
            pipe.ring()


class MemoryAgentEnd:
    """A `ports.AgentEnd`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._closed = False

    async def send(self, message: ToMaster) -> None:
        """See `ports.Stream`."""
        self._refuse_if_closed()
        try:
            await self._link.up.put(codec.encode_to_master(message))
        except asyncio.CancelledError:
            self._link.cut()  # as with grpc
            raise

    async def receive(self) -> ToAgent | None:
        """See `ports.Stream`."""
        self._refuse_if_closed()
        try:
            data = await self._link.down.take()
        except asyncio.CancelledError:
            self._link.cut()  # as with grpc
            raise
        return None if data is None else codec.decode_to_agent(data)

    async def close(self) -> None:
        """See `ports.Stream`."""
        self._closed = True
        self._link.up.end()
        self._link.down.fail(TransportError("the stream was closed on this side"))

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise TransportError("the stream was closed on this side")


class MemoryMasterEnd:
    """A `ports.MasterEnd`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._closed = False

    async def send(self, message: ToAgent) -> None:
        """See `ports.Stream`."""
        self._refuse_if_closed()
        try:
            await self._link.down.put(codec.encode_to_agent(message))
        except asyncio.CancelledError:
            self._link.cut()
            raise

    async def receive(self) -> ToMaster | None:
        """See `ports.Stream`."""
        self._refuse_if_closed()
        try:
            data = await self._link.up.take()
        except asyncio.CancelledError:
            # As with grpc: what is said in the other direction still arrives.
            self._link.up.fail(TransportError("the connection broke"))
            raise
        return None if data is None else codec.decode_to_master(data)

    async def close(self) -> None:
        """See `ports.Stream`."""
        self._closed = True

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise TransportError("the stream was closed on this side")


@dataclass(frozen=True)
class _Site:
    """A master that can be dialed."""

    member: Member
    handler: FollowHandler
    lookup: Lookup
    shows: Callable[[], Collection[MemberKeys]] | None

    def has(self, keys: MemberKeys | None) -> bool:
        """Does it show itself with these?"""
        return keys in (self.shows() if self.shows else [self.member.keys])


class Network:
    """Who can reach whom. Must be used inside one event loop."""

    def __init__(self, clock: Clock | None = None) -> None:
        """`clock` is needed for delays only."""
        self.delay = 0.0
        self._clock = clock
        self._sites: dict[tuple[str, int], _Site] = {}
        self._links: dict[tuple[int, int], Link] = {}
        self._serving: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._parted: set[frozenset[int]] = set()
        self._stalled: set[frozenset[int]] = set()

    def serve(
        self,
        member: Member,
        handler: FollowHandler,
        lookup: Lookup,
        shows: Callable[[], Collection[MemberKeys]] | None = None,
    ) -> None:
        """Let `member` be reached as a master; `lookup` is its membership of each moment, `shows`
        the keys that it has at each moment, where these change.
        """
        self._sites[member.address, member.port] = _Site(member, handler, lookup, shows)

    async def stop(self, member: Member) -> None:
        """The master `member` is gone; its streams break."""
        self._sites.pop((member.address, member.port), None)
        for pair in [pair for pair in self._links if pair[1] == member.cid]:
            if link := self._links.get(pair):  # it may have ended while another one was ended
                await self._end(pair, link, "the master stops")

    def dialer(self, caller: Member) -> "MemoryDialer":
        """How the node `caller` dials; its certificate is that of its `keys`."""
        return MemoryDialer(self, caller)

    def part(self, one: int, other: int) -> None:
        """Break the links between two nodes and let no new one come up."""
        self._parted.add(frozenset((one, other)))
        for pair, link in self._links.items():
            if set(pair) == {one, other}:
                link.cut()

    def stall(self, one: int, other: int) -> None:
        """Let nothing arrive between two nodes, without telling them."""
        self._stalled.add(frozenset((one, other)))
        self._apply_stalls()

    def heal(self, one: int, other: int) -> None:
        """Undo `part` and `stall`."""
        self._parted.discard(frozenset((one, other)))
        self._stalled.discard(frozenset((one, other)))
        self._apply_stalls()

    def is_parted(self, one: int, other: int) -> bool:
        """Can nothing pass between them?"""
        return frozenset((one, other)) in self._parted

    def is_stalled(self, one: int, other: int) -> bool:
        """Does nothing arrive between them, in silence?"""
        return frozenset((one, other)) in self._stalled

    def drop(self, cid: int) -> None:
        """A node has lost its power: all its links break."""
        for pair, link in self._links.items():
            if cid in pair:
                link.cut()

    def cut(self, master: int, cid: int) -> None:
        """The master cuts the stream of a removed member."""
        if link := self._links.get((cid, master)):
            link.cut(NotAllowedError("this node was removed from the cluster"))

    def cut_unknown(
        self, master: int, lookup: Lookup, notice: Callable[[MemberKeys], bytes | None]
    ) -> None:
        """As the server does when its membership has changed."""
        for (_, other), link in self._links.items():
            keys = link.caller.keys if other == master and link.caller else None
            if keys is None or lookup(keys.fingerprint) is not None:
                continue
            word = notice(keys)
            link.cut(
                TransportError("has other keys now, and comes again with them")
                if word == b""
                else RemovedError("this node was removed from the cluster", notice=word or b"")
            )

    def connected(self, master: int) -> frozenset[int]:
        """The cids with an open stream to `master`."""
        return frozenset(cid for cid, other in self._links if other == master)

    async def connect(self, caller: Member, master: Member) -> AgentEnd:
        """See `MemoryDialer.dial`."""
        site = self._sites.get((master.address, master.port))
        if frozenset((caller.cid, master.cid)) in self._parted or site is None:
            raise TransportError("cannot be reached", where=master.label)
        if not site.has(master.keys):
            raise TransportError("shows another certificate", where=master.label)
        member = site.lookup(caller.keys.fingerprint) if caller.keys else None
        if member is None:
            raise NotAllowedError("this certificate is not one of a member of the cluster")
        pair = (member.cid, site.member.cid)
        if older := self._links.get(pair):
            await self._end(pair, older, "replaced by a newer stream of the same node")
        link = self._links[pair] = Link(self._clock, self.delay)
        link.caller = member
        self._apply_stalls()
        self._serving[pair] = asyncio.ensure_future(self._serve(site.handler, member, link, pair))
        return link.agent

    async def _serve(
        self, handler: FollowHandler, member: Member, link: Link, pair: tuple[int, int]
    ) -> None:
        try:
            await handler.follow(member, link.master)
        except PmgsyncError as error:
            code, line = status_of(error)
            link.cut(family_of(code, line, member.label))
        finally:
            link.down.end()
            link.up.fail(TransportError("the master has ended the stream"))
            if self._links.get(pair) is link:
                del self._links[pair]

    async def _end(self, pair: tuple[int, int], link: Link, why: str) -> None:
        link.cut(TransportError(why))
        serving = self._serving[pair]
        # As the server does: a handler that does not notice is cancelled.
        _, slow = await asyncio.wait({serving}, timeout=SETTLE_SECONDS)
        if slow:
            serving.cancel()
            await asyncio.wait({serving})

    def _apply_stalls(self) -> None:
        for pair, link in self._links.items():
            link.stall(frozenset(pair) in self._stalled)


class MemoryDialer:
    """A `ports.Dialer`."""

    def __init__(self, network: Network, caller: Member) -> None:
        self._network = network
        self._caller = caller

    async def dial(self, master: Member) -> AgentEnd:
        """See `ports.Dialer`."""
        return await self._network.connect(self._caller, master)
