"""The envelope: signed bytes, in the form of DSSE v1 (Dead Simple Signing Envelope).

What is signed is `PAE(type, payload)`, the exact payload bytes with their type and lengths in
front; nothing is ever parsed, changed and encoded again between signing and verifying. At rest and
on the wire an envelope is DSSE's JSON form. A signature counts once a key, whatever ids it is
listed under.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pmgsync.errors import BadSignatureError, MalformedError
from pmgsync.model import canonical
from pmgsync.model.keys import PublicKey, Signer, decode_base64
from pmgsync.model.manifest import Digest, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SIGNATURES = 5_010
"""A promotion in the largest cluster is signed by a majority of 10,000."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature, with the id of the key that claims to have made it."""

    key_id: str
    value: bytes

    def to_json(self) -> bytes:
        """Its member of an envelope."""
        return b'{"keyid":%b,"sig":"%b"}' % (
            canonical.text(self.key_id),
            base64.b64encode(self.value),
        )


@dataclass(frozen=True)
class Envelope:
    """A payload, its type, and who signed it. Whether the signatures are good is not said."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]
    _known: dict[PublicKey, bool] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )
    """Which keys have been tried: neither they nor what they signed can change in this object."""

    @cached_property
    def digest(self) -> Digest:
        """The digest of the payload: the name by which a chain refers to it."""
        return digest_of(self.payload)

    def signed_bytes(self) -> bytes:
        """DSSE's pre-authentication encoding: the bytes that signatures cover."""
        return pre_authentication_encoding(self.payload_type, self.payload)

    def signers(self, keys: Iterable[PublicKey]) -> frozenset[PublicKey]:
        """Those of `keys` that have a valid signature here."""
        return frozenset(key for key in frozenset(keys) if self._is_signed_by(key))

    def _is_signed_by(self, key: PublicKey) -> bool:
        if key not in self._known:
            message, key_id = self.signed_bytes(), key.key_id
            self._known[key] = any(
                s.key_id == key_id and key.verifies(s.value, message) for s in self.signatures
            )
        return self._known[key]

    def require(self, payload_type: str, key: PublicKey) -> bytes:
        """The payload, if it is of `payload_type` and signed by `key`, else `BadSignatureError`."""
        if self.payload_type != payload_type:
            raise MalformedError(
                f"the envelope holds {self.payload_type[:80]!r}, not {payload_type!r}"
            )
        if not self._is_signed_by(key):
            raise BadSignatureError(f"no valid signature by key {key.key_id[:16]}")
        return self.payload

    def to_bytes(self) -> bytes:
        """DSSE's JSON form."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        # As `canonical.encode` has it, without its way through a tree of values: this is done with
        # every envelope that comes.
        signatures = b",".join([signature.to_json() for signature in self.signatures])
        return b'{"payload":"%b","payloadType":%b,"signatures":[%b]}' % (
            base64.b64encode(self.payload),
            canonical.text(self.payload_type),
            signatures,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Envelope:
        """The envelope in `data`; `MalformedError` for anything else."""
        fields = canonical.decode(data, "an envelope")
        rows = fields.take("signatures", list)
        if len(rows) > MAX_SIGNATURES:
            raise MalformedError(f"an envelope has more than {MAX_SIGNATURES} signatures")
        envelope = cls(
            payload_type=fields.take("payloadType", str),
            payload=decode_base64(fields.take("payload", str), "an envelope's payload"),
            signatures=tuple(_signature(row) for row in rows),
        )
        fields.done()
        # One envelope has one byte form (base64 alone would allow several), so no bit of it can be
        # altered unseen.
        if envelope.to_bytes() != data:
            raise MalformedError("an envelope is not in its canonical form")
        return envelope


def seal(payload_type: str, payload: bytes, *signers: Signer) -> Envelope:
    """`payload` in an envelope, signed by each of `signers`."""
    message = pre_authentication_encoding(payload_type, payload)
    return Envelope(
        payload_type,
        payload,
        tuple(Signature(signer.public_key.key_id, signer.sign(message)) for signer in signers),
    )


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """`PAE` of the DSSE specification, protocol v1."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _signature(row: object) -> Signature:
    fields = canonical.Fields(row, "a signature")
    signature = Signature(
        fields.take("keyid", str), decode_base64(fields.take("sig", str), "a signature")
    )
    fields.done()
    return signature
