"""The narrow seams between the cores and the world; each has a real adapter and a tested double in
memory.

Adapters only do; what to do is decided in `master` and `agent`. All of them raise errors of
`pmgsync.errors` and nothing else for what the world does to them. Paths are relative to the node's
root. Unless a method is `async`, it may block for as long as a disk does and is called from one
thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:  # commands that only render need none of them at run time
    from pmgsync.model.changeset import Diff, Position
    from pmgsync.model.envelope import Envelope
    from pmgsync.model.manifest import Digest, Manifest
    from pmgsync.model.membership import Member
    from pmgsync.model.messages import ToAgent, ToMaster
    from pmgsync.model.trust import Head


class Clock(Protocol):
    """Time, read in one place."""

    def now(self) -> int:
        """Milliseconds since 1970; for people and token expiry only."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back. For intervals and deadlines."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


# --- files ------------------------------------------------------------


class FileKind(Enum):
    """What lies at a path."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "symbolic link"
    OTHER = "device, socket or pipe"
    UNREADABLE = "folder that cannot be read"


@dataclass(frozen=True, slots=True)
class Seen:
    """What lies at `path`: kind, and what tells that it changed. `changed_ns` is the later of mtime
    and ctime. `being_written`: somebody has it open for writing, as far as `read` could learn.
    """

    path: str
    kind: FileKind
    size: int = 0
    mode: int = 0
    ownership: str = ""
    inode: int = 0
    changed_ns: int = 0
    modified_ns: int = 0
    being_written: bool = False


class TreeReader(Protocol):
    """The synced places, read without ever following a link."""

    def walk(self, start: str = "") -> Iterable[Seen]:
        """All that is not a leaving below `start` (a path in the synced places; empty: all of
        them).

        Folders that cannot hold synced files are not entered. A folder is reported only where the
        scope table wants a file (`FOLDER`) or where it cannot be listed (`UNREADABLE`); this never
        raises. A start that is a file reports itself; one that does not exist reports nothing.
        Names that are not UTF-8 come with surrogate escapes.
        """

    def stat(self, path: str) -> Seen | None:
        """What lies at `path`, None if nothing does."""

    def read(self, path: str, *, limit: int, ask_for_writers: bool = False) -> tuple[bytes, Seen]:
        """The content of the file at `path` and what it was when it was read, both of one moment.

        A file that changes while it is read is read again; `HostError` if it never holds still, is
        no file, cannot be read, or is larger than `limit` bytes (before anything is allocated).
        Only if asked it says whether somebody has the file open for writing (`being_written`).
        """

    def staged(self) -> Sequence[str]:
        """Paths of everything whose name starts with `scope.STAGE_PREFIX` in the synced folders and
        in those of service files.
        """


class TreeWriter(Protocol):
    """The primitive steps of an apply. Each is one step that a crash may fall before or after.

    Opened below a handle of each parent folder, links never followed. `HostError` (`StageError` for
    `write`) names path and cause; a disk that is full or read-only is such a cause.
    """

    def write(self, path: str, content: bytes, *, mode: int, ownership: str) -> str:
        """Make a new file with its final mode and owner from its first moment; folders are made as
        needed.

        Not yet durable. An old file of that name is replaced. Returns a note where the owner does
        not exist on this machine (root is used instead), else an empty string.
        """

    def link(self, path: str, new: str) -> None:
        """Give the file at `path` a second name in its folder, replacing what was there."""

    def rename(self, path: str, new: str) -> None:
        """Move within one folder, replacing what was at `new`; readers see the old or the new."""

    def remove(self, path: str) -> None:
        """Remove the file at `path`; nothing if there is none."""

    def remove_folder(self, path: str) -> None:
        """Remove the folder at `path` and those in it; nothing if there is none.

        `HostError` if anything but folders is in it, or if it is no folder.
        """

    def sync_files(self, paths: Sequence[str]) -> None:
        """Return when the contents of these files are on disk."""

    def sync_folders(self, folders: Iterable[str]) -> None:
        """Return when the names in these folders are on disk."""


class Attributes(Protocol):
    """Mode and owner of what exists. `HostError` as of the other two."""

    def can_write(self, folder: str) -> bool:
        """May files in `folder`, which exists, be made and replaced by this process?"""

    def has_attributes(self, path: str, mode: int, ownership: str) -> bool:
        """Has the file at `path` this mode, and the owner that `TreeWriter.write` would give it?"""

    def set_attributes(self, path: str, *, mode: int, ownership: str) -> None:
        """Give the file at `path` this mode and owner; neither inode nor mtime changes."""


@dataclass(frozen=True, slots=True)
class Look:
    """Something moved: at these paths, or anywhere (`everywhere`).

    `at`: when the last of it was noticed, on the monotonic clock; 0 where nobody took the time.
    """

    paths: frozenset[str] = frozenset()
    everywhere: bool = False
    at: float = field(default=0.0, compare=False)

    def __or__(self, other: Look) -> Look:
        everywhere = self.everywhere or other.everywhere
        return Look(self.paths | other.paths, everywhere, max(self.at, other.at))

    def __bool__(self) -> bool:
        return bool(self.paths) or self.everywhere


class ChangeSource(Protocol):
    """Says "look"; never what is there."""

    async def wait(self) -> Look:
        """The looks that came since the last call, as one; waits for the first. Leavings cause
        none.
        """

    def rearm(self) -> None:
        """Watch again whatever exists now (folders may have come, gone or been replaced)."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended; `output` is stdout and stderr together, its first 64 KiB."""

    status: int
    output: str


