"""The agent at work: follow the master, apply what is wanted, put drift back, report.

Three loops beside each other, none of which decides anything on its own: the link feeds messages to the
`Follower`, the apply loop carries out what it has ready, the drift loop looks where the watcher says. Everything
that touches tree and store happens one at a time (`_work`). On the master's own node the files are authored
(`authored`), so there is nothing to put and no drift; only what is derived from them is built.

What fails is said and tried again: `HostError` is this machine's trouble and heals by itself, a refused version
waits for the next one. Anything else that is raised ends the daemon.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pmgsync.agent import drift
from pmgsync.agent.activate import Activator
from pmgsync.agent.follower import Ask, AskResync, ChainGrew, Follower, Heard, Ready, Saw
from pmgsync.agent.link import Link, LinkConfig
from pmgsync.agent.plan import Advance, Plan, map_of, plan_advance, plan_repair
from pmgsync.errors import CheckFailedError, HostError
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import Signer
from pmgsync.model.manifest import Digest
from pmgsync.model.messages import Hello, Need, Pulse, Resync, SignedReport, ToAgent, ToMaster
from pmgsync.model.report import REPORT_TYPE, Outcome, Report
from pmgsync.model.scope import SCOPE
from pmgsync.model.trust import Head, TrustedHistory
from pmgsync.ports import ChangeSource, Clock, Dialer, Look, Store
from pmgsync.survey import Survey

log = logging.getLogger(__name__)

T = TypeVar("T")
RunBlocking = Callable[[Callable[[], T]], Awaitable[T]]

SMALL_BYTES = 256 << 10
SMALL_FILES = 8


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """Seconds: until a failed apply is tried again, from a tree event to the look at it, between view requests."""

    retry_s: float = 2.0
    drift_delay_s: float = 0.25
    view_s: float = 5.0
    link: LinkConfig = field(default_factory=LinkConfig)


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What an agent works with. `chain_grew` must be durable when it returns."""

    cid: int
    software: str
    signer: Signer
    store: Store
    survey: Survey
    source: ChangeSource
    activator: Activator
    dialer: Dialer
    clock: Clock
    chain_grew: Callable[[tuple[Envelope, ...]], None]
    in_thread: Callable[[Callable[[], None]], Awaitable[None]]
    """Runs something that blocks for long away from the event loop."""


