"""The fingerprint of a node: what two people compare, one at each machine.

It covers both keys of a node, the identity key and the TLS certificate, so that nobody can put one
of his own beside one of the node's. 120 bits, written as 24 letters and digits in groups of four:
enough that nobody finds other keys with the same one (2^120 tries), and short enough to be read
aloud. The letters are those of RFC 4648's base32, which has no 0, 1, 8 and 9.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from pmgsync.errors import UsageError

if TYPE_CHECKING:
    from pmgsync.model.membership import MemberKeys

_BYTES = 15
_GROUP = 4
_LETTERS = 24


def fingerprint(keys: MemberKeys) -> str:
    """`XXXX-XXXX-XXXX-XXXX-XXXX-XXXX` for the two keys of a node."""
    parts = (b"pmgsync node", keys.identity.raw, hashlib.sha256(keys.certificate).digest())
    letters = base64.b32encode(hashlib.sha256(b"\0".join(parts)).digest()[:_BYTES]).decode("ascii")
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


def is_fingerprint(typed: str, keys: MemberKeys) -> bool:
    """Is `typed` the fingerprint of `keys`? Blanks, hyphens and case do not matter.

    Raises `UsageError` for what is no fingerprint at all: half of one says nothing.
    """
    word = "".join(typed.split()).replace("-", "").upper()
    if len(word) != _LETTERS or not set(word) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"):
        raise UsageError(
            "is not a fingerprint: 24 letters and digits, in groups of four",
            where=typed[:80],
            mend="give the whole of it, as the other machine shows it",
        )
    return hmac.compare_digest(word, fingerprint(keys).replace("-", ""))
