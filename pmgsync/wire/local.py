"""A stream inside one process: how the master's own agent follows, by the same code as every other
one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from pmgsync.errors import TransportError
from pmgsync.model.membership import Member
from pmgsync.model.messages import ToAgent, ToMaster
from pmgsync.ports import AgentEnd, FollowHandler

Out = TypeVar("Out")
In = TypeVar("In")

_DEPTH = 64


class _Lane(Generic[In]):
    """One direction: messages in order, at most `_DEPTH` unread."""

    def __init__(self) -> None:
        self._unread: deque[In] = deque()
        self._ended = False
        self._left = False
        self._moved = asyncio.Event()

    async def put(self, message: In) -> None:
        """Add `message`, as soon as there is room; `TransportError` once either side has closed."""
        while len(self._unread) >= _DEPTH and not self._ended and not self._left:
            await self._moved.wait()
        if self._ended or self._left:
            raise TransportError("the stream is closed")
        self._unread.append(message)
        self._move()

    async def take(self) -> In | None:
        """The next message, None at the end; `TransportError` once this side has closed."""
        while not self._unread and not self._ended and not self._left:
            await self._moved.wait()
        if self._left:
            raise TransportError("the stream is closed")
        if not self._unread:
            return None
        message = self._unread.popleft()
        self._move()
        return message

    def end(self) -> None:
        """The writer closed: what was sent still arrives."""
        self._ended = True
        self._move()

    def leave(self) -> None:
        """The reader closed: nobody wants what was sent."""
        self._left = True
        self._move()

    def _move(self) -> None:
        """Let all who wait look again."""
        self._moved.set()
        self._moved = asyncio.Event()


class LocalStream(Generic[Out, In]):
    """One end of a pair."""

    def __init__(self, out: _Lane[Out], into: _Lane[In]) -> None:
        self._out = out
        self._in = into

    async def send(self, message: Out) -> None:
        """Hand over `message`; waits while the other end has too much unread."""
        await self._out.put(message)

    async def receive(self) -> In | None:
        """The next message; None once the other end closed."""
        return await self._in.take()

    async def close(self) -> None:
        """End it for both: who waits on either side is let go."""
        self._out.end()
        self._in.leave()


def stream_pair() -> tuple[LocalStream[ToMaster, ToAgent], LocalStream[ToAgent, ToMaster]]:
    """The agent's end and the master's end of one stream."""
    up: _Lane[ToMaster] = _Lane()
    down: _Lane[ToAgent] = _Lane()
    return LocalStream(up, down), LocalStream(down, up)


class LocalDialer:
    """Dials `handler` in this process for the member `me`, and nobody else: the agent beside a
    master has files that were edited here and that no other master knows of.
    """

    def __init__(
        self, me: int, handler: FollowHandler, spawn: Callable[[Awaitable[None]], None]
    ) -> None:
        self._me = me
        self._handler = handler
        self._spawn = spawn

    async def dial(self, master: Member) -> AgentEnd:
        """A stream to the master here; `TransportError` once another node is the master."""
        if master.cid != self._me:
            raise TransportError("this node is not the master any more, and becomes a node")
        agent_end, master_end = stream_pair()
        self._spawn(self._handler.follow(master, master_end))
        return agent_end