class CommandRunner(Protocol):
    """Other programs, as argument lists; never a shell."""

    def available(self, program: str) -> bool:
        """Is `program` installed?"""

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> CommandResult:
        """Run to the end; `HostError` if it cannot be started or takes longer than `timeout`
        seconds.
        """


# --- the store ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One version as the log keeps it: its signed envelope, and what it changed on top of the
    record before.

    `change` is that of the change set, except after a snapshot: there it is the difference from the
    last state that this node knew.
    """

    envelope: Envelope
    change: Diff


@dataclass(frozen=True, slots=True)
class LogLine:
    """One version, for people. `created` in milliseconds since 1970; `size` is the bytes that were
    put.
    """

    position: Position
    created: int
    message: str
    puts: int
    deletes: int
    size: int


class History(Protocol):
    """The log of versions, durable when a call returns."""

    def head(self) -> tuple[Head, Envelope | None]:
        """The newest version, and its envelope (None while the log is empty)."""

    def append(self, record: LogRecord, contents: Mapping[Digest, bytes]) -> None:
        """Add the next version together with its new contents, in one transaction.

        Where `write_ahead` wrote this very record, it does not wait for the disk.
        """

    def write_ahead(self, record: LogRecord, contents: Mapping[Digest, bytes]) -> None:
        """Make durable what `append` may be asked for next. It is in no answer of the log.

        Forgotten with the next version that comes into the log, whichever that is, or by
        `withdraw`. A log that is opened while it is there appends it: it may have been published
        just before the power went.
        """

    def withdraw(self, *, durable: bool = False) -> None:
        """Forget what was written ahead; nothing if nothing was. Does not wait for the disk, except
        where it is to be `durable`: then an earlier call is durable, too, when this returns.
        """

    def after(self, version: int, *, most: int = 1000) -> Sequence[LogRecord]:
        """The records above `version`, oldest first; empty also if the next one is not here any
        more.
        """

    def lines(self, *, most: int, before: int | None = None) -> Sequence[LogLine]:
        """The newest lines (below version `before`), newest first."""

    def record(self, version: int) -> LogRecord | None:
        """One record."""

    def manifest_at(self, version: int) -> Manifest:
        """The state after `version` (which must be in the log); `StoreError` otherwise."""


class ContentStore(Protocol):
    """File contents by digest."""

    def missing(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Those that are not here."""

    def content(self, digest: Digest) -> bytes:
        """The content, checked by its digest; `StoreError` if it is not here or was altered."""

    def add_contents(self, contents: Mapping[Digest, bytes]) -> None:
        """Keep contents, durably."""


class StepKind(Enum):
    """What a step does to its target."""

    PUT = "put"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Step:
    """One target of an activation: the staged file that takes its place, and where the old one is
    backed up.

    `staged` is empty for a delete; `backup` is empty where there was nothing to back up. `digest`
    is that of what the target holds afterwards, None for a delete: by it recovery knows whether the
    step was done.
    """

    kind: StepKind
    target: str
    staged: str
    backup: str
    digest: Digest | None


@dataclass(frozen=True, slots=True)
class Intent:
    """The journal's entry for one activation: from which position to which, by which steps, in
    order.
    """

    before: Position
    after: Position
    steps: tuple[Step, ...]


