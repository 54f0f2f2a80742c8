"""Whole clusters whose old master has changed the membership while it was cut off."""

import asyncio
from collections.abc import Collection, Iterable

import pytest

from pmgsync.agent.campaign import Way
from pmgsync.errors import PeerError
from pmgsync.model.membership import Member, MemberKeys, Membership, remove
from pmgsync.model.messages import Memberships
from tests.sim.cluster import RECOVERY, SimCluster
from tests.sim.keys import Pair
from tests.sim.virtual import run_virtually
from tests.unit.cli.test_recovery import in_a_cluster, newest
from tests.unit.model import sample


async def go_separate_ways(
    cluster: SimCluster, members: Iterable[Member], *, heir: int = 2, side: Collection[int] = (1,)
) -> None:
    """Node 1 is cut off, with its `side`, and has `members` from then on; the others make `heir`
    the master.
    """
    cluster.part(side)
    await asyncio.sleep(6)
    master = cluster.nodes[1].master
    assert master is not None
    master.register.change(members, 9, "test")
    won = await cluster.nodes[heir].promote()
    assert won.plan.way is Way.MAJORITY
    cluster.heal()
    await asyncio.sleep(6)


def attention(cluster: SimCluster) -> str:
    return "\n".join(cluster.nodes[1].attention)


def rival(cluster: SimCluster, cid: int) -> str:
    peering = cluster.nodes[cid].peering
    assert peering is not None
    return peering.rival


def newcomers(count: int) -> list[Member]:
    keys = [sample.key(100 + number) for number in range(count)]
    return [
        Member(
            50 + number,
            f"new{number}",
            f"127.0.9.{number + 1}",
            9443,
            sample.PMG_KEYS,
            MemberKeys(key.public_key, b"certificate of new %d" % number),
        )
        for number, key in enumerate(keys)
    ]


@in_a_cluster
async def test_it_goes_over_to_the_majority_and_names_whom_it_had_removed(
    cluster: SimCluster,
) -> None:
    members = cluster.nodes[1].require_agent().history.membership.members
    await go_separate_ways(cluster, members[:2])
    assert {newest(node) for node in cluster.nodes.values()} == {(2, 2)}
    assert cluster.is_level
    assert "removed here while another master was made, and a member again: node3(3)" in attention(
        cluster
    )


@in_a_cluster
async def test_and_whom_it_had_let_in(cluster: SimCluster) -> None:
    members = cluster.nodes[1].require_agent().history.membership.members
    await go_separate_ways(cluster, (*members, *newcomers(1)))
    assert {newest(node) for node in cluster.nodes.values()} == {(2, 2)}
    assert cluster.is_level
    line = "let in here while another master was made, and no member: new0(50)"
    assert line in attention(cluster)


@in_a_cluster
async def test_a_promotion_that_stands_by_itself_undoes_nothing_silently(
    cluster: SimCluster,
) -> None:
    """The old master is asked for nothing; all the same its admin has seen that done."""
    await cluster.admit(cluster.nodes[1], Pair(sample.key(4), b"certificate 4"))
    await cluster.admit(cluster.nodes[1], Pair(sample.key(5), b"certificate 5"))
    await asyncio.sleep(6)
    members = cluster.nodes[1].require_agent().history.membership.members
    await go_separate_ways(cluster, members[:4])
    assert cluster.nodes[5].runs == cluster.nodes[2].runs  # it is a member again
    line = "removed here while another master was made, and a member again: node5(5)"
    assert line in attention(cluster)
    master = cluster.nodes[2].require_master()
    told = [note for node in master.role.status().nodes for note in node.notes]
    assert any(note.startswith(line) for note in told)
    await cluster.nodes[1].crash()
    await cluster.nodes[1].begin()
    assert line in attention(cluster)
    master.register.remove(master.register.find("node5"))
    await asyncio.sleep(2)
    assert attention(cluster) == ""


