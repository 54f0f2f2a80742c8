"""What a node lacks: nothing, versions, a snapshot, or something that nobody here can give it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.master.catch_up import (
    MOST_LINKS,
    NOTHING,
    SNAPSHOT,
    Ahead,
    Link,
    Standing,
    Versions,
    catch_up,
)
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.manifest import Manifest
from pmgsync.model.trust import TrustedHistory
from tests.unit.model import sample

LINKS = tuple(Link.of(envelope) for envelope in sample.ENVELOPES)
LARGE = 1 << 20


@dataclass
class PaperLog:
    """A `Log` in a list."""

    links: Sequence[Link] = LINKS
    snapshot_bytes: int = LARGE
    oldest: int = 1
    asked: list[int] = field(default_factory=list)

    @property
    def head(self) -> Link | None:
        return self.links[-1] if self.links else None

    def after(self, version: int) -> Sequence[Link]:
        self.asked.append(version)
        return self.links[version:] if version + 1 >= self.oldest else ()


def standing(version: int, *, epoch: int = 1, state: Manifest | None = None) -> Standing:
    manifest = sample.STATES[version] if state is None else state
    return Standing(Position(epoch, version) if version else NOWHERE, manifest.digest)


def test_who_has_everything_gets_nothing() -> None:
    assert catch_up(standing(4), PaperLog()) == NOTHING


@pytest.mark.parametrize("version", range(4))
def test_who_is_behind_gets_what_came_since(version: int) -> None:
    assert catch_up(standing(version), PaperLog()) == Versions(LINKS[version:])


def test_who_is_one_behind_gets_the_newest_without_a_question_to_the_log() -> None:
    log = PaperLog(snapshot_bytes=0)
    assert catch_up(standing(3), log) == Versions(LINKS[3:])
    assert log.asked == []


@pytest.mark.parametrize(("less", "expected"), [(0, Versions(LINKS[1:])), (1, SNAPSHOT)])
def test_the_fewer_bytes_win(less: int, expected: object) -> None:
    size = sum(len(link.envelope) for link in LINKS[1:])
    assert catch_up(standing(1), PaperLog(snapshot_bytes=size - less)) == expected


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_unknown_state_gets_a_snapshot(version: int) -> None:
    unknown = sample.manifest(domains="never published")
    assert catch_up(standing(version, state=unknown), PaperLog()) == SNAPSHOT


def test_a_log_that_does_not_reach_back_gives_a_snapshot() -> None:
    assert catch_up(standing(1), PaperLog(oldest=3)) == SNAPSHOT


def test_a_node_far_behind_gets_a_snapshot_without_a_question_to_the_log() -> None:
    far = replace(LINKS[-1], position=Position(1, MOST_LINKS + 5))
    log = PaperLog([far])
    assert catch_up(standing(1), log) == SNAPSHOT
    assert log.asked == []


def test_versions_of_an_earlier_epoch_are_not_sent() -> None:
    head = replace(LINKS[3], position=Position(2, 4))
    assert catch_up(standing(1), PaperLog([*LINKS[:3], head])) == SNAPSHOT
    assert catch_up(standing(3), PaperLog([*LINKS[:3], head])) == Versions((head,))


@pytest.mark.parametrize("position", [Position(1, 4), Position(1, 5), Position(2, 1)])
def test_who_is_ahead_is_named_and_not_served(position: Position) -> None:
    step = catch_up(Standing(position, sample.STATES[1].digest), PaperLog())
    assert isinstance(step, Ahead)
    assert str(position) in step.what
    assert "1.4" in step.what
    lost = replace(Standing(position, sample.STATES[1].digest), lost=True)
    assert isinstance(catch_up(lost, PaperLog()), Ahead)


def test_an_orphan_of_an_earlier_epoch_gets_a_snapshot() -> None:
    head = replace(LINKS[3], position=Position(2, 4))
    orphan = Standing(Position(1, 9), sample.manifest(domains="orphan").digest)
    assert catch_up(orphan, PaperLog([head])) == SNAPSHOT


@pytest.mark.parametrize("version", [0, 2, 4])
def test_who_asks_for_a_snapshot_gets_one(version: int) -> None:
    lost = replace(standing(version), lost=True)
    assert catch_up(lost, PaperLog()) == SNAPSHOT


def test_an_empty_log_has_nothing_to_give() -> None:
    assert catch_up(standing(0), PaperLog([])) == NOTHING
    assert catch_up(replace(standing(0), lost=True), PaperLog([])) == NOTHING
    assert isinstance(catch_up(standing(2), PaperLog([])), Ahead)


@given(
    st.integers(0, 5),
    st.integers(0, 3),
    st.sampled_from([*sample.STATES, sample.manifest(domains="x")]),
    st.booleans(),
    st.integers(0, 5000),
    st.integers(1, 5),
)
def test_whatever_is_sent_can_be_believed_by_who_stands_there(
    version: int, epoch: int, state: Manifest, lost: bool, snapshot_bytes: int, oldest: int
) -> None:
    place = Standing(Position(epoch, version), state.digest, lost)
    step = catch_up(place, PaperLog(snapshot_bytes=snapshot_bytes, oldest=oldest))
    if isinstance(step, Versions):
        assert step.links[-1] is LINKS[-1]
        assert step.links[0].parent == state.digest
        history = TrustedHistory([sample.seal_membership(sample.genesis())])
        for envelope in sample.ENVELOPES[: step.links[0].position.version - 1]:
            history.accept(envelope)
        for link in step.links:
            history.accept(sample.ENVELOPES[link.position.version - 1])
        assert history.head.manifest == sample.STATES[4]
    if step == NOTHING:
        assert place == standing(4)
