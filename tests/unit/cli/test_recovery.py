"""Promotions that are not everyday's: with the recovery key where the master refuses, and on the
master itself; promises that nobody made; a moment's questions to a new master and an old one.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pmgsync.agent.campaign import Way
from pmgsync.agent.voting import NOTE, ballot_in
from pmgsync.errors import NoMasterError, OperatorError
from pmgsync.model.ballot import NO_BALLOT, Ballot
from pmgsync.model.envelope import seal
from pmgsync.model.manifest import Manifest
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, Membership
from pmgsync.model.peers import Propose, Refusal, StepDown
from pmgsync.model.promotion import MOST_SKIPPED, promoted
from tests.sim.author import CLUSTER
from tests.sim.cluster import RECOVERY, SimCluster, SimNode
from tests.sim.virtual import run_virtually


def in_a_cluster(test: Callable[[SimCluster], Awaitable[None]]) -> Callable[[], None]:
    """Run `test` with three nodes, in virtual time."""

    async def main() -> None:
        cluster = SimCluster(3)
        await cluster.begin()
        await asyncio.sleep(2)
        await test(cluster)
        await cluster.end()

    def run() -> None:
        run_virtually(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def newest(node: SimNode) -> tuple[int, int]:
    """Epoch and master, as `node` has it on disk."""
    membership = Membership.from_bytes(node.chain[-1].payload)
    return membership.epoch, membership.master


@in_a_cluster
async def test_it_decides_where_the_master_refuses(cluster: SimCluster) -> None:
    master = cluster.nodes[1].master
    assert master is not None
    master.role.hold("`pmgsync run`", durable=False)
    with pytest.raises(NoMasterError, match="is on hold by `pmgsync run`"):
        await cluster.nodes[2].promote()
    won = await cluster.nodes[2].promote(RECOVERY)
    assert won.plan.way is Way.RECOVERY
    assert "does not hand over: is on hold by `pmgsync run`" in won.instead
    await asyncio.sleep(5)
    assert {newest(node) for node in cluster.nodes.values()} == {(2, 2)}
    assert cluster.is_level


@in_a_cluster
async def test_it_is_not_used_where_the_master_hands_over(cluster: SimCluster) -> None:
    won = await cluster.nodes[2].promote(RECOVERY)
    assert (won.plan.way, won.instead) == (Way.HANDOVER, "")
    assert not won.document.signers([RECOVERY.public_key])


@in_a_cluster
async def test_on_the_master_itself_it_begins_a_newer_epoch(cluster: SimCluster) -> None:
    with pytest.raises(OperatorError, match="this node is the master"):
        await cluster.nodes[1].promote()
    cluster.part({1})
    await asyncio.sleep(6)
    won = await cluster.nodes[1].promote(RECOVERY)
    assert won.plan.way is Way.RECOVERY
    assert newest(cluster.nodes[1]) == (101, 1)
    cluster.heal()
    await asyncio.sleep(5)
    assert {newest(node) for node in cluster.nodes.values()} == {(101, 1)}
    assert cluster.is_level


@in_a_cluster
async def test_of_two_masters_by_the_key_the_higher_epoch_stands(
    cluster: SimCluster,
) -> None:
    cluster.part({1})
    await asyncio.sleep(6)
    await cluster.nodes[1].promote(RECOVERY)
    await cluster.nodes[2].promote(RECOVERY)
    assert newest(cluster.nodes[1]) == (101, 1)
    assert newest(cluster.nodes[2]) == (2, 2)
    cluster.heal()
    await asyncio.sleep(5)
    assert {newest(node) for node in cluster.nodes.values()} == {(101, 1)}
    assert cluster.is_level
    await cluster.nodes[2].promote(RECOVERY)
    await asyncio.sleep(5)
    assert {newest(node) for node in cluster.nodes.values()} == {(102, 2)}
    assert cluster.is_level


@in_a_cluster
async def test_a_member_that_invents_promises_does_not_move_the_cluster_all_the_time(
    cluster: SimCluster,
) -> None:
    """Node 3 says at each hello that it has signed for an epoch far away."""
    liar, lie = cluster.nodes[3], Ballot(2**50, Manifest().digest, 3)
    await liar.crash()
    liar.store.write_note(NOTE, {"cluster": CLUSTER, "ballot": lie.to_json()})
    await liar.begin()
    await asyncio.sleep(60)
    began = len(cluster.nodes[1].chain) - 1
    assert 3 <= began <= 6  # after 0, 2, 6, 14, 30 and 62 seconds
    cluster.nodes[1].edit("domains", "still-works.example 1")
    await asyncio.sleep(2)
    assert cluster.nodes[2].text_of("domains") == "still-works.example 1"


@in_a_cluster
async def test_while_its_roles_change_a_new_master_signs_for_nobody(cluster: SimCluster) -> None:
    await cluster.nodes[2].promote()
    node, peering = cluster.nodes[2], cluster.nodes[2].peering
    assert node.master is not None
    assert peering is not None
    node.master = None  # as in the moment before its role begins
    node.require_agent().link.trouble = "not connected yet"
    assert peering.voting.live


@in_a_cluster
async def test_a_master_yields_to_whom_it_was_told(cluster: SimCluster) -> None:
    """Node 2 asked it to step down; in these seconds, node 3 does not get its signature."""

    peering, asking = cluster.nodes[1].peering, cluster.nodes[3]
    assert peering is not None
    await peering.answer(cluster.nodes[2].me, StepDown())
    await asyncio.sleep(1)
    (head, proof), chain = asking.store.head(), asking.chain
    before = Membership.from_bytes(chain[-1].payload)
    base = Base(head.position, head.manifest.digest)
    membership = promoted(before, chain[-1], 3, epoch=2, base=base, now=1)
    document = seal(MEMBERSHIP_TYPE, membership.to_bytes(), asking.keys)
    assert proof is not None
    answer = await peering.answer(asking.me, Propose(document.to_bytes(), proof.to_bytes()))
    assert answer == Refusal("is the master, and has not been asked to hand over")


@in_a_cluster
async def test_a_node_whose_port_is_taken_is_not_promoted(cluster: SimCluster) -> None:
    node = cluster.nodes[2]
    await node.crash()
    node.port_is_taken = True
    await node.begin()
    await asyncio.sleep(2)
    assert node.peering is not None
    assert "other members cannot reach this node" in node.peering.listening_trouble
    with pytest.raises(OperatorError, match="is taken by another program"):
        await node.promote()
    assert {newest(one) for one in cluster.nodes.values()} == {(1, 1)}
    node.port_is_taken = False
    await node.promote()
    assert newest(node) == (2, 2)
    assert node.peering.listening_trouble == ""


@in_a_cluster
async def test_what_no_node_would_take_in_costs_no_promise(cluster: SimCluster) -> None:
    """Its log ends before the newest epoch began, and nobody is there who has more."""
    node = cluster.nodes[2]
    await node.crash()
    cluster.nodes[1].edit("domains", "missed.example 1")
    await asyncio.sleep(1)
    await cluster.nodes[3].promote()
    await asyncio.sleep(1)
    node.chain = cluster.nodes[3].chain
    for gone in (1, 3):
        await cluster.nodes[gone].crash()
    await node.begin()
    await asyncio.sleep(6)
    with pytest.raises(NoMasterError, match="which nobody of them has"):
        await node.promote(RECOVERY)
    assert ballot_in(node.store, CLUSTER) == NO_BALLOT


@in_a_cluster
async def test_the_recovery_key_goes_on_where_all_epochs_are_used_up(cluster: SimCluster) -> None:
    node, used_up = cluster.nodes[2], Ballot(2 * MOST_SKIPPED, Manifest().digest, 3)
    await node.crash()
    node.store.write_note(NOTE, {"cluster": CLUSTER, "ballot": used_up.to_json()})
    await cluster.nodes[1].crash()
    await node.begin()
    await asyncio.sleep(6)
    with pytest.raises(NoMasterError, match="skips more than 1000000000 epochs"):
        await node.promote()
    assert ballot_in(node.store, CLUSTER) == used_up
    await node.promote(RECOVERY)
    await asyncio.sleep(3)
    assert newest(node) == newest(cluster.nodes[3]) == (2 * MOST_SKIPPED + 2, 2)