class AgentRole:
    """One node's agent. `run` until cancelled; the rest answers questions about it."""

    def __init__(
        self, parts: AgentParts, chain: tuple[Envelope, ...], *, authored: bool, config: AgentConfig | None = None
    ) -> None:
        self._parts = parts
        self._config = config or AgentConfig()
        self._authored = authored
        self._recovered = False
        self._active = Head()
        self._history = TrustedHistory(chain)
        self._follower = Follower(self._history, self._active.manifest, parts.store.missing)
        self._work = asyncio.Lock()
        self._ready = asyncio.Event()
        self._view_came = asyncio.Event()
        self._refused: Position | None = None
        self._received: float | None = None
        self._last_report: Report | None = None
        self.notes: tuple[str, ...] = ()
        self.trouble = ""
        self.view: tuple[bytes, int] | None = None
        self.heard: Heard | None = None
        self.link = Link(
            dialer=parts.dialer,
            clock=parts.clock,
            master=lambda: self._history.membership.master_member,
            opening=self._opening,
            on_message=self._on_message,
            on_up=self._on_up,
            config=self._config.link,
        )

    # --- questions ---

    @property
    def active(self) -> Head:
        """What this node runs."""
        return self._active

    @property
    def history(self) -> TrustedHistory:
        """What this node believes."""
        return self._history

    async def ask_view(self, timeout_s: float) -> tuple[bytes, int] | None:
        """The master's view and when it came; a fresh one if the master answers within `timeout_s`."""
        self._view_came.clear()
        if await self.link.send(Pulse(want_view=True)):
            try:
                async with asyncio.timeout(timeout_s):
                    await self._view_came.wait()
            except TimeoutError:
                pass
        return self.view

    # --- the loops ---

    def recover(self) -> None:
        """First of all: finish or undo what a crash interrupted, and learn what this node runs.

        Raises `HostError` or `StoreError` where that is impossible now.
        """
        intent = self._parts.activator.recover()
        if intent is not None:
            log.warning("an activation of version %s had been interrupted; recovered", intent.after)
        self._active = self._parts.store.active()
        self._history = TrustedHistory(self._history.chain, self._active)
        self._follower = Follower(self._history, self._active.manifest, self._parts.store.missing)
        note = self._parts.store.note("view")
        if isinstance(note, list):
            self.view = (str(note[0]).encode(), int(note[1]))
        self._recovered = True

    async def run(self) -> None:
        """Follow, apply and watch until cancelled. `recover` must have succeeded."""
        if not self._recovered:
            raise RuntimeError("recover() comes first")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.link.run())
                group.create_task(self._apply_forever())
                group.create_task(self._ask_views())
                if self._authored:
                    group.create_task(self._map_at_start())
                else:
                    group.create_task(self._watch_forever())
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

    async def _watch_forever(self) -> None:
        look = Look(everywhere=True)
        while True:
            await self._repair(look)
            look = await self._parts.source.wait()
            # Changes of our own cause looks, too; waiting lets one look see many of them.
            await self._parts.clock.sleep(self._config.drift_delay_s)

    async def _map_at_start(self) -> None:
        await self._repair(Look(everywhere=True))

    async def _ask_views(self) -> None:
        while True:
            await self._parts.clock.sleep(self._config.view_s)
            await self.link.send(Pulse(want_view=True))

    # --- the stream ---

    def _opening(self) -> list[ToMaster]:
        """Where the log of this node stands, and what it runs; the two differ while it cannot apply."""
        membership, head = self._history.membership, self._history.head
        hello = Hello(
            head.position, head.manifest.digest, membership.epoch, membership.serial, self._parts.software
        )
        report = self._last_report or self._report_of(self._active.position, Outcome.ACTIVATED)
        return [hello, self._signed(report)]

    def _on_up(self) -> None:
        self._follower.stream_begins()

    def _on_message(self, message: ToAgent) -> list[ToMaster]:
        answers: list[ToMaster] = []
        if self._received is None:
            self._received = self._parts.clock.monotonic()
        for action in self._follower.on(message):
            match action:
                case Ask(digests):
                    answers.append(Need(digests))
                case AskResync():
                    answers.append(Resync())
                case ChainGrew(chain):
                    self._parts.chain_grew(chain)
                case Ready():
                    self._ready.set()
                case Heard():
                    self.heard = action
                case Saw(document):
                    self.view = (document, self._parts.clock.now())
                    self._view_came.set()
        if self._follower.wanted is None:
            self._received = None
        return answers

    async def _report(self, wanted: Position, outcome: Outcome, detail: str = "", milliseconds: int = 0) -> None:
        self._last_report = self._report_of(wanted, outcome, detail, milliseconds)
        await self.link.send(self._signed(self._last_report))

    def _report_of(self, wanted: Position, outcome: Outcome, detail: str = "", milliseconds: int = 0) -> Report:
        return Report(
            cluster=self._history.membership.cluster,
            cid=self._parts.cid,
            active=self._active.position,
            manifest=self._active.manifest.digest,
            wanted=wanted,
            outcome=outcome,
            detail=detail,
            notes=self.notes,
            milliseconds=milliseconds,
        )

    def _signed(self, report: Report) -> SignedReport:
        return SignedReport(seal(REPORT_TYPE, report.to_bytes(), self._parts.signer).to_bytes())

    # --- applying ---

    async def _try(self, advance: Advance) -> bool:
        """Apply `advance` and report how it went; False if it must wait."""
        begun = self._received if self._received is not None else self._parts.clock.monotonic()
        try:
            async with self._work:
                await self._apply(advance)
        except CheckFailedError as error:
            self._refused, self.trouble = advance.position, str(error)
            log.error("version %s is refused: %s", advance.position, error)
            await self._report(advance.position, Outcome.INVALID, str(error))
            return False
        except HostError as error:
            if self.trouble != str(error):
                log.error("version %s cannot be applied now: %s", advance.position, error)
            self.trouble = str(error)
            await self._report(advance.position, Outcome.UNABLE, str(error))
            self._try_later()
            return False
        self.trouble, self._received = "", None
        milliseconds = round((self._parts.clock.monotonic() - begun) * 1000)
        log.info("runs version %s (%d ms)", advance.position, milliseconds)
        await self._report(advance.position, Outcome.ACTIVATED, milliseconds=milliseconds)
        return True

    def _try_later(self) -> None:
        asyncio.get_running_loop().call_later(self._config.retry_s, self._ready.set)

    async def _apply(self, advance: Advance) -> None:
        plan, lost = await self._blocking(lambda: self._plan(advance), small=self._active.position != NOWHERE)
        notes = await self._blocking(lambda: self._carry_out(plan, lost), small=_is_small(plan))
        self._active = Head(advance.position, advance.manifest)
        self._follower.activated(advance)
        self.notes = (*drift.note(lost), *notes)

    def _plan(self, advance: Advance) -> tuple[Plan, tuple[drift.Drift, ...]]:
        """The plan for `advance`, and what it would overwrite that no version put there."""
        active, joining = self._active, self._active.position == NOWHERE
        if self._authored:
            return plan_advance(active.manifest, active.position, advance, authored=True), ()
        if joining:
            found = self._parts.survey.look(Look(everywhere=True)).manifest
            plan = plan_advance(found, active.position, advance, authored=False)
        else:
            plan = plan_advance(active.manifest, active.position, advance, authored=False)
        observation = self._parts.survey.look(Look(plan.touched)) if plan.touched else None
        if observation is None:
            return plan, ()
        lost = drift.overwritten(plan.touched, observation, active.manifest, advance.manifest, joining=joining)
        return plan, lost

    def _carry_out(self, plan: Plan, lost: tuple[drift.Drift, ...]) -> tuple[str, ...]:
        self._keep(lost)
        if self._parts.store.pending() is not None:
            self._parts.activator.recover()
        return self._parts.activator.activate(plan, self._contents_for(plan))

    def _contents_for(self, plan: Plan) -> dict[Digest, bytes]:
        gathered = self._follower.contents
        return {d: gathered[d] if d in gathered else self._parts.store.content(d) for d in plan.contents}

    # --- drift ---

    async def _repair(self, look: Look) -> None:
        """Look, keep what drifted, put it back."""
        async with self._work:
            if self._active.position == NOWHERE:
                return
            try:
                drifts = await self._blocking(lambda: self._put_back(look), small=not look.everywhere)
            except HostError as error:
                self.trouble = str(error)
                log.error("drift cannot be put back now: %s", error)
                drifts = ()
        if drifts:
            self.notes = drift.note(drifts)
            for line in self.notes:
                log.warning("%s", line)
            await self._report(self._active.position, Outcome.ACTIVATED)

    def _put_back(self, look: Look) -> tuple[drift.Drift, ...]:
        active = self._active
        observation = self._parts.survey.look(look)
        drifts = () if self._authored else drift.find(active.manifest, observation)
        paths = {entry.path for entry in drifts}
        plan = plan_repair(active.manifest, active.position, paths=paths, unmapped=self._unmapped())
        if not (plan.puts or plan.deletes or plan.maps):
            return ()
        self._carry_out(plan, drifts)
        return drifts

    def _keep(self, drifts: tuple[drift.Drift, ...]) -> None:
        now = self._parts.clock.now()
        for one in drifts:
            content = self._parts.survey.content(one.found) if one.found else None
            self._parts.store.keep(one.path, content, one.reason, now)

    def _unmapped(self) -> set[str]:
        """Synced files whose map is missing although Postfix is here."""
        if not self._parts.activator.maps.available():
            return set()
        mapped = {rule.pattern for rule in SCOPE if rule.postmap} & self._active.manifest.keys()
        return {path for path in mapped if self._parts.activator.tree.stat(map_of(path)) is None}

    # --- odds and ends ---

    async def _blocking(self, work: Callable[[], T], *, small: bool) -> T:
        """Do `work` here if it is small (a thread costs more than it), else away from the event loop."""
        if small:
            return work()
        result: list[T] = []
        await self._parts.in_thread(lambda: result.append(work()))
        return result[0]

    def _save_view(self) -> None:
        if self.view is not None:
            self._parts.store.write_note("view", [self.view[0].decode(), self.view[1]])


def _is_small(plan: Plan) -> bool:
    return plan.size <= SMALL_BYTES and len(plan.puts) + len(plan.deletes) <= SMALL_FILES and not plan.maps
