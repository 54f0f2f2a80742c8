"""From what lies in the tree to a signed version in the log: the level-based heart of the master.

A look says where something moved, never what. `publish` compares the complete state with the newest
version, so it does not matter how many events there were, in which order they came or which were
lost: where nothing differs nothing happens, and what could not be published is published by a later
look.

The steps, each of them complete before the next begins:

1. look: the state of the tree (`prepare`; reads files, touches no database);
2. on hold, or held by the guard until confirmed: remember it and stop;
3. read the contents that the newest version does not have;
4. sign, and pass the same door as every node (`TrustedHistory.accept`);
5. append to the log, durably. If that fails, step 4 is undone and the next look tries again.

What can be done before it is certain that nothing moves any more is a draft (`draft`): signed, and
written ahead of the log, so that step 5 need not wait for the disk (ADR 0014).
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from pmgsync.errors import HostError, InvalidError, OperatorError, PmgsyncError, StoreError
from pmgsync.master.guard import Lately, objection
from pmgsync.master.holds import Holds
from pmgsync.model.changeset import (
    CHANGE_SET_TYPE,
    MAX_MESSAGE_CHARACTERS,
    ChangeSet,
    Diff,
    Position,
    diff,
)
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import Signer
from pmgsync.model.manifest import Digest, FileEntry, Manifest
from pmgsync.model.messages import MESSAGE_BYTES, PART_BYTES
from pmgsync.model.trust import TrustedHistory, VerifiedChangeSet
from pmgsync.ports import Clock, LogRecord, Look, Seen, Store
from pmgsync.survey import Observation, Problem, Survey

MAX_ENVELOPE_BYTES = MESSAGE_BYTES - PART_BYTES - 4096
"""An envelope travels in one message, together with a part of a content or manifest."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A change set that was sealed ahead of time, for the state `base` and without a message."""

    base: Manifest
    record: LogRecord


@dataclass(frozen=True, slots=True)
class Observed:
    """What `prepare` found: the state to publish, the contents for it, and what cannot be taken.

    `under_hold`: somebody held, so no contents were read, and it is not to be published.
    """

    target: Manifest
    contents: Mapping[Digest, bytes] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    draft: Draft | None = None
    under_hold: bool = False

    @property
    def unfinished(self) -> tuple[Problem, ...]:
        """What somebody was writing, which ends by itself."""
        return tuple(problem for problem in self.problems if problem.passing)


@dataclass(frozen=True, slots=True)
class Published:
    """A version that is in the log: believed, durable, with the contents its parent did not have.

    `envelope` is the envelope's bytes; `at` is the monotonic moment at which it was durable.
    """

    verified: VerifiedChangeSet
    parent: Manifest
    envelope: bytes
    contents: Mapping[Digest, bytes]
    at: float

    @property
    def position(self) -> Position:
        """Where it stands."""
        return self.verified.position


@dataclass(frozen=True, slots=True)
class Held:
    """A change that waits for the admin: the version it would get, and what it would do."""

    version: int
    reason: str

    def __str__(self) -> str:
        return (
            f"version {self.version} is held, it would {self.reason}; put the files back, "
            f"or publish it with `pmgsync confirm {self.version}`"
        )


