"""What attackers say: streams with stolen keys, calls without any, exchanges that go wrong."""

import asyncio
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import grpc

from pmgsync.errors import PmgsyncError
from pmgsync.join_ports import FiledPetition, JoinAttempt
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.joining import NONCE_BYTES, Exchange, Token
from pmgsync.model.manifest import Manifest
from pmgsync.model.membership import Member
from pmgsync.model.messages import Hello, ToAgent
from pmgsync.ports import AgentEnd, MasterEnd
from pmgsync.wire.audience import JOIN
from pmgsync.wire.client import GrpcDialer
from pmgsync.wire.server import Listen, MemberServer
from pmgsync.wire.tls import TlsIdentity, client_credentials, client_options, target_of
from pmgsync.wire.v1 import join_pb2 as pb

JOIN_PORT = 7644
SECONDS = 10.0

Call = grpc.aio.StreamStreamCall[bytes, bytes]


async def a_stream(master: Member, identity: TlsIdentity) -> AgentEnd:
    """A follow stream that has said hello, as a node that has nothing yet."""
    stream = await asyncio.wait_for(GrpcDialer(identity).dial(master), SECONDS)
    await stream.send(Hello(NOWHERE, Manifest().digest, 1, 1, "attack"))
    return stream


async def all_that_comes(stream: AgentEnd) -> tuple[list[ToAgent], PmgsyncError | None]:
    """Read to the end of the stream: what came, and how it ended."""
    came: list[ToAgent] = []
    try:
        while (message := await asyncio.wait_for(stream.receive(), SECONDS)) is not None:
            came.append(message)
    except PmgsyncError as error:
        return came, error
    return came, None


@asynccontextmanager
async def a_channel(
    address: str, port: int, server: bytes, identity: TlsIdentity | None
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to whoever shows the certificate `server`, without our client's manners."""
    credentials = client_credentials(server, identity)
    async with grpc.aio.secure_channel(
        target_of(address, port), credentials, options=client_options()
    ) as channel:
        yield channel


async def code_of(channel: grpc.aio.Channel, method: str, *said: bytes) -> grpc.StatusCode:
    """How a call of `method` ends that says this."""
    call: Call = channel.stream_stream(method)()
    with suppress(grpc.aio.AioRpcError, grpc.aio.BaseError, asyncio.InvalidStateError):
        for message in said:
            await call.write(message)
        await call.done_writing()
    return await asyncio.wait_for(call.code(), SECONDS)


class JoinTalk:
    """A join exchange, message by message."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._call: Call = channel.stream_stream(JOIN)()
        self.nonce = secrets.token_bytes(NONCE_BYTES)

    async def open(self, token: Token, nonce: bytes | None = None) -> Exchange:
        """The opening; what the master's challenge makes of it. Raises what grpc says."""
        self.nonce = nonce or self.nonce
        opening = pb.Opening(token_id=token.token_id, node_nonce=self.nonce)
        await self._write(pb.ToJoinMaster(opening=opening))
        data = await asyncio.wait_for(self._call.read(), SECONDS)
        if not isinstance(data, bytes):
            await self.refused()
        challenge = pb.ToJoinNode.FromString(data).challenge  # type: ignore[arg-type]
        return Exchange(token.secret, self.nonce, challenge.master_nonce)

    async def ask(self, envelope: bytes, proof: bytes) -> grpc.StatusCode:
        """The request; how the call ends."""
        await self._write(pb.ToJoinMaster(request=pb.Request(envelope=envelope, proof=proof)))
        with suppress(grpc.aio.AioRpcError):
            while isinstance(await asyncio.wait_for(self._call.read(), SECONDS), bytes):
                pass
        return await asyncio.wait_for(self._call.code(), SECONDS)

    async def refused(self) -> None:
        """Raise how it ended."""
        code, line = await self._call.code(), await self._call.details()
        raise PermissionError(code, line)

    async def _write(self, message: pb.ToJoinMaster) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._call.write(message.SerializeToString())


class Liar:
    """A master that says these messages, and lets nobody in."""

    def __init__(self, messages: Sequence[ToAgent] = ()) -> None:
        self._messages = messages
        self.followers: list[Member] = []

    async def follow(self, member: Member, stream: MasterEnd) -> None:
        """See `FollowHandler`."""
        self.followers.append(member)
        await stream.receive()
        for message in self._messages:
            await stream.send(message)
        with suppress(PmgsyncError):
            while await stream.receive() is not None:
                pass

    def begin(self, token_id: str, node_nonce: bytes, peer: str) -> JoinAttempt:
        """See `JoinHandler`."""
        raise AssertionError("nobody says a word to this one")

    def file(self, envelope: bytes, peer: str) -> FiledPetition:
        """See `JoinHandler`."""
        raise AssertionError("nobody says a word to this one")


@asynccontextmanager
async def in_the_place_of(
    address: str, identity: TlsIdentity, members: Sequence[Member], liar: Liar
) -> AsyncIterator[MemberServer]:
    """Serve where the master was, with these keys."""
    held = {m.keys.fingerprint: m for m in members if m.keys is not None}
    server = MemberServer(
        identity,
        lookup=held.get,
        follow=liar,
        join=liar,
        certificates=[m.keys.certificate for m in held.values() if m.keys is not None],
    )
    await server.start(Listen(address, 7643), Listen(address, JOIN_PORT))
    try:
        yield server
    finally:
        await server.stop(0.2)


def tls_version(address: str, port: int, version: ssl.TLSVersion) -> str:
    """Try to connect with exactly this version; which one came about, or how it was refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # else our own library would be the one that refuses
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    try:
        with (
            socket.create_connection((address, port), timeout=5) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            return wrapped.version() or "none"
    except OSError as error:
        return f"refused: {error}"
