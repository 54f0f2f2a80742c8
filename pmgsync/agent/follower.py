"""PURE but for one question to the store. What a node makes of what the master sends.

The follower holds what the node believes (`TrustedHistory`), the newest verified state that it does
not run yet (`wanted`), and the contents that have come for it. Messages go in; what to do comes out
as actions. It is level based: several versions that arrive while one is being applied become one
advance, to the newest.

Nothing unverified gets past `TrustedHistory`; a content counts only with the digest that the
verified manifest names, so it does not matter in which order, in which parts or how often contents
come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pmgsync.agent.plan import Advance
from pmgsync.errors import DigestMismatchError, GapError, MalformedError, PeerError, StaleError
from pmgsync.model.canonical import MAX_DOCUMENT_BYTES
from pmgsync.model.changeset import ChangeSet, Diff, Position, diff
from pmgsync.model.envelope import Envelope
from pmgsync.model.heartbeat import Heartbeat
from pmgsync.model.manifest import Digest, Manifest
from pmgsync.model.messages import (
    Beat,
    Contents,
    Memberships,
    Offer,
    Part,
    SnapshotPart,
    ToAgent,
    View,
)
from pmgsync.model.trust import Head, TrustedHistory, VerifiedChangeSet, verify_content
from pmgsync.ports import LogRecord


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the master for these contents."""

    digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class AskResync:
    """Ask the master for a snapshot: what came does not follow on what is known."""


@dataclass(frozen=True, slots=True)
class ChainGrew:
    """The membership chain has new links, or some were set aside."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The wanted state can be applied: everything for it is at hand."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The master's signed word on the newest version."""

    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class Saw:
    """The master's view of the cluster."""

    document: bytes


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A version that is not newer than what this node has came again: a line for the log."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The rest of what came must not be believed: this is to be raised."""

    error: PeerError


Action = Ask | AskResync | ChainGrew | Ready | Heard | Saw | PassedOver | Refused


@dataclass
class _Assembly:
    """Contents whose parts are coming in."""

    total: int
    data: bytearray = field(default_factory=bytearray)

    def add(self, total: int, offset: int, data: bytes) -> bytes | None:
        """Add the next part; the whole once it is complete. `MalformedError` if a part does not
        follow.
        """
        if total != self.total or offset != len(self.data) or offset + len(data) > total:
            raise MalformedError("parts of a content do not follow on each other")
        self.data += data
        return bytes(self.data) if len(self.data) == total else None


