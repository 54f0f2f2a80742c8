"""The numbered recipe by which a version gets into the tree: all of it, or none of it.

1. back up    give every file that will be replaced or deleted a second name
2. stage      write every new file beside its target, with its final mode and owner; build the maps;
              fsync (after 1, so that a journalling file system has the second names on disk, too)
3. intend     commit the intent (all steps), the log records and the contents to the journal, while
              the fsyncs of 2 are under way: the disk takes both for little more than one
4. switch     when 2 and 3 are on disk: rename each staged file over its target, remove each deleted
              one
5. settle     look at what was replaced, where that has not been done before; fsync the folders
6. finish     commit that the node runs the new version
7. forget     remove the second names

`switch` is 1 to 4, what readers wait for; `settle` is the rest, and may come a moment later.

A crash before 3 leaves the old state and some dot files, which `recover` sweeps. A crash after 3 is
finished by `recover`: it brings what is still staged to disk again (a kill may have come before the
fsyncs of 2 were over) and goes on with 4. Where that cannot be done (a power cut came so early, as
the digests tell), everything is switched back. A failure in 4 or 5 switches back at once. After
`recover` the tree is the old state or the new one, never a mixture. Between the first and the last
rename of 4 a reader can see new files beside old ones; each single file is whole at every moment.

Undoing takes the second names away, so `recover` goes on only where no step was undone before: what
it does it can still undo. What was replaced has its second name up to 7, and if no version had put
it there, the look in 5 or `recover` hands it to `keep`. 6 need not wait for the disk: where a power
cut took it, the new contents without second names say that 7 was reached. And what somebody else
put at a target since the plan was made, or since the crash, is handed to `keep` before it is
overwritten; only then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from pmgsync.agent.beside import backup, map_of, staged
from pmgsync.agent.maps import MapBuilder
from pmgsync.agent.plan import Plan
from pmgsync.errors import ActivateError, HostError, PmgsyncError, StageError
from pmgsync.model.manifest import MAX_FILE_BYTES, Digest, digest_of
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import holds_synced_files, require_rule, rule_for
from pmgsync.ports import FileKind, Intent, Journal, Seen, Step, StepKind, TreeReader, TreeWriter

Keep = Callable[[str, bytes], None]
"""Takes path and content of a file that is about to be overwritten; durable when it returns."""

LookBack = Callable[[Step], None]
"""Looks at what a step has replaced, while that still has its second name. `HostError`: it goes
back there.
"""


class Tree(TreeReader, TreeWriter, Protocol):
    """The synced places, to read and to write."""

    def at_once(self) -> AbstractContextManager[None]:
        """What is done inside is done at once; the tree may keep handles of folders so long."""

    def syncing(self, paths: Sequence[str]) -> AbstractContextManager[None]:
        """At its end the contents of these files are on disk, as after `sync_files`; begun at its
        beginning, so that what is done inside and the disk's work happen at the same time.
        """


@dataclass
class _Draft:
    """An activation in the making: its steps, and what lay at their targets when it began."""

    steps: list[Step] = field(default_factory=list)
    found: dict[str, Seen | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Activator:
    """Applies plans to one tree. Its methods block; only one of them may run at a time."""

    tree: Tree
    journal: Journal
    maps: MapBuilder

    def activate(self, plan: Plan, contents: Mapping[Digest, bytes], keep: Keep) -> tuple[str, ...]:
        """Carry out `plan`, all of it; see `switch` and `settle`."""
        with self.tree.at_once():
            notes = self.switch(plan, contents, keep)
            self.settle()
            return notes

    def switch(self, plan: Plan, contents: Mapping[Digest, bytes], keep: Keep) -> tuple[str, ...]:
        """Steps 1 to 4: readers see the new files when it returns; notes for the admin. `settle`
        comes before anything else is done here.

        `contents` has all that `plan.contents` names, and whatever else belongs into the store with
        `plan.records`. Raises `CheckFailedError` (the content is at fault), `StageError`,
        `ActivateError` or `StoreError`; the tree is then as it was, or, if even that failed, an
        intent is pending and `recover` must run before the next plan.
        """
        if self.journal.pending() is not None:
            raise RuntimeError("recover() comes before the next plan")
        with self.tree.at_once():
            return self._switch(plan, contents, keep)

    def settle(self, look_back: LookBack | None = None) -> None:
        """Steps 5 to 7: what was switched is on disk, and what the node runs. Nothing to do where
        nothing was. `look_back` comes first. Raises as `switch`, with the tree as before it.
        """
        intent = self.journal.pending()
        if intent is None:
            return
        try:
            if look_back is not None:
                for step in intent.steps:
                    look_back(step)
            self._sync_folders(intent.steps)
        except HostError as error:
            self._switch_back(intent)
            raise ActivateError(error.what, where=error.where, mend=error.mend) from error
        self.journal.finish(intent)
        self._forget(intent.steps)

    def _switch(self, plan: Plan, contents: Mapping[Digest, bytes], keep: Keep) -> tuple[str, ...]:
        draft = _Draft()
        try:
            # What was made here is not kept in the store: it can be made again.
            made = plan.services.contents
            self._prepare(plan, {**contents, **made} if made else contents, draft)
            intent = Intent(plan.before, plan.after, tuple(draft.steps))
            # A repair puts back what came from the store.
            new = contents if plan.records else {}
            if not intent.steps:
                self.journal.adopt(plan.after, plan.records, new)
                return tuple(draft.notes)
            with self.tree.syncing([step.staged for step in intent.steps if step.staged]):
                self.journal.begin(intent, plan.records, new)
        except PmgsyncError as error:
            self._give_up()
            error.where = _target_of(error.where, plan)
            raise
        try:
            self._rename(intent.steps, draft.found, keep)
        except HostError as error:
            self._switch_back(intent)
            where = _target_of(error.where, plan)
            raise ActivateError(error.what, where=where, mend=error.mend) from error
        return tuple(draft.notes)

    def recover(self, keep: Keep) -> Intent | None:
        """Finish or undo what was interrupted, and sweep. Returns the intent that was pending, if
        any.

        Raises `HostError` if neither is possible now; call it again before anything else is
        applied.
        """
        intent = self.journal.pending()
        if intent is not None:
            self._keep_strangers(intent, keep)
            if self._was_finished(intent.steps) or self._go_on(intent.steps):
                self.journal.finish(intent)
            else:
                self._switch_back(intent)
        self._tidy()
        return intent

    # --- 1 and 2 ---

    def _prepare(self, plan: Plan, contents: Mapping[Digest, bytes], draft: _Draft) -> None:
        puts, deletes = (*plan.puts, *plan.services.puts), (*plan.deletes, *plan.services.deletes)
        backups = {entry.path: self._back_up(entry.path, draft) for entry in puts}
        backups |= {path: self._back_up(path, draft, is_put=False) for path in deletes}
        for entry in puts:
            new = staged(entry.path)
            note = self.tree.write(
                new, contents[entry.digest], mode=entry.mode, ownership=entry.ownership
            )
            draft.notes += [note.replace(new, entry.path)] if note else []
            step = Step(StepKind.PUT, entry.path, new, backups[entry.path], entry.digest)
            draft.steps.append(step)
        if plan.maps and self.maps.available():
            for path, source in plan.maps:
                self._build_map(path, contents[source.digest] if source else b"", plan, draft)
        draft.steps += [
            Step(StepKind.DELETE, path, "", backups[path], None)
            for path in deletes
            if backups[path]
        ]

    def _build_map(self, path: ManagedPath, content: bytes, plan: Plan, draft: _Draft) -> None:
        source, target = staged(path), map_of(path)
        is_put = any(entry.path == path for entry in (*plan.puts, *plan.services.puts))
        if not is_put:
            rule = require_rule(path)
            self.tree.write(source, content, mode=rule.mode, ownership=rule.ownership)
        built = self.maps.build(source, path)
        data, _ = self.tree.read(built, limit=MAX_FILE_BYTES)
        if not is_put:
            self.tree.remove(source)
        second = self._back_up(target, draft)
        draft.steps.append(Step(StepKind.PUT, target, built, second, digest_of(data)))

    def _back_up(self, target: str, draft: _Draft, *, is_put: bool = True) -> str:
        """Give the file at `target` a second name; empty if there is none."""
        seen = draft.found[target] = self.tree.stat(target)
        if seen is None:
            return ""
        if seen.kind is FileKind.FOLDER:
            if is_put:
                self._make_way(target)
            draft.found[target] = None
            return ""  # for a delete: the file is gone already
        self.tree.link(target, backup(target))
        return backup(target)

    def _make_way(self, target: str) -> None:
        """Remove a folder at `target` that is left over from synced files which lay in it."""
        if not holds_synced_files(target):
            mend = "remove it or move it away; it is tried again by itself"
            raise StageError("is a folder, and a file goes there", where=target, mend=mend)
        try:
            self.tree.remove_folder(target)
        except HostError as error:
            mend = "move away what else is in it; it is tried again by itself"
            what = f"is a folder, and a file goes there ({error.what})"
            raise StageError(what, where=target, mend=mend) from None

    # --- 4 and 5 ---

    def _rename(self, steps: Iterable[Step], found: Mapping[str, Seen | None], keep: Keep) -> None:
        for step in steps:
            self._keep_late(step, found[step.target], keep)
        # Nothing else between the renames: for so long a reader can see new files beside old ones.
        for step in steps:
            self._do(step)

    def _do(self, step: Step) -> None:
        if step.kind is StepKind.PUT:
            self.tree.rename(step.staged, step.target)
        else:
            self.tree.remove(step.target)

    def _sync_folders(self, steps: Iterable[Step]) -> None:
        folders = {step.target.rpartition("/")[0] for step in steps}
        # One that somebody removed has no names to bring to disk.
        self.tree.sync_folders(sorted(filter(self._exists, folders)))

    def _switch_back(self, intent: Intent) -> None:
        """Undo, last step first; may be repeated. On failure the intent stays in the journal."""
        for step in reversed(intent.steps):
            if step.backup:
                if self._exists(step.backup):
                    self.tree.rename(step.backup, step.target)
            elif step.kind is StepKind.PUT and not self._exists(step.staged):
                self.tree.remove(step.target)
        self._sync_folders(intent.steps)
        self.journal.abandon(intent)
        self._tidy()

    # --- after a crash ---

    def _was_finished(self, steps: Sequence[Step]) -> bool:
        """Was 7 reached? A step's second name is gone then, and no step is still to be done."""
        return any(map(self._is_forgotten, steps)) and not any(map(self._is_waiting, steps))

    def _is_waiting(self, step: Step) -> bool:
        """Is it certainly not done?"""
        if step.kind is StepKind.PUT:
            return self._exists(step.staged)
        old = self._digest_at(step.backup)
        return old is not None and self._digest_at(step.target) == old

    def _is_forgotten(self, step: Step) -> bool:
        """Is it done, and its second name gone?

        So it is where 7 was reached and only the commit of 6 was lost with the power. Undoing takes
        second names away too, but never leaves the new content.
        """
        if not step.backup or self._exists(step.backup):
            return False
        if step.kind is StepKind.DELETE:
            return not self._exists(step.target)
        return not self._exists(step.staged) and self._digest_at(step.target) == step.digest

    def _go_on(self, steps: Sequence[Step]) -> bool:
        """Finish 4 and 5; False if a step was undone, or fails."""
        return all(map(self._can_go_on, steps)) and self._switch_again(steps)

    def _can_go_on(self, step: Step) -> bool:
        """Is the step done, or can it be done and, if need be, undone again?"""
        if step.kind is StepKind.DELETE:
            return not self._exists(step.target) or self._exists(step.backup)
        if not self._exists(step.staged):
            return self._digest_at(step.target) == step.digest
        ready = not step.backup or self._exists(step.backup)
        return ready and self._digest_at(step.staged) == step.digest

    def _switch_again(self, steps: Iterable[Step]) -> bool:
        """Do the steps that were not done; False if one fails.

        The crash may have come while the staged files were on their way to the disk.
        """
        try:
            waiting = [step.staged for step in steps if step.staged and self._exists(step.staged)]
            if waiting:
                self.tree.sync_files(waiting)
            for step in steps:
                if step.kind is StepKind.DELETE or self._exists(step.staged):
                    self._do(step)
            self._sync_folders(steps)
        except HostError:
            return False
        return True

    # --- what somebody else did meanwhile ---

    def _keep_late(self, step: Step, before: Seen | None, keep: Keep) -> None:
        """Keep what was put at the target since it was backed up."""
        now = self.tree.stat(step.target)
        if now is not None and (before is None or _traits(now) != _traits(before)):
            self._keep_stranger(step, step.target, keep)

    def _keep_strangers(self, intent: Intent, keep: Keep) -> None:
        for step in intent.steps:
            for path in filter(None, (step.target, step.backup)):
                self._keep_stranger(step, path, keep)

    def _keep_stranger(self, step: Step, path: str, keep: Keep) -> None:
        """Keep the content at `path` if neither the version that runs nor the new one has it."""
        content = self._content(path) if rule_for(step.target) is not None else None
        if content is None:
            return
        entry = self.journal.active().manifest.get(ManagedPath(step.target))
        if digest_of(content) not in {step.digest, entry.digest if entry else None}:
            keep(step.target, content)

    def _give_up(self) -> None:
        """Nothing was switched: take back the intent, if there is one already, and sweep."""
        intent = self.journal.pending()
        if intent is None:
            self._tidy()
        else:
            self._switch_back(intent)

    # --- small questions; 7 ---

    def _exists(self, path: str) -> bool:
        return self.tree.stat(path) is not None

    def _content(self, path: str) -> bytes | None:
        """What lies at `path`; None if that is no file."""
        seen = self.tree.stat(path)
        if seen is None or seen.kind is not FileKind.FILE:
            return None
        return self.tree.read(path, limit=MAX_FILE_BYTES)[0]

    def _digest_at(self, path: str) -> Digest | None:
        content = self._content(path)
        return None if content is None else digest_of(content)

    def _forget(self, steps: Iterable[Step]) -> None:
        # What cannot be removed now is swept the next time, as by `_tidy`.
        for second in (step.backup for step in steps if step.backup):
            with suppress(HostError):
                self.tree.remove(second)

    def _tidy(self) -> None:
        # What cannot be removed now is swept the next time, and never taken for anything else.
        with suppress(HostError):
            for path in self.tree.staged():
                with suppress(HostError):
                    self.tree.remove(path)


def _target_of(where: str, plan: Plan) -> str:
    """What an admin knows by its name: the target beside which we made the file called `where`."""
    services = (*(entry.path for entry in plan.services.puts), *plan.services.deletes)
    for target in (*plan.touched, *(path for path, _ in plan.maps), *services):
        if where in (staged(target), backup(target), map_of(staged(target))):
            return target
    return where


def _traits(seen: Seen) -> tuple[FileKind, int, int, int]:
    """What changes when a file is written or replaced, and not when it gets a second name."""
    return seen.kind, seen.inode, seen.size, seen.modified_ns
