"""The master's pen: the one place where it makes a membership the next link of the chain.

1. `draft`: sign it, and try it on as every node will. 2. `enter`: write it down, durably; only then
believe it. 3. `announce`: only then does anybody hear of it. Nothing is believed that is not
written down, and a chain that nobody could read back gets no longer.
"""

import logging
from collections.abc import Callable, Iterable

from pmgsync.errors import InvalidError, NotMemberError
from pmgsync.model.chain_room import MIB, ROOM, Room
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import PublicKey, Signer
from pmgsync.model.lineage import Lineage
from pmgsync.model.membership import (
    MEMBERSHIP_TYPE,
    Base,
    Member,
    MemberKeys,
    Membership,
    follows,
    remove,
    successor,
)
from pmgsync.model.rekeying import rekeyed, require_dates, with_recovery
from pmgsync.model.removal import removal_notice
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import Clock

log = logging.getLogger(__name__)


class Register:
    """The membership chain, as its master writes it. `write_chain` makes it durable; `announce`
    tells everybody who has to know.
    """

    def __init__(
        self,
        history: TrustedHistory,
        signer: Signer,
        clock: Clock,
        write_chain: Callable[[tuple[Envelope, ...]], None],
        announce: Callable[[], None],
        room: Room = ROOM,
    ) -> None:
        self._history = history
        self._signer = signer
        self._clock = clock
        self._write_chain = write_chain
        self._room = room
        self._lineage = Lineage()
        self._size = (0, 0)
        self._closed = False
        self.announce = announce

    @property
    def membership(self) -> Membership:
        """The newest one."""
        return self._history.membership

    @property
    def chain(self) -> tuple[Envelope, ...]:
        """All links, oldest first."""
        return self._history.chain

    @property
    def last(self) -> Envelope:
        """The newest link."""
        return self._history.chain[-1]

    @property
    def recovery_since(self) -> tuple[int, int] | None:
        """See `TrustedHistory`."""
        return self._history.recovery_since

    @property
    def size(self) -> int:
        """How many bytes the chain has."""
        links, size = self._size
        size += sum(len(link.to_bytes()) for link in self.chain[links:])
        self._size = len(self.chain), size
        return size

    def close(self) -> None:
        """Another node is the master: nothing is written here any more."""
        self._closed = True

    @property
    def hands_over(self) -> bool:
        """Has the chain room for a handover, with a link as long as the newest?"""
        return self.size + len(self.last.to_bytes()) <= self._room.changes

    def draft(
        self, membership: Membership, where: str, *more: Signer, most: int | None = None
    ) -> Envelope:
        """The new link, signed (by `more` keys, too) and tried on. `InvalidError` naming `where` if
        the chain would have more than `most` bytes (None: as for changes of every kind), or this
        master has signed for a newer epoch, or is none.
        """
        self._require_open(where)
        if self._history.promised:
            raise InvalidError(
                f"this master has signed for epoch {self._history.promised}, which has not begun",
                where=where,
                mend="try again in a moment",
            )
        envelope = seal(MEMBERSHIP_TYPE, membership.to_bytes(), self._signer, *more)
        require_dates(self.membership, follows(self.membership, self.last, envelope))
        self._require_room(self.size + len(envelope.to_bytes()), most or self._room.changes, where)
        return envelope

    def _require_room(self, size: int, most: int, where: str) -> None:
        if size <= most:
            return
        rest = "members can still be removed; " if size <= self._room.reserve else ""
        raise InvalidError(
            f"the membership chain would have {size / MIB:.1f} MiB, and this may fill "
            f"{most / MIB:.0f}",
            where=where,
            mend=f"{rest}docs/operations.md says how a cluster begins a new one",
        )

    def enter(self, envelope: Envelope) -> None:
        """Write down what `draft` made, then believe it. `InvalidError` after `close`."""
        self._require_open("membership")
        self._write_chain((*self.chain, envelope))
        self._history.accept_membership(envelope)

    def _require_open(self, where: str) -> None:
        if self._closed:
            raise InvalidError(
                "this node is not the master any more",
                where=where,
                mend="`pmgsync status` names the master; try again there",
            )

    def lineage(self) -> Lineage:
        """The whole chain, folded; links that came since the last time are added."""
        for envelope in self.chain[self._lineage.links :]:
            self._lineage.add(envelope)
        return self._lineage

    def find(self, who: str) -> Member:
        """The member with that name or cid; `NotMemberError` if there is none."""
        found = self.membership.named(who)
        if found is None and who.isascii() and who.isdecimal() and len(who) <= len(str(2**31)):
            found = next((m for m in self.membership.members if m.cid == int(who)), None)
        if found is None:
            raise NotMemberError(
                "is no member of this cluster",
                where=who[:80],
                mend="`pmgsync members` lists names and cids",
            )
        return found

    def remove(self, member: Member) -> None:
        """The member is none any more: its keys are dead, and its cid waits for its name.

        Raises `InvalidError` for the master.
        """
        now = self._clock.now()
        removed = remove(self.membership, self.last, member.cid, now=now)
        envelope = self.draft(removed, member.label, most=self._room.reserve)
        self.enter(envelope)
        log.info("%s is removed by membership %d", member.label, self.membership.serial)
        self.announce()

    def change(self, members: Iterable[Member], max_cid: int, where: str) -> None:
        """The members are these now, and `max_cid` at least that."""
        now = self._clock.now()
        changed = successor(self.membership, self.last, members, now=now, max_cid=max_cid)
        self.enter(self.draft(changed, where))
        self.announce()

    def rekey(self, member: Member, keys: MemberKeys, new: Signer | None = None) -> Envelope:
        """The member has these keys from now on, and no others. The link that says so.

        `new` signs it, too, where it is the identity key that this master takes. Raises
        `InvalidError` for a key that somebody else has, or that is dead.
        """
        if self.lineage().is_dead(keys):
            raise InvalidError(
                "was a member's once, so it is dead", where=f"a key of {member.label}"
            )
        head, now = self._history.head, self._clock.now()
        base = Base(head.position, head.manifest.digest)
        changed = rekeyed(self.membership, self.last, member.cid, keys, head=base, now=now)
        is_new = new is not None and changed.master_key != self.membership.master_key
        own = member.cid == changed.master
        most = self._room.changes if own else self._room.key_changes
        more = [new] if new and is_new else []
        envelope = self.draft(changed, member.label, *more, most=most)
        self.enter(envelope)
        log.info("%s has new keys by membership %d", member.label, self.membership.serial)
        self.announce()
        return envelope

    def replace_recovery(self, recovery: PublicKey) -> None:
        """Another recovery key counts from now on, and the one before no longer."""
        now = self._clock.now()
        changed = with_recovery(self.membership, self.last, recovery, now=now)
        self.enter(self.draft(changed, "recovery key"))
        log.warning("another recovery key counts by membership %d", self.membership.serial)
        self.announce()

    def at(self, epoch: int, serial: int) -> Membership | None:
        """The membership that the chain has there."""
        for envelope in reversed(self.chain):
            membership = Membership.from_bytes(envelope.payload)
            if (membership.epoch, membership.serial) == (epoch, serial):
                return membership
        return None

    def notice_for(self, keys: MemberKeys) -> bytes:
        """The signed word that these keys are no member's any more; empty while they are, and
        where their holder is a member with others.
        """
        if self.lineage().has_others(keys):
            return b""
        return removal_notice(self.membership, keys.identity, self._signer)
