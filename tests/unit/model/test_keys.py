"""Ed25519 keys, against a vector of RFC 8032."""

import hashlib

import pytest

from pmgsync.errors import MalformedError
from pmgsync.model.keys import PublicKey, SigningKey, decode_base64
from tests.unit.model.sample import MASTER, NODE

# RFC 8032, 7.1, TEST 2
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_signatures_are_those_of_the_standard() -> None:
    key = SigningKey(SECRET)
    assert key.public_key.raw == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert key.public_key.verifies(SIGNATURE, b"\x72")


def test_a_signature_of_other_bytes_or_by_another_key_does_not_verify() -> None:
    signature = MASTER.sign(b"message")
    assert not MASTER.public_key.verifies(signature, b"Message")
    assert not NODE.public_key.verifies(signature, b"message")


@pytest.mark.parametrize("signature", [b"", b"x", bytes(63), bytes(64), bytes(65), bytes(4096)])
def test_a_signature_of_any_length_is_only_wrong(signature: bytes) -> None:
    assert not MASTER.public_key.verifies(signature, b"message")


@pytest.mark.parametrize("raw", [bytes(32), b"\xff" * 32, b"\x02" + bytes(31)])
def test_a_public_key_that_is_no_point_of_the_curve_verifies_nothing(raw: bytes) -> None:
    assert not PublicKey(raw).verifies(MASTER.sign(b"message"), b"message")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(MalformedError, match=f"{length} bytes"):
        PublicKey(bytes(length))
    with pytest.raises(MalformedError, match=f"{length} bytes"):
        SigningKey(bytes(length))


def test_a_key_id_is_the_digest_of_the_raw_key() -> None:
    assert PublicKey(PUBLIC).key_id == hashlib.sha256(PUBLIC).hexdigest()


def test_keys_survive_their_text_and_raw_forms() -> None:
    assert PublicKey.from_text(PublicKey(PUBLIC).to_text()) == PublicKey(PUBLIC)
    assert SigningKey(SigningKey(SECRET).to_raw()).public_key == PublicKey(PUBLIC)


def test_generated_keys_differ() -> None:
    assert SigningKey.generate().public_key != SigningKey.generate().public_key


def test_a_private_key_shows_only_its_public_half() -> None:
    shown = repr(SigningKey(SECRET))
    assert PublicKey(PUBLIC).key_id[:16] in shown
    assert SECRET.hex()[:16] not in shown


@pytest.mark.parametrize(
    "text", ["x", "####", "AA", "AB==", "AA==\n", " AA==", "AA==AA==", "é", "A-_A"]
)
def test_base64_has_one_form_and_the_rest_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError, match="a thing is not base64"):
        decode_base64(text, "a thing")


def test_base64_gives_the_bytes_back() -> None:
    assert decode_base64("AAH/", "a thing") == b"\x00\x01\xff"
    assert decode_base64("", "a thing") == b""
