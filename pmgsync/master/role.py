"""The master role: wait, settle, look, publish, announce; beat; look at everything now and then.

Each loop does one thing and waits in one place. What moves is collected while a look is going on,
so a change during the look causes the next one, and nothing is missed. Whatever fails (a full disk,
a file in the way) is logged once and tried again; it never ends the role.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from pmgsync.errors import HostError, OperatorError, PmgsyncError
from pmgsync.master.attention import Troubles
from pmgsync.master.feed import Feeds
from pmgsync.master.holds import Hold
from pmgsync.master.publish import Held, Observed, Published, Publisher
from pmgsync.master.roster import Roster
from pmgsync.master.settle import Settler
from pmgsync.master.settled import Settled, wait_settled
from pmgsync.master.status import cluster_status, document_of
from pmgsync.model.changeset import Position
from pmgsync.model.clocks import offsets
from pmgsync.model.scope import CLUSTER_CONF
from pmgsync.model.status import ClusterStatus
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import ChangeSource, Clock, Look
from pmgsync.survey import Problem

log = logging.getLogger(__name__)

T = TypeVar("T")

EVERYTHING = Look(everywhere=True)
AGAIN_S, AGAIN_MOST_S = 0.005, 1.0
"""The first and the longest pause before another look at what somebody is writing."""
SAY_AFTER_S = 0.02
"""From the announcement of a version to its line in the log."""
HEAR_S = 0.0001
"""The loop held still while it drafted: so long it listens at least, before it is quiet."""


class RunBlocking(Protocol):
    """Runs `work` where it may block without holding up the loop, and returns what it returned."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class MasterConfig:
    """Seconds, but for `inline_paths` and `inline_bytes`: looks at up to so many paths and bytes
    are taken in the loop's own thread.
    """

    quiet_s: float = 0.002
    most_s: float = 0.050
    rescan_s: float = 60.0
    heartbeat_s: float = 1.0
    retry_s: float = 1.0
    inline_paths: int = 64
    inline_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class MasterParts:
    """What the role is made of. `settle_cluster_conf` makes the file and the membership say the
    same, and says whether the file was written.
    """

    publisher: Publisher
    feeds: Feeds
    roster: Roster
    history: TrustedHistory
    source: ChangeSource
    clock: Clock
    run_blocking: RunBlocking
    settle_cluster_conf: Callable[[], bool]
    more_attention: Callable[[], Iterable[str]] = tuple
    """What else an admin should do."""


