"""The agent at work: follow the master, apply what is wanted, put drift back, report.

Three loops beside each other, none of which decides anything on its own: the link feeds messages to
the `Follower`, the apply loop carries out what it has ready, the drift loop looks where the watcher
says. Everything that touches tree and store is in `TreeWork` and happens one at a time (`_turn`).
On the master's own node the files are authored (`authored`), so there is nothing to put and no
drift; only what is derived from them is built.

What fails is said and tried again (`retrying.py`): `HostError` is this machine's trouble and may
heal by itself, and so may a refused version: the cause can be a template of PMG's on this node.
Anything else that is raised ends the daemon.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from pmgsync.agent import drift
from pmgsync.agent.follower import (
    Action,
    Ask,
    AskResync,
    ChainGrew,
    Follower,
    Heard,
    PassedOver,
    Ready,
    Refused,
    Saw,
)
from pmgsync.agent.link import Link
from pmgsync.agent.parts import AgentConfig, AgentParts
from pmgsync.agent.plan import Advance
from pmgsync.agent.retrying import Trouble
from pmgsync.agent.telling import Telling
from pmgsync.agent.threads import to_its_end
from pmgsync.agent.tree_work import Repaired, TreeWork, is_small
from pmgsync.agent.undone import UndoneNotes
from pmgsync.errors import (
    CheckFailedError,
    HostError,
    NoLongerMemberError,
    PeerError,
    RemovedError,
)
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.messages import Hello, Need, Pulse, Resync, SignedReport, ToAgent, ToMaster
from pmgsync.model.removal import accept_removal
from pmgsync.model.report import MAX_NOTES, REPORT_TYPE, Outcome, Report
from pmgsync.model.trust import Head, TrustedHistory
from pmgsync.ports import Look

log = logging.getLogger(__name__)

T = TypeVar("T")

SMALL_CLUSTER = 20
"""Up to so many members, views are asked for every `view_s`."""
SAVE_VIEW_S = 60.0
"""The view is written down at most so often."""


class AgentRole:
    """One node's agent. `run` until cancelled; the rest answers questions about it."""

    def __init__(
        self,
        parts: AgentParts,
        chain: tuple[Envelope, ...],
        *,
        authored: bool,
        config: AgentConfig | None = None,
    ) -> None:
        self._parts = parts
        self._config = config or AgentConfig()
        self._authored = authored
        self._recovered = False
        self._tree = TreeWork(
            parts.store,
            parts.survey,
            parts.activator,
            parts.clock,
            authored=authored,
            services=parts.services,
            alone=parts.alone,
        )
        self._history = TrustedHistory(chain, promised=parts.promised)
        self._saved = chain[-1].digest
        self._follower = Follower(self._history, self.active.manifest, parts.store.missing)
        self._turn, self._ready = asyncio.Lock(), asyncio.Event()
        self._look, self._look_wanted, self._view_came = Look(), asyncio.Event(), asyncio.Event()
        self._refused: Position | None = None
        self._writing: Position | None = None
        self._received, self._view_saved = 0.0, float("-inf")
        self._last_report: Report | None = None
        self._watch_trouble = ""
        self._applying, self._repairing = self._troubles()
        self._telling = Telling(
            parts.services, parts.apart or parts.in_thread, self._turn, self._report_notes
        )
        self.notes: tuple[str, ...] = ()
        self.undone = UndoneNotes(parts.store, self._history.membership.cluster)
        self.view: tuple[bytes, int] | None = None
        self.heard: Heard | None = None
        self.link = Link(
            dialer=parts.dialer,
            clock=parts.clock,
            master=lambda: self._history.known_membership.master_member,
            opening=self._opening,
            on_message=self._on_message,
            on_up=lambda: self._follower.stream_begins(),
            pulse=self._pulse,
            on_removed=self._on_removed,
            config=self._config.link,
        )

    # --- questions ---

    @property
    def active(self) -> Head:
        """What this node runs."""
        return self._tree.active

    @property
    def trouble(self) -> str:
        """What stands in the way of the wanted version or of putting drift back; else empty."""
        return str(self._applying) or str(self._repairing) or self._watch_trouble

    @property
    def history(self) -> TrustedHistory:
        """What this node believes."""
        return self._history

    @property
    def undone_lines(self) -> tuple[str, ...]:
        """What this node had believed of the membership, and a promotion has undone."""
        return self.undone.lines(self._history.membership)

    @property
    def unfinished(self) -> Position | None:
        """The version that is being applied at this moment, while the log has not got it."""
        return self._writing if self._writing and self._writing > self._logged else None

    @property
    def has_all(self) -> bool:
        """Is all at hand for a version that this node does not run yet?"""
        return self._follower.advance() is not None

    @property
    def _logged(self) -> Position:
        return self._parts.store.head()[0].position

    async def ask_view(self, timeout_s: float) -> tuple[bytes, int] | None:
        """The master's view and when it came; a fresh one if it answers within `timeout_s`."""
        self._view_came.clear()
        if await self.link.send(Pulse(want_view=True)):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._view_came.wait()
        return self.view

    # --- the loops ---

    def recover(self) -> None:
        """First of all: finish or undo what a crash interrupted, and learn what this node runs.

        Raises `HostError` or `StoreError` where that is impossible now.
        """
        intent = self._tree.recover()
        if intent is not None:
            log.warning("an activation of version %s had been interrupted; recovered", intent.after)
        known = self._history
        self._history = TrustedHistory(known.chain, self.active, promised=known.promised)
        self._follower = Follower(self._history, self.active.manifest, self._parts.store.missing)
        note = self._parts.store.note("view")
        if isinstance(note, list):
            self.view = (str(note[0]).encode(), int(note[1]))
        self._recovered = True

    async def run(self) -> None:
        """Follow, apply and watch until cancelled. `recover` must have succeeded."""
        if not self._recovered:
            raise RuntimeError("recover() comes first")
        loops = [self.link.run, self._apply_forever, self._applying.run, self._ask_views]
        loops += [self._repair_forever, self._repairing.run, self._telling.run]
        if not self._authored:
            loops += [self._watch_forever, self._rescan_forever]
        elif self._parts.services is not None:
            loops += [self._look_forever]
        self._want_look(Look(everywhere=True))
        try:
            async with asyncio.TaskGroup() as group:
                for loop in loops:
                    group.create_task(loop())
        finally:
            self._save_view()

    async def _apply_forever(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            advance = self._follower.advance()
            while advance is not None and advance.position != self._refused:
                if not await self._try(advance):
                    break
                advance = self._follower.advance()

    def _troubles(self) -> tuple[Trouble, Trouble]:
        trouble = partial(Trouble, self._parts.clock, self._config.retry_s)
        return trouble(self._apply_again), trouble(partial(self._want_look, Look(everywhere=True)))

    def _apply_again(self) -> None:
        self._refused = None
        self._ready.set()

    async def _watch_forever(self) -> None:
        while True:
            try:
                self._want_look(await self._parts.source.wait())
                self._watch_trouble = ""
            except HostError as error:
                self._cannot_watch(error)
                await self._parts.clock.sleep(self._config.retry_s)

    async def _rescan_forever(self) -> None:
        while True:
            await self._parts.clock.sleep(self._config.rescan_s)
            try:
                await self._blocking(self._parts.source.rearm, small=False)
                self._watch_trouble = ""
            except HostError as error:
                self._cannot_watch(error)
            self._want_look(Look(everywhere=True))

    def _cannot_watch(self, error: HostError) -> None:
        """Without events there are still the looks at everything."""
        if self._watch_trouble != str(error):
            log.error("drift is found late: %s", error)
        self._watch_trouble = str(error)
        self._want_look(Look(everywhere=True))

    async def _repair_forever(self) -> None:
        while True:
            await self._look_wanted.wait()
            # Changes of our own cause looks, too; waiting lets one look see many of them.
            await self._parts.clock.sleep(self._config.drift_delay_s)
            self._look_wanted.clear()
            look, self._look = self._look, Look()
            await self.repair(look)

    async def _look_forever(self) -> None:
        """On the master's own node nothing synced is put back, but service files are."""
        while True:
            await self._parts.clock.sleep(self._config.rescan_s)
            self._want_look(Look(everywhere=True))

    def _want_look(self, look: Look) -> None:
        self._look |= look
        self._look_wanted.set()

    async def _ask_views(self) -> None:
        while True:
            # Every view is as long as the cluster is large, so a large one asks less often.
            members = len(self._history.membership.members)
            await self._parts.clock.sleep(self._config.view_s * max(1.0, members / SMALL_CLUSTER))
            await self.link.send(Pulse(want_view=True))

    # --- the stream ---

    def _opening(self) -> list[ToMaster]:
        """Where the log of this node stands, and what it runs; the two differ while it cannot
        apply.
        """
        membership, head = self._history.membership, self._history.head
        hello = Hello(
            head.position,
            head.manifest.digest,
            membership.epoch,
            membership.serial,
            self._parts.software,
            self._history.promised,
        )
        report = self._last_report or self._report_of(self.active.position, Outcome.ACTIVATED)
        self.save_chain()
        # What was asked for on the stream before will not come.
        needs = [word for word in map(self._perform, self._follower.still_lacking()) if word]
        return [hello, self._signed(report), *needs, self._pulse(want_view=True)]

    def _on_removed(self, error: RemovedError) -> None:
        """The master says that this node was removed; it counts only with its signature."""
        membership = self._history.membership
        try:
            accept_removal(error.notice, membership, self._parts.signer.public_key)
        except PeerError as doubt:
            log.warning("the master says that this node was removed, without proof: %s", doubt)
            return
        raise NoLongerMemberError(
            f"this node was removed from the cluster by {membership.master_member.label}",
            notice=error.notice,
        )

    def _pulse(self, *, want_view: bool = False) -> Pulse:
        link = self._history.membership
        return Pulse(want_view, self._parts.clock.now(), link.epoch, link.serial)

    def _on_message(self, message: ToAgent) -> list[ToMaster]:
        came, wanted = self._parts.clock.monotonic(), self._follower.wanted
        actions = self._follower.on(message)
        if self._follower.wanted is not wanted:
            self._received = came
        return [word for word in map(self._perform, actions) if word]

    def _perform(self, action: Action) -> ToMaster | None:
        """Do it; what to say to the master, if anything."""
        match action:
            case Ask(digests):
                return Need(digests)
            case AskResync():
                return Resync()
            case ChainGrew():
                self.save_chain()
                return self._pulse()  # the master may wait for this
            case Refused(error):
                raise error
            case Ready():
                self._ready.set()
            case Heard():
                self.heard = action
            case PassedOver(why):
                master = self._history.membership.master_member.label
                log.warning("%s: %s; passed over, nothing is to be done here", master, why)
            case Saw(document):
                self.view = (document, self._parts.clock.now())
                self._view_came.set()
                if self._parts.clock.monotonic() >= self._view_saved + SAVE_VIEW_S:
                    self._save_view()
        return None

    def save_chain(self) -> None:
        """Write down the links that are new; to be called again where that fails."""
        history, known = self._history, self._history.known_chain[-1].digest
        if known != self._saved:
            note = partial(self.undone.take, history)
            self._parts.chain_grew(history.chain, history.known_membership, note)
            self._saved = known

    async def _report(self, report: Report) -> None:
        """Say `report` unless that was the last word; at the beginning of each stream anyway."""
        if report != self._last_report:
            self._last_report = report
            await self.link.send(self._signed(report))

    def _report_of(
        self, wanted: Position, outcome: Outcome, detail: str = "", milliseconds: int = 0
    ) -> Report:
        return Report(
            cluster=self._history.membership.cluster,
            cid=self._parts.cid,
            active=self.active.position,
            manifest=self.active.manifest.digest,
            wanted=wanted,
            outcome=outcome,
            detail=detail,
            notes=self._all_notes(),
            milliseconds=milliseconds,
            rendered=self._tree.rendered,
        )

    def _all_notes(self) -> tuple[str, ...]:
        troubles = (self._repairing.reported, *self._telling.failures)
        notes = (*self.undone_lines, *self._tree.warnings, *self.notes)
        return (*filter(None, troubles), *notes)

    def _signed(self, report: Report) -> SignedReport:
        return SignedReport(seal(REPORT_TYPE, report.to_bytes(), self._parts.signer).to_bytes())

    # --- applying ---

    async def _try(self, advance: Advance) -> bool:
        """Apply `advance` and report how it went; False if it must wait."""
        try:
            async with self._turn:
                if self._history.promised and self._history.fences(advance.position, self._logged):
                    return False
                self._writing = advance.position
                await self._apply(advance)
        except HostError as error:
            refused = isinstance(error, CheckFailedError)
            self._refused = advance.position if refused else None
            outcome = Outcome.INVALID if refused else Outcome.UNABLE
            how = "is refused" if refused else "cannot be applied now"
            if self._applying.failed(str(error)):
                log.error("version %s %s: %s", advance.position, how, error)
            report = self._report_of(advance.position, outcome, self._applying.reported)
            await self._report(report)
            return False
        finally:
            self._writing = None
        await self._arrived()
        return True

    async def _arrived(self) -> None:
        """Say that the node runs another version now."""
        self._applying.fine()
        milliseconds = round((self._parts.clock.monotonic() - self._received) * 1000)
        report = self._report_of(self.active.position, Outcome.ACTIVATED, milliseconds=milliseconds)
        await self._report(report)
        log.info("runs version %s (%d ms)", self.active.position, milliseconds)

    async def _apply(self, advance: Advance) -> None:
        if self._parts.store.pending() is not None:
            await self._blocking(self._tree.recover, small=False)
            self._follower.activated(self.active)
        if self.active.position >= advance.position:
            return
        joining = self._tree.joining
        # A copy: more may come while a thread reads it.
        plan, gathered = self._tree.plan(advance), dict(self._follower.contents)
        small = is_small(plan)
        step = self._tree.switch if small else self._tree.advance
        self.notes = await self._blocking(lambda: step(advance, plan, gathered), small=small)
        if small:
            self.notes = (*self.notes, *await self._settle())
        self._follower.activated(self.active)
        self._telling.wake()
        if joining:
            # What the node had already was not touched, but may lie there with another mode.
            self._want_look(Look(everywhere=True))

    async def _settle(self) -> tuple[str, ...]:
        """The new files can be read; the rest of the work lets other nodes' first part pass."""
        try:
            if self._config.settle_delay_s:
                await self._parts.clock.sleep(self._config.settle_delay_s)
        except asyncio.CancelledError:
            with suppress(HostError):  # recovery finishes what cannot be finished now
                self._tree.settle()
            raise
        return self._tree.settle()

    # --- drift ---

    async def repair(self, look: Look) -> None:
        """Look, put back what drifted, and say so."""
        async with self._turn:
            before = self.active.position
            try:
                repaired = await self._blocking(lambda: self._tree.put_back(look), small=False)
            except HostError as error:
                repaired = Repaired(failures=(str(error),))
        self._telling.wake()
        if self.active.position != before:
            # A version that had been interrupted came first, and is in place now.
            self._follower.activated(self.active)
            await self._arrived()
        failure = next(iter(repaired.failures), "")
        if not failure:
            self._repairing.fine()
        elif self._repairing.failed(failure):
            log.error("drift cannot be put back now: %s", failure)
        fresh = drift.note(repaired.drifts)
        for line in fresh:
            log.warning("%s", line)
        self.notes = tuple(dict.fromkeys((*self.notes, *fresh, *repaired.notes)))[-MAX_NOTES:]
        await self._report_notes()

    async def _report_notes(self) -> None:
        """Say the last report again where notes or service files have changed; how the wanted
        version went still holds.
        """
        last = self._last_report or self._report_of(self.active.position, Outcome.ACTIVATED)
        notes, rendered = self._all_notes(), self._tree.rendered
        said = (last.notes, last.rendered) if self._last_report else ((), ())
        if (notes, rendered) != said:
            await self._report(replace(last, notes=notes, rendered=rendered))

    # --- odds and ends ---

    async def _blocking(self, work: Callable[[], T], *, small: bool) -> T:
        """Do `work` here if it is small (a thread costs more than it), else in one."""
        return work() if small else await to_its_end(work, self._parts.in_thread)

    def _save_view(self) -> None:
        self._view_saved = self._parts.clock.monotonic()
        if self.view is not None:
            with suppress(HostError):  # it is only the last known view
                self._parts.store.write_note("view", [self.view[0].decode(), self.view[1]])
