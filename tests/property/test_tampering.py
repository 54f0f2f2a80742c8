"""No byte of what was signed can be altered, and no order of arrival leads anywhere but onwards."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.errors import PeerError
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import admit
from pmgsync.model.trust import TrustedHistory
from tests.unit.model.sample import (
    ENVELOPES,
    HISTORY,
    STATES,
    STRANGER,
    beat,
    genesis,
    member,
    report,
    seal_beat,
    seal_membership,
    seal_report,
    seal_version,
    trusted,
)

GENESIS = seal_membership(genesis())

SIGNED: dict[str, tuple[Envelope, Callable[[TrustedHistory, Envelope], object]]] = {
    "version": (ENVELOPES[1], TrustedHistory.accept),
    "snapshot": (
        ENVELOPES[1],
        lambda history, envelope: history.accept_snapshot(envelope, STATES[2]),
    ),
    "membership": (
        seal_membership(admit(genesis(), GENESIS, member(3))),
        TrustedHistory.accept_membership,
    ),
    "heartbeat": (seal_beat(beat(1)), TrustedHistory.accept_heartbeat),
    "report": (
        seal_report(report()),
        lambda history, envelope: history.accept_report(envelope, member(2)),
    ),
}


def flipped(data: bytes) -> Iterator[bytes]:
    """`data` with each single bit flipped, and with each byte replaced by its complement."""
    for index in range(len(data)):
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            yield data[:index] + bytes([data[index] ^ mask]) + data[index + 1 :]


def cut_or_longer(data: bytes) -> Iterator[bytes]:
    """`data` without its end, its beginning or one byte, and with a byte more, at every place."""
    for index in range(len(data)):
        yield data[:index]
        yield data[index + 1 :]
        yield data[:index] + data[index + 1 :]
        yield data[:index] + b" " + data[index:]
        yield data[:index] + data[index : index + 1] + data[index:]
    yield data + b" "
    yield data + b"\n"


@pytest.mark.parametrize("alter", [flipped, cut_or_longer])
@pytest.mark.parametrize("name", SIGNED)
def test_every_altered_byte_is_refused_and_changes_nothing(
    name: str, alter: Callable[[bytes], Iterator[bytes]]
) -> None:
    envelope, accept = SIGNED[name]
    history = trusted(at=1)
    before = (history.head, history.membership, history.chain)
    good, tried = envelope.to_bytes(), 0
    for altered in alter(good):
        if altered == good:  # a doubled or dropped byte beside an equal one
            continue
        tried += 1
        with pytest.raises(PeerError):
            accept(history, Envelope.from_bytes(altered))
        assert history.head is before[0]
        assert history.membership is before[1]
    assert tried > 2 * len(good)
    assert history.chain == before[2]
    accept(history, Envelope.from_bytes(good))


@given(st.data())
def test_many_altered_bytes_are_refused_as_well(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SIGNED)))
    envelope, accept = SIGNED[name]
    good = bytearray(envelope.to_bytes())
    for _ in range(data.draw(st.integers(2, 6))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    history = trusted(at=1)
    if bytes(good) != envelope.to_bytes():
        with pytest.raises(PeerError):
            accept(history, Envelope.from_bytes(bytes(good)))


FORGED = tuple(seal_version(change_set, STRANGER) for change_set in HISTORY)
CUT = tuple(Envelope(e.payload_type, e.payload[:-1], e.signatures) for e in ENVELOPES)

arrivals = st.lists(
    st.tuples(
        st.sampled_from(["accept", "accept", "accept", "snapshot", "mixed", "forged", "cut"]),
        st.integers(0, len(ENVELOPES) - 1),
    ),
    max_size=30,
)


def arrive(history: TrustedHistory, way: str, index: int) -> None:
    if way == "snapshot":
        history.accept_snapshot(ENVELOPES[index], STATES[index + 1])
    elif way == "mixed":
        history.accept_snapshot(ENVELOPES[index], STATES[index])
    else:
        history.accept({"accept": ENVELOPES, "forged": FORGED, "cut": CUT}[way][index])


@given(arrivals)
def test_whatever_arrives_in_whatever_order_the_head_is_true_and_never_moves_back(
    listed: list[tuple[str, int]],
) -> None:
    history = trusted()
    for way, index in listed:
        before = history.head
        try:
            arrive(history, way, index)
        except PeerError:
            accepted = False
        else:
            accepted = True
            assert way in ("accept", "snapshot")
        assert (history.head.position > before.position) == accepted
        assert (history.head is before) == (not accepted)
        assert history.head.manifest == STATES[history.head.position.version]
        assert history.head.position.epoch in (NOWHERE.epoch, 1)


@given(st.permutations(range(len(ENVELOPES))), st.integers(1, 5))
def test_however_often_and_shuffled_the_versions_come_the_newest_is_reached(
    order: list[int], rounds: int
) -> None:
    history = trusted()
    for _ in range(max(rounds, len(ENVELOPES))):
        for index in order:
            try:
                history.accept(ENVELOPES[index])
            except PeerError:
                continue
    assert history.head.position == HISTORY[-1].position
    assert history.head.manifest == STATES[-1]
