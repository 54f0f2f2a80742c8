"""PURE: what the local API says about promotions, as values, for both of its ends; see
`answers.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pmgsync.cli.answers import each
from pmgsync.cli.status_answer import texts
from pmgsync.model.canonical import Fields

HANDOVER = "handover"
MAJORITY = "majority"
RECOVERY = "recovery"
NEEDLESS = "a new cluster is not needed, and the other nodes would have to join it anew"
"""Said by the command after a dry run, and by the daemon where somebody wants it all the same."""


@dataclass(frozen=True, slots=True)
class MemberWord:
    """What one of the other members says: `why` is empty where it answers or has signed, and its
    version is to be had.
    """

    member: str
    head: str = ""
    why: str = ""

    @classmethod
    def from_json(cls, value: object) -> MemberWord:
        """The word in `value`."""
        fields = Fields(value, "a member's word")
        return cls(
            fields.take("member", str),
            fields.optional("head", str) or "",
            fields.optional("why", str) or "",
        )


@dataclass(frozen=True, slots=True)
class Prospect:
    """GET /v1/promotion: what a promotion of this node would be. `hindrance`: why it cannot be,
    and `mend` what to do about it.

    `lost` names the versions that nobody reached hands over, and without `lost_known` there may be
    more: all that the master, `last_heard` before `as_of` (milliseconds since 1970; None: not since
    this node started), has published alone since then. `fetch` is what this node would fetch first.
    """

    way: str
    me: str
    master: str
    epoch: int
    head: str
    needed: int
    total: int
    members: tuple[MemberWord, ...]
    fetch: str = ""
    lost: str = ""
    lost_known: bool = True
    last_heard: int | None = None
    as_of: int = 0
    hindrance: str = ""
    mend: str = ""

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {**asdict(self), "members": [asdict(member) for member in self.members]}

    @classmethod
    def from_json(cls, value: object) -> Prospect:
        """The prospect in `value`."""
        fields = Fields(value, "a prospect")
        return cls(
            way=fields.take("way", str),
            me=fields.take("me", str),
            master=fields.take("master", str),
            epoch=fields.count("epoch"),
            head=fields.take("head", str),
            needed=fields.count("needed"),
            total=fields.count("total"),
            members=each(fields, "members", MemberWord.from_json),
            fetch=fields.optional("fetch", str) or "",
            lost=fields.optional("lost", str) or "",
            lost_known=fields.take("lost_known", bool),
            last_heard=fields.optional_count("last_heard"),
            as_of=fields.optional("as_of", int) or 0,
            hindrance=fields.optional("hindrance", str) or "",
            mend=fields.optional("mend", str) or "",
        )


@dataclass(frozen=True, slots=True)
class Refounded:
    """POST /v1/newcluster: a cluster of this node alone. `former` may join it under their names."""

    cluster: str
    me: str
    epoch: int
    head: str
    recovery_key: str
    former: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {**asdict(self), "former": list(self.former)}

    @classmethod
    def from_json(cls, value: object) -> Refounded:
        """The answer in `value`."""
        fields = Fields(value, "a new cluster")
        return cls(
            cluster=fields.take("cluster", str),
            me=fields.take("me", str),
            epoch=fields.count("epoch"),
            head=fields.take("head", str),
            recovery_key=fields.take("recovery_key", str),
            former=texts(fields, "former"),
        )


@dataclass(frozen=True, slots=True)
class Promoted:
    """POST /v1/promote: this node is the master. `following`: the members that follow by now;
    `instead`: why the master before did not hand over, where the recovery key has signed instead;
    `before`: who that was. What is lost is said as in `Prospect`.
    """

    way: str
    me: str
    epoch: int
    head: str
    signed: tuple[str, ...]
    refused: tuple[MemberWord, ...]
    following: tuple[str, ...]
    lost: str
    ms: int
    lost_known: bool = True
    last_heard: int | None = None
    as_of: int = 0
    instead: str = ""
    before: str = ""

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {
            **asdict(self),
            "signed": list(self.signed),
            "refused": [asdict(word) for word in self.refused],
            "following": list(self.following),
        }

    @classmethod
    def from_json(cls, value: object) -> Promoted:
        """The answer in `value`."""
        fields = Fields(value, "a promotion")
        return cls(
            way=fields.take("way", str),
            me=fields.take("me", str),
            epoch=fields.count("epoch"),
            head=fields.take("head", str),
            signed=texts(fields, "signed"),
            refused=each(fields, "refused", MemberWord.from_json),
            following=texts(fields, "following"),
            lost=fields.take("lost", str),
            ms=fields.count("ms"),
            lost_known=fields.take("lost_known", bool),
            last_heard=fields.optional_count("last_heard"),
            as_of=fields.count("as_of"),
            instead=fields.optional("instead", str) or "",
            before=fields.optional("before", str) or "",
        )