def test_who_had_followed_it_goes_over_with_it() -> None:
    async def main() -> None:
        cluster = SimCluster(5)
        await cluster.begin()
        await asyncio.sleep(2)
        members = cluster.nodes[1].require_agent().history.membership.members
        await go_separate_ways(cluster, members[:4], heir=3, side=(1, 2))
        assert {newest(node) for node in cluster.nodes.values()} == {(3, 3)}
        assert cluster.is_level
        await cluster.end()

    run_virtually(main())


@in_a_cluster
async def test_where_its_own_side_may_have_a_majority_it_asks_the_admin(
    cluster: SimCluster,
) -> None:
    members = cluster.nodes[1].require_agent().history.membership.members
    await go_separate_ways(cluster, (*members, *newcomers(3)))
    assert [newest(node) for node in cluster.nodes.values()] == [(1, 1), (2, 2), (2, 2)]
    line = attention(cluster)
    assert "node2(2) is the master of epoch 2 for others, and node1(1) that of epoch 1" in line
    assert "`pmgsync promote --recovery-key FILE` there makes it stand" in line
    assert [rival(cluster, cid) for cid in (1, 2, 3)] == ["node2(2)", "node1(1)", ""]
    other = cluster.nodes[2].peering
    assert other is not None
    assert "node1(1) is a master, too" in other.attention
    await cluster.nodes[2].promote(RECOVERY)
    await asyncio.sleep(6)
    assert {newest(node) for node in cluster.nodes.values()} == {(102, 2)}
    left = "let in here while another master was made, and no member: new0(50), new1(51), new2(52)"
    assert attention(cluster).startswith(left)
    assert [rival(cluster, cid) for cid in (1, 2, 3)] == ["", "", ""]
    assert "is the master of epoch" not in attention(cluster)


@in_a_cluster
async def test_a_promotion_with_a_wrong_link_behind_it_is_written_down_and_ends_the_role(
    cluster: SimCluster,
) -> None:
    """Whoever sends both would else leave a master that knows of the other, and goes on."""
    old, heir = cluster.nodes[1], cluster.nodes[2]
    cluster.part({1})
    await asyncio.sleep(6)
    won = await heir.promote()
    membership = Membership.from_bytes(won.document.payload)
    # (Its epoch's master has not signed it.)
    wrong = sample.seal_membership(remove(membership, won.document, 3), sample.STRANGER)
    assert old.peering is not None
    with pytest.raises(PeerError):
        old.peering.take(Memberships((won.document.to_bytes(), wrong.to_bytes())))
    await old.roles_changed()
    assert old.master is None
    assert newest(old) == (2, 2)


@in_a_cluster
async def test_where_each_side_has_its_own_recovery_key_both_are_needed(
    cluster: SimCluster,
) -> None:
    """Else neither master could ever stand for the other side."""
    cluster.part({1})
    await asyncio.sleep(6)
    own, newer = cluster.nodes[1].require_master(), sample.STRANGER
    own.register.replace_recovery(newer.public_key)
    members = own.register.membership.members
    await go_separate_ways(cluster, (*members, *newcomers(3)))
    assert "there (FILE with both recovery keys) makes it stand" in attention(cluster)
    await cluster.nodes[2].promote(RECOVERY)
    await asyncio.sleep(6)
    assert [newest(node)[0] for node in cluster.nodes.values()] == [1, 102, 102]
    await cluster.nodes[2].promote(RECOVERY, newer)
    await asyncio.sleep(6)
    assert {newest(node) for node in cluster.nodes.values()} == {(202, 2)}
    assert cluster.is_level


def test_a_master_that_hands_over_only_by_its_own_admin_asks_as_well() -> None:
    async def main() -> None:
        cluster = SimCluster(3, only_here=True)
        await cluster.begin()
        await asyncio.sleep(2)
        members = cluster.nodes[1].require_agent().history.membership.members
        await go_separate_ways(cluster, members[:2])
        assert newest(cluster.nodes[1]) == (1, 1)
        assert "Choose one of the two" in attention(cluster)
        await cluster.end()

    run_virtually(main())
