"""The messages of a follow stream, between `model.messages` and bytes; total in both directions.

What comes in is untrusted. A message is refused with `MalformedError` when it is larger than
`MESSAGE_BYTES` (gRPC has refused it before), is no protobuf, holds none of the known messages, or
has a field out of its range. Sizes and counts are compared before anything is made from them:
digests come as one run of bytes for that reason, and the master reads no repeated field at all.
What goes out keeps the same limits, so a message that this end could not read is never sent.

Unknown fields are ignored (a newer end may send more), an unknown message is not.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from pmgsync.errors import MalformedError
from pmgsync.model.canonical import MAX_DOCUMENT_BYTES
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import MAX_ENTRIES, MAX_FILE_BYTES, Digest
from pmgsync.model.messages import (
    BATCH_BYTES,
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
from pmgsync.wire.v1 import follow_pb2 as pb

DIGEST_BYTES = 32
MAX_DIGESTS = MAX_ENTRIES
MAX_PARTS = MAX_ENTRIES
MAX_LINKS = 10_000
MAX_NUMBER = 2**53
"""Of epochs, versions, serials and moments: what every JSON reader can hold."""
MAX_SOFTWARE = 200

_LENGTH_DELIMITED = 2  # protobuf's wire type, in the low bits of a tag of one byte

M = TypeVar("M", bound=Message)


def encode_to_master(message: ToMaster) -> bytes:
    """The bytes of what an agent says; `MalformedError` if it is beyond the limits."""
    match message:
        case Hello():
            wire = pb.ToMaster(hello=_put_hello(message))
        case Need():
            wire = pb.ToMaster(need=pb.Need(digests=_put_digests(message.digests)))
        case Resync():
            wire = pb.ToMaster(resync=pb.Resync())
        case SignedReport():
            wire = pb.ToMaster(report=pb.SignedReport(envelope=message.envelope))
        case Pulse():
            wire = pb.ToMaster(pulse=_put_pulse(message))
    return bounded(wire.SerializeToString())


def decode_to_master(data: bytes) -> ToMaster | None:
    """What an agent said; None is its goodbye."""
    wire = parse(pb.ToMaster, data)
    match wire.WhichOneof("message"):
        case "hello":
            return _take_hello(wire.hello)
        case "need":
            return Need(_take_digests(wire.need.digests))
        case "resync":
            return Resync()
        case "report":
            return SignedReport(wire.report.envelope)
        case "pulse":
            return _take_pulse(wire.pulse)
        case "goodbye":
            return None
    raise MalformedError("a message of an unknown kind from an agent")


GOODBYE = pb.ToMaster(goodbye=pb.Goodbye()).SerializeToString()
"""An agent's last word, in bytes."""


def encode_to_agent(message: ToAgent) -> bytes:
    """The bytes of what the master says; `MalformedError` if it is beyond the limits."""
    match message:
        case Offer():
            parts = _put_parts(message.parts)
            offer = pb.Offer(envelope=message.envelope, parts=parts, more=message.more)
            wire = pb.ToAgent(offer=offer)
        case SnapshotPart():
            wire = pb.ToAgent(snapshot=_put_snapshot(message))
        case Contents():
            wire = pb.ToAgent(contents=pb.Contents(parts=_put_parts(message.parts)))
        case Memberships():
            _at_most(len(message.envelopes), MAX_LINKS, "links of the membership chain")
            wire = pb.ToAgent(memberships=pb.Memberships(envelopes=message.envelopes))
        case Beat():
            wire = pb.ToAgent(beat=pb.Beat(envelope=message.envelope))
        case View():
            wire = pb.ToAgent(view=pb.View(document=message.document))
    return bounded(wire.SerializeToString())


def decode_to_agent(data: bytes) -> ToAgent:
    """What the master said."""
    wire = parse(pb.ToAgent, data)
    match wire.WhichOneof("message"):
        case "offer":
            offer = wire.offer
            return Offer(offer.envelope, _take_parts(offer.parts), offer.more)
        case "snapshot":
            return _take_snapshot(wire.snapshot)
        case "contents":
            return Contents(_take_parts(wire.contents.parts))
        case "memberships":
            return Memberships(take_links(wire.memberships.envelopes))
        case "beat":
            return Beat(wire.beat.envelope)
        case "view":
            return View(wire.view.document)
    raise MalformedError("a message of an unknown kind from the master")


# --- what the join exchange needs as well ---------------------------------------------------------


def parse(kind: type[M], data: bytes) -> M:
    """The protobuf message in `data`; `MalformedError` for anything else."""
    message = kind()
    try:
        if _is_one_field(bounded(data)):
            message.ParseFromString(data)
            return message
    except (DecodeError, UnicodeDecodeError):
        pass  # its text differs with every release and would tell nobody anything
    raise MalformedError(f"not a {kind.__name__} message")


def _is_one_field(data: bytes) -> bool:
    """Is `data` exactly one field that says how long it is, as a oneof of messages looks?

    protobuf would merge several, and its C++ parser stops at a stray end mark with no more than a
    warning, so this is checked before.
    """
    if not data or data[0] & 0x87 != _LENGTH_DELIMITED:
        return False
    length = 0
    for index, byte in enumerate(data[1:5]):
        length |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 - the last byte of the number
            return len(data) == index + 2 + length
    return False


