"""The master's signed word that a key is no member's any more.

It is said when the stream of a removed member is cut, and when a member leaves: the node must know
for certain, and its certificate opens nothing afterwards, so it could not ask. A notice names a
key, not a node: a removed key never comes back, so an old notice tells nothing untrue about the
node that has joined again with a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pmgsync.errors import BadSignatureError, StaleError, WrongClusterError
from pmgsync.model import canonical
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    from pmgsync.model.keys import PublicKey, Signer
    from pmgsync.model.membership import Membership

REMOVAL_TYPE = "application/vnd.pmgsync.removal.v1+json"
MAX_REMOVAL_BYTES = 2048
"""It has to fit beside the status of a call that is refused."""


@dataclass(frozen=True, slots=True)
class Removal:
    """`key` (its id) is no member's in the membership `epoch`.`serial` of `cluster`."""

    cluster: str
    epoch: int
    serial: int
    key: str

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical.encode(
            {
                "cluster": self.cluster,
                "epoch": self.epoch,
                "serial": self.serial,
                "key": self.key,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Removal:
        """The notice in `data`; `MalformedError` for anything else."""
        fields = canonical.decode(data, "a removal", most=MAX_REMOVAL_BYTES)
        removal = cls(
            cluster=fields.take("cluster", str),
            epoch=fields.count("epoch"),
            serial=fields.count("serial"),
            key=fields.take("key", str),
        )
        fields.done()
        return removal


def removal_notice(membership: Membership, key: PublicKey, signer: Signer) -> bytes:
    """The notice (an envelope's bytes) that `key` has no place in `membership`."""
    removal = Removal(membership.cluster, membership.epoch, membership.serial, key.key_id)
    return seal(REMOVAL_TYPE, removal.to_bytes(), signer).to_bytes()


def accept_removal(notice: bytes, membership: Membership, key: PublicKey) -> Removal:
    """The removal in `notice`, if it is the word of the master of `membership` about `key`.

    Raises `MalformedError`, `BadSignatureError`, `WrongClusterError`, or `StaleError` for one that
    is older than `membership`, or no newer although the key still has its place in that.
    """
    envelope = Envelope.from_bytes(notice)
    removal = Removal.from_bytes(envelope.require(REMOVAL_TYPE, membership.master_key))
    if removal.cluster != membership.cluster:
        raise WrongClusterError(f"a removal of another cluster, {printable(removal.cluster[:40])}")
    if removal.key != key.key_id:
        raise BadSignatureError("a removal of another key")
    has_place = any(m.keys is not None and m.keys.identity == key for m in membership.members)
    oldest = membership.epoch, membership.serial + has_place
    if (removal.epoch, removal.serial) < oldest:
        raise StaleError(
            f"a removal by membership {removal.epoch}.{removal.serial}, not a newer one"
        )
    return removal
