"""Joining: the token's form, and proofs that fit one exchange and one direction only."""

from dataclasses import replace

import pytest

from pmgsync.errors import BadSignatureError, MalformedError, PmgsyncError, UsageError
from pmgsync.model.canonical import encode
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.joining import (
    JOIN_REQUEST_TYPE,
    MAX_REQUEST_BYTES,
    Exchange,
    JoinRequest,
    Token,
    require_proof,
)
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import digest_of
from tests.unit.model.sample import MASTER, NODE, PMG_KEYS, STRANGER

TOKEN = Token(bytes(range(16)), digest_of(b"certificate"))
EXCHANGE = Exchange(TOKEN.secret, b"n" * 32, b"m" * 32)
REQUEST = JoinRequest("mx2", "192.0.2.2", 9443, NODE.public_key, b"certificate 2", PMG_KEYS)


def seal_request(request: JoinRequest = REQUEST, signer: SigningKey = NODE) -> Envelope:
    return seal(JOIN_REQUEST_TYPE, request.to_bytes(), signer)


@pytest.mark.parametrize("secret", [bytes(16), b"\xff" * 16, b"\xfb\xef\xbe" * 5 + b"\xfb"])
def test_a_token_survives_its_text_with_blanks_around_it(secret: bytes) -> None:
    token = replace(TOKEN, secret=secret)
    assert Token.from_text(f" {token.to_text()}\n") == token


def test_the_text_of_a_token_is_one_word_that_no_option_parser_trips_over() -> None:
    # urlsafe base64 of these bytes alone begins with `-`
    text = Token(b"\xf8" * 16, digest_of(b"")).to_text()
    assert text.startswith("join-")
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-", "join-", "garbage", "join-garbage", "join-####", "join-\u0661", "\ud800"),
        *("join-" + "A" * 63, "join-" + "A" * 65, "join-" + "A" * 68, "A" * 64),
        *(TOKEN.to_text()[:-1], TOKEN.to_text() + "A", TOKEN.to_text()[5:]),
        *(TOKEN.to_text().replace("join-", "JOIN-"), TOKEN.to_text() + " --force", "x" * 100_000),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_is_no_token_is_the_admins_to_mend(text: str) -> None:
    with pytest.raises(UsageError, match="--token: is not a join token; copy the whole line"):
        Token.from_text(text)


def test_neither_token_nor_exchange_shows_its_secret() -> None:
    for shown in (repr(TOKEN), str(TOKEN), repr(EXCHANGE), f"{EXCHANGE}"):
        assert TOKEN.secret.hex() not in shown
        assert repr(TOKEN.secret)[2:20] not in shown
    assert TOKEN.token_id in repr(TOKEN)


def test_the_id_of_a_token_says_nothing_of_its_certificate_and_differs_by_secret() -> None:
    assert TOKEN.token_id == replace(TOKEN, certificate=digest_of(b"other")).token_id
    assert TOKEN.token_id != replace(TOKEN, secret=b"x" * 16).token_id
    assert len(TOKEN.token_id) == 16


def test_a_right_proof_is_taken_and_a_wrong_one_names_who_gave_it() -> None:
    require_proof(EXCHANGE.master_proof(), EXCHANGE.master_proof(), "the master")
    for wrong in (b"", b"x", EXCHANGE.master_proof()[:-1], bytes(32)):
        with pytest.raises(BadSignatureError, match="the master: did not prove"):
            require_proof(wrong, EXCHANGE.master_proof(), "the master")


def test_a_proof_cannot_be_reflected() -> None:
    proofs = [
        EXCHANGE.master_proof(),
        EXCHANGE.node_proof(b""),
        EXCHANGE.node_proof(b"request"),
        EXCHANGE.chain_proof([]),
        EXCHANGE.chain_proof([b""]),
        EXCHANGE.chain_proof([b"request"]),
    ]
    assert len(set(proofs)) == len(proofs)
    with pytest.raises(BadSignatureError):
        require_proof(EXCHANGE.master_proof(), EXCHANGE.node_proof(b"request"), "mx2")


