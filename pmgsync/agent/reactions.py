"""Telling the services that their files changed: each is an argument list, run without a shell.

A setting gives the list; without one it is systemd's where systemd runs, else what the service
itself brings. A service that is not installed, or not running, need not be told: it reads its
files when it starts. What was still to be told when the process was interrupted is remembered
beside the node's state (`owe`), and made up for (`owed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pmgsync.agent.beside import staged
from pmgsync.errors import HostError
from pmgsync.model.credentials import mask_credentials
from pmgsync.ports import CommandRunner, FileKind, TreeReader, TreeWriter
from pmgsync.render.targets import Reaction

OWED = "var/lib/pmgsync/owed-reactions"
TIMEOUT_S = 120.0
"""clamd loads its signatures before it says that it is up."""

_NOT_RUNNING = ("is not running", "not active", "inactive")
_MOST_WORDS = 300

PROGRAMS = {
    Reaction.POSTFIX_RELOAD: "postfix",
    Reaction.CLAMD_RESTART: "clamd",
    Reaction.FRESHCLAM_RESTART: "freshclam",
    Reaction.FILTER_RESTART: "pmg-smtp-filter",
    Reaction.FILTER_RELOAD: "pmg-smtp-filter",
}
"""What is there if the service is installed."""

SYSTEMD = {
    Reaction.POSTFIX_RELOAD: ("systemctl", "try-reload-or-restart", "postfix"),
    Reaction.CLAMD_RESTART: ("systemctl", "try-restart", "clamav-daemon"),
    Reaction.FRESHCLAM_RESTART: ("systemctl", "try-restart", "clamav-freshclam"),
    Reaction.FILTER_RESTART: ("systemctl", "try-restart", "pmg-smtp-filter"),
    Reaction.FILTER_RELOAD: ("systemctl", "try-reload-or-restart", "pmg-smtp-filter"),
}
WITHOUT_SYSTEMD = {
    Reaction.POSTFIX_RELOAD: ("postfix", "reload"),
    Reaction.CLAMD_RESTART: ("service", "clamav-daemon", "restart"),
    Reaction.FRESHCLAM_RESTART: ("service", "clamav-freshclam", "restart"),
    Reaction.FILTER_RESTART: ("service", "pmg-smtp-filter", "restart"),
    Reaction.FILTER_RELOAD: ("service", "pmg-smtp-filter", "reload"),
}


class Told(Enum):
    """How telling a service went; the value is the word for people."""

    DONE = "done"
    NOT_INSTALLED = "not installed"
    NOT_RUNNING = "not running"
    NOT_OURS = "left alone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """One reaction, how it went, and the command or what it said."""

    reaction: Reaction
    told: Told
    words: str = ""

    def __str__(self) -> str:
        """`postfix_reload: done (postfix reload)`."""
        words = f" ({self.words})" if self.words else ""
        return f"{self.reaction.value}: {self.told.value}{words}"


@dataclass(frozen=True, slots=True)
class Teller:
    """Runs reactions. `commands` are the settings'; `is_own_machine`: the node's root is `/`.

    The services of this machine are not those of a tree that lies elsewhere on it: there only what
    the settings name is run.
    """

    runner: CommandRunner
    commands: Mapping[Reaction, Sequence[str]]
    has_systemd: bool
    is_own_machine: bool

    def tell(self, reactions: Iterable[Reaction]) -> tuple[Answer, ...]:
        """Carry out each; a failure does not hold up the others."""
        return tuple(map(self._tell, reactions))

    def _tell(self, reaction: Reaction) -> Answer:
        argv = self.commands.get(reaction)
        if not argv:
            if not self.is_own_machine:
                return Answer(reaction, Told.NOT_OURS, "the root is not /")
            if not self.runner.available(PROGRAMS[reaction]):
                return Answer(reaction, Told.NOT_INSTALLED)
            argv = (SYSTEMD if self.has_systemd else WITHOUT_SYSTEMD)[reaction]
        shown = " ".join(argv)
        try:
            result = self.runner.run(argv, timeout=TIMEOUT_S)
        except HostError as error:
            return Answer(reaction, Told.FAILED, str(error))
        if result.status == 0:
            return Answer(reaction, Told.DONE, shown)
        lines = map(mask_credentials, result.output.splitlines())  # it ends in logs and reports
        words = " ".join(" ".join(lines).split())[:_MOST_WORDS]
        if any(sign in words for sign in _NOT_RUNNING):
            return Answer(reaction, Told.NOT_RUNNING, "it reads its files when it starts")
        words = words or f"ended with status {result.status}"
        return Answer(reaction, Told.FAILED, f"{shown}: {words}")


class Tree(TreeReader, TreeWriter, Protocol):
    """Where the debts are written down."""


def owe(tree: Tree, reactions: Sequence[Reaction], where: str = OWED) -> None:
    """Remember, durably, that these have to be carried out; none: that all were."""
    if not reactions:
        tree.remove(where)
        return
    content = "".join(f"{reaction.value}\n" for reaction in reactions).encode()
    tree.write(staged(where), content, mode=0o600, ownership="root:root")
    tree.sync_files([staged(where)])
    tree.rename(staged(where), where)
    tree.sync_folders([where.rpartition("/")[0]])


def owed(tree: Tree, where: str = OWED) -> tuple[Reaction, ...]:
    """What was remembered and not yet carried out."""
    seen = tree.stat(where)
    if seen is None or seen.kind is not FileKind.FILE:
        return ()
    words = tree.read(where, limit=4096)[0].decode("ascii", "replace").split()
    return tuple(reaction for reaction in Reaction if reaction.value in words)