class Journal(Protocol):
    """What this node runs, and the activation in progress. Durable when a call returns."""

    def active(self) -> Head:
        """The version and state that this node runs."""

    def pending(self) -> Intent | None:
        """The activation that was begun and neither finished nor abandoned."""

    def begin(
        self, intent: Intent, records: Sequence[LogRecord], contents: Mapping[Digest, bytes]
    ) -> None:
        """Write down intent, log records and contents, in one transaction. Records already there
        are kept.
        """

    def finish(self, intent: Intent) -> None:
        """The node now runs `intent.after`.

        The only call here that does not wait for the disk: where a power cut makes it forgotten,
        recovery finds every step done and says it again.
        """

    def adopt(
        self, after: Position, records: Sequence[LogRecord], contents: Mapping[Digest, bytes]
    ) -> None:
        """The node runs `after` without a step, for its tree is that state already."""

    def abandon(self, intent: Intent) -> None:
        """The activation was undone; the node runs `intent.before`. Its records leave the log if
        they are new.
        """


@dataclass(frozen=True, slots=True)
class Keepsake:
    """A local file that was overwritten or removed, and why. `digest` None: it was a local
    deletion.
    """

    number: int
    path: str
    digest: Digest | None
    size: int
    kept: int
    reason: str


class KeepsakeStore(Protocol):
    """The drift store: local edits that were put back, never lost."""

    def keep(self, path: str, content: bytes | None, reason: str, now: int) -> Keepsake:
        """Keep `content` of `path` (None: it had been deleted here). The same content again is kept
        once.
        """

    def keepsakes(self, *, most: int = 100) -> Sequence[Keepsake]:
        """The newest ones, newest first."""

    def clear_keepsakes(self) -> int:
        """Forget all; how many there were."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A version that this node had and the cluster's history has not. `kept`: since when."""

    number: int
    record: LogRecord
    kept: int


class Orphanage(Protocol):
    """Versions of a mastership that went on alone: never dropped unasked, never merged unasked."""

    def orphan(self, first: int, now: int) -> int:
        """Take the versions from `first` on out of the log and keep them as orphans; how many.

        Where the node ran one of them, it runs the newest that is left, as far as the journal
        knows: what lies in the tree is drift. Their contents stay. There must be no activation in
        progress.
        """

    def orphans(self) -> Sequence[Orphan]:
        """All of them, newest first."""

    def clear_orphans(self) -> int:
        """Forget all; how many there were."""


class Notebook(Protocol):
    """Small durable JSON values by name: holds, tokens, the last view."""

    def note(self, name: str) -> Any | None:  # noqa: ANN401 - JSON
        """The value, None if there is none."""

    def write_note(self, name: str, value: Any | None) -> None:  # noqa: ANN401 - JSON
        """Write the value; None removes it."""


class Upkeep(Protocol):
    """Keeps the database small."""

    def prune(self, keep_versions: int) -> int:
        """Forget versions older than the newest `keep_versions` (at least one) that nothing needs.

        What runs, and what an activation in progress would go back to, is kept. Contents that no
        version or keepsake needed at two prunings in a row go too. Returns the number of versions
        forgotten.
        """

    def forget_history(self) -> None:
        """Forget all versions, what runs, and all notes, as if this node had never been a member.

        Keepsakes stay. `RuntimeError` while an activation is in progress.
        """


class Store(History, ContentStore, Journal, KeepsakeStore, Notebook, Upkeep, Orphanage, Protocol):
    """One node's database: all of the above over one transaction log."""


# --- the network ------------------------------------------------------------

Out = TypeVar("Out", contravariant=True)
In = TypeVar("In", covariant=True)


class Stream(Protocol[Out, In]):
    """One end of a follow stream.

    `TransportError` when it broke or was closed on this side, `NotAllowedError` when the peer
    refused us. Any task may send; one task receives. Cancelling a `send` or `receive` under way
    (also by a timeout) breaks the stream: take deadlines in another task, and `close`.
    """

    async def send(self, message: Out) -> None:
        """Hand over one message; returns when the transport has taken it (flow control)."""

    async def receive(self) -> In | None:
        """The next message; None when the other end closed in good order."""

    async def close(self) -> None:
        """End it; safe to call twice."""


AgentEnd: TypeAlias = "Stream[ToMaster, ToAgent]"
MasterEnd: TypeAlias = "Stream[ToAgent, ToMaster]"


class Dialer(Protocol):
    """How an agent gets a stream to the master."""

    async def dial(self, master: Member) -> AgentEnd:
        """A stream to exactly this member (its pinned certificate), or `TransportError`."""


class FollowHandler(Protocol):
    """What the master does with a stream; the transport has checked who is at the other end."""

    async def follow(self, member: Member, stream: MasterEnd) -> None:
        """Serve `stream` until it ends."""