class Follower:
    """One node's reading of the stream. `missing` says which digests the node's own store lacks."""

    def __init__(
        self,
        history: TrustedHistory,
        active: Manifest,
        missing: Callable[[Iterable[Digest]], frozenset[Digest]],
    ) -> None:
        self.history = history
        self.contents: dict[Digest, bytes] = {}
        self._active = active
        self._missing = missing
        self._wanted: VerifiedChangeSet | None = None
        self._more = False
        """Does a newer version than the wanted one follow at once?"""
        self._records: list[tuple[Position, LogRecord]] = []
        self._since, self._change = active, Diff()
        """What the wanted state changes, in what was active when it came."""
        self._sizes: dict[Digest, int] = {}
        self._lacking: set[Digest] = set()
        self._asked: dict[Digest, int] = {}
        """What was asked for on this stream and has not come yet, with the size that was signed."""
        self._assemblies: dict[Digest, _Assembly] = {}
        self._snapshot: _Assembly | None = None

    # --- what comes in ---

    def on(self, message: ToAgent) -> tuple[Action, ...]:
        """Take in one message. Raises `PeerError` for what must not be believed; then nothing has
        changed.
        """
        match message:
            case Offer():
                return self._on_offer(message)
            case SnapshotPart():
                return self._on_snapshot(message)
            case Contents(parts):
                return self._on_parts(parts)
            case Memberships(envelopes):
                return self._on_memberships(envelopes)
            case Beat(envelope):
                return self._on_beat(envelope)
            case View(document):
                return self._on_view(document)

    def stream_begins(self) -> None:
        """A new stream: what was asked for on the old one will not come."""
        self._more = False
        self._asked.clear()
        self._assemblies.clear()
        self._snapshot = None
        self.history.new_stream()

    def still_lacking(self) -> tuple[Action, ...]:
        """What the wanted state needs at this moment: nothing, an `Ask`, or `Ready`."""
        if self._wanted is None or self._more:
            return ()
        fresh = tuple(sorted(self._lacking - self._asked.keys()))
        self._asked.update((digest, self._sizes[digest]) for digest in fresh)
        if fresh:
            return (Ask(fresh),)
        return () if self._lacking else (Ready(),)

    # --- what the apply needs ---

    def advance(self) -> Advance | None:
        """The step to make now; None if nothing newer is wanted or something for it is still
        missing.
        """
        if self._wanted is None or self._lacking or self._more:
            return None
        records = tuple(record for _, record in self._records)
        return Advance(
            self._wanted.position, self._wanted.manifest, records, self._since, self._change
        )

    @property
    def wanted(self) -> VerifiedChangeSet | None:
        """The newest verified version, while the node does not run it."""
        return self._wanted

    def activated(self, active: Head) -> None:
        """The node runs `active` now: its log has the records up to there, its store their
        contents.
        """
        self._active = active.manifest
        self._records = [(at, record) for at, record in self._records if at > active.position]
        if self._wanted is not None and self._wanted.position <= active.position:
            self._wanted = None
            self._sizes, self._lacking = {}, set()
        keep = self._wanted.manifest.digests if self._wanted else frozenset()
        self.contents = {digest: data for digest, data in self.contents.items() if digest in keep}

    # --- the parts ---

    def _on_offer(self, offer: Offer) -> tuple[Action, ...]:
        envelope = Envelope.from_bytes(offer.envelope)
        try:
            verified = self.history.accept(envelope)
        except (GapError, DigestMismatchError):
            # Authentic, but it does not follow on what this node has.
            return (*self._no_more(), *self._resync())
        except StaleError as error:
            # Two looks at the log may overlap, or somebody replays it: it does not count.
            passed = PassedOver(error.what)
            return (passed,) if offer.more else (passed, *self._no_more())
        self._more = offer.more
        return self._want(verified, LogRecord(envelope, verified.change_set.change), offer.parts)

    def _on_snapshot(self, part: SnapshotPart) -> tuple[Action, ...]:
        if part.total > MAX_DOCUMENT_BYTES:
            raise MalformedError("a snapshot's manifest is too large")
        if part.offset == 0 or self._snapshot is None:
            self._snapshot = _Assembly(part.total)
        data = self._snapshot.add(part.total, part.offset, part.data)
        if data is None:
            return ()
        self._snapshot = None
        envelope = Envelope.from_bytes(part.envelope)
        manifest = Manifest.from_bytes(data, expected=ChangeSet.from_bytes(envelope.payload).result)
        before = self.history.head.manifest
        try:
            verified = self.history.accept_snapshot(envelope, manifest)
        except StaleError as error:
            return (PassedOver(error.what), *self._no_more())
        self._more = False
        return self._want(verified, LogRecord(envelope, diff(before, manifest)))

    def _on_parts(self, parts: Iterable[Part]) -> tuple[Action, ...]:
        for part in parts:
            self._take(part)
        return self.still_lacking()

    def _on_memberships(self, envelopes: Iterable[bytes]) -> tuple[Action, ...]:
        before = self.history.known_chain[-1]
        links = [Envelope.from_bytes(data) for data in envelopes]
        try:
            self.history.accept_memberships(links)
        except PeerError as error:
            if self.history.known_chain[-1] == before:
                raise
            return ChainGrew(), Refused(error)
        return (ChainGrew(),) if self.history.known_chain[-1] != before else ()

    def _on_beat(self, data: bytes) -> tuple[Action, ...]:
        heartbeat = self.history.accept_heartbeat(Envelope.from_bytes(data))
        if heartbeat.position.version > self.history.head.position.version:
            # The news itself comes on the same stream, ordered: a lead means that something was
            # withheld.
            return (Heard(heartbeat), *self._resync())
        return (Heard(heartbeat),)

    def _on_view(self, document: bytes) -> tuple[Action, ...]:
        try:
            document.decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedError("the master's view is not UTF-8") from None
        return (Saw(document),)

    def _no_more(self) -> tuple[Action, ...]:
        """Nothing newer is on its way: what was held back for it."""
        held, self._more = self._more, False
        return self.still_lacking() if held else ()

    def _resync(self) -> tuple[Action, ...]:
        """Ask for a snapshot, unless one is coming in."""
        return (AskResync(),) if self._snapshot is None else ()

    def _want(
        self, verified: VerifiedChangeSet, record: LogRecord, parts: Iterable[Part] = ()
    ) -> tuple[Action, ...]:
        self._wanted = verified
        self._records.append((verified.position, record))
        self._since, self._change = self._active, diff(self._active, verified.manifest)
        self._sizes = {entry.digest: entry.size for entry in self._change.puts}
        self._lacking = self._sizes.keys() - self.contents.keys()
        for part in parts:
            self._take(part)
        if self._lacking:
            self._lacking = set(self._missing(self._lacking))
        return self.still_lacking()

    def _take(self, part: Part) -> None:
        """Keep a part of a content that the wanted state needs; others are of no interest.

        What was asked for is put together to its end, also when the wanted state has moved on: it
        may move back.
        """
        size = self._sizes.get(part.digest, self._asked.get(part.digest))
        if size is None or part.digest in self.contents:
            return
        if part.total < 0:
            raise MalformedError(
                "the master does not have a content that it signed", where=part.digest[:16]
            )
        if part.total != size:
            raise DigestMismatchError(
                "a content is not as long as was signed", where=part.digest[:16]
            )
        if part.offset == 0:
            self._assemblies[part.digest] = _Assembly(part.total)
        data = self._assemblies.setdefault(part.digest, _Assembly(part.total)).add(
            part.total, part.offset, part.data
        )
        if data is None:
            return
        del self._assemblies[part.digest]
        self._asked.pop(part.digest, None)
        verify_content(data, part.digest)
        if part.digest in self._sizes:
            self.contents[part.digest] = data
            self._lacking.discard(part.digest)
