"""PURE. What the master knows of each node: its stream, its last word, and how long it has been
behind.

Changed by the feeds as messages come, read by `status` and by whoever waits for a version to
arrive. Nothing here survives a restart: nodes say it again when they connect.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from pmgsync.master.catch_up import Standing
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import Digest
from pmgsync.model.report import Outcome, Report

REMEMBERED_VERSIONS = 10_000


@dataclass(slots=True)
class Contact:
    """One node. `changed` is when its stream came or went (milliseconds since 1970)."""

    connected: bool = False
    changed: int | None = None
    last_contact: int | None = None
    active: Standing | None = None
    report: Report | None = None
    reported_at: float = 0.0
    clock_ahead: int | None = None
    """How far its clock is ahead of the master's, in milliseconds; None: it has not said."""
    link: tuple[int, int] = (0, 0)
    """The newest membership that it has written down: epoch and serial."""
    reason: str = ""
    """Why its last stream ended, or why it cannot be served."""
    shuts_out: bool = False
    """Does it end the connections that this master makes to it?"""

    def outcome_of(self, version: int) -> Outcome | None:
        """What became of `version` there; None if the node has not said."""
        if self.active is not None and self.active.position.version >= version:
            return Outcome.ACTIVATED
        if self.report is not None and self.report.wanted.version >= version:
            return self.report.outcome
        return None


@dataclass(frozen=True, slots=True)
class Birth:
    """When a version was published: milliseconds since 1970, and by the monotonic clock."""

    version: int
    created: int
    at: float


class Roster:
    """All nodes by cid."""

    def __init__(self) -> None:
        self._contacts: dict[int, Contact] = {}
        self._births: deque[Birth] = deque(maxlen=REMEMBERED_VERSIONS)
        self._listeners: list[Callable[[int], None]] = []

    def contact(self, cid: int) -> Contact:
        """What is known of a node."""
        return self._contacts.get(cid) or Contact()

    @property
    def connected(self) -> frozenset[int]:
        """The nodes that have a stream."""
        return frozenset(cid for cid, contact in self._contacts.items() if contact.connected)

    def came(self, cid: int, position: Position, manifest: Digest, now: int) -> None:
        """A stream began; the node says where it stands. What it reported before counts no more."""
        contact = self._contacts.setdefault(cid, Contact())
        contact.connected, contact.changed, contact.last_contact = True, now, now
        contact.active, contact.report, contact.reason = Standing(position, manifest), None, ""
        contact.clock_ahead, contact.shuts_out = None, False
        self._tell(cid)

    def went(self, cid: int, reason: str, now: int) -> None:
        """The stream ended."""
        contact = self._contacts.setdefault(cid, Contact())
        contact.connected, contact.changed, contact.reason = False, now, reason
        self._tell(cid)

    def heard(self, cid: int, now: int) -> None:
        """Something came."""
        self._contacts.setdefault(cid, Contact()).last_contact = now

    def is_shut_out_by(self, cids: Collection[int]) -> None:
        """These, and no others, do not let the master in that asks them."""
        for cid in {*cids, *self._contacts}:
            self._contacts.setdefault(cid, Contact()).shuts_out = cid in cids

    def said_clock(self, cid: int, ahead: int) -> None:
        """Its clock is so many milliseconds ahead of the master's."""
        self._contacts.setdefault(cid, Contact()).clock_ahead = ahead

    def clocks(self, master: int) -> dict[int, int]:
        """How far the clock of each connected node is ahead of that of `master`, which is here."""
        known = {
            cid: contact.clock_ahead
            for cid, contact in self._contacts.items()
            if contact.connected and contact.clock_ahead is not None
        }
        return known | {master: 0}

    def has_link(self, cid: int, link: tuple[int, int]) -> None:
        """The newest membership that it has written down is `link`."""
        contact = self._contacts.setdefault(cid, Contact())
        if contact.link != link:
            contact.link = link
            self._tell(cid)

    def reported(self, cid: int, report: Report, at: float) -> None:
        """A report came, at the monotonic moment `at`."""
        contact = self._contacts.setdefault(cid, Contact())
        contact.report, contact.reported_at = report, at
        contact.active = Standing(report.active, report.manifest)
        self._tell(cid)

    def cannot_serve(self, cid: int, reason: str) -> None:
        """Why the node cannot be given the newest version; empty once it can."""
        self._contacts.setdefault(cid, Contact()).reason = reason

    def keep(self, cids: Collection[int]) -> None:
        """Forget nodes that are members no more."""
        for cid in self._contacts.keys() - set(cids):
            del self._contacts[cid]
            self._tell(cid)

    def published(self, birth: Birth) -> None:
        """A version was published."""
        self._births.append(birth)

    def birth(self, version: int) -> Birth | None:
        """When `version` was published, if that is remembered."""
        if not self._births:
            return None
        index = version - self._births[0].version
        return self._births[index] if 0 <= index < len(self._births) else None

    @property
    def newest(self) -> Birth | None:
        """The newest version."""
        return self._births[-1] if self._births else None

    def behind_since(self, applied: int) -> int | None:
        """When the first version above `applied` was published; None if there is none."""
        if not self._births or self._births[-1].version <= applied:
            return None
        return (self.birth(applied + 1) or self._births[0]).created

    def listen(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Call `listener` with the cid of each node of which something changed; returns how to
        stop.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self, cid: int) -> None:
        for listener in tuple(self._listeners):
            listener(cid)
