"""What the network in memory can do besides the contract: part, stall, delay, stop."""

import asyncio
from dataclasses import replace

import pytest

from pmgsync.errors import NotAllowedError, TransportError
from pmgsync.model.messages import Beat, Pulse
from pmgsync.ports import AgentEnd, MasterEnd
from tests.sim.clock import FakeClock
from tests.sim.network import WINDOW, Network
from tests.wire.nodes import Visitors, make_node, run, soon

MASTER, NODE = make_node(1, "master"), make_node(2, "node2")


def site(clock: FakeClock | None = None) -> tuple[Network, Visitors]:
    network, visitors = Network(clock), Visitors()
    network.serve(MASTER.member, visitors, {NODE.fingerprint: NODE.member}.get)
    return network, visitors


async def connect(network: Network, visitors: Visitors) -> tuple[AgentEnd, MasterEnd]:
    agent = await network.dialer(NODE.member).dial(MASTER.member)
    return agent, (await visitors.next())[1]


def test_parted_nodes_cannot_dial_until_they_are_healed() -> None:
    async def main() -> None:
        network, visitors = site()
        agent, _ = await connect(network, visitors)
        network.part(1, 2)
        with pytest.raises(TransportError):
            await agent.receive()
        with pytest.raises(TransportError, match="cannot be reached"):
            await network.dialer(NODE.member).dial(MASTER.member)
        network.heal(1, 2)
        visitors.let_go()
        agent, end = await connect(network, visitors)
        await agent.send(Pulse())
        assert await end.receive() == Pulse()

    run(main())


def test_what_is_stalled_arrives_after_healing_and_nothing_is_lost() -> None:
    async def main() -> None:
        network, visitors = site()
        agent, end = await connect(network, visitors)
        network.stall(1, 2)
        await agent.send(Pulse(True))
        receiving = asyncio.ensure_future(end.receive())
        await asyncio.sleep(0.01)
        assert not receiving.done()
        network.heal(1, 2)
        assert await soon(receiving) == Pulse(True)

    run(main())


def test_a_stalled_link_takes_only_so_much() -> None:
    async def main() -> None:
        network, visitors = site()
        agent, _ = await connect(network, visitors)
        network.stall(1, 2)
        sends = [asyncio.ensure_future(agent.send(Pulse())) for _ in range(WINDOW + 5)]
        await asyncio.sleep(0.01)
        assert [send.done() for send in sends] == [True] * WINDOW + [False] * 5
        network.part(1, 2)
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert sum(isinstance(result, TransportError) for result in results) == 5

    run(main())


def test_a_message_takes_the_delay_and_many_do_not_add_up() -> None:
    async def main() -> None:
        clock = FakeClock()
        network, visitors = site(clock)
        network.delay = 0.5
        agent, end = await connect(network, visitors)
        for _ in range(5):
            await agent.send(Pulse())

        async def receive_all() -> None:
            for _ in range(5):
                await end.receive()

        receiving = asyncio.ensure_future(receive_all())
        await clock.advance(0.49)
        assert not receiving.done()
        await clock.advance(0.02)
        await soon(receiving)
        await end.send(Beat(b""))
        answer = asyncio.ensure_future(agent.receive())
        await clock.advance(0.5)
        assert await soon(answer) == Beat(b"")

    run(main())


def test_a_master_that_stops_cannot_be_dialed() -> None:
    async def main() -> None:
        network, visitors = site()
        agent, _ = await connect(network, visitors)
        assert network.connected(1) == {2}
        await network.stop(MASTER.member)
        assert network.connected(1) == frozenset()
        with pytest.raises(TransportError, match="the master stops"):
            await agent.receive()
        with pytest.raises(TransportError, match="cannot be reached"):
            await network.dialer(NODE.member).dial(MASTER.member)

    run(main())


def test_strangers_and_impostors_are_refused() -> None:
    async def main() -> None:
        network, _ = site()
        with pytest.raises(NotAllowedError):
            await network.dialer(make_node(2, "node2").member).dial(MASTER.member)
        with pytest.raises(NotAllowedError):
            await network.dialer(replace(NODE.member, keys=None)).dial(MASTER.member)
        with pytest.raises(TransportError, match="another certificate"):
            await network.dialer(NODE.member).dial(make_node(1, "master").member)

    run(main())
