"""Questions and answers between members, between `model.peers` and bytes; limits as in `codec`."""

from __future__ import annotations

from pmgsync.errors import MalformedError
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import Digest
from pmgsync.model.peers import (
    Answer,
    Ask,
    Propose,
    Question,
    Refusal,
    Standing,
    StepDown,
    TakeOver,
    Tell,
    Vote,
)
from pmgsync.wire.codec import DIGEST_BYTES, MAX_NUMBER, bounded, parse, take_links
from pmgsync.wire.refusals import one_line
from pmgsync.wire.v1 import follow_pb2
from pmgsync.wire.v1 import peer_pb2 as pb

MAX_KEY_ID = 64
SIGNATURE_BYTES = 64


def encode_question(question: Question) -> bytes:
    """The bytes of a question; `MalformedError` if it is beyond the limits."""
    match question:
        case Ask(epoch, serial, proof):
            wire = pb.ToPeer(ask=pb.Ask(epoch=epoch, serial=serial, proof=proof))
        case Tell(links):
            wire = pb.ToPeer(tell=pb.Tell(links=take_links(links)))
        case Propose(document, proof):
            wire = pb.ToPeer(propose=pb.Propose(document=document, proof=proof))
        case StepDown():
            wire = pb.ToPeer(step_down=pb.StepDown())
        case TakeOver():
            wire = pb.ToPeer(take_over=pb.TakeOver())
    return bounded(wire.SerializeToString())


def decode_question(data: bytes) -> Question:
    """The question in `data`."""
    wire = parse(pb.ToPeer, data)
    match wire.WhichOneof("message"):
        case "ask":
            return Ask(_number(wire.ask.epoch), _number(wire.ask.serial), wire.ask.proof)
        case "tell":
            return Tell(take_links(wire.tell.links))
        case "propose":
            return Propose(wire.propose.document, wire.propose.proof)
        case "step_down":
            return StepDown()
        case "take_over":
            return TakeOver()
    raise MalformedError("a question of an unknown kind from a member")


def encode_answer(answer: Answer) -> bytes:
    """The bytes of an answer; `MalformedError` if it is beyond the limits."""
    match answer:
        case Standing():
            wire = pb.FromPeer(standing=_put_standing(answer))
        case Vote(key_id, signature):
            wire = pb.FromPeer(vote=pb.Vote(key_id=key_id, signature=signature))
        case Refusal(why, behind):
            refusal = pb.Refusal(why=one_line(why), behind=_put_position(behind))
            wire = pb.FromPeer(refusal=refusal)
    return bounded(wire.SerializeToString())


def decode_answer(data: bytes) -> Answer:
    """The answer in `data`; text in it is cut to one line."""
    wire = parse(pb.FromPeer, data)
    match wire.WhichOneof("message"):
        case "standing":
            return _take_standing(wire.standing)
        case "vote":
            vote = wire.vote
            if len(vote.key_id) != MAX_KEY_ID or len(vote.signature) != SIGNATURE_BYTES:
                raise MalformedError("a vote that is no signature")
            return Vote(vote.key_id, vote.signature)
        case "refusal":
            refusal = wire.refusal
            behind = _take_position(refusal.behind) if refusal.HasField("behind") else None
            return Refusal(one_line(refusal.why), behind)
    raise MalformedError("an answer of an unknown kind from a member")


def _put_standing(standing: Standing) -> pb.Standing:
    return pb.Standing(
        epoch=standing.epoch,
        serial=standing.serial,
        head=_put_position(standing.head),
        manifest=bytes.fromhex(standing.manifest),
        promised=standing.promised,
        live=standing.live,
        master=standing.master,
        links=take_links(standing.links),
        promise=standing.promise,
        proof=standing.proof,
    )


def _take_standing(wire: pb.Standing) -> Standing:
    if len(wire.manifest) != DIGEST_BYTES:
        raise MalformedError("a standing without a state")
    return Standing(
        epoch=_number(wire.epoch),
        serial=_number(wire.serial),
        head=_take_position(wire.head),
        manifest=Digest(wire.manifest.hex()),
        promised=_number(wire.promised),
        live=wire.live,
        master=wire.master,
        links=take_links(wire.links),
        promise=wire.promise,
        proof=wire.proof,
    )


def _put_position(position: Position | None) -> follow_pb2.Position | None:
    if position is None:
        return None
    return follow_pb2.Position(epoch=position.epoch, version=position.version)


def _take_position(wire: follow_pb2.Position) -> Position:
    return Position(_number(wire.epoch), _number(wire.version))


def _number(value: int) -> int:
    if not 0 <= value <= MAX_NUMBER:
        raise MalformedError(f"{value} is not within 0..{MAX_NUMBER}")
    return value
