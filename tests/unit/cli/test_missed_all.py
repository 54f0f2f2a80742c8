"""A node that was away while all whom it knew were replaced: nobody can tell it, and all say so."""

import asyncio

from pmgsync.agent.reach import ROUNDS
from tests.sim.cluster import SimCluster
from tests.sim.keys import Pair
from tests.sim.virtual import run_virtually
from tests.unit.model.sample import key


def test_it_is_named_on_both_sides_with_what_helps() -> None:
    async def main() -> None:
        cluster = SimCluster(2)
        await cluster.begin()
        await asyncio.sleep(2)
        await cluster.nodes[2].crash()
        third = await cluster.admit(cluster.nodes[1], Pair(key(3), b"certificate 3"))
        await asyncio.sleep(2)
        await third.promote()
        register = third.require_master().register
        register.remove(register.find("node1"))
        await cluster.nodes[1].crash()
        await cluster.nodes[2].begin()
        await asyncio.sleep(4 * ROUNDS)
        line = next(one for one in third.require_master().role.status().attention if "node2" in one)
        assert "is there and does not let this master in" in line
        assert line.endswith(
            "where the membership is the older one, `pmgsync leave`, and join again"
        )
        assert "mend the network" not in line
        peering = cluster.nodes[2].peering
        assert peering is not None
        (own,) = peering.attention
        assert own.startswith("none of the members that this node knows answers it")
        assert "`pmgsync leave` here, and join again" in own
        await cluster.end()

    run_virtually(main())
