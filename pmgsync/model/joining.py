"""Joining with a token: both sides prove that they know the secret without sending it. And without
one: a petition that waits for the admin (see `docs/adr`).

The token is what the admin carries from the master to the new node: a secret of 128 bits and the
digest of the master's TLS certificate. The node talks only to a server that shows exactly this
certificate. Then:

    node    -> master   opening: the token's public id, a nonce
    master  -> node     challenge: its nonce, and its proof over both nonces
    node    -> master   request: who it is, its keys; its proof over both nonces and the request
    master  -> node     the membership chain with the node in it; a proof over both nonces and it

A proof is HMAC-SHA-256 with the secret, over a label for each direction and everything said so
far, so none of them can be reflected, replayed or moved to another exchange. The request is,
besides, signed with the node's identity key, which proves that it has that key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pmgsync.errors import BadSignatureError, MalformedError, UsageError
from pmgsync.model import canonical
from pmgsync.model.keys import PublicKey, decode_base64
from pmgsync.model.manifest import Digest, digest_of, parse_digest
from pmgsync.model.membership import MAX_PORT, MemberKeys
from pmgsync.model.naming import check_address, check_node_name
from pmgsync.model.pmg_node import PmgKeys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmgsync.model.envelope import Envelope

JOIN_PETITION_TYPE = "application/vnd.pmgsync.join-petition.v1+json"
JOIN_REQUEST_TYPE = "application/vnd.pmgsync.join-request.v1+json"
TOKEN_PREFIX = "join-"  # noqa: S105 - not a secret; keeps a token from looking like an option
TOKEN_LIFE_MS = 15 * 60 * 1000
SECRET_BYTES = 16
MAX_REQUEST_BYTES = 64 << 10
NONCE_BYTES = 32
MAX_WRONG_PROOFS = 5
"""A token is revoked after so many wrong proofs."""


@dataclass(frozen=True, slots=True)
class Token:
    """The secret, and the digest of the certificate that the master will show."""

    secret: bytes
    certificate: Digest

    @property
    def token_id(self) -> str:
        """What may be said aloud: it names the token and tells nothing about the secret."""
        return hashlib.sha256(b"pmgsync token id\0" + self.secret).hexdigest()[:16]

    def to_text(self) -> str:
        """One word of letters, digits, `-` and `_`; never one that looks like an option."""
        raw = self.secret + bytes.fromhex(self.certificate)
        return TOKEN_PREFIX + base64.urlsafe_b64encode(raw).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> Token:
        """The token that an admin typed; `UsageError` if it cannot be one."""
        word = text.strip()
        try:
            raw = base64.b64decode(word.removeprefix(TOKEN_PREFIX), altchars=b"-_", validate=True)
        except ValueError:
            raw = b""
        if not word.startswith(TOKEN_PREFIX) or len(raw) != SECRET_BYTES + 32:
            raise UsageError(
                "is not a join token",
                where="--token",
                mend="copy the whole line that `pmgsync join-cmd` printed",
            )
        return cls(raw[:SECRET_BYTES], parse_digest(raw[SECRET_BYTES:].hex()))

    def __repr__(self) -> str:
        return f"<Token {self.token_id}>"


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Who wants in: name, address, member port, identity key, certificate (DER), and PMG's keys."""

    name: str
    address: str
    port: int
    identity: PublicKey
    certificate: bytes
    pmg: PmgKeys

    @property
    def keys(self) -> MemberKeys:
        """What it will be recognised by."""
        return MemberKeys(self.identity, self.certificate)

    def to_json(self) -> dict[str, canonical.Json]:
        """The request as a JSON object."""
        return {
            "name": self.name,
            "address": self.address,
            "port": self.port,
            "identity": self.identity.to_text(),
            "certificate": base64.b64encode(self.certificate).decode("ascii"),
            "pmg": [self.pmg.fingerprint, self.pmg.host_rsa, self.pmg.root_rsa],
        }

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed and proven."""
        return canonical.encode(self.to_json())

    @classmethod
    def from_envelope(cls, envelope: Envelope) -> JoinRequest:
        """The request in `envelope`, which must be signed by the identity that it names."""
        fields = canonical.decode(envelope.payload, "a join request", most=MAX_REQUEST_BYTES)
        request = _request_in(fields)
        fields.done()
        envelope.require(JOIN_REQUEST_TYPE, request.identity)
        return request


def _request_in(fields: canonical.Fields) -> JoinRequest:
    return JoinRequest(
        name=check_node_name(fields.take("name", str)),
        address=check_address(fields.take("address", str)),
        port=fields.count("port", least=1, most=MAX_PORT),
        identity=PublicKey.from_text(fields.take("identity", str)),
        certificate=decode_base64(fields.take("certificate", str), "a certificate"),
        pmg=PmgKeys(*fields.texts("pmg", exactly=3)),
    )


@dataclass(frozen=True, slots=True)
class Petition:
    """A request without a token, and the digest of the certificate that the node was shown.

    The digest is signed with it: whoever stands between node and master, and shows a certificate of
    his own, has a petition that the real master refuses.
    """

    request: JoinRequest
    master: Digest

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical.encode({**self.request.to_json(), "master": self.master})

    @classmethod
    def from_envelope(cls, envelope: Envelope) -> Petition:
        """The petition in `envelope`, which must be signed by the identity that it names."""
        fields = canonical.decode(envelope.payload, "a join petition", most=MAX_REQUEST_BYTES)
        petition = cls(_request_in(fields), parse_digest(fields.take("master", str)))
        fields.done()
        envelope.require(JOIN_PETITION_TYPE, petition.request.identity)
        return petition


@dataclass(frozen=True, slots=True)
class Exchange:
    """The proofs of one exchange, which both sides can compute once both nonces are known."""

    secret: bytes = field(repr=False)
    node_nonce: bytes
    master_nonce: bytes

    def __post_init__(self) -> None:
        if len(self.node_nonce) != NONCE_BYTES or len(self.master_nonce) != NONCE_BYTES:
            raise MalformedError("a nonce has the wrong length")

    def master_proof(self) -> bytes:
        """The master's: it knows the secret."""
        return self._proof(b"master")

    def node_proof(self, request: bytes) -> bytes:
        """The node's, bound to its request (the envelope's bytes)."""
        return self._proof(b"node", request)

    def chain_proof(self, chain: Sequence[bytes]) -> bytes:
        """The master's, bound to the membership chain that it hands over."""
        return self._proof(b"chain", *(digest_of(link).encode() for link in chain))

    def _proof(self, label: bytes, *parts: bytes) -> bytes:
        message = b"\0".join(
            (
                b"pmgsync join",
                label,
                self.node_nonce.hex().encode(),
                self.master_nonce.hex().encode(),
            )
        )
        for part in parts:
            message += b"\0" + hashlib.sha256(part).digest()
        return hmac.digest(self.secret, message, "sha256")


def require_proof(given: bytes, expected: bytes, who: str) -> None:
    """Raise `BadSignatureError` unless the proof is right; takes the same time either way."""
    if not hmac.compare_digest(given, expected):
        raise BadSignatureError(
            "did not prove that it knows the token",
            where=who,
            mend="get a new one with `pmgsync join-cmd`",
        )
