"""What this node believed of the members, and did not come to be, as another master was made.

Links of the chain that a promotion displaces may have let nodes in, removed some, or given keys. An
admin has seen that done, so it is named: in the log, and in `status` for as long as it is so, also
after a restart. It is noted down before the chain that lacks it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Final

from pmgsync.model import canonical
from pmgsync.model.membership import Member, Membership
from pmgsync.model.promotion import voters
from pmgsync.model.rekeying import DAY_MS
from pmgsync.ports import Clock, Store

log = logging.getLogger(__name__)

NOTE = "undone"
MOST = 100
"""So many changes are remembered, the newest."""
LET_IN_DAYS: Final = 30
"""Who was let in and does not come back is named for so long."""


class Kind(Enum):
    """What had been done."""

    LET_IN = "let in"
    REMOVED = "removed"
    KEYS = "other keys"
    RECOVERY = "another recovery key"


@dataclass(frozen=True, slots=True)
class Change:
    """One of them. `who` is the member's label, or the id of the recovery key that was made; `key`
    is of the keys that count if it did not come to be; `at` in milliseconds since 1970.
    """

    kind: Kind
    cid: int
    who: str
    key: str
    at: int

    @classmethod
    def from_json(cls, value: object) -> Change:
        """The change in `value`; `MalformedError` for anything else."""
        fields = canonical.Fields(value, "a change that was undone")
        return cls(
            kind=Kind(fields.take("kind", str)),
            cid=fields.count("cid"),
            who=fields.take("who", str),
            key=fields.take("key", str),
            at=fields.count("at"),
        )


def changes(parted: Membership, own: Membership, at: int) -> Iterator[Change]:
    """What became of the members between `parted` and `own`."""
    before = {member.cid: member for member in voters(parted)}
    after = {member.cid: member for member in voters(own)}
    for cid, member in after.items():
        if cid not in before:
            yield Change(Kind.LET_IN, cid, member.label, "", at)
        elif member.keys != before[cid].keys:
            yield Change(Kind.KEYS, cid, member.label, _certificate(before[cid]), at)
    for cid, member in before.items():
        if cid not in after:
            yield Change(Kind.REMOVED, cid, member.label, _certificate(member), at)
    if parted.recovery != own.recovery:
        yield Change(Kind.RECOVERY, 0, own.recovery.key_id, parted.recovery.key_id, at)


def lines(undone: Iterable[Change], membership: Membership, now: int) -> tuple[str, ...]:
    """What an admin should know of `undone`, as far as it is so by `membership`."""
    left = [change for change in undone if _is_so(change, membership, now)]
    return tuple(filter(None, (_line(kind, left, membership) for kind in Kind)))


def _is_so(change: Change, membership: Membership, now: int) -> bool:
    match change.kind:
        case Kind.LET_IN:
            name, _, _ = change.who.rpartition("(")
            back = any(member.name == name for member in voters(membership))
            return not back and now - change.at < LET_IN_DAYS * DAY_MS
        case Kind.RECOVERY:
            return membership.recovery.key_id == change.key
    held = (one for one in voters(membership) if one.cid == change.cid)
    return any(_certificate(member) == change.key for member in held)


def _line(kind: Kind, left: Sequence[Change], membership: Membership) -> str:
    who = ", ".join(dict.fromkeys(change.who for change in left if change.kind is kind))
    if not who:
        return ""
    match kind:
        case Kind.LET_IN:
            return (
                f"let in here while another master was made, and no member: {who}; `pmgsync leave` "
                "there, then join again"
            )
        case Kind.REMOVED:
            return (
                f"removed here while another master was made, and a member again: {who}; `pmgsync "
                "delete` on the master"
            )
        case Kind.KEYS:
            return (
                f"has the keys again that it had before another master was made: {who}; `pmgsync "
                "rotate-keys` there, or join it again if it had joined anew"
            )
    made = ", ".join(f"{key[:16]}…" for key in who.split(", "))
    return (
        f"the recovery key {made} that was made here does not count, but "
        f"{membership.recovery.key_id[:16]}… does: `pmgsync rotate-keys --recovery` on the master"
    )


def _certificate(member: Member) -> str:
    return member.keys.fingerprint if member.keys else ""


class Undone:
    """The changes that are noted down in `store`, for `cluster`."""

    def __init__(self, store: Store, cluster: str, clock: Clock) -> None:
        self._store, self._cluster, self._clock = store, cluster, clock
        self._changes = _read(store, cluster)

    def note_down(self, displaced: tuple[Membership, Membership] | None) -> None:
        """Two memberships: where the chains part, and the newest that was believed before. Again
        with the same ones changes nothing.
        """
        if displaced is None:
            return
        known = {(c.kind, c.cid, c.who, c.key) for c in self._changes}
        found = changes(*displaced, self._clock.now())
        more = [c for c in found if (c.kind, c.cid, c.who, c.key) not in known]
        if not more:
            return
        self._changes = (*self._changes, *more)[-MOST:]
        noted: list[canonical.Json] = [
            {**asdict(change), "kind": change.kind.value} for change in self._changes
        ]
        self._store.write_note(NOTE, {"cluster": self._cluster, "changes": noted})
        for line in lines(more, displaced[0], self._clock.now()):
            log.warning("%s", line)

    def lines(self, membership: Membership) -> tuple[str, ...]:
        """For `status`."""
        return lines(self._changes, membership, self._clock.now()) if self._changes else ()


def _read(store: Store, cluster: str) -> tuple[Change, ...]:
    note = store.note(NOTE)
    if note is None:
        return ()
    fields = canonical.Fields(note, "a note of what was undone")
    made_in, rows = fields.take("cluster", str), fields.take("changes", list)
    return tuple(map(Change.from_json, rows)) if made_in == cluster else ()
