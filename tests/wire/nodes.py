"""Nodes, a master over real TLS sockets, and a relay that can break, for the tests here."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pmgsync.errors import NotAllowedError
from pmgsync.join_ports import FiledPetition, JoinAttempt, JoinHandler, MemberRequests
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest
from pmgsync.model.membership import Member, MemberKeys
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.ports import FollowHandler, MasterEnd
from pmgsync.wire.certificates import make_certificate, to_der
from pmgsync.wire.server import Listen, MemberServer
from pmgsync.wire.tls import TlsIdentity

LOOPBACK = "127.0.0.1"

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], seconds: float = 20.0) -> T:
    """`asyncio.run` that never hangs."""
    return asyncio.run(asyncio.wait_for(main, seconds))


async def soon(what: Awaitable[T], seconds: float = 1.0) -> T:
    """What must come within a second."""
    return await asyncio.wait_for(what, seconds)


@dataclass(frozen=True)
class Node:
    """A machine with its identity, and itself as a member."""

    identity: TlsIdentity
    member: Member

    @property
    def fingerprint(self) -> Digest:
        assert self.member.keys is not None
        return self.member.keys.fingerprint

    @property
    def certificate(self) -> bytes:
        assert self.member.keys is not None
        return self.member.keys.certificate

    def at(self, address: str, port: int) -> Member:
        """The member as reached there."""
        return replace(self.member, address=address, port=port)


def make_node(cid: int, name: str, address: str = LOOPBACK) -> Node:
    """A node with new keys."""
    key, certificate = make_certificate(name, int(time.time() * 1000))
    return node_of(cid, name, TlsIdentity(key, certificate), address)


def node_of(cid: int, name: str, identity: TlsIdentity, address: str = LOOPBACK) -> Node:
    keys = MemberKeys(SigningKey.generate().public_key, to_der(identity.certificate))
    return Node(identity, Member(cid, name, address, 26, PmgKeys("", "", ""), keys))


class Visitors:
    """A `FollowHandler` that hands the master's ends to a test, and holds them until released."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[tuple[Member, MasterEnd]] = asyncio.Queue()
        self.release = asyncio.Event()

    async def follow(self, member: Member, stream: MasterEnd) -> None:
        self._came.put_nowait((member, stream))
        await self.release.wait()

    def let_go(self) -> None:
        """Release those that are here, hold those that come."""
        self.release.set()
        self.release = asyncio.Event()

    async def next(self) -> tuple[Member, MasterEnd]:
        return await soon(self._came.get())


class Reading:
    """A `FollowHandler` that reads until the end."""

    async def follow(self, member: Member, stream: MasterEnd) -> None:
        while await stream.receive() is not None:
            pass


class NoJoining:
    """A `JoinHandler` for tests in which nobody joins."""

    def begin(self, token_id: str, node_nonce: bytes, peer: str) -> JoinAttempt:
        raise NotAllowedError("no such token, or it was used or ran out")

    def file(self, envelope: bytes, peer: str) -> FiledPetition:
        raise NotAllowedError("nobody joins without a token")


@dataclass
class Master:
    """A running server, its node, and the members it knows."""

    node: Node
    server: MemberServer
    members: dict[Digest, Member] = field(default_factory=dict)

    @property
    def address(self) -> Member:
        """The member to dial."""
        return self.node.at(LOOPBACK, self.server.member_port)

    def admit(self, *nodes: Node) -> None:
        self.members.update({node.fingerprint: node.member for node in nodes})
        self._changed()

    def remove(self, node: Node) -> None:
        del self.members[node.fingerprint]
        self._changed()

    def _changed(self) -> None:
        keys = [member.keys for member in self.members.values()]
        self.server.trust([known.certificate for known in keys if known])


@contextlib.asynccontextmanager
async def master(
    *members: Node,
    follow: FollowHandler | None = None,
    join: JoinHandler | None = None,
    requests: MemberRequests | None = None,
    join_seconds: float = 20.0,
) -> AsyncIterator[Master]:
    """A master over real sockets that knows `members`."""
    node = make_node(1, "master")
    known = {member.fingerprint: member.member for member in members}
    server = MemberServer(
        node.identity,
        lookup=lambda fingerprint: known.get(fingerprint),
        follow=follow or Visitors(),
        join=join or NoJoining(),
        requests=requests,
        certificates=[member.certificate for member in members],
        join_seconds=join_seconds,
    )
    await server.start(Listen(LOOPBACK, 0), Listen(LOOPBACK, 0, "join_port"))
    try:
        yield Master(node, server, known)
    finally:
        await server.stop(0.2)


class Relay:
    """A TCP relay on a port of its own, for links that break."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection(LOOPBACK, self._target)
        self._writers |= {writer, there}
        for source, sink in ((reader, there), (there_reader, writer)):
            task = asyncio.ensure_future(self._copy(source, sink))
            self._tasks.add(task)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                sink.write(data)
                await sink.drain()
        sink.close()
