"""Questions and answers on the wire: total in both directions, with limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.errors import MalformedError
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import Manifest
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
from pmgsync.wire.codec import MAX_LINKS, MAX_NUMBER
from pmgsync.wire.peer_codec import (
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
)
from pmgsync.wire.v1 import follow_pb2
from pmgsync.wire.v1 import peer_pb2 as pb

DIGEST = Manifest().digest

QUESTIONS: list[Question] = [
    Ask(0, 0),
    Ask(MAX_NUMBER, 7, proof=True),
    Tell(()),
    Tell((b"one", b"two")),
    Propose(b"document", b""),
    Propose(b"document", b"proof"),
    StepDown(),
    TakeOver(),
]
ANSWERS: list[Answer] = [
    Standing(1, 1, Position(0, 0), DIGEST, 0, live=False, master=False),
    Standing(
        2, 9, Position(1, 4), DIGEST, 3, live=True, master=True, links=(b"a", b"b"), promise=b"c"
    ),
    Standing(2, 9, Position(2, 4), DIGEST, 3, live=True, master=False, proof=b"envelope"),
    Vote("a" * 64, b"s" * 64),
    Refusal("is behind", Position(1, 4)),
    Refusal("is the master"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_a_question_arrives_as_it_was(question: Question) -> None:
    assert decode_question(encode_question(question)) == question


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_an_answer_arrives_as_it_was(answer: Answer) -> None:
    assert decode_answer(encode_answer(answer)) == answer


@pytest.mark.parametrize(
    "wire",
    [
        pb.ToPeer(),
        pb.ToPeer(ask=pb.Ask(epoch=MAX_NUMBER + 1)),
        pb.ToPeer(tell=pb.Tell(links=[b"x"] * (MAX_LINKS + 1))),
    ],
    ids=["nothing", "a number too high", "too many links"],
)
def test_a_question_that_is_none_is_refused(wire: pb.ToPeer) -> None:
    with pytest.raises(MalformedError):
        decode_question(wire.SerializeToString())


@pytest.mark.parametrize(
    "wire",
    [
        pb.FromPeer(),
        pb.FromPeer(standing=pb.Standing(epoch=1)),
        pb.FromPeer(
            standing=pb.Standing(manifest=b"d" * 32, head=follow_pb2.Position(epoch=2**60))
        ),
        pb.FromPeer(vote=pb.Vote(key_id="short", signature=b"s" * 64)),
        pb.FromPeer(vote=pb.Vote(key_id="k" * 64, signature=b"short")),
    ],
    ids=["nothing", "no state", "a number too high", "no key", "no signature"],
)
def test_an_answer_that_is_none_is_refused(wire: pb.FromPeer) -> None:
    with pytest.raises(MalformedError):
        decode_answer(wire.SerializeToString())


def test_what_is_said_is_one_line() -> None:
    said = decode_answer(encode_answer(Refusal("no\n\x1b[31mway\r" + "x" * 2000)))
    assert isinstance(said, Refusal)
    assert said.why.startswith("no [31mway x")
    assert len(said.why) == 500


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for decode in (decode_question, decode_answer):
        try:
            decode(data)
        except MalformedError:
            continue
