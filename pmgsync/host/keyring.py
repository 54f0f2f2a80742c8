"""All keys of this node: those that count, those that are to count, those that did.

Which keys count is not decided here but by the membership: a node is the member whose keys it has
(`follow`). New ones are on disk before anybody hears of them (`prepare`), and the ones before are
kept: so a node that crashes at any moment, or never hears the answer, still has the pair that the
membership names, whichever that is; also where a promotion on an earlier link brings back the ones
before. Others, who have not heard of the newest keys, may still know an older certificate of this
node, and are told the news with that (`all_tls`).

`spare-keys.json` holds all pairs, newest first, and is replaced in one step. `identity.key`,
`tls.key` and `tls.crt` are the pair that counts; where a crash has left them half replaced, `load`
mends them. Until keys are changed for the first time there is no such file.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pmgsync.errors import MalformedError, StoreDamagedError
from pmgsync.host.identity import (
    SPARE_KEYS,
    Identity,
    MakeCertificate,
    key_in,
    read_chain_in,
    read_file,
    replace_file,
)
from pmgsync.model.keys import PublicKey, SigningKey
from pmgsync.model.membership import Membership
from pmgsync.model.scope import STATE_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pmgsync.model.envelope import Envelope

MOST_PAIRS: Final = 8
"""So many are kept. A member that was away for more changes than that must be told by another."""


class Keyring:
    """The pairs. As a `model.keys.Signer` it signs with the identity key that counts."""

    def __init__(self, current: Identity) -> None:
        """Only `current`, as after joining."""
        self._current = current
        self._pairs: tuple[Identity, ...] = (current,)

    @classmethod
    def load(cls, root: Path, make_certificate: MakeCertificate) -> Keyring:
        """What lies below `root`; the first pair is made where there is none.

        `StoreDamagedError` for files that hold no keys.
        """
        keyring = cls(Identity.load_or_create(root, make_certificate))
        keyring._pairs = _read_pairs(keyring._current) or keyring._pairs
        chain = keyring._current.read_chain()
        if chain:
            keyring.follow(Membership.from_bytes(chain[-1].payload))
        return keyring

    @property
    def current(self) -> Identity:
        """The pair that counts."""
        return self._current

    @property
    def public_key(self) -> PublicKey:
        """See `Signer`."""
        return self._current.key.public_key

    def sign(self, message: bytes) -> bytes:
        """See `Signer`."""
        return self._current.key.sign(message)

    @property
    def pairs(self) -> tuple[Identity, ...]:
        """All of them: the one that counts, then the others, newest first."""
        return (self._current, *(pair for pair in self._pairs if pair.keys != self._current.keys))

    def face(self, turn: int) -> Identity:
        """What to show in this turn to those who connect, while nobody tells this node which of its
        pairs counts: each of the pairs to come, and the one that counts.
        """
        faces = (self._current, *self._to_come())
        return faces[turn % len(faces)]

    def prepare(
        self,
        make_certificate: MakeCertificate,
        *,
        identity: bool,
        fits: Callable[[bytes], bool] = lambda _certificate: True,
    ) -> Identity:
        """A pair to come, durable; with a new identity key where `identity` is wanted.

        One that was made before and never came to count is taken again if its certificate (DER)
        still `fits`: the answer to the first request may have been lost. Not where its identity key
        counted before: that one is dead.
        """
        counted = {pair.key.public_key for pair in self._pairs[len(self._to_come()) :]}
        for pair in self._to_come():
            is_kind = (pair.key.public_key != self.public_key) == identity
            is_dead = identity and pair.key.public_key in counted
            if is_kind and not is_dead and fits(pair.keys.certificate):
                return pair
        tls_key, certificate = make_certificate()
        key = SigningKey.generate() if identity else self._current.key
        made = Identity(self._current.folder, key, tls_key, certificate)
        self._write((made, *self._pairs))
        return made

    def follow(self, membership: Membership) -> bool:
        """Let the pair count that `membership` names; whether that is another one than before.

        A membership that names none of them changes nothing: this node is no member of it. Where
        the files of the pair cannot be written, that is a `HostError`, and it counts all the same:
        the next `load` finds it in the chain and among the spare ones.
        """
        named = [member.keys for member in membership.members if member.keys is not None]
        if self._current.keys in named:
            return False
        for pair in self._pairs:
            if pair.keys in named:
                self._current = pair
                pair.write_keys()
                return True
        return False

    def _to_come(self) -> tuple[Identity, ...]:
        """The pairs that are newer than the one that counts."""
        at = next((n for n, p in enumerate(self._pairs) if p.keys == self._current.keys), 0)
        return self._pairs[:at]

    def _write(self, pairs: tuple[Identity, ...]) -> None:
        kept = pairs[:MOST_PAIRS]
        if not any(pair.keys == self._current.keys for pair in kept):
            kept = (*kept[:-1], self._current)
        rows = [_row(pair) for pair in kept]
        replace_file(self._current.folder / SPARE_KEYS, json.dumps(rows, indent=1).encode("ascii"))
        self._pairs = kept


def read_place(root: Path) -> tuple[PublicKey, Envelope] | None:
    """This node's key and the newest link of its chain, where it belongs to a cluster; makes
    nothing.
    """
    folder = root / STATE_FOLDER
    chain, raw = read_chain_in(folder), read_file(folder / "identity.key")
    if not chain or raw is None:
        return None
    key = key_in(folder / "identity.key", raw).public_key
    named = {m.keys.identity for m in Membership.from_bytes(chain[-1].payload).members if m.keys}
    if key not in named:  # a crash came between the chain and the file of the new key
        spare = (pair.public_key for pair, _, _ in _read_rows(folder / SPARE_KEYS))
        key = next((one for one in spare if one in named), key)
    return key, chain[-1]


def _row(pair: Identity) -> dict[str, str]:
    return {
        "identity": base64.b64encode(pair.key.to_raw()).decode("ascii"),
        "tls_key": pair.tls_key.decode("ascii"),
        "tls_certificate": pair.tls_certificate.decode("ascii"),
    }


def _read_pairs(current: Identity) -> tuple[Identity, ...]:
    folder = current.folder
    rows = _read_rows(folder / SPARE_KEYS)
    return tuple(Identity(folder, key, tls_key, crt) for key, tls_key, crt in rows)


def _read_rows(path: Path) -> Iterable[tuple[SigningKey, bytes, bytes]]:
    data = read_file(path)
    return [] if data is None else pairs_in(data, path)


def pairs_in(data: bytes, path: Path) -> list[tuple[SigningKey, bytes, bytes]]:
    """Identity key, TLS key and certificate of each pair in `data`, newest first;
    `StoreDamagedError` naming `path` for anything else.
    """
    try:
        return [
            (
                SigningKey(base64.b64decode(row["identity"], validate=True)),
                row["tls_key"].encode("ascii"),
                row["tls_certificate"].encode("ascii"),
            )
            for row in json.loads(data)
        ]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, MalformedError):
        raise StoreDamagedError(
            "holds no keys",
            where=str(path),
            mend="remove it, if no `pmgsync rotate-keys` was going on; else bring it back from a "
            "backup, or move its folder away and join the cluster again",
        ) from None