class MasterRole:
    """`run` until cancelled; the rest is what an admin may ask of the master."""

    def __init__(self, parts: MasterParts, config: MasterConfig | None = None) -> None:
        self._parts = parts
        self._config = config or MasterConfig()
        self._settler = Settler(self._config.quiet_s, self._config.most_s)
        self._moved = asyncio.Event()
        self._moves = 0
        self._watch_trouble = ""
        self._early: tuple[int, Look, Observed] | None = None
        self._turn = asyncio.Lock()
        self._unfinished: tuple[Problem, ...] = ()
        self._writing = asyncio.Event()
        self._newest: Published | None = None
        self._unsaid: list[tuple[Position, int, int]] = []
        self._file_due = True
        self._file_problems: tuple[Problem, ...] = ()
        self.failure = ""
        """Why nothing can be published now; empty while it can."""
        parts.feeds.view = lambda: document_of(self.status())

    async def run(self) -> None:
        """Serve until cancelled."""
        self.look(EVERYTHING)
        loops = self._watch(), self._publish(), self._rescan(), self._look_again(), self._beat()
        try:
            async with asyncio.TaskGroup() as group:
                for loop in loops:
                    group.create_task(loop)
        finally:
            self._parts.publisher.withdraw()  # what this role drafted is not the next one's
            self._say()

    # --- what an admin may ask ---

    def status(self) -> ClusterStatus:
        """The cluster at this moment."""
        parts, publisher = self._parts, self._parts.publisher
        problems = (*publisher.problems, *self._file_problems)
        if self._watch_trouble:
            late = f"edits are found by the rescan only: {self._watch_trouble}"
            problems = (*problems, Problem("etc/pmg", late, "it is tried again by itself"))
        more = tuple(parts.more_attention())
        troubles = Troubles(publisher.held, publisher.holds.current, problems, self.failure, more)
        return cluster_status(
            parts.history.membership, parts.history.head, parts.roster, troubles, parts.clock.now()
        )

    @property
    def clocks(self) -> Mapping[int, int]:
        """How far the clock of each connected node is ahead of this master's, in milliseconds."""
        return self._parts.roster.clocks(self._parts.history.membership.master)

    @property
    def time_by_most(self) -> int:
        """The time by most of the clocks of the nodes that are connected, in milliseconds since
        1970; by this master's where they do not agree.
        """
        own = (offsets(self.clocks) or {}).get(self._parts.history.membership.master, 0)
        return self._parts.clock.now() - own

    @property
    def held(self) -> Held | None:
        """The change that waits for `confirm`."""
        return self._parts.publisher.held

    @property
    def unfinished(self) -> tuple[Problem, ...]:
        """What somebody was writing at the last look, and what is therefore not published yet."""
        return self._unfinished

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Who holds, oldest first."""
        return self._parts.publisher.holds.current

    def hold(self, who: str, message: str = "", *, durable: bool) -> Hold:
        """Publish nothing from now on until it ends; see `Holds`."""
        self._take_back()  # the hold's own commit makes it durable
        now = self._parts.clock.now()
        return self._parts.publisher.holds.hold(who, now, message=message, durable=durable)

    async def release(self, message: str = "") -> Published | None:
        """End all durable holds and publish what has changed; None if nothing has, or others
        hold.
        """
        holds = self._parts.publisher.holds
        return await self._end_holds(lambda: holds.release(message))

    async def end_hold(self, hold: Hold, message: str = "") -> Published | None:
        """End one hold and publish what has changed; None if nothing has, or others hold."""
        holds = self._parts.publisher.holds
        return await self._end_holds(lambda: holds.end(hold, message))

    async def _end_holds(self, end: Callable[[], object]) -> Published | None:
        """End them and publish in one turn, so that nobody else publishes in between. Who comes
        second to another who ended the last hold is told the version that this one has made.
        """
        publisher, before = self._parts.publisher, self._parts.history.head.position
        published = await self._publish_now("", end)
        if published is None and not publisher.holds and publisher.held is None:
            newest = self._newest
            return newest if newest is not None and newest.position > before else None
        return published

    def abandon_hold(self, hold: Hold) -> None:
        """Its connection is gone: it ends, and what has changed is published in due course."""
        self._parts.publisher.holds.end(hold)
        self.look(EVERYTHING)

    async def publish_now(self, message: str = "") -> Published | None:
        """Look at everything and publish what has changed, without waiting for quiet."""
        return await self._publish_now(message)

    async def _publish_now(
        self, message: str, first: Callable[[], object] | None = None
    ) -> Published | None:
        self._settle_cluster_conf(EVERYTHING)
        try:
            return await self._take_turn(
                EVERYTHING, lambda seen: self._commit(seen, message), first, patient=True
            )
        except PmgsyncError:
            self.look(EVERYTHING)
            raise

    async def confirm(self, version: int, message: str = "") -> Published:
        """Publish the held change called `version`; `OperatorError` if that is not what is held."""
        publisher = self._parts.publisher
        try:
            return await self._take_turn(
                EVERYTHING, lambda seen: publisher.commit_confirmed(version, seen, message)
            )
        except OperatorError:
            self.look(EVERYTHING)
            raise

    async def wait_settled(self, version: int, timeout_s: float) -> Settled:
        """Wait until every connected node has said what became of `version`; see `settled`."""
        parts = self._parts
        return await wait_settled(
            parts.roster, parts.history.membership, version, timeout_s, parts.clock
        )

    def look(self, look: Look) -> None:
        """Something moved, at the moment that the look tells, or now."""
        self._moves += 1
        self._settler.add(look, look.at or self._parts.clock.monotonic())
        self._moved.set()

    def _take_back(self) -> None:
        """What was seen early, and drafted, does not count."""
        self._early = None
        self._parts.publisher.withdraw()

    def forget_draft(self) -> None:
        """See `Publisher.forget_draft`. The next look makes another."""
        self._early = None
        self._parts.publisher.forget_draft()

    def membership_changed(self) -> None:
        """The membership has a new link, written down: tell the nodes, and let `cluster.conf`
        say so.
        """
        self._parts.feeds.announce_membership()
        self._file_due = True
        self.look(EVERYTHING)

    # --- the loops ---

    async def _watch(self) -> None:
        while True:
            try:
                self.look(await self._parts.source.wait())
                self._watch_trouble = ""
            except HostError as error:
                self._cannot_watch(error)
                self.look(EVERYTHING)
                await self._parts.clock.sleep(self._config.retry_s)

    def _cannot_watch(self, error: HostError) -> None:
        """Without events there are still the looks at everything."""
        if self._watch_trouble != str(error):
            log.error("edits are found late: %s", error)
        self._watch_trouble = str(error)

    async def _publish(self) -> None:
        clock = self._parts.clock
        while True:
            due = self._settler.due(clock.monotonic())
            if due is None:
                self._moved.clear()
                await self._moved.wait()
            elif due > 0:
                self._look_early()
                await clock.sleep(max(self._settler.due(clock.monotonic()) or 0.0, HEAR_S))
            else:
                await self._publish_once(self._settler.take())

    def _look_early(self) -> None:
        """Use the quiet time for the look; it counts if nothing moves from here to its end."""
        look = self._settler.look
        if self._early is None and not self._turn.locked() and self._is_small(look):
            publisher = self._parts.publisher
            observed = publisher.prepare(look)
            if not observed.unfinished:
                self._early = self._moves, look, publisher.draft(observed)

    async def _publish_once(self, look: Look) -> None:
        self._settle_cluster_conf(look)
        try:
            await self._take_turn(look, self._commit)
        except PmgsyncError as error:
            if str(error) != self.failure:
                log.error("nothing can be published: %s", error)
            self.failure = str(error)
            await self._parts.clock.sleep(self._config.retry_s)
            self.look(EVERYTHING)

    async def _look_again(self) -> None:
        """What somebody is writing is looked at until it is closed: of some closes nobody tells."""
        pause = AGAIN_S
        while True:
            if not self._writing.is_set():
                pause = AGAIN_S
                await self._writing.wait()
            await self._parts.clock.sleep(pause)
            pause = min(2 * pause, AGAIN_MOST_S)
            self.look(Look(frozenset(problem.path for problem in self._unfinished)))

    async def _finished(self, observed: Observed) -> Observed:
        """`observed`, once nobody writes any more; as it is after a second."""
        pause = AGAIN_S
        while observed.unfinished and pause < AGAIN_MOST_S:
            await self._parts.clock.sleep(pause)
            pause *= 2
            observed = await self._observe(EVERYTHING)
        return observed

    async def _rescan(self) -> None:
        while True:
            await self._parts.clock.sleep(self._config.rescan_s)
            self.look(EVERYTHING)

    async def _beat(self) -> None:
        while True:
            self._parts.feeds.beat()
            await self._parts.clock.sleep(self._config.heartbeat_s)

    # --- one turn ---

    async def _take_turn(
        self,
        look: Look,
        commit: Callable[[Observed], T],
        first: Callable[[], object] | None = None,
        *,
        patient: bool = False,
    ) -> T:
        """Do `first`, look, commit, announce. One turn at a time, so that each compares with what
        the last one made. `patient`: give who is writing a second to come to an end.
        """
        async with self._turn:
            if first is not None:
                first()
            if look.everywhere:
                await self._rearm()
            early, self._early = self._early, None
            if early is not None and early[:2] == (self._moves, look):
                observed = early[2]
            else:
                if early is not None:
                    self._parts.publisher.withdraw()
                observed = await self._observe(look)
            while observed.under_hold and not self._parts.publisher.holds:
                observed = await self._observe(look)  # the hold ended during the look
            if patient:
                observed = await self._finished(observed)
            self._unfinished = observed.unfinished
            self._writing.set() if self._unfinished else self._writing.clear()
            result = commit(observed)
            if self.failure:
                log.info("publishing works again")
                self.failure = ""
            if isinstance(result, Published):
                self._newest = replace(result, contents={})
                self._announce(result)
            return result

    async def _rearm(self) -> None:
        """Watch what is there now. Where that cannot be, a look is still a look."""
        try:
            await self._parts.run_blocking(self._parts.source.rearm)
        except HostError as error:
            self._cannot_watch(error)
        else:
            self._watch_trouble = ""

    async def _observe(self, look: Look) -> Observed:
        publisher = self._parts.publisher
        if self._is_small(look):
            return publisher.prepare(look)
        return await self._parts.run_blocking(lambda: publisher.prepare(look))

    def _is_small(self, look: Look) -> bool:
        config = self._config
        return (
            not look.everywhere
            and len(look.paths) <= config.inline_paths
            and self._parts.publisher.weight(look) <= config.inline_bytes
        )

    def _commit(self, observed: Observed, message: str = "") -> Published | None:
        publisher = self._parts.publisher
        held = publisher.held
        result = publisher.commit(observed, message)
        if publisher.held is not None and publisher.held != held:
            log.warning("%s", publisher.held)
        return result

    def _announce(self, published: Published) -> None:
        self._parts.feeds.announce(published)
        change = published.verified.change_set.change
        self._unsaid.append((published.position, len(change.puts), len(change.deletes)))
        # The nodes that share this machine come first; so does the next version.
        asyncio.get_running_loop().call_later(SAY_AFTER_S, self._say)

    def _say(self) -> None:
        """Write the log's lines of what was announced."""
        unsaid, self._unsaid = self._unsaid, []
        for line in unsaid:
            log.info("version %s: %d put, %d deleted", *line)

    def _settle_cluster_conf(self, look: Look) -> None:
        """After each change of the membership, and where the file may have been edited. What stands
        in the way is named, and tried again.
        """
        if not (self._file_due or look.everywhere or CLUSTER_CONF in look.paths):
            return
        self._file_due = False  # what is taken over from an edit is a change, too
        try:
            if self._parts.settle_cluster_conf():
                self._take_back()  # it was made from the file before
            self._file_problems = ()
        except PmgsyncError as error:
            problem = Problem(
                CLUSTER_CONF, f"cannot be written: {error.what}", error.mend or "mend it"
            )
            if self._file_problems != (problem,):
                log.error("%s", problem)
            self._file_due, self._file_problems = True, (problem,)
