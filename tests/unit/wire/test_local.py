"""The stream inside one process keeps the promises of `ports.Stream`."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from pmgsync.errors import TransportError
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.manifest import digest_of
from pmgsync.model.membership import Member
from pmgsync.model.messages import Beat, Hello, Pulse, Resync, ToMaster, View
from pmgsync.ports import MasterEnd
from pmgsync.wire.local import LocalDialer, stream_pair
from tests.sim.author import Author

HELLO = Hello(NOWHERE, digest_of(b""), 1, 1, "test")


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 10))

    return run


@in_loop
async def test_both_ways_in_order() -> None:
    agent, master = stream_pair()
    for message in (HELLO, Pulse(), Resync()):
        await agent.send(message)
    assert [await master.receive() for _ in range(3)] == [HELLO, Pulse(), Resync()]
    await master.send(Beat(b"1"))
    await master.send(View(b"2"))
    assert [await agent.receive(), await agent.receive()] == [Beat(b"1"), View(b"2")]


@in_loop
async def test_a_close_is_heard_after_what_was_said() -> None:
    agent, master = stream_pair()
    await master.send(Beat(b"last"))
    await master.close()
    await master.close()
    assert await agent.receive() == Beat(b"last")
    assert await agent.receive() is None
    assert await agent.receive() is None
    for end in (agent, master):
        with pytest.raises(TransportError):
            await end.send(Pulse())  # type: ignore[arg-type]


@in_loop
async def test_a_closed_end_takes_nothing() -> None:
    agent, _master = stream_pair()
    await agent.close()
    with pytest.raises(TransportError):
        await agent.send(Pulse())
    with pytest.raises(TransportError):
        await agent.receive()


@in_loop
async def test_who_waits_for_room_is_let_go_when_the_other_end_closes() -> None:
    agent, master = stream_pair()

    async def talk() -> None:
        while True:
            await agent.send(Pulse())

    talking = asyncio.create_task(talk())
    await asyncio.sleep(0.01)
    assert not talking.done()
    await master.close()
    with pytest.raises(TransportError):
        await talking


@in_loop
async def test_who_waits_for_a_message_is_let_go_by_the_own_close() -> None:
    agent, _master = stream_pair()
    waiting = asyncio.create_task(agent.receive())
    await asyncio.sleep(0.01)
    await agent.close()
    with pytest.raises(TransportError):
        await waiting


@in_loop
async def test_closing_with_much_unread_blocks_nobody() -> None:
    agent, master = stream_pair()
    sent = 0
    try:
        while True:
            await asyncio.wait_for(agent.send(Pulse()), 0.01)
            sent += 1
    except TimeoutError:
        pass
    await agent.close()
    got = 0
    while await master.receive() is not None:
        got += 1
    assert got == sent


class Echo:
    async def follow(self, member: Member, stream: MasterEnd) -> None:
        message = await stream.receive()
        assert message is not None
        await stream.send(View(member.label.encode()))
        await stream.close()


@in_loop
async def test_the_master_here_is_dialed_here_and_no_other_at_all() -> None:
    tasks: list[asyncio.Future[None]] = []

    def spawn(work: Awaitable[None]) -> None:
        tasks.append(asyncio.ensure_future(work))

    one, two = Author().membership.members
    dialer = LocalDialer(1, Echo(), spawn)
    stream = await dialer.dial(one)
    word: ToMaster = HELLO
    await stream.send(word)
    assert await stream.receive() == View(b"node1(1)")
    assert await stream.receive() is None
    await asyncio.gather(*tasks)
    with pytest.raises(TransportError, match="not the master any more"):
        await dialer.dial(two)
