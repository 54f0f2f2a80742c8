"""A stream inside one process: how the master's own agent follows, by the same code as every other
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from pmgsync.errors import TransportError
from pmgsync.model.membership import Member
from pmgsync.model.messages import ToAgent, ToMaster
from pmgsync.ports import AgentEnd, Dialer, FollowHandler

Out = TypeVar("Out")
In = TypeVar("In")

_DEPTH = 64


class LocalStream(Generic[Out, In]):
    """One end of a pair of bounded queues; None in a queue says that the other end closed."""

    def __init__(self, out: asyncio.Queue[Out | None], into: asyncio.Queue[In | None]) -> None:
        self._out = out
        self._in = into
        self._closed = False

    async def send(self, message: Out) -> None:
        """Hand over `message`; waits while the other end has too much unread."""
        if self._closed:
            raise TransportError("the stream is closed")
        await self._out.put(message)

    async def receive(self) -> In | None:
        """The next message; None once the other end closed."""
        if self._closed:
            raise TransportError("the stream is closed")
        return await self._in.get()

    async def close(self) -> None:
        """Tell the other end; what it has not read by then is dropped if its queue is full."""
        if not self._closed:
            self._closed = True
            if self._out.full():
                self._out.get_nowait()
            self._out.put_nowait(None)


def stream_pair() -> tuple[LocalStream[ToMaster, ToAgent], LocalStream[ToAgent, ToMaster]]:
    """The agent's end and the master's end of one stream."""
    up: asyncio.Queue[ToMaster | None] = asyncio.Queue(_DEPTH)
    down: asyncio.Queue[ToAgent | None] = asyncio.Queue(_DEPTH)
    return LocalStream(up, down), LocalStream(down, up)


class LocalDialer:
    """Dials `handler` in this process for the member `me`, and `elsewhere` for any other."""

    def __init__(
        self,
        me: int,
        handler: FollowHandler,
        elsewhere: Dialer,
        spawn: Callable[[Awaitable[None]], None],
    ) -> None:
        self._me = me
        self._handler = handler
        self._elsewhere = elsewhere
        self._spawn = spawn

    async def dial(self, master: Member) -> AgentEnd:
        """A stream to the master, here or elsewhere."""
        if master.cid != self._me:
            return await self._elsewhere.dial(master)
        agent_end, master_end = stream_pair()
        self._spawn(self._handler.follow(master, master_end))
        return agent_end
