"""A candidate that found too few, and tries again."""

import pytest

from pmgsync.agent.voting import ballot_in
from pmgsync.errors import NoMasterError
from pmgsync.model.membership import Membership
from tests.sim.author import CLUSTER
from tests.sim.cluster import SimCluster, SimNode
from tests.sim.virtual import run_virtually


async def _refused(node: SimNode) -> int:
    """The epoch that it has signed for, once it was refused."""
    with pytest.raises(NoMasterError, match="too few did"):
        await node.promote()
    return ballot_in(node.store, CLUSTER).epoch


async def _try_again_and_again() -> None:
    cluster = SimCluster(3)
    await cluster.begin()
    _, two, three = cluster.nodes.values()
    await cluster.clock.sleep(2)
    await cluster.nodes[1].crash()
    await cluster.clock.sleep(5)
    three.store.full = True
    assert [await _refused(two) for _ in range(3)] == [2, 2, 2]
    # Somebody else has signed for that epoch meanwhile, or for a later one: it takes another.
    three.store.full, two.store.full = False, True
    with pytest.raises(NoMasterError, match="too few did"):
        await three.promote()
    assert ballot_in(three.store, CLUSTER).epoch == 3
    two.store.full = False
    won = await two.promote()
    assert Membership.from_bytes(won.document.payload).epoch == 102
    await cluster.end()


def test_trying_again_uses_up_no_epoch_while_nothing_has_changed() -> None:
    run_virtually(_try_again_and_again())
