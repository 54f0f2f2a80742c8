"""An agent's side of the network: a stream to the master, on a connection of its own.

Each dial is a new channel with one call on it: nothing is retried or resumed below, so that what
the agent sees is what happened, and trust is that of the membership it dials with.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import grpc
from grpc import StatusCode

from pmgsync.errors import PmgsyncError, TransportError
from pmgsync.model.membership import Member, MemberKeys
from pmgsync.model.messages import ToAgent, ToMaster
from pmgsync.ports import AgentEnd
from pmgsync.wire.audience import FOLLOW
from pmgsync.wire.codec import GOODBYE, decode_to_agent, encode_to_master
from pmgsync.wire.refusals import (
    MEND,
    error_of,
    family_of,
    is_being_cancelled,
    may_know_another,
)
from pmgsync.wire.tls import (
    Shown,
    TlsIdentity,
    client_credentials,
    client_options,
    shown,
    target_of,
)

DIAL_SECONDS = 5.0
GOODBYE_SECONDS = 0.5

StreamCall = grpc.aio.StreamStreamCall[bytes, bytes]


T = TypeVar("T")


async def in_turn(identities: Shown, attempt: Callable[[TlsIdentity], Awaitable[T]]) -> T:
    """`attempt` with what counts; where the other end does not know that, with what it may know."""
    *others, last = shown(identities)
    for identity in others:
        try:
            return await attempt(identity)
        except TransportError as error:
            if not may_know_another(error):
                raise
    return await attempt(last)


class GrpcDialer:
    """A `ports.Dialer`: shows `identity`, believes only the certificate of the member it dials."""

    def __init__(
        self, identity: Shown, *, seconds: float = DIAL_SECONDS, method: str = FOLLOW
    ) -> None:
        """`seconds`: how long a dial may take. `method`: the call that makes the stream."""
        self._identity = identity
        self._seconds = seconds
        self._method = method

    async def dial(self, master: Member) -> AgentEnd:
        """See `ports.Dialer`; returns when the master has let this node in."""
        if master.keys is None:
            raise TransportError(
                "has not joined yet, so nobody can tell who answers", where=master.label
            )
        return await in_turn(self._identity, partial(self._dial, master, master.keys))

    async def _dial(self, master: Member, keys: MemberKeys, identity: TlsIdentity) -> AgentEnd:
        where = f"{master.label} at {target_of(master.address, master.port)}"
        channel = grpc.aio.secure_channel(
            target_of(master.address, master.port),
            client_credentials(keys.certificate, identity),
            options=client_options(),
        )
        stream = ClientStream(channel, channel.stream_stream(self._method)(), where)
        try:
            await stream.opened(self._seconds)
        except BaseException:
            await stream.abandon()
            raise
        return stream


class ClientStream:
    """A `ports.AgentEnd`. Reads and writes go straight to the call; nothing is queued here."""

    def __init__(self, channel: grpc.aio.Channel, call: StreamCall, where: str) -> None:
        self._channel = channel
        self._call = call
        self._where = where
        self._sending = asyncio.Lock()  # a call takes one write at a time
        self._closed = False

    async def opened(self, seconds: float) -> None:
        """Return when the master has let this node in; `TransportError`, `NotAllowedError`
        otherwise.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._call.initial_metadata()
                if self._call.done():
                    raise await self._ended()
        except TimeoutError:
            what = f"timed out: no answer in {seconds:g} s"
            raise TransportError(what, where=self._where, mend=MEND) from None
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            raise await self._ended() from None
        except grpc.aio.AioRpcError as error:
            raise error_of(error, self._where) from None

    async def send(self, message: ToMaster) -> None:
        """See `ports.Stream`."""
        data = encode_to_master(message)
        async with self._sending:
            if self._closed:
                raise await self._ended()
            await self._put(data)

    async def receive(self) -> ToAgent | None:
        """See `ports.Stream`."""
        if self._closed:
            raise await self._ended()
        try:
            data = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise error_of(error, self._where) from None
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            raise await self._ended() from None
        if self._closed:
            raise await self._ended()
        return decode_to_agent(data) if isinstance(data, bytes) else None

    async def close(self) -> None:
        """See `ports.Stream`; never takes longer than half a second."""
        if self._closed:
            return
        self._closed = True
        try:
            with suppress(PmgsyncError, TimeoutError, grpc.aio.BaseError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._say_goodbye()
        finally:
            await self.abandon()

    async def abandon(self) -> None:
        """End it without a word."""
        self._closed = True
        self._call.cancel()
        await self._channel.close()

    async def _say_goodbye(self) -> None:
        async with self._sending:
            await self._put(GOODBYE)
        await self._call.done_writing()
        await self._call.code()  # else the cancelling that follows might overtake the goodbye

    async def _put(self, data: bytes) -> None:
        try:
            await self._call.write(data)
        except grpc.aio.AioRpcError as error:
            raise error_of(error, self._where) from None
        except asyncio.InvalidStateError:  # the call is over; its status says why
            raise await self._ended() from None
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            raise await self._ended() from None

    async def _ended(self) -> PmgsyncError:
        if self._closed or not self._call.done():
            return TransportError("the stream was closed on this side", where=self._where)
        code = await self._call.code()
        if code is StatusCode.OK:
            return TransportError("the master has ended the stream", where=self._where)
        details, trailing = await self._call.details(), await self._call.trailing_metadata()
        return family_of(code, details or "", self._where, trailing)
