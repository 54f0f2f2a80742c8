"""What `ports.Stream` promises, on the double in memory and on grpc over TLS sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from pmgsync.errors import MalformedError, NotAllowedError, PeerError, TransportError
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.manifest import digest_of
from pmgsync.model.membership import Member
from pmgsync.model.messages import (
    BATCH_BYTES,
    PART_BYTES,
    Beat,
    Contents,
    Hello,
    Need,
    Offer,
    Part,
    Pulse,
    SignedReport,
    ToMaster,
    View,
)
from pmgsync.ports import AgentEnd, FollowHandler, MasterEnd
from pmgsync.wire.client import GrpcDialer
from tests.sim.network import Network
from tests.wire.nodes import Node, Relay, Visitors, make_node, master, run, soon

HELLO = Hello(NOWHERE, digest_of(b""), 1, 1, "test 1")


@dataclass(frozen=True)
class World:
    """One transport with a master and a node, whatever carries the messages."""

    dial: Callable[[], Awaitable[AgentEnd]]
    break_link: Callable[[], None]
    remove_node: Callable[[], None]


Transport = Callable[[FollowHandler], AbstractAsyncContextManager[World]]


@asynccontextmanager
async def memory(handler: FollowHandler) -> AsyncIterator[World]:
    network, here, there = Network(), make_node(1, "master"), make_node(2, "node2")
    members = {there.fingerprint: there.member}
    network.serve(here.member, handler, lambda fingerprint: members.get(fingerprint))

    def break_link() -> None:
        network.part(1, 2)
        network.heal(1, 2)

    def remove_node() -> None:
        members.clear()
        network.cut(1, 2)

    async def dial() -> AgentEnd:
        return await network.dialer(there.member).dial(here.member)

    yield World(dial, break_link, remove_node)
    await network.stop(here.member)


@asynccontextmanager
async def sockets(handler: FollowHandler) -> AsyncIterator[World]:
    node = make_node(2, "node2")
    open_streams: list[AgentEnd] = []
    async with master(node, follow=handler) as here, Relay(here.server.member_port) as relay:

        async def dial() -> AgentEnd:
            stream = await GrpcDialer(node.identity).dial(here.node.at("127.0.0.1", relay.port))
            open_streams.append(stream)
            return stream

        try:
            yield World(dial, relay.cut, lambda: here.remove(node))
        finally:
            for stream in open_streams:  # channels before their server
                await stream.close()


@pytest.fixture(params=[memory, sockets], ids=["memory", "sockets"])
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


@asynccontextmanager
async def pair(transport: Transport) -> AsyncIterator[tuple[AgentEnd, MasterEnd, World, Visitors]]:
    """Both ends of one stream."""
    visitors = Visitors()
    async with transport(visitors) as world:
        agent = await world.dial()
        _, end = await visitors.next()
        try:
            yield agent, end, world, visitors
        finally:
            visitors.release.set()
            await agent.close()


def test_the_handler_is_told_who_calls(transport: Transport) -> None:
    async def main() -> None:
        visitors = Visitors()
        async with transport(visitors) as world:
            agent = await world.dial()
            member, _ = await visitors.next()
            assert (member.cid, member.name) == (2, "node2")
            visitors.release.set()
            await agent.close()

    run(main())


def test_messages_arrive_in_order_in_both_directions(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, _, _):

            async def talk() -> None:
                for number in range(300):
                    await agent.send(SignedReport(b"%d" % number))

            async def answer() -> None:
                for number in range(300):
                    await end.send(Beat(b"%d" % number))

            tasks = [asyncio.ensure_future(talk()), asyncio.ensure_future(answer())]
            heard = [await soon(end.receive()) for _ in range(300)]
            answers = [await soon(agent.receive()) for _ in range(300)]
            await asyncio.gather(*tasks)
            assert heard == [SignedReport(b"%d" % number) for number in range(300)]
            assert answers == [Beat(b"%d" % number) for number in range(300)]

    run(main())


def test_every_kind_of_message_arrives_as_it_was(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, _, _):
            words: list[ToMaster] = [HELLO, Need((digest_of(b"a"), digest_of(b"b"))), Pulse(True)]
            for word in words:
                await agent.send(word)
                assert await soon(end.receive()) == word
            offer = Offer(b"envelope", (Part(digest_of(b"a"), 1, 0, b"a"),))
            await end.send(offer)
            assert await soon(agent.receive()) == offer

    run(main())


def test_many_tasks_may_send_at_once(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, _, _):
            sends = [asyncio.ensure_future(agent.send(SignedReport(b"%d" % n))) for n in range(50)]
            heard = {await soon(end.receive()) for _ in range(50)}
            await asyncio.gather(*sends)
            assert heard == {SignedReport(b"%d" % n) for n in range(50)}

    run(main())


def test_a_receiver_that_does_not_read_holds_the_sender_up(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, _, _):
            sent = 0

            async def flood() -> None:
                nonlocal sent
                for _ in range(200):
                    await end.send(View(bytes(PART_BYTES)))
                    sent += 1

            task = asyncio.ensure_future(flood())
            await asyncio.sleep(0.3)
            assert sent < 150, "52 MB were taken though nobody read"
            for _ in range(200):
                await soon(agent.receive())
            await task

    run(main())


def test_64_mib_pass_in_parts(transport: Transport) -> None:
    total = 64 << 20

    async def main() -> None:
        async with pair(transport) as (agent, end, _, _):

            async def serve() -> None:
                for offset in range(0, total, BATCH_BYTES):
                    places = range(offset, offset + BATCH_BYTES, PART_BYTES)
                    parts = [Part(digest_of(b""), total, at, bytes(PART_BYTES)) for at in places]
                    await end.send(Contents(tuple(parts)))

            task = asyncio.ensure_future(serve())
            got = 0
            while got < total:
                message = await soon(agent.receive(), 5)
                assert isinstance(message, Contents)
                got += sum(len(part.data) for part in message.parts)
            await task

    run(main(), 40)


def test_a_message_of_5_mib_is_refused_and_the_stream_goes_on(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, _, _):
            with pytest.raises(MalformedError, match="bytes in one message"):
                await agent.send(SignedReport(bytes(5 << 20)))
            with pytest.raises(MalformedError, match="bytes in one message"):
                await end.send(View(bytes(5 << 20)))
            await agent.send(Pulse())
            assert await soon(end.receive()) == Pulse()

    run(main())


def test_the_master_sees_the_agent_close_after_its_last_word(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, _, visitors):
            await agent.send(Pulse())
            closing = asyncio.ensure_future(agent.close())
            assert await soon(end.receive()) == Pulse()
            assert await soon(end.receive()) is None
            visitors.release.set()
            await soon(closing)

    run(main())


def test_the_agent_sees_the_master_end_after_its_last_word(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, _, visitors):
            await end.send(Beat(b"last"))
            visitors.release.set()
            assert await soon(agent.receive()) == Beat(b"last")
            assert await soon(agent.receive()) is None
            with pytest.raises(TransportError):
                await agent.send(Pulse())

    run(main())


def test_a_closed_end_is_closed(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, _, _, visitors):
            visitors.release.set()
            await soon(agent.close())
            await soon(agent.close())
            with pytest.raises(TransportError, match="closed on this side"):
                await agent.send(Pulse())
            with pytest.raises(TransportError, match="closed on this side"):
                await agent.receive()

    run(main())


def test_closing_takes_half_a_second_at_most_though_nobody_answers(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, _, _, _):
            await soon(agent.close(), 1)

    run(main())


def test_closing_wakes_the_task_that_receives(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, _, _, _):
            receiving = asyncio.ensure_future(agent.receive())
            await asyncio.sleep(0.01)
            await agent.close()
            with pytest.raises(TransportError):
                await soon(receiving)

    run(main())


def test_a_broken_connection_is_seen_by_both(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, world, _):
            there = asyncio.ensure_future(end.receive())
            here = asyncio.ensure_future(agent.receive())
            await asyncio.sleep(0.05)
            world.break_link()
            with pytest.raises(TransportError):
                await soon(here)
            with pytest.raises(TransportError):
                await soon(there)
            with pytest.raises(TransportError):
                await agent.send(Pulse())
            with pytest.raises(TransportError):
                await end.send(Beat(b""))

    run(main())


def test_after_a_break_a_new_dial_works(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, _, world, visitors):
            world.break_link()
            with pytest.raises(TransportError):
                await soon(agent.receive())
            visitors.let_go()
            again = await world.dial()
            _, end = await visitors.next()
            await again.send(HELLO)
            assert await soon(end.receive()) == HELLO
            visitors.release.set()
            await again.close()

    run(main())


def test_a_removed_member_is_cut_and_kept_out(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, world, _):
            receiving = asyncio.ensure_future(agent.receive())
            await asyncio.sleep(0.01)
            world.remove_node()
            with pytest.raises(NotAllowedError, match="removed from the cluster"):
                await soon(receiving)
            with pytest.raises(NotAllowedError):
                await soon(end.receive())
            with pytest.raises((NotAllowedError, TransportError)):
                await soon(world.dial())

    run(main())


def test_a_newer_stream_of_a_member_replaces_the_older(transport: Transport) -> None:
    async def main() -> None:
        seen: asyncio.Queue[MasterEnd] = asyncio.Queue()
        open_now = 0

        class Counting:
            async def follow(self, member: Member, stream: MasterEnd) -> None:
                nonlocal open_now
                open_now += 1
                assert open_now == 1
                seen.put_nowait(stream)
                try:
                    while await stream.receive() is not None:
                        pass
                finally:
                    open_now -= 1

        async with transport(Counting()) as world:
            older = await world.dial()
            await soon(seen.get())
            newer = await world.dial()
            end = await soon(seen.get())
            with pytest.raises(TransportError, match="replaced by a newer stream"):
                await soon(older.receive())
            await end.send(Beat(b"to the newer"))
            assert await soon(newer.receive()) == Beat(b"to the newer")
            await older.close()
            await newer.close()

    run(main())


def test_the_error_of_a_handler_reaches_the_agent_as_its_family(transport: Transport) -> None:
    class Refusing:
        async def follow(self, member: Member, stream: MasterEnd) -> None:
            await stream.receive()
            raise MalformedError("what you say is\nnonsense", where=member.label)

    async def main() -> None:
        async with transport(Refusing()) as world:
            agent = await world.dial()
            await agent.send(HELLO)
            with pytest.raises(PeerError, match=r"node2\(2\): what you say is nonsense"):
                await soon(agent.receive())
            await agent.close()

    run(main())


def test_a_cancelled_receive_ends_the_stream(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, end, _, _):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(agent.receive(), 0.05)
            with pytest.raises(TransportError):
                await soon(end.receive())
            with pytest.raises(TransportError):
                await agent.receive()

    run(main())


def test_positions_have_a_range(transport: Transport) -> None:
    async def main() -> None:
        async with pair(transport) as (agent, _, _, _):
            with pytest.raises(MalformedError, match="is not within"):
                await agent.send(Hello(Position(1, 2**60), digest_of(b""), 1, 1, "test"))

    run(main())


def test_nobody_at_the_address(transport: Transport) -> None:
    async def main() -> None:
        node: Node = make_node(2, "node2")
        elsewhere = make_node(1, "master").at("127.0.0.1", 9)
        with pytest.raises(TransportError):
            await soon(GrpcDialer(node.identity).dial(elsewhere), 3)
        with pytest.raises(TransportError):
            await soon(Network().dialer(node.member).dial(elsewhere), 3)

    run(main())