class Publisher:
    """Publishes the tree of the master. One call at a time; `prepare` may run in another thread."""

    def __init__(
        self,
        survey: Survey,
        store: Store,
        history: TrustedHistory,
        signer: Signer,
        clock: Clock,
        holds: Holds | None = None,
    ) -> None:
        self._survey = survey
        self._store = store
        self._history = history
        self._signer = signer
        self._clock = clock
        self.holds = holds if holds is not None else Holds(store)
        self._lately = Lately()
        self.held: Held | None = None
        self.problems: tuple[Problem, ...] = ()

    def publish(self, look: Look, message: str = "") -> Published | None:
        """Publish what differs from the newest version, if anything does and nothing holds it.

        Raises `StoreError` if it cannot be made durable and `InvalidError` if it is too large to
        travel; then nothing was published, and the next look finds it again.
        """
        return self.commit(self.prepare(look), message)

    def confirm(self, version: int, message: str = "") -> Published:
        """Publish the held change. `OperatorError` if none is held, or another one is by now."""
        return self.commit_confirmed(version, self.prepare(Look(everywhere=True)), message)

    def prepare(self, look: Look) -> Observed:
        """Look, and read what has to be read. Writes nothing and changes no answer of this
        object.
        """
        observation = self._survey.look(look)
        base = self._history.head.manifest
        if self.holds:
            return Observed(observation.manifest, {}, observation.problems, under_hold=True)
        if objection(base, observation.manifest):
            return Observed(observation.manifest, {}, observation.problems)
        return self._with_contents(base, observation)

    def weight(self, look: Look) -> int:
        """How many bytes the named files have that are to be read."""
        return sum(seen.size for path in look.paths if (seen := self._stat(path)) is not None)

    def _stat(self, path: str) -> Seen | None:
        try:
            return self._survey.tree.stat(path)
        except PmgsyncError:  # the look itself says what is wrong with it
            return None

    def draft(self, observed: Observed) -> Observed:
        """`observed` with everything done for its change set that can be done before it is certain:
        sealed, its signature tried, its bytes made and written ahead of the log. Changes no answer
        of this object.
        """
        base = self._history.head.manifest
        if self.holds or observed.target.digest == base.digest or objection(base, observed.target):
            return observed
        change = diff(base, observed.target)
        record = LogRecord(self._sealed(observed.target, change, ""), change)
        if len(record.envelope.to_bytes()) > MAX_ENVELOPE_BYTES:
            return observed
        record.envelope.signers([self._signer.public_key])
        with suppress(StoreError):  # `commit` says it, if it is still so by then
            self._store.write_ahead(record, self._contents(change, observed))
        return replace(observed, draft=Draft(base, record))

    def withdraw(self) -> None:
        """What was drafted is not published. Where that cannot be written it may be published after
        a crash, and the first look publishes what is there then.
        """
        with suppress(StoreError):
            self._store.withdraw()

    def forget_draft(self) -> None:
        """What was drafted must not be published, also after a crash: the key that sealed it
        counts no longer in a moment. `StoreError` if that cannot be written down.
        """
        self._store.withdraw(durable=True)

    def commit(self, observed: Observed, message: str = "") -> Published | None:
        """Publish what was observed, if it is new and nothing holds it, or held it then."""
        published: Published | None = None
        try:
            published = self._commit(observed, message)
        finally:
            if published is None:
                self.withdraw()
        return published

    def _commit(self, observed: Observed, message: str) -> Published | None:
        self.problems = observed.problems
        base, target = self._history.head.manifest, observed.target
        if self.holds:
            return None
        if target.digest == base.digest:
            self.held = None
            self.holds.spoken()
            return None
        if observed.under_hold:
            return None
        reason = self._lately.objection(base, target, self._clock.monotonic())
        if reason is not None:
            self.held = Held(self._history.head.position.version + 1, reason)
            return None
        return self._publish(observed, message)

    def commit_confirmed(self, version: int, observed: Observed, message: str = "") -> Published:
        """Publish what was observed although the guard objects, if `version` is what is held.

        The admin confirms what was shown: if the change does something else by now, it stays held.
        """
        self.problems = observed.problems
        self._require_held(version, observed)
        base = self._history.head.manifest
        full = self._complete(base, observed)
        published = self._publish(full, message)
        self._lately.forget()
        return published

    def _require_held(self, version: int, observed: Observed) -> None:
        held, where = self.held, f"version {version}"
        if self.holds:
            raise OperatorError(
                "publishing is on hold", where=where, mend="say `pmgsync release` first"
            )
        if held is not None and held.version != version:
            raise OperatorError(
                f"is not held; {held.version} is",
                where=where,
                mend=f"look at it, then `pmgsync confirm {held.version}`",
            )
        now = self._clock.monotonic()
        reason = self._lately.objection(self._history.head.manifest, observed.target, now)
        self.held = Held(self._history.head.position.version + 1, reason) if reason else None
        if held is None or reason is None:
            raise OperatorError(
                "nothing is held", where=where, mend="`pmgsync status` shows what needs action"
            )
        if reason != held.reason:
            raise OperatorError(
                f"has changed meanwhile, it would {reason} now",
                where=where,
                mend=f"look at it, then `pmgsync confirm {held.version}` again",
            )

    def _publish(self, observed: Observed, message: str) -> Published:
        head, target = self._history.head, observed.target
        text, draft = message or self.holds.message, observed.draft
        if draft is not None and self._still_holds(draft) and not text:
            record = draft.record
        else:
            change = diff(head.manifest, target)
            record = LogRecord(self._sealed(target, change, text), change)
        sent = record.envelope.to_bytes()
        if len(sent) > MAX_ENVELOPE_BYTES:
            raise InvalidError(
                f"a change of {len(record.change.paths)} files is too large for one change set",
                where="etc/pmg",
                mend="publish it in steps: move some of the files away and back again later",
            )
        verified = self._history.accept(record.envelope, target)
        try:
            self._store.append(record, self._contents(record.change, observed))
        except BaseException:
            self._history.undo(verified)
            raise
        self.held = None
        self.holds.spoken()
        self._lately.replaced(head.manifest, self._clock.monotonic())
        new = {d: c for d, c in observed.contents.items() if d not in head.manifest.digests}
        return Published(verified, head.manifest, sent, new, self._clock.monotonic())

    def _still_holds(self, draft: Draft) -> bool:
        """Is it made from the newest state, and signed with the key of this moment?"""
        key_ids = [signature.key_id for signature in draft.record.envelope.signatures]
        return draft.base is self._history.head.manifest and key_ids == [
            self._signer.public_key.key_id
        ]

    def _sealed(self, target: Manifest, change: Diff, message: str) -> Envelope:
        head, membership = self._history.head, self._history.membership
        text = message.encode("utf-8", "replace").decode("utf-8")
        payload = ChangeSet(
            cluster=membership.cluster,
            position=Position(membership.epoch, head.position.version + 1),
            parent=head.manifest.digest,
            result=target.digest,
            change=change,
            created=self._clock.now(),
            message=text[:MAX_MESSAGE_CHARACTERS],
        ).to_bytes()
        envelope = seal(CHANGE_SET_TYPE, payload, self._signer)
        envelope.to_bytes()
        return envelope

    def _contents(self, change: Diff, observed: Observed) -> dict[Digest, bytes]:
        """All contents of the change that were read, also those that the store has at this moment:
        pruning, in another thread, may drop one that nothing needed until now.
        """
        wanted = {entry.digest for entry in change.puts}
        unread = wanted - observed.contents.keys()
        if unread and (lost := self._store.missing(unread)):
            raise StoreError(
                f"has lost the content {min(lost)[:16]}",
                where="database",
                mend="it is tried again",
            )
        return {digest: observed.contents[digest] for digest in wanted - unread}

    def _complete(self, base: Manifest, observed: Observed) -> Observed:
        observation = Observation(observed.target, observed.problems, observed.contents)
        return self._with_contents(base, observation)

    def _with_contents(self, base: Manifest, observation: Observation) -> Observed:
        """The observation with all contents that are new; what changes meanwhile is looked at once
        more.

        A file that cannot be read even then keeps the entry that the newest version has, and is a
        problem.
        """
        contents: dict[Digest, bytes] = {}
        unread = _gather(self._survey.content, base, observation, contents)
        if unread:
            observation = self._survey.look(Look(frozenset(entry.path for entry in unread)))
            unread = _gather(self._survey.content, base, observation, contents)
        target, problems = observation.manifest, observation.problems
        if unread:
            target = _as_before(base, target, unread)
            problems = _problems(unread, problems)
        return Observed(target, contents, problems)


def _gather(
    read: Callable[[FileEntry], bytes],
    base: Manifest,
    observation: Observation,
    contents: dict[Digest, bytes],
) -> list[FileEntry]:
    """Put into `contents` what `base` does not have; returns the entries whose content is not
    there.
    """
    unread = []
    for entry in diff(base, observation.manifest).puts:
        if entry.digest in base.digests or entry.digest in contents:
            continue
        data = observation.contents.get(entry.digest)
        try:
            contents[entry.digest] = read(entry) if data is None else data
        except HostError:
            unread.append(entry)
    return unread


def _as_before(base: Manifest, target: Manifest, entries: list[FileEntry]) -> Manifest:
    """`target`, but with these entries as they are in `base`."""
    known = [base[entry.path] for entry in entries if entry.path in base]
    return target.changed(known, [entry.path for entry in entries if entry.path not in base])


def _problems(unread: list[FileEntry], known: tuple[Problem, ...]) -> tuple[Problem, ...]:
    named = {problem.path for problem in known}
    return (
        *known,
        *(
            Problem(entry.path, "does not hold still while it is read", "it is tried again")
            for entry in unread
            if entry.path not in named
        ),
    )
