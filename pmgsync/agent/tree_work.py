"""What an agent does to its tree and store: recover, advance, put drift back.

Everything here blocks and runs one at a time; the role decides when, and on which thread. An
interrupted activation comes before anything else (`settle_pending`): a plan made beside it would
start from a state that is not there. What is overwritten although no version put it there is kept,
always: while it still has a second name, which `settle` takes away and a crash does not, or before
anything is done where that is not sure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pmgsync.agent import drift
from pmgsync.agent.activate import Activator, Keep
from pmgsync.agent.beside import map_of
from pmgsync.agent.drift import Drift
from pmgsync.agent.plan import Advance, Plan, maps_of, plan_advance, plan_repair, stages
from pmgsync.errors import HostError, PmgsyncError
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.manifest import MAX_FILE_BYTES, Digest, FileEntry, Manifest
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import SCOPE
from pmgsync.model.trust import Head
from pmgsync.ports import Clock, FileKind, Intent, Look, Step, Store
from pmgsync.survey import Observation, Survey

if TYPE_CHECKING:  # a node that renders nothing does not carry it
    from pmgsync.agent.services import Services

Act = Callable[[Plan, Mapping[Digest, bytes], Keep], tuple[str, ...]]
"""`Activator.activate`, or its first half."""

WOULD_BE_LOST = "what lies there would be lost"
SMALL_BYTES = 256 << 10
SMALL_FILES = 8


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a look led to: the drift that was put back, what could not be, in the words of its
    errors, and what else the admin should know.
    """

    drifts: tuple[Drift, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class TreeWork:
    """One node's tree and store. `active` is what the node runs, once `recover` has told."""

    store: Store
    survey: Survey
    activator: Activator
    clock: Clock
    authored: bool
    services: Services | None = None
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    """Inside, nobody else writes in the tree: `pmgsync sync` does. A small change of synced files
    only does not ask, for there they never meet.
    """
    active: Head = field(default_factory=Head)
    _arriving: Head | None = None
    """What was switched to, until `settle`."""
    _unseen: frozenset[str] = frozenset()
    """What was replaced and has not been looked at, until `settle`."""
    _look_first: bool = False
    """What was replaced could not be read the last time."""

    @property
    def joining(self) -> bool:
        """Has this node never run a version?"""
        return self.active.position == NOWHERE

    def recover(self) -> Intent | None:
        """Finish or undo what was interrupted, and learn what the node runs; see
        `Activator.recover`.
        """
        with self.alone():
            intent = self.activator.recover(self._keep_edited)
        self.active = self.store.active()
        if self.services is not None:
            self.services.recover()
        return intent

    @property
    def rendered(self) -> tuple[tuple[str, Digest], ...]:
        """Path and digest of each service file, as last rendered; nothing where none is."""
        return self.services.rendered if self.services else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an admin should know of the service files; see `Services.warnings`."""
        return self.services.warnings if self.services else ()

    def settle_pending(self) -> bool:
        """Recover if an activation is pending; whether one was."""
        return self.store.pending() is not None and self.recover() is not None

    # --- advancing ---

    def plan(self, advance: Advance) -> Plan | None:
        """The plan for `advance`; None while joining, when it takes a look at the tree."""
        if self.joining and not self.authored:
            return None
        base = self.active
        plan = plan_advance(base.manifest, base.position, advance, authored=self.authored)
        return replace(plan, renders=False) if plan.renders and self.services is None else plan

    def advance(
        self, advance: Advance, plan: Plan | None, gathered: Mapping[Digest, bytes]
    ) -> tuple[str, ...]:
        """Carry out `plan`, which `self.plan` made, with the contents that came; notes."""
        with self.alone(), self.activator.tree.at_once():
            notes = self.switch(advance, plan, gathered)
            return (*notes, *self.settle())

    def switch(
        self, advance: Advance, plan: Plan | None, gathered: Mapping[Digest, bytes]
    ) -> tuple[str, ...]:
        """The part of `advance` that readers wait for; `settle` is the rest, and comes next."""
        with self.activator.tree.at_once():
            return self._switch(advance, plan, gathered)

    def settle(self) -> tuple[str, ...]:
        """Keep what was overwritten, bring what was switched to disk: from then on the node runs
        it. Returns notes, raises as `advance`.
        """
        arriving, self._arriving = self._arriving, None
        lost: list[Drift] = []
        self._look_first = bool(self._unseen)  # in case that it fails
        self.activator.settle(lambda step: lost.extend(self._look_back(step, arriving)))
        self._look_first = False
        if arriving is not None:
            self.active = arriving
        return drift.note(lost)

    def _look_back(self, step: Step, arriving: Head | None) -> tuple[Drift, ...]:
        """Keep what `step` replaced, if no version had put it there."""
        if arriving is None or not step.backup or step.target not in self._unseen:
            return ()
        path = ManagedPath(step.target)
        try:
            data, _ = self.activator.tree.read(step.backup, limit=MAX_FILE_BYTES)
        except HostError as error:
            raise HostError(error.what, where=path, mend=WOULD_BE_LOST) from None
        found = FileEntry.of(path, data)
        observation = Observation(Manifest([found]), (), {found.digest: data})
        return self._keep_overwritten([path], observation, arriving.manifest)

    def _switch(
        self, advance: Advance, plan: Plan | None, gathered: Mapping[Digest, bytes]
    ) -> tuple[str, ...]:
        observation: Observation | None = None
        self._unseen = frozenset()
        if plan is None:
            observation = self.survey.look(Look(everywhere=True))
            found, before = observation.manifest, self.active.position
            plan = plan_advance(found, before, advance, authored=False)
        elif self._can_look_back(plan):
            self._unseen = plan.touched
        elif plan.touched:
            observation = self.survey.look(Look(plan.touched))
        lost: tuple[Drift, ...] = ()
        if observation is not None:
            lost = self._keep_overwritten(plan.touched, observation, advance.manifest)
        fresh = gathered
        if not gathered.keys() <= plan.contents:
            wanted = advance.manifest.digests
            fresh = {digest: data for digest, data in gathered.items() if digest in wanted}
        notes = self._carry_out_with_services(plan, advance.manifest, fresh, self.activator.switch)
        self._arriving = Head(advance.position, advance.manifest)
        return (*drift.note(lost), *notes)

    def _can_look_back(self, plan: Plan) -> bool:
        """Can what `plan` replaces be looked at when it is done? (Of two stages, the first settles
        by itself.)
        """
        return (
            not self._look_first
            and len(stages(plan)) == 1
            and all(map(self._is_file_or_nothing, plan.touched))
        )

    def _is_file_or_nothing(self, path: str) -> bool:
        try:
            seen = self.activator.tree.stat(path)
        except HostError:
            return False
        return seen is None or (seen.kind is FileKind.FILE and seen.size <= MAX_FILE_BYTES)

    def _keep_overwritten(
        self, paths: Iterable[str], observation: Observation, target: Manifest
    ) -> tuple[Drift, ...]:
        """Keep what lies at `paths` although no version put it there; `HostError` if it cannot be
        read.
        """
        active = self.active.manifest
        lost = drift.overwritten(paths, observation, active, target, joining=self.joining)
        if unreadable := self._unreadable(lost, observation):
            raise HostError(next(iter(unreadable.values())), mend=WOULD_BE_LOST)
        self._keep(lost, observation)
        return lost

    def _carry_out_with_services(
        self,
        plan: Plan,
        target: Manifest,
        fresh: Mapping[Digest, bytes],
        last: Act | None = None,
    ) -> tuple[str, ...]:
        """Carry out `plan`; where something changes of which service files are made, these too."""
        if self.services is None or not plan.renders:
            return self._carry_out(plan, fresh, last)

        def contents(path: str) -> bytes | None:
            entry = target.get(ManagedPath(path))
            if entry is None:
                return None
            known = fresh.get(entry.digest)
            return self.store.content(entry.digest) if known is None else known

        work = self.services.prepare(contents)
        built = {path for path, _ in plan.maps}
        maps = [*plan.maps, *maps_of(self._missing_maps(target) - built, target)]
        with self.services.promising(work.reactions, lambda: self.store.pending() is None):
            whole = replace(plan, services=work, maps=tuple(maps))
            notes = self._carry_out(whole, fresh, last)
        return (*notes, *self.services.files.put_right(work))

    def _settle_services(self) -> Repaired:
        """Put service files to what they should be now: edited ones, and what other facts about
        the machine or other templates of PMG make different.
        """
        if self.services is None or self.store.pending() is not None:
            return Repaired()
        base = self.active
        plan = Plan(base.position, base.position, renders=True)
        try:
            notes = self._carry_out_with_services(plan, base.manifest, {})
        except HostError as error:
            return Repaired(failures=(str(error),))
        return Repaired(notes=notes)

    # --- drift ---

    def put_back(self, look: Look) -> Repaired:
        """Look, keep what drifted, put it back; build maps that are missing. `HostError` as
        `recover`.
        """
        self.settle_pending()
        with self.alone():
            return Repaired() if self.joining else self._put_back(look)

    def _put_back(self, look: Look) -> Repaired:
        if self.authored:
            rest = self._settle_services() if look.everywhere else Repaired()
            return replace(rest, failures=(*rest.failures, *self._build_missing_maps()))
        observation = self.survey.look(look)
        drifts = drift.find(self.active.manifest, observation)
        # What we wrote ourselves since the last look at it is no drift; its event may still come.
        stale = frozenset(one.path for one in drifts) - look.paths
        if stale and not look.everywhere:
            observation = self.survey.look(Look(look.paths | stale))
            drifts = drift.find(self.active.manifest, observation)
        unreadable = self._unreadable(drifts, observation)
        repaired = self._repair([d for d in drifts if d.path not in unreadable], observation)
        rest = self._settle_services() if look.everywhere else Repaired()
        failures = (*unreadable.values(), *repaired.failures, *rest.failures)
        return Repaired(repaired.drifts, (*failures, *self._build_missing_maps()), rest.notes)

    def _repair(self, drifts: list[Drift], observation: Observation) -> Repaired:
        """All in one step; if that fails one by one, so that one that is stuck does not hold up the
        others.
        """
        if not drifts:
            return Repaired()
        try:
            self._put_back_all(drifts, observation)
        except HostError as error:
            if len(drifts) == 1 or self.store.pending() is not None:
                return Repaired(failures=(str(error),))
        else:
            return Repaired(tuple(drifts))
        single: list[Repaired] = []
        for one in drifts:
            single.append(self._repair([one], observation))
            if self.store.pending() is not None:
                break  # its undoing failed, too: `recover` comes first
        return Repaired(
            tuple(drift for repaired in single for drift in repaired.drifts),
            tuple(failure for repaired in single for failure in repaired.failures),
        )

    def _put_back_all(self, drifts: list[Drift], observation: Observation) -> None:
        self._keep(drifts, observation)
        paths = [one.path for one in drifts]
        base = self.active
        self._carry_out(plan_repair(base.manifest, base.position, paths=paths, unmapped=()), {})

    def _build_missing_maps(self) -> tuple[str, ...]:
        """Build the maps that are missing although Postfix is here; what went wrong."""
        if self.store.pending() is not None or not self.activator.maps.available():
            return ()
        base = self.active
        try:
            missing = self._missing_maps(base.manifest)
            plan = plan_repair(base.manifest, base.position, paths=(), unmapped=missing)
            if plan.maps:
                self._carry_out(plan, {})
        except HostError as error:
            return (str(error),)
        return ()

    def _missing_maps(self, target: Manifest) -> set[ManagedPath]:
        """The files without a map. Postfix's own files name them all, existing or not."""
        mapped = {ManagedPath(rule.pattern) for rule in SCOPE if rule.postmap}
        if self.services is None:
            mapped &= target.keys()
        return {path for path in mapped if self.activator.tree.stat(map_of(path)) is None}

    # --- both ---

    def _carry_out(
        self, plan: Plan, fresh: Mapping[Digest, bytes], last: Act | None = None
    ) -> tuple[str, ...]:
        """All stages of `plan`, the last one by `last`, if it is not to be activated as the rest
        is.
        """
        *clearing, rest = stages(plan)
        for first in clearing:
            self._activate(first, {})
        try:
            return self._activate(rest, fresh, last)
        except PmgsyncError:
            for first in clearing:
                self._put_back_cleared(first.deletes)
            raise

    def _put_back_cleared(self, paths: Iterable[str]) -> None:
        """What made way for a version that could not be put there. What fails is found as drift."""
        base = self.active
        ours = [path for path in paths if path in base.manifest]
        if self.store.pending() is None:
            with suppress(PmgsyncError):
                plan = plan_repair(base.manifest, base.position, paths=ours, unmapped=())
                self._activate(plan, {})

    def _activate(
        self, plan: Plan, fresh: Mapping[Digest, bytes], act: Act | None = None
    ) -> tuple[str, ...]:
        from_store = {d: self.store.content(d) for d in plan.contents if d not in fresh}
        act = act or self.activator.activate
        return act(plan, {**fresh, **from_store}, self._keep_edited)

    def _keep(self, drifts: Iterable[Drift], observation: Observation) -> None:
        now = self.clock.now()
        for one in drifts:
            content = self._content_of(one, observation)
            self.store.keep(one.path, content, one.reason, now)

    def _content_of(self, one: Drift, observation: Observation) -> bytes | None:
        if one.found is None:
            return None
        read = observation.contents.get(one.found.digest)
        return read if read is not None else self.survey.content(one.found)

    def _keep_edited(self, path: str, content: bytes) -> None:
        self.store.keep(path, content, drift.EDITED, self.clock.now())

    def _unreadable(self, drifts: Iterable[Drift], observation: Observation) -> dict[str, str]:
        """Plain files that cannot be read, so not kept either: by path, why. They stay."""
        why = {problem.path: str(problem) for problem in observation.problems}
        return {
            one.path: why[one.path]
            for one in drifts
            if one.reason == drift.REPLACED and self._is_file(one.path)
        }

    def _is_file(self, path: str) -> bool:
        try:
            seen = self.activator.tree.stat(path)
        except HostError:
            return False
        return seen is not None and seen.kind is FileKind.FILE


def is_small(plan: Plan | None) -> bool:
    """Is it done faster than handed to a thread?"""
    return (
        plan is not None
        and plan.size <= SMALL_BYTES
        and len(plan.puts) + len(plan.deletes) <= SMALL_FILES
        and not plan.maps
        and not plan.renders
    )
