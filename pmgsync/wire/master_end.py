"""The master's end of a follow stream, over a call that a member made."""

import asyncio
from typing import TYPE_CHECKING

import grpc

from pmgsync.errors import PmgsyncError, TransportError
from pmgsync.model.messages import Beat, Offer, ToAgent, ToMaster
from pmgsync.wire.codec import decode_to_master, encode_to_agent
from pmgsync.wire.refusals import is_being_cancelled

if TYPE_CHECKING:
    StreamContext = grpc.aio.ServicerContext[bytes, bytes]
else:
    StreamContext = grpc.aio.ServicerContext


class SameForAll:
    """The bytes of what goes to every node, made once. One for all streams of a server."""

    def __init__(self) -> None:
        self._last: tuple[ToAgent, bytes] | None = None

    def encode(self, message: ToAgent) -> bytes:
        """The bytes of `message`; those of the last offer or beat as they are."""
        if self._last is not None and self._last[0] is message:
            return self._last[1]
        data = encode_to_agent(message)
        if isinstance(message, Offer | Beat):
            self._last = message, data
        return data


class ServerStream:
    """A `ports.MasterEnd`. Reads and writes go straight to the call; nothing is queued here."""

    def __init__(self, context: StreamContext, who: str, encoded: SameForAll) -> None:
        self._context = context
        self._encoded = encoded
        self._who = who
        self._sending = asyncio.Lock()  # a call takes one write at a time
        self._over: PmgsyncError | None = None
        self._goodbye = False

    def fail(self, error: PmgsyncError) -> None:
        """The stream is over because of `error`; the first one counts."""
        self._over = self._over or error

    async def send(self, message: ToAgent) -> None:
        """See `ports.Stream`."""
        data = self._encoded.encode(message)
        async with self._sending:
            if self._over is not None:
                raise self._over
            try:
                await self._context.write(data)
            except grpc.aio.BaseError:
                raise self._broken() from None
            except asyncio.CancelledError:
                if is_being_cancelled():
                    raise
                raise self._broken() from None

    async def receive(self) -> ToMaster | None:
        """See `ports.Stream`."""
        if self._goodbye:
            return None
        if self._over is not None:
            raise self._over
        try:
            data = await self._context.read()
        except grpc.aio.BaseError:
            raise self._broken() from None
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            raise self._broken() from None
        if not isinstance(data, bytes):  # EOF: without a goodbye, the agent did not mean it
            raise self._broken()
        message = decode_to_master(data)
        self._goodbye = message is None
        return message

    async def close(self) -> None:
        """No more is sent or received; the call ends when its handler returns."""
        self.fail(TransportError("the stream was closed on this side", where=self._who))

    def _broken(self) -> PmgsyncError:
        self.fail(TransportError("the connection broke", where=self._who))
        assert self._over is not None  # noqa: S101
        return self._over
