"""The numbered recipe by which a version gets into the tree: all of it, or none of it.

1. stage      write every new file beside its target, with its final mode and owner; build the maps; fsync
2. back up    give every file that will be replaced or deleted a second name
3. intend     commit the intent (all steps), the log records and the contents to the journal
4. switch     rename each staged file over its target, remove each deleted one
5. settle     fsync the folders
6. finish     commit that the node runs the new version
7. forget     remove the second names

A crash before 3 leaves the old state and some dot files, which `recover` sweeps. A crash after 3 is finished by
`recover`, from 4 on; where that cannot be done, everything is switched back. A failure in 4 or 5 switches back at
once. After `recover` the tree is the old state or the new one, never a mixture. Between the first and the last
rename of 4 a reader can see new files beside old ones; each single file is whole at every moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from pmgsync.agent.maps import MapBuilder
from pmgsync.agent.plan import Plan, backup, map_of, staged
from pmgsync.errors import ActivateError, HostError, PmgsyncError
from pmgsync.model.manifest import MAX_FILE_BYTES, Digest, digest_of
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import require_rule
from pmgsync.ports import Intent, Journal, Step, StepKind, TreeReader, TreeWriter


class Tree(TreeReader, TreeWriter, Protocol):
    """The synced places, to read and to write."""


@dataclass(frozen=True, slots=True)
class Activator:
    """Applies plans to one tree. Its methods block; only one of them may run at a time."""

    tree: Tree
    journal: Journal
    maps: MapBuilder

    def activate(self, plan: Plan, contents: Mapping[Digest, bytes]) -> tuple[str, ...]:
        """Carry out `plan`; `contents` has all that `plan.contents` names. Returns notes for the admin.

        Raises `CheckFailedError` (the content is at fault), `StageError`, `ActivateError` or `StoreError`;
        the tree is then as it was, or, if even that failed, `recover` must run before the next plan.
        """
        steps: list[Step] = []
        try:
            notes = self._stage(plan, contents, steps)
            self._back_up(steps)
            intent = Intent(plan.before, plan.after, tuple(steps))
            self.journal.begin(intent, plan.records, {d: contents[d] for d in plan.contents})
        except PmgsyncError:
            self._tidy()
            raise
        try:
            self._switch(intent.steps)
        except HostError as error:
            self._switch_back(intent)
            raise ActivateError(error.what, where=error.where, mend=error.mend) from error
        self.journal.finish(intent)
        self._tidy()
        return notes

    def recover(self) -> Intent | None:
        """Finish or undo what a crash interrupted, and sweep. Returns the intent that was pending, if any.

        Raises `HostError` if neither is possible now; call it again before anything else is applied.
        """
        intent = self.journal.pending()
        if intent is not None:
            if self._switch_again(intent.steps):
                self.journal.finish(intent)
            else:
                self._switch_back(intent)
        self._sweep()
        return intent

    def _stage(self, plan: Plan, contents: Mapping[Digest, bytes], steps: list[Step]) -> tuple[str, ...]:
        notes = []
        for entry in plan.puts:
            new = staged(entry.path)
            notes.append(self.tree.write(new, contents[entry.digest], mode=entry.mode, ownership=entry.ownership))
            steps.append(self._put(entry.path, new, entry.digest))
        steps.extend(self._build_maps(plan, contents))
        self.tree.sync_files([step.staged for step in steps])
        steps.extend(
            Step(StepKind.DELETE, path, "", backup(path), None) for path in plan.deletes if self._exists(path)
        )
        return tuple(note for note in notes if note)

    def _build_maps(self, plan: Plan, contents: Mapping[Digest, bytes]) -> Iterable[Step]:
        if not plan.maps or not self.maps.available():
            return
        put = {entry.path for entry in plan.puts}
        for path, entry in plan.maps:
            source = staged(path)
            if path not in put:
                rule = require_rule(ManagedPath(path))
                content = contents[entry.digest] if entry else b""
                self.tree.write(source, content, mode=rule.mode, ownership=rule.ownership)
            built = self.maps.build(source, path)
            data, _ = self.tree.read(built, limit=MAX_FILE_BYTES)
            if path not in put:
                self.tree.remove(source)
            yield self._put(map_of(path), built, digest_of(data))

    def _put(self, target: str, new: str, digest: Digest) -> Step:
        return Step(StepKind.PUT, target, new, backup(target) if self._exists(target) else "", digest)

    def _exists(self, path: str) -> bool:
        return self.tree.stat(path) is not None

    def _back_up(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if step.backup:
                self.tree.link(step.target, step.backup)

    def _switch(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if step.kind is StepKind.PUT:
                self.tree.rename(step.staged, step.target)
            else:
                self.tree.remove(step.target)
        self._settle(steps)

    def _switch_again(self, steps: Iterable[Step]) -> bool:
        """Do the steps that were not done; False if the tree cannot be brought to the new state."""
        try:
            for step in steps:
                if step.kind is StepKind.DELETE:
                    self.tree.remove(step.target)
                    continue
                if self._exists(step.staged):
                    self.tree.rename(step.staged, step.target)
                if not self._holds(step):
                    return False
            self._settle(steps)
        except HostError:
            return False
        return True

    def _holds(self, step: Step) -> bool:
        data, _ = self.tree.read(step.target, limit=MAX_FILE_BYTES)
        return digest_of(data) == step.digest

    def _switch_back(self, intent: Intent) -> None:
        """Undo, last step first; may be repeated. On failure the intent stays in the journal for `recover`."""
        for step in reversed(intent.steps):
            if step.backup:
                if self._exists(step.backup):
                    self.tree.rename(step.backup, step.target)
            elif step.kind is StepKind.PUT and not self._exists(step.staged):
                self.tree.remove(step.target)
        self._settle(intent.steps)
        self.journal.abandon(intent)
        self._tidy()

    def _settle(self, steps: Iterable[Step]) -> None:
        self.tree.sync_folders(sorted({step.target.rpartition("/")[0] for step in steps}))

    def _tidy(self) -> None:
        # What cannot be removed now is swept by the next `recover`; what was done counts all the same.
        with suppress(HostError):
            self._sweep()

    def _sweep(self) -> None:
        for path in self.tree.staged():
            self.tree.remove(path)