@pytest.mark.parametrize(
    "other",
    [
        replace(EXCHANGE, secret=b"x" * 16),
        replace(EXCHANGE, node_nonce=b"x" * 32),
        replace(EXCHANGE, master_nonce=b"x" * 32),
        replace(EXCHANGE, node_nonce=EXCHANGE.master_nonce, master_nonce=EXCHANGE.node_nonce),
    ],
)
def test_a_proof_fits_one_exchange_only(other: Exchange) -> None:
    assert other.master_proof() != EXCHANGE.master_proof()
    assert other.node_proof(b"request") != EXCHANGE.node_proof(b"request")
    assert other.chain_proof([b"link"]) != EXCHANGE.chain_proof([b"link"])


def test_a_proof_is_bound_to_what_was_said() -> None:
    assert EXCHANGE.node_proof(b"request") != EXCHANGE.node_proof(b"another")
    chains = [[b"a", b"b"], [b"b", b"a"], [b"ab"], [b"a"], [b"a", b"b", b""], []]
    assert len({EXCHANGE.chain_proof(chain) for chain in chains}) == len(chains)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_nonce_has_32_bytes(length: int) -> None:
    for name in ("node_nonce", "master_nonce"):
        with pytest.raises(MalformedError, match="nonce"):
            replace(EXCHANGE, **{name: bytes(length)})


def test_a_request_survives_its_envelope() -> None:
    assert JoinRequest.from_envelope(seal_request()) == REQUEST
    assert JoinRequest.from_envelope(Envelope.from_bytes(seal_request().to_bytes())) == REQUEST


@pytest.mark.parametrize("signer", [MASTER, STRANGER])
def test_a_request_must_be_signed_by_the_identity_that_it_names(signer: SigningKey) -> None:
    with pytest.raises(BadSignatureError):
        JoinRequest.from_envelope(seal_request(signer=signer))


def test_an_envelope_of_another_type_is_no_request() -> None:
    envelope = seal("application/json", REQUEST.to_bytes(), NODE)
    with pytest.raises(MalformedError, match="the envelope holds"):
        JoinRequest.from_envelope(envelope)


def form(**members: object) -> bytes:
    good: dict[str, object] = {
        "name": "mx2",
        "address": "192.0.2.2",
        "port": 9443,
        "identity": NODE.public_key.to_text(),
        "certificate": "AAAA",
        "pmg": ["", "", ""],
    }
    return encode({**good, **members})  # type: ignore[dict-item]


def test_the_form_of_these_tests_is_a_good_one() -> None:
    assert JoinRequest.from_envelope(seal(JOIN_REQUEST_TYPE, form(), NODE)).name == "mx2"


@pytest.mark.parametrize(
    "members",
    [
        {"name": ""},
        {"name": "mx2\nmaster: 9"},
        {"name": "mx2.example"},
        {"name": "\x1b[2J"},
        {"address": "mx2.example"},
        {"address": "fe80::1%\nmaster: 9"},
        {"port": 0},
        {"port": 65536},
        {"port": True},
        {"identity": "AAAA"},
        {"identity": "?"},
        {"certificate": "?"},
        {"pmg": ["", ""]},
        {"pmg": ["", "", 1]},
        {"pmg": ["", "", "AAAA\nssh-rsa BBBB"]},
        {"pmg": ["", "AAAA root@mx2", ""]},
        {"pmg": ["x" * 5000, "", ""]},
        {"surplus": 1},
        {"certificate": "A" * MAX_REQUEST_BYTES},
    ],
    ids=lambda members: repr(members)[:50],
)
def test_a_request_of_another_form_is_malformed(members: dict[str, object]) -> None:
    with pytest.raises(MalformedError) as caught:
        JoinRequest.from_envelope(seal(JOIN_REQUEST_TYPE, form(**members), NODE))
    assert str(caught.value).isprintable()


def test_every_refusal_of_a_request_is_one_of_ours() -> None:
    for payload in (b"", b"{}", b"[]", b"\xff", form()[:-1]):
        with pytest.raises(PmgsyncError):
            JoinRequest.from_envelope(seal(JOIN_REQUEST_TYPE, payload, NODE))
