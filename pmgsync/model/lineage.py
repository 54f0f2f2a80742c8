"""Since when each member is one, by whose signature, and which keys are dead: what a whole chain
says that its newest membership does not.

Folded link by link from a chain that is believed already; nothing is verified here but who signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pmgsync.model.membership import Membership

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pmgsync.model.envelope import Envelope
    from pmgsync.model.keys import PublicKey
    from pmgsync.model.membership import MemberKeys

RECOVERY = "the recovery key"


@dataclass(frozen=True, slots=True)
class Origin:
    """A link of the chain: where it stands, when it was made by its signer's clock (milliseconds
    since 1970; None: it does not say), and who signed it.
    """

    epoch: int
    serial: int
    created: int | None
    signers: tuple[str, ...]

    @property
    def place(self) -> tuple[int, int]:
        """Epoch and serial, by which links of one chain are ordered."""
        return self.epoch, self.serial


class Lineage:
    """The fold. `origins` has, for each member, the link that gave it the keys that it has."""

    def __init__(self, chain: Iterable[Envelope] = ()) -> None:
        self.origins: dict[int, Origin] = {}
        self.newest: Origin | None = None
        self.links = 0
        self._holders: dict[bytes, int] = {}
        self._keys: dict[int, MemberKeys | None] = {}
        self._changed: dict[int, list[int]] = {}
        self._begun: list[int] = []
        self._before: Membership | None = None
        for envelope in chain:
            self.add(envelope)

    def add(self, envelope: Envelope) -> None:
        """Take in the next link."""
        membership = Membership.from_bytes(envelope.payload)
        signers = tuple(_signers(envelope, membership, self._before))
        origin = Origin(membership.epoch, membership.serial, membership.created, signers)
        keys = {member.cid: member.keys for member in membership.members}
        self.origins = {
            cid: origin if cid not in self._keys or self._keys[cid] != held else self.origins[cid]
            for cid, held in keys.items()
        }
        for cid, held in keys.items():
            for name in _names(held):
                self._holders[name] = cid
            if held is not None and self._keys.get(cid) not in (None, held):
                self._changed.setdefault(cid, []).append(membership.created or 0)
        if self._before is not None and self._before.epoch != membership.epoch:
            self._begun.append(membership.created or 0)
        self._keys, self._before, self.newest = keys, membership, origin
        self.links += 1

    def holder_of(self, keys: MemberKeys) -> int | None:
        """The cid of who has these keys, or had them last; None where nobody ever did."""
        return next((self._holders[name] for name in _names(keys) if name in self._holders), None)

    def has_others(self, keys: MemberKeys) -> bool:
        """Is who had these keys last a member, with these or with others?"""
        holder = self.holder_of(keys)
        return holder is not None and self._keys.get(holder) is not None

    def changes_since(self, cid: int, moment: int) -> int:
        """How often that member's keys were replaced by others since `moment` (milliseconds since
        1970), by the clocks of the masters.
        """
        return sum(created >= moment for created in self._changed.get(cid, ()))

    def epochs_between(self, since: int, until: int) -> int:
        """How many epochs have begun from `since` to `until`, by the clocks of those who have begun
        them: one that is wrong by years must not count for ever.
        """
        return sum(since <= created <= until for created in self._begun)

    def is_dead(self, keys: MemberKeys) -> bool:
        """Did somebody have one of the two, and is that over? A dead key never lives again."""
        alive = {name for held in self._keys.values() for name in _names(held)}
        return any(name in self._holders and name not in alive for name in _names(keys))


def _names(keys: MemberKeys | None) -> tuple[bytes, ...]:
    """What stands for each of the two keys."""
    return () if keys is None else (keys.identity.raw, keys.fingerprint.encode("ascii"))


def _signers(
    envelope: Envelope, membership: Membership, before: Membership | None
) -> Iterator[str]:
    known: dict[PublicKey, str] = {membership.recovery: RECOVERY}
    for source in (before, membership):
        if source is not None:
            known.update({m.keys.identity: m.label for m in source.members if m.keys})
    found = envelope.signers(known)
    # A master that takes a new key signs with both.
    yield from dict.fromkeys(label for key, label in known.items() if key in found)
