"""The survey: what lies in the synced places now. Both roles look at the tree through it and
nowhere else.

Level, not edge: a look at some paths re-reads exactly these, a look everywhere re-reads all whose
stat changed. What was read is remembered with its stat, and a stat is believed only once it is old
enough: a file that was changed less than `RACY_NS` before it was read is read again at the next
look everywhere, so two changes of equal size in one tick of the clock are two changes. A path that
an event named is always read again.

A path that cannot be taken (a link, a device, a folder where a file should be, too large,
unreadable, a name that is not UTF-8) is a `Problem`; it keeps the entry that it had, for being
unreadable is not being deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field

from pmgsync.errors import HostError, OutOfScopeError, PmgsyncError
from pmgsync.model.manifest import MAX_FILE_BYTES, Digest, FileEntry, Manifest
from pmgsync.model.paths import ManagedPath, printable
from pmgsync.model.scope import holds_synced_files, rule_for
from pmgsync.ports import Clock, FileKind, Look, Seen, TreeReader

RACY_NS = 2_000_000_000
WRITING_NS = 300_000_000_000
"""So long after its last change a file counts as being written while somebody has it open."""
MANY_PATHS = 32
"""More paths than this are looked at everywhere, in one walk."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A path that cannot be synced as it is, why, and what to do about it. `passing`: somebody is
    writing it, which ends by itself.
    """

    path: str
    what: str
    mend: str
    passing: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; {self.mend}"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a look found: the state of all synced places, what could not be read, and the contents
    read anew.
    """

    manifest: Manifest
    problems: tuple[Problem, ...]
    contents: Mapping[Digest, bytes]
    unlike: frozenset[str] = frozenset()
    """Paths whose mode or owner on disk is not what the scope table wants."""


class _BeingWrittenError(HostError):
    """Half of the file may be all that is there."""


@dataclass(frozen=True, slots=True)
class _Known:
    seen: Seen
    entry: FileEntry
    read_ns: int

    def still(self, seen: Seen) -> bool:
        """Is the file certainly what it was when it was read?"""
        return (seen.inode, seen.size, seen.changed_ns) == (
            self.seen.inode,
            self.seen.size,
            self.seen.changed_ns,
        ) and seen.changed_ns + RACY_NS < self.read_ns


@dataclass
class Survey:
    """One node's looks at its own tree, and what it remembers of them.

    `finished`: a file that somebody is writing is a problem until it is closed, for half of it may
    be all that is there. `before`: the state that is known already, of which what cannot be read at
    the first look keeps its entries.
    """

    tree: TreeReader
    clock: Clock
    finished: bool = False
    before: InitVar[Manifest] = Manifest()  # noqa: RUF009 - a value
    _known: dict[ManagedPath, _Known] = field(default_factory=dict)
    _problems: dict[str, Problem] = field(default_factory=dict)
    _manifest: Manifest = field(default_factory=Manifest)
    _unlike: frozenset[str] = frozenset()

    def __post_init__(self, before: Manifest) -> None:
        self._manifest = before

    def look(self, look: Look) -> Observation:
        """Look where `look` says; at everything the first time. Never raises for what lies in the
        tree.
        """
        contents: dict[Digest, bytes] = {}
        if look.everywhere or not self._known or len(look.paths) > MANY_PATHS:
            self._look_below("", look.paths, contents)
        else:
            for path in sorted(look.paths):
                self._look_below(path, look.paths, contents)
        return Observation(self._manifest, tuple(self._problems.values()), contents, self._unlike)

    def _look_below(self, start: str, dirty: frozenset[str], contents: dict[Digest, bytes]) -> None:
        found: set[str] = set()
        puts: list[FileEntry] = []
        before = {path for path in self._problems if _within(path, start)}
        for seen in self.tree.walk(start):
            if rule_for(seen.path) is None and not _hides_files(seen):
                continue
            found.add(seen.path)
            try:
                puts.append(self._entry(seen, seen.path in dirty, contents))
                self._problems.pop(seen.path, None)
            except PmgsyncError as error:
                self._problems[seen.path] = _problem(seen.path, error)
        for path in before - found:
            del self._problems[path]
        # What was a file had nothing below it: an edit of one file need not go through them all.
        candidates = [ManagedPath(start)] if start in self._manifest else self._manifest
        gone = [
            p for p in candidates if _within(p, start) and p not in found and not self._troubled(p)
        ]
        self._remember(puts, gone)

    def _entry(self, seen: Seen, dirty: bool, contents: dict[Digest, bytes]) -> FileEntry:
        if seen.kind is not FileKind.FILE:
            raise HostError(
                f"is a {seen.kind.value}",
                where=seen.path,
                mend="only plain files are synced; replace it",
            )
        path = ManagedPath(seen.path)
        known = self._known.get(path)
        if known is not None and not dirty and known.still(seen):
            return known.entry
        read_ns = self.clock.now() * 1_000_000
        data, seen = self.tree.read(path, limit=MAX_FILE_BYTES, ask_for_writers=self.finished)
        if seen.being_written and _is_new(seen, read_ns):
            raise _BeingWrittenError(
                "is being written",
                where=path,
                mend="it is published when its writer has closed it",
            )
        entry = FileEntry.of(path, data)
        if known is None or known.entry.digest != entry.digest:
            contents[entry.digest] = data
        self._known[path] = _Known(seen, entry, read_ns)
        return entry

    def _remember(self, puts: list[FileEntry], gone: list[ManagedPath]) -> None:
        changed = [entry for entry in puts if self._manifest.get(entry.path) is not entry]
        for path in gone:
            self._known.pop(path, None)
        if changed or gone:
            self._manifest = self._manifest.changed(changed, gone)
        touched = {entry.path for entry in puts} | set(gone)
        unlike = {entry.path for entry in puts if self._lies_unlike(entry)}
        if touched and (unlike or self._unlike):
            self._unlike = (self._unlike - touched) | unlike

    def _lies_unlike(self, entry: FileEntry) -> bool:
        known = self._known[entry.path]
        return (known.seen.mode, known.seen.ownership) != (entry.mode, entry.ownership)

    def _troubled(self, path: str) -> bool:
        return any(_within(path, place) for place in self._problems)

    def content(self, entry: FileEntry) -> bytes:
        """The content of `entry` if it still lies in the tree; `HostError` otherwise."""
        data, _ = self.tree.read(entry.path, limit=MAX_FILE_BYTES)
        if FileEntry.of(entry.path, data).digest != entry.digest:
            raise HostError(
                "has changed since it was looked at", where=entry.path, mend="it is looked at again"
            )
        return data


def _is_new(seen: Seen, now_ns: int) -> bool:
    """Did it change just now? A writer that only keeps it open is not waited for."""
    return abs(now_ns - seen.modified_ns) < WRITING_NS


def _hides_files(seen: Seen) -> bool:
    """Lies here, in the place of a folder with synced files, what keeps us from seeing them?"""
    return seen.kind is FileKind.UNREADABLE or (
        seen.kind is not FileKind.FOLDER and holds_synced_files(seen.path)
    )


def _within(path: str, start: str) -> bool:
    return not start or path == start or path.startswith(start + "/")


def _problem(path: str, error: PmgsyncError) -> Problem:
    shown = printable(path)
    if isinstance(error, OutOfScopeError):
        return Problem(shown, error.what, error.mend)
    passing = isinstance(error, _BeingWrittenError)
    return Problem(shown, error.what, error.mend or "mend or remove it", passing)
