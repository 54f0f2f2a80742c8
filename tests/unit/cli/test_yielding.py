"""A master that is asked to step down: what it finishes, when it refuses, and that it goes on."""

import asyncio

from pmgsync.cli.peering import YIELD_SECONDS
from pmgsync.model.changeset import Position
from pmgsync.model.membership import MemberKeys, Membership
from pmgsync.model.peers import Answer, Refusal, Standing, StepDown
from tests.sim.cluster import SimCluster
from tests.sim.virtual import run_virtually
from tests.unit.model.sample import STRANGER


async def begun(count: int = 3) -> SimCluster:
    cluster = SimCluster(count)
    await cluster.begin()
    await asyncio.sleep(2)
    return cluster


async def step_down(cluster: SimCluster, asking: int = 2, asked: int = 1) -> Answer:
    """What node `asked` answers when node `asking` is about to take over."""
    peering = cluster.nodes[asked].peering
    assert peering is not None
    return await peering.answer(cluster.nodes[asking].me, StepDown())


def test_it_publishes_what_was_edited_and_then_nothing_for_a_while() -> None:
    async def main() -> None:
        cluster = await begun()
        master = cluster.nodes[1]
        master.tree.put("etc/pmg/domains", b"in-flight.example 1\n")
        answer = await step_down(cluster)
        assert isinstance(answer, Standing)
        assert answer.head == Position(1, 2)
        master.edit("domains", "too late")
        await asyncio.sleep(YIELD_SECONDS / 2)
        assert master.runs == Position(1, 2)
        await asyncio.sleep(YIELD_SECONDS)
        assert master.runs == Position(1, 3)
        await cluster.end()

    run_virtually(main())


def test_a_node_without_the_masters_key_tells_a_removed_member_from_one_with_other_keys() -> None:
    """It can sign no notice; but it does not say to who was removed that it comes again."""

    async def main() -> None:
        cluster = await begun()
        peering, chain = cluster.nodes[2].peering, cluster.nodes[2].chain
        assert peering is not None
        known = Membership.from_bytes(chain[-1].payload).member(3).keys
        assert known is not None
        assert peering.notice(known) == b""
        assert peering.notice(MemberKeys(STRANGER.public_key, b"never seen")) is None
        await cluster.end()

    run_virtually(main())


def test_asked_again_and_again_it_still_goes_on_in_the_end() -> None:
    async def main() -> None:
        cluster = await begun()
        for asking in (2, 3, 2, 2):
            assert isinstance(await step_down(cluster, asking), Standing)
            await asyncio.sleep(1)
        cluster.nodes[1].edit("domains", "after-all.example 1")
        await asyncio.sleep(2 * YIELD_SECONDS)
        assert cluster.nodes[1].runs == Position(1, 2)
        master = cluster.nodes[1].master
        assert master is not None
        assert master.role.holds == ()
        await cluster.end()

    run_virtually(main())


def test_while_somebody_holds_it_does_not_hand_over() -> None:
    async def main() -> None:
        cluster = await begun()
        master = cluster.nodes[1].master
        assert master is not None
        hold = master.role.hold("`pmgsync run`", durable=False)
        answer = await step_down(cluster)
        assert isinstance(answer, Refusal)
        assert answer.why.startswith("is on hold by `pmgsync run`")
        await master.role.end_hold(hold)
        assert isinstance(await step_down(cluster), Standing)
        await cluster.end()

    run_virtually(main())


def test_a_change_that_waits_for_confirm_is_not_left_behind() -> None:
    async def main() -> None:
        cluster = await begun()
        cluster.nodes[1].tree.drop("etc/pmg/pmg.conf")
        answer = await step_down(cluster)
        assert isinstance(answer, Refusal)
        assert "version 2 is held" in answer.why
        await cluster.end()

    run_virtually(main())


def test_a_node_that_is_not_the_master_has_nothing_to_hand_over() -> None:
    async def main() -> None:
        cluster = await begun()
        assert await step_down(cluster, asking=3, asked=2) == Refusal("is not the master")
        await cluster.end()

    run_virtually(main())
