"""A master that hears of a newer epoch while its disk is full."""

import asyncio

from pmgsync.model.changeset import Position
from tests.sim.cluster import SimCluster
from tests.unit.cli.test_recovery import in_a_cluster, newest


@in_a_cluster
async def test_it_is_no_master_to_anybody_and_says_why(cluster: SimCluster) -> None:
    old = cluster.nodes[1]
    cluster.part({1})
    await asyncio.sleep(6)
    await cluster.nodes[2].promote()
    old.disk_is_full = True
    cluster.heal()
    await asyncio.sleep(5)
    assert newest(old) == (1, 1)
    assert old.peering is not None
    (line,) = old.peering.attention
    assert line.startswith("node2(2) is the master of epoch 2, and this node none any more")
    assert "chain.json: cannot write it: no space left" in line
    old.edit("domains", "too-late.example 1")
    await asyncio.sleep(5)
    assert old.require_master().history.head.position == Position(1, 1)
    assert old.require_master().feeds.connected <= {1}
    old.disk_is_full = False
    await asyncio.sleep(10)
    assert newest(old) == (2, 2)
    assert old.peering.attention == ()
    assert cluster.is_level
