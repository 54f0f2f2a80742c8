"""The codec: every message there and back, and `MalformedError` for bytes that are none."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmgsync.errors import MalformedError
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import Digest, digest_of
from pmgsync.model.messages import (
    MESSAGE_BYTES,
    PART_BYTES,
    Beat,
    Contents,
    Hello,
    Memberships,
    Need,
    Offer,
    Part,
    Pulse,
    Resync,
    SignedReport,
    SnapshotPart,
    ToAgent,
    ToMaster,
    View,
)
from pmgsync.model.moment import LATEST
from pmgsync.wire import codec
from pmgsync.wire.v1 import follow_pb2 as pb

DIGEST = digest_of(b"a")

numbers = st.integers(0, codec.MAX_NUMBER)
positions = st.builds(Position, numbers, numbers)
digests = st.binary(min_size=32, max_size=32).map(lambda raw: Digest(raw.hex()))
blobs = st.binary(max_size=200)


@st.composite
def places(draw: st.DrawFn) -> tuple[int, int, bytes]:
    """Total, offset and data that fit."""
    before, data, after = draw(st.integers(0, 10_000)), draw(blobs), draw(st.integers(0, 10_000))
    return before + len(data) + after, before, data


parts = st.one_of(
    st.builds(lambda digest, place: Part(digest, *place), digests, places()),
    st.builds(lambda digest: Part(digest, -1, 0, b""), digests),
)
from_agents: st.SearchStrategy[ToMaster] = st.one_of(
    st.builds(Hello, positions, digests, numbers, numbers, st.text(max_size=200)),
    st.builds(Need, st.lists(digests, max_size=5).map(tuple)),
    st.just(Resync()),
    st.builds(SignedReport, blobs),
    st.builds(Pulse, st.booleans(), st.integers(0, LATEST), numbers, numbers),
)
from_master: st.SearchStrategy[ToAgent] = st.one_of(
    st.builds(Offer, blobs, st.lists(parts, max_size=4).map(tuple), st.booleans()),
    st.builds(lambda envelope, place: SnapshotPart(envelope, *place), blobs, places()),
    st.builds(Contents, st.lists(parts, max_size=4).map(tuple)),
    st.builds(Memberships, st.lists(blobs, max_size=4).map(tuple)),
    st.builds(Beat, blobs),
    st.builds(View, blobs),
)


@given(from_agents)
def test_what_agents_say_comes_back(message: ToMaster) -> None:
    assert codec.decode_to_master(codec.encode_to_master(message)) == message


@given(from_master)
def test_what_the_master_says_comes_back(message: ToAgent) -> None:
    assert codec.decode_to_agent(codec.encode_to_agent(message)) == message


@pytest.mark.parametrize(
    ("clock", "taken"), [(LATEST, LATEST), (LATEST + 1, 0), (2**52, 0), (codec.MAX_NUMBER, 0)]
)
def test_a_clock_beyond_the_calendar_says_nothing(clock: int, taken: int) -> None:
    said = codec.encode_to_master(Pulse(want_view=True, clock=clock, epoch=1, serial=2))
    assert codec.decode_to_master(said) == Pulse(want_view=True, clock=taken, epoch=1, serial=2)


def test_goodbye_is_the_end() -> None:
    assert codec.decode_to_master(codec.GOODBYE) is None


def test_every_message_of_the_protocol_has_a_case() -> None:
    said = {field.name for field in pb.ToMaster.DESCRIPTOR.oneofs_by_name["message"].fields}
    heard = {field.name for field in pb.ToAgent.DESCRIPTOR.oneofs_by_name["message"].fields}
    assert said == {"hello", "need", "resync", "report", "pulse", "goodbye"}
    assert heard == {"offer", "snapshot", "contents", "memberships", "beat", "view"}


# --- untrusted bytes ------------------------------------------------------------------------------


def only_malformed(decode: Callable[[bytes], object], data: bytes) -> bool:
    """Whether `data` was refused; any other error than `MalformedError` fails the test."""
    try:
        decode(data)
    except MalformedError:
        return True
    return False


@given(st.binary(max_size=300))
@settings(max_examples=500)
def test_arbitrary_bytes_are_malformed_or_a_message(data: bytes) -> None:
    only_malformed(codec.decode_to_master, data)
    only_malformed(codec.decode_to_agent, data)


@given(st.integers(1, 15), st.binary(max_size=300))
@settings(max_examples=1000)
def test_arbitrary_fields_in_a_good_frame_are_malformed_or_a_message(
    number: int, inner: bytes
) -> None:
    frame = bytes([number << 3 | 2]) + _varint(len(inner)) + inner
    only_malformed(codec.decode_to_master, frame)
    only_malformed(codec.decode_to_agent, frame)


@given(st.one_of(from_agents.map(codec.encode_to_master)), st.data())
def test_altered_messages_of_agents_are_malformed_or_messages(
    data: bytes, draw: st.DataObject
) -> None:
    only_malformed(codec.decode_to_master, _altered(data, draw))


@given(from_master.map(codec.encode_to_agent), st.data())
def test_altered_messages_of_the_master_are_malformed_or_messages(
    data: bytes, draw: st.DataObject
) -> None:
    only_malformed(codec.decode_to_agent, _altered(data, draw))


def _altered(data: bytes, draw: st.DataObject) -> bytes:
    at = draw.draw(st.integers(0, len(data) - 1))
    return data[:at] + draw.draw(st.binary(max_size=3)) + data[at + 1 :]


@given(from_agents, st.binary(min_size=1, max_size=20))
def test_a_message_ends_where_it_says(message: ToMaster, more: bytes) -> None:
    data = codec.encode_to_master(message)
    assert only_malformed(codec.decode_to_master, data + more)
    assert only_malformed(codec.decode_to_master, data[:-1])


def test_two_messages_in_one_are_refused() -> None:
    two = codec.encode_to_master(Pulse(True)) + codec.encode_to_master(SignedReport(b"x"))
    assert only_malformed(codec.decode_to_master, two)


@pytest.mark.parametrize("decode", [codec.decode_to_master, codec.decode_to_agent])
@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\x72\x00", b"\x0c", b"\x7a\x00\x00", b"\x08\x01", b"\x0a\xff\xff\xff\xff\x01"],
)
def test_unknown_and_empty_messages_are_refused(
    decode: Callable[[bytes], object], data: bytes
) -> None:
    if data == b"\x7a\x00" and decode is codec.decode_to_master:
        pytest.skip("that is a goodbye")
    assert only_malformed(decode, data)


def test_a_newer_end_may_add_fields() -> None:
    inner = codec.encode_to_master(Pulse(True))[2:] + b"\x7a\x03new"
    assert codec.decode_to_master(b"\x2a" + _varint(len(inner)) + inner) == Pulse(True)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


# --- limits ---------------------------------------------------------------------------------------

BEYOND: list[ToAgent] = [
    Offer(bytes(MESSAGE_BYTES + 1)),
    Contents((Part(DIGEST, PART_BYTES + 1, 0, bytes(PART_BYTES + 1)),)),
    Contents(tuple(Part(DIGEST, PART_BYTES, 0, bytes(PART_BYTES)) for _ in range(5))),
    Contents((Part(DIGEST, 10, 5, b"123456"),)),
    Contents((Part(DIGEST, 10, -1, b""),)),
    Contents((Part(DIGEST, 1 << 60, 0, b""),)),
    Contents((Part(DIGEST, -2, 0, b""),)),
    Contents((Part(DIGEST, -1, 0, b"x"),)),
    Contents((Part(DIGEST, -1, 1, b""),)),
    SnapshotPart(b"", 1 << 40, 0, b""),
    SnapshotPart(b"", 5, 3, b"abc"),
    SnapshotPart(b"", PART_BYTES + 1, 0, bytes(PART_BYTES + 1)),
    Memberships((b"",) * (codec.MAX_LINKS + 1)),
    View(bytes(MESSAGE_BYTES)),
]


@pytest.mark.parametrize("message", BEYOND, ids=lambda message: type(message).__name__)
def test_what_is_beyond_a_limit_is_not_sent(message: ToAgent) -> None:
    with pytest.raises(MalformedError):
        codec.encode_to_agent(message)


def _unchecked(message: ToAgent) -> bytes:
    """What an end without our checks would send."""
    wire = pb.ToAgent()
    if isinstance(message, Contents):
        for part in message.parts:
            wire.contents.parts.add(
                digest=bytes.fromhex(part.digest),
                total=part.total,
                offset=max(part.offset, 0),
                data=part.data,
            )
    elif isinstance(message, SnapshotPart):
        wire.snapshot.total, wire.snapshot.offset = message.total, message.offset
        wire.snapshot.data = message.data
    elif isinstance(message, Memberships):
        wire.memberships.envelopes.extend(message.envelopes)
    elif isinstance(message, View):
        wire.view.document = message.document
    elif isinstance(message, Offer):
        wire.offer.envelope = message.envelope
    return wire.SerializeToString()


@pytest.mark.parametrize(
    "message",
    [message for message in BEYOND if message != BEYOND[4]],  # a negative offset has no wire form
    ids=lambda message: type(message).__name__,
)
def test_what_is_beyond_a_limit_is_not_believed(message: ToAgent) -> None:
    assert only_malformed(codec.decode_to_agent, _unchecked(message))


@pytest.mark.parametrize(
    "message",
    [
        Hello(Position(1, 1), DIGEST, 1, 1, "x" * 201),
        Hello(Position(codec.MAX_NUMBER + 1, 1), DIGEST, 1, 1, ""),
        Hello(Position(1, 1), DIGEST, -1, 1, ""),
        Pulse(clock=codec.MAX_NUMBER + 1),
        Pulse(serial=-1),
        Need((DIGEST,) * (codec.MAX_DIGESTS + 1)),
        SignedReport(bytes(MESSAGE_BYTES)),
    ],
    ids=["software", "epoch", "negative", "clock", "serial", "digests", "size"],
)
def test_agents_have_limits_too(message: ToMaster) -> None:
    with pytest.raises(MalformedError):
        codec.encode_to_master(message)


def test_the_most_digests_that_may_be_asked_for_fit_into_one_message() -> None:
    need = Need((DIGEST,) * codec.MAX_DIGESTS)
    assert codec.decode_to_master(codec.encode_to_master(need)) == need


@pytest.mark.parametrize(
    "hello",
    [
        pb.Hello(),
        pb.Hello(manifest=bytes(31)),
        pb.Hello(manifest=bytes(32), epoch=2**63),
        pb.Hello(manifest=bytes(32), software="x" * 201),
        pb.Hello(manifest=bytes(32), active=pb.Position(version=2**64 - 1)),
    ],
)
def test_a_hello_out_of_range_is_refused(hello: pb.Hello) -> None:
    assert only_malformed(codec.decode_to_master, pb.ToMaster(hello=hello).SerializeToString())


@pytest.mark.parametrize("run", [bytes(31), bytes(33), bytes(32 * codec.MAX_DIGESTS + 32)])
def test_a_need_out_of_range_is_refused(run: bytes) -> None:
    need = pb.ToMaster(need=pb.Need(digests=run))
    assert only_malformed(codec.decode_to_master, need.SerializeToString())


def test_software_that_is_not_utf_8_is_refused() -> None:
    inner = b"\x12\x20" + bytes(32) + b"\x2a\x01\xff"
    frame = b"\x0a" + _varint(len(inner)) + inner
    assert only_malformed(codec.decode_to_master, frame)
