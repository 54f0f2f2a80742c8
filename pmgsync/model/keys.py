"""Ed25519 keys: what signs, what verifies, and the short names people compare.

The only file that knows the signature algorithm. A public key is its 32 raw bytes; its id is the
SHA-256 of them. The TLS keys are another kind (ECDSA P-256, `wire/certificates.py`) and sign
nothing here. The library is imported where a key is used: it is slow to load, and most commands
only read which keys there are.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from pmgsync.errors import MalformedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise MalformedError(f"a public key has {len(self.raw)} bytes, not {KEY_BYTES}")

    @property
    def key_id(self) -> str:
        """SHA-256 of the raw bytes, in hex."""
        return _key_id(self.raw)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Is `signature` this key's signature of `message`?"""
        from cryptography.exceptions import InvalidSignature

        try:
            _loaded(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def to_text(self) -> str:
        """Base64 of the raw bytes."""
        return base64.b64encode(self.raw).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """The key that `to_text` wrote; `MalformedError` otherwise."""
        return cls(decode_base64(text, "a public key"))


# Those of a cluster's members, again and again.
@lru_cache(maxsize=1024)
def _key_id(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


@lru_cache(maxsize=1024)
def _loaded(raw: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)


class Signer(Protocol):
    """Whatever can sign: a key in memory here; a token or an HSM could be another."""

    @property
    def public_key(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes: ...


OwnKeys = Callable[[], Sequence[Signer]]
"""All identity keys of this node: that which counts, those to come and those that did count. Which
of them signs is said by the membership that the signature is judged by.
"""


class SigningKey:
    """An Ed25519 private key in memory. Its `repr` shows the public half only."""

    def __init__(self, raw: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        if len(raw) != KEY_BYTES:
            raise MalformedError(f"a private key has {len(raw)} bytes, not {KEY_BYTES}")
        self._key = Ed25519PrivateKey.from_private_bytes(raw)
        self._public = PublicKey(
            self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        )

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the system's random source; any 32 bytes are one (RFC 8032)."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) of `message`."""
        return self._key.sign(message)

    def to_raw(self) -> bytes:
        """The 32 secret bytes."""
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        return self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())

    def __repr__(self) -> str:
        return f"<SigningKey {self._public.key_id[:16]}>"


def decode_base64(text: str, what: str) -> bytes:
    """The bytes in `text`; `MalformedError` naming `what` where it is not base64."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedError(f"{what} is not base64") from None
    if base64.b64encode(data).decode("ascii") != text:
        raise MalformedError(f"{what} is not base64 as it is written")
    return data
