"""PURE: what a membership had changed that another one displaced, and that came to nothing by that.

A master that is cut off may let nodes in, remove some, and name new keys, while the others go on
from an earlier link. Where their promotion stands in what it has written, all of that is undone:
who was removed is a member again. Nobody may have to find that out by himself, so each change is a
value here, which every node that had believed it keeps until it does not hold any more: who was
removed is removed again, who was let in is a member, keys and recovery key are others since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from pmgsync.errors import MalformedError
from pmgsync.model.canonical import Fields
from pmgsync.model.fingerprint import fingerprint
from pmgsync.model.membership import Member, Membership
from pmgsync.model.promotion import voters


class What(Enum):
    """What had been changed."""

    LET_IN = "let in"
    REMOVED = "removed"
    KEYS = "keys"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Undone:
    """One change. `label` and `name` are the member's (empty where it is the recovery key), `made`
    and `counts` the fingerprints or ids of the keys that were made, and of those that count.
    """

    what: What
    label: str = ""
    name: str = ""
    made: str = ""
    counts: str = ""

    def holds(self, membership: Membership) -> bool:
        """Is it still undone in `membership`, and nothing was done about it?"""
        found = _by_name(membership).get(self.name)
        match self.what:
            case What.LET_IN:
                return found is None
            case What.REMOVED:
                return found is not None
            case What.KEYS:
                return found is not None and _print(found) == self.counts
            case What.RECOVERY:
                return membership.recovery.key_id == self.counts

    def to_json(self) -> dict[str, str]:
        """What is written down of it."""
        return {
            "what": self.what.value,
            "label": self.label,
            "name": self.name,
            "made": self.made,
            "counts": self.counts,
        }

    @classmethod
    def from_json(cls, value: object) -> Undone:
        """The change in `value`, which this node has written down."""
        fields = Fields(value, "an undone change")
        what = fields.take("what", str)
        if what not in {known.value for known in What}:
            raise MalformedError("an undone change is of an unknown kind", where=what[:40])
        return cls(
            What(what), *(fields.take(name, str) for name in ("label", "name", "made", "counts"))
        )


def undone_by(before: Membership, own: Membership, other: Membership) -> tuple[Undone, ...]:
    """What had been changed from `before` to `own`, and is not so in `other`, which took the place
    of `own`.
    """
    return tuple(one for one in _changes(before, own, other) if one.holds(other))


def _changes(before: Membership, own: Membership, other: Membership) -> Iterator[Undone]:
    was, here = _by_name(before), _by_name(own)
    for name, member in here.items():
        if name not in was:
            yield Undone(What.LET_IN, member.label, name)
    for name, member in was.items():
        if name not in here:
            yield Undone(What.REMOVED, member.label, name)
        elif here[name].keys != member.keys:
            yield Undone(What.KEYS, member.label, name, _print(here[name]), _print(member))
    if own.recovery not in (before.recovery, other.recovery):
        made, counts = own.recovery.key_id, other.recovery.key_id
        yield Undone(What.RECOVERY, made=made, counts=counts)


def _by_name(membership: Membership) -> dict[str, Member]:
    """Those with keys. A cid would not do: two masters may give the same one to two nodes."""
    return {member.name: member for member in voters(membership)}


def _print(member: Member) -> str:
    return fingerprint(member.keys) if member.keys else ""


def undone_lines(changes: Sequence[Undone]) -> tuple[str, ...]:
    """What did not happen, and what to do about it: a line for each kind."""
    labels = {what: ", ".join(one.label for one in changes if one.what is what) for what in What}
    lines = (f"{head}: {labels[what]}; {mend}" for what, head, mend in _SAID if labels[what])
    keys = (one for one in changes if one.what is What.RECOVERY)
    return (*lines, *map(_recovery_line, keys))


_SAID = (
    (
        What.LET_IN,
        "let in here while another master was made, and no member",
        "`pmgsync leave` there, then join again",
    ),
    (
        What.REMOVED,
        "removed here while another master was made, and a member again",
        "`pmgsync delete` on the master",
    ),
    (
        What.KEYS,
        "has the keys again that it had before another master was made",
        "`pmgsync rotate-keys` there, or join it again if it had joined anew",
    ),
)


def _recovery_line(one: Undone) -> str:
    return (
        f"the recovery key {one.made[:16]}… that was made here does not count, but "
        f"{one.counts[:16]}… does: `pmgsync rotate-keys --recovery` on the master"
    )
