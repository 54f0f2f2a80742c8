"""The master's half of all follow streams: what each node lacks goes out, what each node says comes
in.

Level, not edge: a stream remembers what was sent on it (`Session`), and each time it is woken it
compares that with what there is: memberships, versions, contents that were asked for, the newest
heartbeat, the view. So a slow node never has a backlog: when it can take more it gets what leads to
the newest state by then.

A stream has one reader and one writer. `announce` only sets the writers' events, so the offer of a
new version, built once for all, is on its way in the next turn of the loop. Large contents go out
in parts, and between two messages of them a new version overtakes.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pmgsync.errors import NotAllowedError, PeerError, TransportError
from pmgsync.master.catch_up import Ahead, Standing, Versions, catch_up
from pmgsync.master.publish import Published
from pmgsync.master.roster import Birth, Roster
from pmgsync.master.session import Session
from pmgsync.master.shelf import Shelf
from pmgsync.master.trail import Trail
from pmgsync.model.changeset import ChangeSet, Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.heartbeat import HEARTBEAT_TYPE, Heartbeat
from pmgsync.model.keys import Signer
from pmgsync.model.membership import Member, Membership
from pmgsync.model.messages import (
    Beat,
    Contents,
    Hello,
    Memberships,
    Need,
    Pulse,
    Resync,
    SignedReport,
    ToAgent,
    ToMaster,
    View,
    batch_of,
)
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import Clock, MasterEnd, Store

log = logging.getLogger(__name__)

SMALL_CLUSTER = 20
"""Up to so many nodes, each view is made when it is asked for."""


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """Seconds: of silence until a stream is given up, how old a view may be in a large cluster,
    and until the master's own node hears of a version.
    """

    silence_s: float = 10.0
    view_s: float = 1.0
    own_delay_s: float = 0.02


class Feeds:
    """All streams of this master. A `ports.FollowHandler`."""

    def __init__(
        self,
        store: Store,
        history: TrustedHistory,
        signer: Signer,
        clock: Clock,
        roster: Roster,
        config: FeedConfig | None = None,
    ) -> None:
        self._history = history
        self._signer = signer
        self._clock = clock
        self._roster = roster
        self._config = config or FeedConfig()
        head, envelope = store.head()
        self._trail = Trail(store, head, envelope)
        self._shelf = Shelf(store)
        self._sessions: dict[int, Session] = {}
        self._chain: list[tuple[tuple[int, int], bytes]] = []
        self._count = 0
        self._view_at = float("-inf")
        self._view_document = b""
        self.view: Callable[[], bytes] | None = None
        """Makes the document of the cluster's view."""
        self.on_promise: Callable[[Member, int], None] = lambda _member, _epoch: None
        """Told for which epoch that has not begun a node that comes has signed; 0: for none."""
        self._lengthen_chain()
        if envelope is not None:
            created = ChangeSet.from_bytes(envelope.payload).created
            roster.published(Birth(head.position.version, created, clock.monotonic()))

    # --- what happens on the master ---

    def announce(self, published: Published) -> None:
        """A version is in the log: it goes to every node."""
        change_set = published.verified.change_set
        self._trail.add(published)
        self._shelf.put(published.contents)
        self._roster.published(Birth(published.position.version, change_set.created, published.at))
        for session in self._sessions.values():
            session.wake.set()

    def announce_membership(self) -> None:
        """The membership has changed: it goes to every member, and who is none any more is cut
        off.
        """
        self._lengthen_chain()
        membership = self._history.membership
        members = {member.cid: member for member in membership.members}
        for session in tuple(self._sessions.values()):
            member = members.get(session.member.cid)
            if member is None or member.keys is None:
                session.cut(NotAllowedError("is no member any more"))
            elif member.keys != session.member.keys and member.cid != membership.master:
                # (The agent beside this master has its new keys at the same moment.)
                session.cut(TransportError("has other keys now, and comes again with them"))
            else:
                session.member = member
            session.beat = None  # it may be signed with a key that counts no longer
            session.wake.set()
        self._roster.keep(members)

    def beat(self) -> None:
        """One heartbeat to every node, signed once; streams on which nothing was heard are
        given up.
        """
        head, membership = self._history.head, self._history.membership
        heartbeat = Heartbeat(
            cluster=membership.cluster,
            # Before the first version of an epoch the head is of an older one, or of none.
            position=Position(membership.epoch, head.position.version),
            manifest=head.manifest.digest,
            serial=membership.serial,
            count=self._count,
        )
        self._count += 1
        beat = Beat(seal(HEARTBEAT_TYPE, heartbeat.to_bytes(), self._signer).to_bytes())
        deadline = self._clock.monotonic() - self._config.silence_s
        for session in tuple(self._sessions.values()):
            if session.heard < deadline:
                session.cut(TransportError(f"nothing heard for {self._config.silence_s:g} s"))
            session.beat = beat
            session.wake.set()

    def end(self, why: str) -> None:
        """End all streams; their nodes try again."""
        for session in self._sessions.values():
            session.cut(TransportError(why))

    @property
    def connected(self) -> frozenset[int]:
        """The nodes that follow."""
        return frozenset(self._sessions)

    # --- one stream ---

    async def follow(self, member: Member, stream: MasterEnd) -> None:
        """See `FollowHandler`. A newer stream of the same node ends the older one."""
        session = Session(member, stream, self._clock.monotonic())
        try:
            await self._greet(session)
            await session.run(self._read(session), self._write(session))
        except TransportError as error:
            log.info("%s: %s", member.label, error)
            session.reason = error.what
            if session.was_cut:
                raise  # the node is told why
        except PeerError as error:
            log.warning("%s: %s", member.label, error)
            session.reason = error.what
            raise
        finally:
            self._forget(session)
            await stream.close()

    async def _greet(self, session: Session) -> None:
        try:
            async with asyncio.timeout(self._config.silence_s):
                hello = await session.stream.receive()
        except TimeoutError:
            raise TransportError("said no hello") from None
        if hello is None:
            raise TransportError("left before its hello")
        if not isinstance(hello, Hello):
            raise PeerError(f"began with {type(hello).__name__}, not with a hello")
        cid = session.member.cid
        if older := self._sessions.get(cid):
            older.cut(TransportError("replaced by a newer stream of the same node"))
        self._sessions[cid] = session
        base = self._history.membership.base
        # What is before the base counts by the base alone, not version by version.
        behind = base is not None and hello.active < base.position
        session.standing = Standing(hello.active, hello.manifest, lost=behind)
        session.links = sum(place <= (hello.epoch, hello.serial) for place, _ in self._chain)
        self._roster.came(cid, hello.active, hello.manifest, self._clock.now())
        self._roster.has_link(cid, (hello.epoch, hello.serial))
        log.info("%s: connected, runs version %s", session.member.label, hello.active)
        self.on_promise(session.member, hello.promised)

    def _forget(self, session: Session) -> None:
        if self._sessions.get(session.member.cid) is session:
            del self._sessions[session.member.cid]
            self._roster.went(session.member.cid, session.reason, self._clock.now())

    async def _read(self, session: Session) -> None:
        while (message := await session.stream.receive()) is not None:
            session.heard = self._clock.monotonic()
            self._roster.heard(session.member.cid, self._clock.now())
            self._take(session, message)
        session.reason = "left in good order"

    def _take(self, session: Session, message: ToMaster) -> None:
        match message:
            case Pulse():
                self._take_pulse(session, message)
            case SignedReport(envelope):
                report = self._history.accept_report(Envelope.from_bytes(envelope), session.member)
                self._roster.reported(session.member.cid, report, self._clock.monotonic())
                return
            case Need(digests):
                session.need(digests)
            case Resync():
                session.standing = Standing(
                    session.standing.position, session.standing.manifest, lost=True
                )
            case Hello():
                raise PeerError("said hello twice", where=session.member.label)
        session.wake.set()

    def _take_pulse(self, session: Session, pulse: Pulse) -> None:
        session.wants_view |= pulse.want_view
        if pulse.clock:
            self._roster.said_clock(session.member.cid, pulse.clock - self._clock.now())
        if pulse.serial:
            self._roster.has_link(session.member.cid, (pulse.epoch, pulse.serial))

    async def _write(self, session: Session) -> None:
        while True:
            session.wake.clear()
            for message in self._lacking(session):
                await session.stream.send(message)
            await session.wake.wait()
            if session.member.cid == self._history.membership.master:
                # What this node's own agent does would stand in the way of what is being sent.
                await self._clock.sleep(self._config.own_delay_s)

    def _lacking(self, session: Session) -> Iterator[ToAgent]:
        """What this node lacks, most urgent first; looked at anew after each message."""
        while True:
            yield from self._links(session)
            news = tuple(self._news(session))
            yield from news
            parts = session.parts(self._shelf) if not news else ()
            if parts:
                yield Contents(parts)
            if not (news or parts):
                break
        if session.beat is not None:
            beat, session.beat = session.beat, None
            yield beat
        if session.wants_view and (document := self._view_for(session)):
            yield View(document)

    def _links(self, session: Session) -> Iterator[Memberships]:
        while session.links < len(self._chain):
            batch = batch_of(link for _, link in self._chain[session.links :])
            session.links += len(batch)
            yield Memberships(batch)

    def _news(self, session: Session) -> Iterator[ToAgent]:
        step = catch_up(session.standing, self._trail)
        head = self._trail.head
        if isinstance(step, Ahead):
            self._cannot_serve(session, step.what)
            return
        if head is None or (session.standing == head.end):
            return
        self._cannot_serve(session, "")
        session.standing = head.end
        if isinstance(step, Versions):
            *between, last = map(self._trail.offer, step.links)
            yield from (replace(offer, more=True) for offer in between)
            yield last
        else:
            yield from self._trail.snapshot()

    def _cannot_serve(self, session: Session, what: str) -> None:
        if session.unserved != what:
            session.unserved = what
            self._roster.cannot_serve(session.member.cid, what)
            if what:
                log.warning("%s: %s", session.member.label, what)

    def _view_for(self, session: Session) -> bytes:
        """The view; in a large cluster many ask at once, and get the same one for a while."""
        session.wants_view = False
        now = self._clock.monotonic()
        fresh = len(self._sessions) <= SMALL_CLUSTER or now >= self._view_at + self._config.view_s
        if self.view is not None and (fresh or not self._view_document):
            self._view_at, self._view_document = now, self.view()
        return self._view_document

    def _lengthen_chain(self) -> None:
        for envelope in self._history.chain[len(self._chain) :]:
            membership = Membership.from_bytes(envelope.payload)
            place = (membership.epoch, membership.serial)
            self._chain.append((place, envelope.to_bytes()))
