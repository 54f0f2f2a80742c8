"""What the network in memory can do besides the contract: part, stall, delay, stop."""

import asyncio
from dataclasses import replace

import pytest

from pmgsync.errors import NotAllowedError, TransportError
from pmgsync.model.messages import Beat, Pulse
from pmgsync.ports import AgentEnd, MasterEnd
from tests.sim.network import Network
from tests.wire.nodes import Visitors, make_node, run, soon


class SteppingClock:
    """A `ports.Clock` that jumps to whatever moment somebody waits for."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


MASTER, NODE = make_node(1, "master"), make_node(2, "node2")


def site(clock: SteppingClock | None = None) -> tuple[Network, Visitors]:
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
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                while True:
                    await agent.send(Pulse())

    run(main())


def test_a_message_takes_the_delay_and_many_do_not_add_up() -> None:
    async def main() -> None:
        clock = SteppingClock()
        network, visitors = site(clock)
        network.delay = 0.5
        agent, end = await connect(network, visitors)
        for _ in range(5):
            await agent.send(Pulse())
        for _ in range(5):
            await end.receive()
        assert clock.seconds == pytest.approx(0.5)
        await end.send(Beat(b""))
        assert await agent.receive() == Beat(b"")
        assert clock.seconds == pytest.approx(1.0)

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
