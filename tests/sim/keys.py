"""The keys of a node in memory: as `host.keyring.Keyring`, without files."""

from __future__ import annotations

from dataclasses import dataclass

from pmgsync.host.keyring import MOST_PAIRS
from pmgsync.model.keys import PublicKey, SigningKey
from pmgsync.model.membership import MemberKeys, Membership


@dataclass(frozen=True)
class Pair:
    """An identity key, and the certificate beside it."""

    key: SigningKey
    certificate: bytes

    @property
    def keys(self) -> MemberKeys:
        return MemberKeys(self.key.public_key, self.certificate)


class SimKeys:
    """A `Signer`, with the key that counts. All of it is on the node's disk."""

    def __init__(self, pair: Pair) -> None:
        self.current = pair
        self._pairs = [pair]

    @property
    def public_key(self) -> PublicKey:
        return self.current.key.public_key

    def sign(self, message: bytes) -> bytes:
        return self.current.key.sign(message)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The one that counts first."""
        return (self.current, *(pair for pair in self._pairs if pair is not self.current))

    @property
    def all_keys(self) -> tuple[SigningKey, ...]:
        return tuple(pair.key for pair in self.pairs)

    def prepare(self, pair: Pair) -> None:
        """One to come."""
        self._pairs.insert(0, pair)
        spare = [one for one in self._pairs if one is not self.current]
        del spare[MOST_PAIRS - 1 :]
        self._pairs = [one for one in self._pairs if one in spare or one is self.current]

    def follow(self, membership: Membership) -> bool:
        """Let the pair count that `membership` names; whether that is another one than before."""
        named = [member.keys for member in membership.members]
        if self.current.keys in named:
            return False
        found = next((pair for pair in self._pairs if pair.keys in named), None)
        self.current = found or self.current
        return found is not None

    def faces(self, *, alone: bool) -> list[MemberKeys]:
        """What its member port shows, in turns while nobody tells it which of them counts."""
        newer = self._pairs[: self._pairs.index(self.current)] if alone else []
        return [pair.keys for pair in (self.current, *newer)]
