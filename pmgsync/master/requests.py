"""What members may ask of the master besides the follow stream (`join_ports.MemberRequests`)."""

from collections.abc import Callable, Sequence

from pmgsync.errors import InvalidError, MalformedError, NotAllowedError, NotMemberError
from pmgsync.master.register import Register
from pmgsync.model.clocks import SET_IT
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Member, MemberKeys
from pmgsync.model.rekeying import DAY_MS, MAX_KEY_CHANGE_BYTES, accept_change
from pmgsync.ports import Clock

CheckKey = Callable[[bytes, bytes, bytes], None]
"""Raises unless the certificate (DER, the first) is of the right kind, and the second is what its
key made of the third."""

Objection = Callable[[bytes, bytes, Sequence[int], int], str]
"""Why the second certificate (DER) must not replace the first, which must be valid at those moments
(milliseconds since 1970), and be made about at the last one; empty if it may."""

CHANGES = 5
CHANGES_WITHIN_DAYS = 30
"""A member may change its keys so often in that time, as the chain has it: each change makes the
chain longer for ever."""
HANDOVERS = 100
HANDOVERS_WITHIN_DAYS = 30
"""So many promotions in that time, and a master hands over only to whom an admin has chosen on it:
any member may have any other ask for it, again and again."""


class Requests:
    """Answers with the register's pen. A member speaks for itself only."""

    def __init__(self, register: Register) -> None:
        self._register = register

    def leave(self, member: Member) -> bytes:
        """See the port."""
        if member.keys is None:  # the transport knows members by their keys
            raise NotMemberError("has no keys", where=member.label)
        self._register.remove(member)
        return self._register.notice_for(member.keys)

    def notice(self, keys: MemberKeys) -> bytes:
        """See the port."""
        return self._register.notice_for(keys)


def handover_objection(register: Register, now: int, *, agreed: bool) -> str:
    """Why this master hands over to nobody, whoever it is; empty if it may. `agreed`: an admin has
    said so on this very node. `now` in milliseconds since 1970.
    """
    if not register.hands_over:
        return (
            "has no room for a handover in the membership chain; docs/operations.md says how a "
            "cluster begins a new one"
        )
    since = now - HANDOVERS_WITHIN_DAYS * DAY_MS
    begun = register.lineage().epochs_between(since, now + DAY_MS)
    if not agreed and begun >= HANDOVERS:
        return (
            f"has seen {HANDOVERS} promotions within {HANDOVERS_WITHIN_DAYS} days, and hands over "
            "only when `pmgsync switchover` is typed on it"
        )
    return ""


def change_keys(
    register: Register,
    member: Member,
    request: bytes,
    proof: bytes,
    *,
    check_key: CheckKey,
    objection: Objection,
    clock: Clock,
    now: int,
) -> bytes:
    """See `join_ports.MemberRequests.rekey`. `now` is the time by the clocks of most members, which
    that of this master may not be.
    """
    if len(request) > 2 * MAX_KEY_CHANGE_BYTES:
        raise MalformedError(f"a change of keys of {len(request)} bytes", where=member.label)
    envelope = Envelope.from_bytes(request)
    keys = accept_change(envelope, register.membership, register.last, member)
    check_key(keys.certificate, proof, envelope.payload)
    if member.keys is not None:
        moments = [clock.now(), *filter(None, [register.membership.created])]
        if why := objection(member.keys.certificate, keys.certificate, moments, now):
            raise InvalidError(why, where=member.label, mend=f"{SET_IT}, and try again")
    since = clock.now() - CHANGES_WITHIN_DAYS * DAY_MS
    if register.lineage().changes_since(member.cid, since) >= CHANGES:
        raise NotAllowedError(
            f"has changed its keys {CHANGES} times within {CHANGES_WITHIN_DAYS} days",
            where=member.label,
            mend="try again later; or `pmgsync delete` it on the master, and let it join again",
        )
    return register.rekey(member, keys).to_bytes()