def take_links(envelopes: Sequence[bytes]) -> tuple[bytes, ...]:
    """Envelopes of a membership chain."""
    _at_most(len(envelopes), MAX_LINKS, "links of the membership chain")
    return tuple(envelopes)


# --- fields
# -----------------------------------------------------------------------------------------


def _put_hello(hello: Hello) -> pb.Hello:
    _at_most(len(hello.software), MAX_SOFTWARE, "characters in the name of the software")
    return pb.Hello(
        active=pb.Position(
            epoch=_number(hello.active.epoch), version=_number(hello.active.version)
        ),
        manifest=bytes.fromhex(hello.manifest),
        epoch=_number(hello.epoch),
        serial=_number(hello.serial),
        software=hello.software,
        promised=_number(hello.promised),
    )


def _take_hello(hello: pb.Hello) -> Hello:
    software = hello.software
    _at_most(len(software), MAX_SOFTWARE, "characters in the name of the software")
    return Hello(
        active=Position(_number(hello.active.epoch), _number(hello.active.version)),
        manifest=_take_digest(hello.manifest),
        epoch=_number(hello.epoch),
        serial=_number(hello.serial),
        software=software,
        promised=_number(hello.promised),
    )


def _put_pulse(pulse: Pulse) -> pb.Pulse:
    return pb.Pulse(
        want_view=pulse.want_view,
        clock=_number(pulse.clock),
        epoch=_number(pulse.epoch),
        serial=_number(pulse.serial),
    )


def _take_pulse(pulse: pb.Pulse) -> Pulse:
    clock, epoch, serial = _number(pulse.clock), _number(pulse.epoch), _number(pulse.serial)
    # No calendar has what is later: it says nothing on what time it is.
    return Pulse(pulse.want_view, clock if clock <= LATEST else 0, epoch, serial)


def _put_digests(digests: Sequence[Digest]) -> bytes:
    _at_most(len(digests), MAX_DIGESTS, "digests")
    return bytes.fromhex("".join(digests))


def _take_digests(run: bytes) -> tuple[Digest, ...]:
    count, rest = divmod(len(run), DIGEST_BYTES)
    if rest:
        raise MalformedError("digests do not end where they should")
    _at_most(count, MAX_DIGESTS, "digests")
    return tuple(
        Digest(run[start : start + DIGEST_BYTES].hex())
        for start in range(0, len(run), DIGEST_BYTES)
    )


def _take_digest(raw: bytes) -> Digest:
    if len(raw) != DIGEST_BYTES:
        raise MalformedError(f"a digest of {len(raw)} bytes, not {DIGEST_BYTES}")
    return Digest(raw.hex())


def _put_parts(parts: Sequence[Part]) -> Iterable[pb.Part]:
    _check_parts(parts)
    for part in parts:
        _check_part(part)
        yield pb.Part(
            digest=bytes.fromhex(part.digest), total=part.total, offset=part.offset, data=part.data
        )


def _take_parts(wire: Sequence[pb.Part]) -> tuple[Part, ...]:
    _at_most(len(wire), MAX_PARTS, "parts")
    parts = tuple(Part(_take_digest(p.digest), p.total, p.offset, p.data) for p in wire)
    _check_parts(parts)  # each access to `data` of what is in the message is a copy
    for part in parts:
        _check_part(part)
    return parts


def _check_parts(parts: Sequence[Any]) -> None:
    _at_most(len(parts), MAX_PARTS, "parts")
    _at_most(sum(len(part.data) for part in parts), BATCH_BYTES, "bytes in the parts of a message")


def _check_part(part: Part) -> None:
    if part.total == -1:
        if part.offset or part.data:
            raise MalformedError("data of a content that is not to be had", where=part.digest[:16])
        return
    _check_place(part.total, part.offset, part.data, MAX_FILE_BYTES)


def _put_snapshot(part: SnapshotPart) -> pb.SnapshotPart:
    _check_place(part.total, part.offset, part.data, MAX_DOCUMENT_BYTES)
    return pb.SnapshotPart(
        envelope=part.envelope, total=part.total, offset=part.offset, data=part.data
    )


def _take_snapshot(wire: pb.SnapshotPart) -> SnapshotPart:
    part = SnapshotPart(wire.envelope, wire.total, wire.offset, wire.data)
    _check_place(part.total, part.offset, part.data, MAX_DOCUMENT_BYTES)
    return part


def _check_place(total: int, offset: int, data: bytes, most: int) -> None:
    _at_most(len(data), PART_BYTES, "bytes in one part")
    if not (0 <= offset <= total - len(data) and total <= most):
        raise MalformedError(f"a part at {offset} of {total} bytes is out of range")


def _number(value: int) -> int:
    if not 0 <= value <= MAX_NUMBER:
        raise MalformedError(f"{value} is not within 0..{MAX_NUMBER}")
    return value


def _at_most(count: int, most: int, what: str) -> None:
    if count > most:
        raise MalformedError(f"{count} {what}, {most} is the limit")


def bounded(data: bytes) -> bytes:
    """`data`, if it is no longer than a message may be."""
    _at_most(len(data), MESSAGE_BYTES, "bytes in one message")
    return data
