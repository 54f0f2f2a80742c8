"""What a node believes of versions when another mastership has begun."""

import pytest

from pmgsync.errors import DigestMismatchError, GapError, PeerError, StaleError
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.manifest import Manifest
from pmgsync.model.membership import Base
from pmgsync.model.trust import Head, TrustedHistory
from tests.unit.model import sample
from tests.unit.model.sample import ENVELOPES, STATES, key
from tests.unit.model.test_ballot import at
from tests.unit.model.test_promotion import cluster, promotion


def history(at_version: int, base: int, *, epoch: int = 2) -> TrustedHistory:
    """A node at that version of epoch 1, which hears that 2 is the master from `base` on."""
    made = TrustedHistory([cluster(3)[1]])
    for envelope in ENVELOPES[:at_version]:
        made.accept(envelope)
    made.accept_membership(promotion(cluster(3), 2, key(3), epoch=epoch, base=at(base)))
    return made


def later(number: int, base: Manifest, target: Manifest, *, by: int = 2) -> Envelope:
    """A version of epoch 2."""
    return sample.seal_version(sample.version(number, base, target, epoch=2), key(by))


def test_the_first_version_of_an_epoch_follows_on_its_base() -> None:
    node = history(3, 3)
    assert not node.is_forked
    verified = node.accept(later(4, STATES[3], STATES[1]))
    assert verified.position == Position(2, 4)
    assert node.accept(later(5, STATES[1], STATES[2])).position == Position(2, 5)


def test_the_old_master_signs_nothing_any_more() -> None:
    node = history(3, 3)
    for envelope in (ENVELOPES[3], later(4, STATES[3], STATES[1], by=1)):
        with pytest.raises(PeerError):
            node.accept(envelope)
    beat = sample.beat(1)
    with pytest.raises(PeerError):
        node.accept_heartbeat(sample.seal_beat(beat))
    assert node.accept_heartbeat(sample.seal_beat(sample.beat(1, epoch=2), key(2))).count == 1


def test_the_new_master_signs_nothing_of_the_epoch_before() -> None:
    node = history(3, 3)
    old = sample.seal_version(sample.HISTORY[3], key(2))
    with pytest.raises(StaleError):
        node.accept(old)


def test_a_node_that_is_behind_gets_the_base_although_it_is_of_the_epoch_before() -> None:
    node = history(1, 3)
    assert not node.is_forked
    with pytest.raises(GapError):
        node.accept(ENVELOPES[2])
    assert node.accept_snapshot(ENVELOPES[2], STATES[3]).position == Position(1, 3)
    assert node.accept(later(4, STATES[3], STATES[1])).position == Position(2, 4)


def test_and_nothing_else_of_it() -> None:
    node = history(1, 3)
    with pytest.raises(StaleError):
        node.accept(ENVELOPES[1])
    with pytest.raises(StaleError):
        node.accept_snapshot(ENVELOPES[3], STATES[4])
    forged = sample.seal_version(sample.version(3, STATES[2], STATES[1]), key(1))
    with pytest.raises(StaleError):
        node.accept_snapshot(forged, STATES[1])
    with pytest.raises(DigestMismatchError):
        node.accept_snapshot(ENVELOPES[2], STATES[4])
    stranger = sample.seal_version(sample.HISTORY[2], key(66))
    with pytest.raises(PeerError):
        node.accept_snapshot(stranger, STATES[3])


@pytest.mark.parametrize("ahead", [3, 4])
def test_a_head_that_the_new_master_does_not_have_is_forked(ahead: int) -> None:
    node = history(ahead, 2)
    assert node.is_forked
    # No version follows on it, whatever its number; a snapshot does.
    with pytest.raises((GapError, StaleError)):
        node.accept(later(3, STATES[2], STATES[1]))
    envelope = later(3, STATES[2], STATES[1])
    assert node.accept_snapshot(envelope, STATES[1]).position == Position(2, 3)
    assert not node.is_forked


def test_a_forked_head_may_go_back_to_the_base() -> None:
    node = history(4, 2)
    assert node.accept_snapshot(ENVELOPES[1], STATES[2]).position == Position(1, 2)
    assert not node.is_forked
    with pytest.raises(StaleError):
        node.accept_snapshot(ENVELOPES[1], STATES[2])


def test_versions_at_or_below_the_base_are_no_versions_of_the_new_epoch() -> None:
    node = history(1, 3)
    for number in (2, 3):
        with pytest.raises(StaleError):
            node.accept_snapshot(later(number, STATES[1], STATES[2]), STATES[2])


def test_a_fork_is_found_however_many_epochs_later() -> None:
    before = cluster(3)
    second = promotion(before, 2, key(3), base=at(2))
    node = TrustedHistory([before[1], second])
    grown = node.membership, second
    third = promotion(grown, 3, key(2), base=Base(Position(2, 9), STATES[4].digest))
    node.accept_membership(third)
    assert node.fork(Position(1, 2), STATES[2].digest) is None
    assert node.fork(Position(1, 1), STATES[1].digest) is None
    assert node.fork(Position(1, 3), STATES[3].digest) == at(2)
    assert node.fork(Position(1, 2), STATES[1].digest) == at(2)
    assert node.fork(Position(2, 9), STATES[4].digest) is None
    assert node.fork(Position(2, 10), STATES[4].digest) is not None
    assert node.fork(Position(3, 10), STATES[4].digest) is None


def test_who_has_signed_for_an_epoch_takes_in_nothing_older() -> None:
    node = TrustedHistory([cluster(3)[1]])
    node.accept(ENVELOPES[0])
    node.promise(2)
    with pytest.raises(StaleError, match="has signed for epoch 2"):
        node.accept(ENVELOPES[1])
    with pytest.raises(StaleError, match="has signed for epoch 2"):
        node.accept_snapshot(ENVELOPES[2], STATES[3])
    # What it is told is not taken in, but heard.
    assert node.accept_heartbeat(sample.seal_beat(sample.beat(1))).count == 1
    node.accept_membership(promotion(cluster(3), 2, key(3), base=at(1)))
    assert node.accept(later(2, STATES[1], STATES[2])).position == Position(2, 2)


def test_the_promise_survives_a_restart() -> None:
    node = TrustedHistory([cluster(3)[1]], Head(), promised=2)
    with pytest.raises(StaleError):
        node.accept(ENVELOPES[0])


def test_the_links_that_somebody_lacks() -> None:
    node = history(3, 3)
    assert node.links_after(0, 0) == node.chain
    assert node.links_after(1, 1) == node.chain[1:]
    assert node.links_after(1, 99) == node.chain[1:]
    assert node.links_after(2, 2) == ()
