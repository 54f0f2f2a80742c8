"""The services of one node, beside its tree: what they need, and telling them what changed.

`prepare` says what has to be written for a state; who writes it does so inside `promising`, which
remembers durably whom to tell before anything is written. Telling takes long (clamd loads its
signatures first), so it happens apart from the tree: `take` says whom to tell, `told` how that
went. What a crash kept from being told is told after the next start. All but the telling itself
is done by one at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pmgsync.agent import fetchmail
from pmgsync.agent.reactions import Answer, Teller, Told, Tree, owe, owed
from pmgsync.agent.service_checks import ServiceChecks, Warned
from pmgsync.agent.service_files import Contents, ServiceFiles
from pmgsync.agent.service_work import ServiceWork
from pmgsync.errors import HostError, PmgsyncError
from pmgsync.model.manifest import Digest
from pmgsync.render.plan import in_order
from pmgsync.render.targets import Reaction, Service

log = logging.getLogger(__name__)

Digests = tuple[tuple[str, Digest], ...]
"""Path and digest of each service file."""


@dataclass
class Services:
    """What a node makes for its services. `rendered` is what it runs with, as it reports it."""

    files: ServiceFiles
    checks: ServiceChecks
    teller: Teller
    tree: Tree
    rendered: Digests = ()
    is_master: bool = False
    """Is this the master's own node, which fetches mail?"""
    _warned: dict[Service, tuple[str, ...]] = field(default_factory=dict, init=False)
    _found: Warned = field(default_factory=dict, init=False)
    _left: tuple[str, ...] = field(default=(), init=False)
    _prepared: Digests = field(default=(), init=False)
    _owed: tuple[Reaction, ...] = field(default=(), init=False)
    _running: tuple[Reaction, ...] = field(default=(), init=False)

    def recover(self) -> None:
        """Learn who was still to be told when the process before this one ended."""
        self._owed = owed(self.tree)

    def prepare(self, contents: Contents) -> ServiceWork:
        """What has to be written for the state that `contents` is, checked by those who read it.
        Raises as `ServiceFiles.look` and `ServiceChecks.check`.
        """
        outlook = self.files.look(contents, alone=False)
        self._found = self.checks.check(
            outlook.rendered,
            outlook.changes,
            postgres=outlook.facts.postgres_version,
            synced=contents,
        )
        self._prepared = outlook.digests
        self._left = (*outlook.left, *self._about_fetchmail(contents))
        return self.files.work(outlook)

    def _about_fetchmail(self, contents: Contents) -> tuple[str, ...]:
        accounts = contents(fetchmail.ACCOUNTS) or b""
        try:
            switch = self.files.lies_at(fetchmail.SWITCH) or b""
            refused: tuple[str, ...] = ()
            if self.is_master and accounts:
                refused = fetchmail.refusal(accounts, self.checks.runner, self.checks.lay_out)
        except HostError as error:
            return (str(error),)
        return (*refused, *fetchmail.advice(accounts, switch, is_master=self.is_master))

    @contextmanager
    def promising(
        self, reactions: Iterable[Reaction], all_undone: Callable[[], bool]
    ) -> Iterator[None]:
        """Inside, the files are written that these reactions are about. `all_undone` is asked after
        a failure: where it says no, the files may still come, and the promise stays.
        """
        before = self._owed
        self._remember(in_order((*before, *reactions)))
        try:
            yield
        except PmgsyncError:
            if all_undone():
                with suppress(HostError):  # then they are told although nothing changed
                    self._remember(before)
            raise
        self.rendered = self._prepared
        self._warned |= self._found

    @property
    def warnings(self) -> tuple[str, ...]:
        """Which files are left alone and why, and what the services' programs warn of in those that
        run, as far as they were asked: only those whose files changed since the start are.
        """
        warned = (words for service in Service for words in self._warned.get(service, ()))
        return (*self._left, *warned)

    @property
    def waiting(self) -> bool:
        """Is there anybody to tell?"""
        return bool(self._owed)

    def take(self) -> tuple[Reaction, ...]:
        """Whom to tell now, with `self.teller`; until `told` they count as not told."""
        self._running, self._owed = self._owed, ()
        return self._running

    def told(self, answers: Iterable[Answer]) -> tuple[str, ...]:
        """How telling those that were taken went; what an admin has to know of it."""
        self._running = ()
        failures = []
        try:
            owe(self.tree, self._owed)
        except HostError as error:  # then they are told once more after a restart
            failures.append(str(error))
        for answer in answers:
            failed = answer.told is Told.FAILED
            log.log(logging.ERROR if failed else logging.INFO, "%s", answer)
            failures += [str(answer)] if failed else []
        return tuple(failures)

    def _remember(self, wanted: tuple[Reaction, ...]) -> None:
        if wanted != self._owed:
            owe(self.tree, in_order((*wanted, *self._running)))
            self._owed = wanted
