"""New keys for a member, in place of those that it has: who must sign, and what the next link is.

A node asks its master for it (`KeyChange`), and the master writes the link; the master's own keys
are changed by a link that it writes itself. The rules:

* The request is signed by the identity key that the membership names, and by the new one; the new
  TLS key has signed it, too (`wire/certificates.py`). So nobody changes the keys of another, and
  nobody brings in a key that somebody else holds.
* It names the link on which it wants to follow, and counts for no other: said again later, it is
  refused.
* A new key is nobody's, and never was anybody's.
* A master that takes a new identity key remains the master of its epoch. The link is signed with
  the key before and with the new one, and its base is the last version that the key before signed
  (`membership.follows`): from that link on, only the new one counts.

A certificate runs out, and a node replaces it by itself long before (`is_due`). What is said when
that has failed again and again is `ends_soon`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pmgsync.errors import (
    BadSignatureError,
    InvalidError,
    MalformedError,
    StaleError,
    WrongClusterError,
)
from pmgsync.model import canonical
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import PublicKey, decode_base64
from pmgsync.model.manifest import Digest, parse_digest
from pmgsync.model.membership import Base, MemberKeys, Membership, successor
from pmgsync.model.paths import printable
from pmgsync.model.validity import has_dates, has_life, renewal_objection

if TYPE_CHECKING:
    from pmgsync.model.keys import Signer
    from pmgsync.model.membership import Member

KEY_CHANGE_TYPE = "application/vnd.pmgsync.key-change.v1+json"
MAX_KEY_CHANGE_BYTES = 8 << 10
DAY_MS = 24 * 60 * 60 * 1000
REPLACED_BEFORE_MS = 730 * DAY_MS
"""A certificate (of ten years) is replaced when it has two years left: a node that is away for long
and a clock that is a year wrong must both come before its end."""
WARNED_BEFORE_MS = 365 * DAY_MS
"""By then, replacing it by itself has failed for a year."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """The member `cid` of `cluster` wants to have `keys` from the link on that follows `link`."""

    cluster: str
    cid: int
    link: Digest
    keys: MemberKeys

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical.encode(
            {
                "cluster": self.cluster,
                "cid": self.cid,
                "link": self.link,
                "identity": self.keys.identity.to_text(),
                "certificate": base64.b64encode(self.keys.certificate).decode("ascii"),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyChange:
        """The request in `data`; `MalformedError` for anything else."""
        fields = canonical.decode(data, "a change of keys", most=MAX_KEY_CHANGE_BYTES)
        change = cls(
            cluster=fields.take("cluster", str),
            cid=fields.count("cid"),
            link=parse_digest(fields.take("link", str)),
            keys=MemberKeys(
                PublicKey.from_text(fields.take("identity", str)),
                decode_base64(fields.take("certificate", str), "a certificate"),
            ),
        )
        fields.done()
        return change


def sign_change(change: KeyChange, held: Signer, new: Signer) -> Envelope:
    """`change`, signed by the key that the member has and by the one that it wants to have."""
    signers = [held] if held.public_key == new.public_key else [held, new]
    return seal(KEY_CHANGE_TYPE, change.to_bytes(), *signers)


def accept_change(
    envelope: Envelope, membership: Membership, last: Envelope, member: Member
) -> MemberKeys:
    """The keys that `member`, who asks, is to have after `last`, which holds `membership`.

    Raises `MalformedError`, `WrongClusterError`, `BadSignatureError`, or `StaleError` for a request
    that follows on another link.
    """
    change = KeyChange.from_bytes(envelope.payload)
    if change.cluster != membership.cluster:
        raise WrongClusterError(f"keys for another cluster, {printable(change.cluster[:40])}")
    now = next((m for m in membership.members if m.cid == member.cid), None)
    if change.cid != member.cid or now is None or now.keys is None or now.keys != member.keys:
        raise BadSignatureError("speaks for itself only", where=member.label)
    envelope.require(KEY_CHANGE_TYPE, now.keys.identity)
    envelope.require(KEY_CHANGE_TYPE, change.keys.identity)
    if change.link != last.digest:
        raise StaleError("asks for keys on another link than the newest", where=member.label)
    return change.keys


def rekeyed(
    membership: Membership,
    last: Envelope,
    cid: int,
    keys: MemberKeys,
    *,
    head: Base,
    now: int | None,
) -> Membership:
    """The successor of `membership` (which `last` holds) in which the member `cid` has `keys`.

    `head` is where the log stands: the base from which a new identity key of the master counts.
    Raises `InvalidError` where the certificate stays the same, or a key is another member's.
    """
    member = membership.member(cid)
    if member.keys is None or member.keys.certificate == keys.certificate:
        raise InvalidError("has that certificate already", where=member.label)
    others = [other for other in membership.members if other.cid != cid]
    for other in others:
        if other.keys is not None and other.keys.overlaps(keys):
            raise InvalidError("has the same key", where=other.label, mend="make another one")
    made = successor(membership, last, (*others, replace(member, keys=keys)), now=now)
    new_master_key = cid == membership.master and keys.identity != membership.master_key
    return replace(made, base=head) if new_master_key else made


def with_recovery(
    membership: Membership, last: Envelope, recovery: PublicKey, *, now: int | None
) -> Membership:
    """The successor of `membership` in which `recovery` is the recovery key, and no other."""
    return replace(successor(membership, last, membership.members, now=now), recovery=recovery)


def require_dates(previous: Membership, candidate: Membership) -> None:
    """`MalformedError` where `candidate`, which follows on `previous`, gives a member a certificate
    for the same identity, or the master any, that its dates forbid: it must be valid for as long as
    the recipe says, when the one before was made, and when the link was made.

    A master has looked at that and more before it wrote the link. So this is for what a master with
    a broken clock, or one that was broken into, has not looked at; no clock is asked here, so all
    members find the same. A node that joins anew has another identity, and is the master's to judge
    alone. Where one member alone had keys, nobody was there to be shut out.
    """
    held = {member.cid: member.keys for member in previous.members if member.keys is not None}
    if len(held) <= 1:
        return
    for member in candidate.members:
        before, after = held.get(member.cid), member.keys
        if before is None or after is None or before.certificate == after.certificate:
            continue
        if before.identity == after.identity or member.cid == candidate.master:
            _require_dates(before.certificate, after.certificate, candidate, member.label)


def _require_dates(before: bytes, after: bytes, candidate: Membership, label: str) -> None:
    if not has_dates(before):
        return  # it is of no recipe, and says nothing on what may follow on it
    moments = [candidate.created] if candidate.created is not None else []
    if not has_dates(after) or not has_life(after):
        why = "it is not valid for as long as the recipe says"
    else:
        why = renewal_objection(before, after, moments)
    if why:
        raise MalformedError(f"a membership gives {label} a certificate that must not be: {why}")


def is_due(expires_ms: int, now_ms: int) -> bool:
    """Is it time to replace the certificate that ends at `expires_ms`?"""
    return expires_ms - now_ms < REPLACED_BEFORE_MS


def ends_soon(expires_ms: int, now_ms: int) -> bool:
    """Must an admin hear of the certificate that ends at `expires_ms`?"""
    return expires_ms - now_ms < WARNED_BEFORE_MS
