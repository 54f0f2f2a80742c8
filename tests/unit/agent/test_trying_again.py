"""A candidate that found too few, and tries again."""

import pytest

from pmgsync.agent.voting import NOTE, ballot_in
from pmgsync.errors import NoMasterError
from pmgsync.model.ballot import Ballot
from pmgsync.model.manifest import digest_of
from pmgsync.model.membership import Membership
from pmgsync.model.promotion import CANDIDATES, MOST_BELIEVED
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


async def _lie_again_and_again() -> None:
    """Member 3 says that it has signed for epochs that there will never be, and signs for none;
    member 2 is away for so long.
    """
    cluster = SimCluster(3)
    await cluster.begin()
    one, two, three = cluster.nodes.values()
    await cluster.clock.sleep(2)
    await two.crash()
    for lie in (2**40, 2**41, 2**42):
        await three.crash()
        ballot = Ballot(lie, digest_of(b"nothing"), 2)
        three.store.write_note(NOTE, {"cluster": CLUSTER, "ballot": ballot.to_json()})
        await three.begin()
        await cluster.clock.sleep(4 * 60)
        asked = ballot_in(one.store, CLUSTER).epoch
        assert 1 < asked <= 1 + MOST_BELIEVED + CANDIDATES
    await two.begin()
    await cluster.clock.sleep(5)
    assert one.require_master().history.membership.epoch >= asked
    one.edit("domains", "again.example 1")
    await cluster.clock.sleep(60)
    assert two.text_of("domains") == "again.example 1"
    await cluster.end()


def test_a_member_that_lies_keeps_nobody_from_following_the_master() -> None:
    """What the master asks for stays below what all others sign for, however often it tries."""
    run_virtually(_lie_again_and_again())
