"""Envelopes: DSSE's bytes, and which signatures count."""

import base64
import json
from dataclasses import replace

import pytest

from pmgsync.errors import BadSignatureError, MalformedError
from pmgsync.model.canonical import encode
from pmgsync.model.envelope import (
    MAX_SIGNATURES,
    Envelope,
    Signature,
    pre_authentication_encoding,
    seal,
)
from pmgsync.model.manifest import digest_of
from tests.unit.model.sample import MASTER, NODE, OTHER, STRANGER

TYPE = "http://example.com/HelloWorld"
PAYLOAD = b"hello world"


def test_the_bytes_that_are_signed_are_those_of_dsse() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding(TYPE, PAYLOAD) == expected
    assert seal(TYPE, PAYLOAD).signed_bytes() == expected


def test_lengths_are_counted_in_bytes() -> None:
    assert pre_authentication_encoding("é", "é".encode()) == "DSSEv1 2 é 2 é".encode()
    assert pre_authentication_encoding("", b"") == b"DSSEv1 0  0 "


def test_type_and_payload_cannot_be_shifted_into_each_other() -> None:
    assert pre_authentication_encoding("a", b"1 b") != pre_authentication_encoding("a 1", b"b")


def test_an_envelope_is_written_as_dsse_writes_it() -> None:
    written = json.loads(seal(TYPE, PAYLOAD, MASTER).to_bytes())
    assert set(written) == {"payload", "payloadType", "signatures"}
    assert base64.b64decode(written["payload"]) == PAYLOAD
    assert written["payloadType"] == TYPE
    signature = base64.b64decode(written["signatures"][0]["sig"])
    assert MASTER.public_key.verifies(signature, pre_authentication_encoding(TYPE, PAYLOAD))


def test_an_envelope_survives_its_bytes() -> None:
    envelope = seal(TYPE, PAYLOAD, MASTER, NODE)
    assert Envelope.from_bytes(envelope.to_bytes()) == envelope
    assert envelope.digest == digest_of(PAYLOAD)


def test_those_who_signed_are_the_signers() -> None:
    envelope = seal(TYPE, PAYLOAD, MASTER, NODE)
    keys = [MASTER.public_key, NODE.public_key, OTHER.public_key]
    assert envelope.signers(keys) == {MASTER.public_key, NODE.public_key}
    assert envelope.signers([]) == frozenset()
    assert seal(TYPE, PAYLOAD).signers(keys) == frozenset()


def test_a_key_counts_once_however_often_it_signs_or_is_asked_for() -> None:
    envelope = seal(TYPE, PAYLOAD, MASTER, MASTER, MASTER)
    assert len(envelope.signatures) == 3
    assert envelope.signers([MASTER.public_key, MASTER.public_key]) == {MASTER.public_key}


def test_a_key_counts_once_under_two_ids() -> None:
    envelope = seal(TYPE, PAYLOAD, MASTER)
    alias = Signature(NODE.public_key.key_id, envelope.signatures[0].value)
    envelope = replace(envelope, signatures=(*envelope.signatures, alias))
    assert envelope.signers([MASTER.public_key, NODE.public_key]) == {MASTER.public_key}


def test_a_signature_under_the_wrong_id_does_not_count() -> None:
    good = seal(TYPE, PAYLOAD, MASTER)
    moved = replace(good, signatures=(Signature(NODE.public_key.key_id, good.signatures[0].value),))
    assert moved.signers([MASTER.public_key, NODE.public_key]) == frozenset()


def test_a_bad_signature_beside_a_good_one_by_the_same_key_does_no_harm() -> None:
    good = seal(TYPE, PAYLOAD, MASTER)
    bad = Signature(MASTER.public_key.key_id, bytes(64))
    assert replace(good, signatures=(bad, *good.signatures)).require(TYPE, MASTER.public_key)


def test_the_payload_is_handed_out_for_the_right_type_and_key_only() -> None:
    envelope = seal(TYPE, PAYLOAD, MASTER)
    assert envelope.require(TYPE, MASTER.public_key) == PAYLOAD
    with pytest.raises(MalformedError, match="holds"):
        envelope.require("another/type", MASTER.public_key)
    with pytest.raises(BadSignatureError, match=STRANGER.public_key.key_id[:16]):
        envelope.require(TYPE, STRANGER.public_key)


@pytest.mark.parametrize("change", [{"payload": b"hello World"}, {"payload_type": TYPE + "!"}])
def test_a_signature_covers_payload_and_type(change: dict[str, str]) -> None:
    altered = replace(seal(TYPE, PAYLOAD, MASTER), **change)  # type: ignore[arg-type]
    with pytest.raises(BadSignatureError):
        altered.require(altered.payload_type, MASTER.public_key)


def written(**members: object) -> bytes:
    form: dict[str, object] = {
        "payloadType": TYPE,
        "payload": "aGVsbG8=",
        "signatures": [{"keyid": "a", "sig": "AAAA"}],
    }
    return encode({**form, **members})  # type: ignore[dict-item]


def test_the_form_of_these_tests_is_a_good_one() -> None:
    assert Envelope.from_bytes(written()).payload == b"hello"


@pytest.mark.parametrize(
    "members",
    [
        {"payload": "aGVsbG9="},  # the last bits are not zero
        {"payload": "aGVsbG8"},
        {"payload": "a GVsbG8="},
        {"payload": 1},
        {"payloadType": None},
        {"payloadType": ["x"]},
        {"signatures": {}},
        {"signatures": [1]},
        {"signatures": [{"keyid": "a"}]},
        {"signatures": [{"keyid": "a", "sig": "AAAA", "x": 1}]},
        {"signatures": [{"keyid": 1, "sig": "AAAA"}]},
        {"signatures": [{"keyid": "a", "sig": "?"}]},
        {"signatures": [{"keyid": "a", "sig": "AAAA"}] * (MAX_SIGNATURES + 1)},
        {"payloadType": "\ud800"},
        {"more": 1},
    ],
    ids=repr,
)
def test_an_envelope_of_another_form_is_malformed(members: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        Envelope.from_bytes(written(**members))


def test_an_envelope_has_one_byte_form_only() -> None:
    good = seal(TYPE, PAYLOAD, MASTER).to_bytes()
    for other in (good + b"\n", b" " + good, good.replace(b":", b": ", 1)):
        with pytest.raises(MalformedError, match="canonical"):
            Envelope.from_bytes(other)
    escaped = good.replace(b"HelloWorld", b"Hello\\u0057orld")
    with pytest.raises(MalformedError, match="canonical"):
        Envelope.from_bytes(escaped)
