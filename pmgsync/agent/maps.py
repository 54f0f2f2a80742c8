"""Postfix's indexed maps (`domains.db` and the like), built with the real `postmap` from staged
files.

A map is built beside its target like any staged file, and takes its place in the same step as its
source, so Postfix never sees a source without its map. Where Postfix is not installed there is
nothing to build.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pmgsync.agent.beside import map_of
from pmgsync.errors import CheckFailedError, HostError, StageError
from pmgsync.ports import CommandRunner, Seen, TreeReader
from pmgsync.render.targets import ALIASES

POSTMAP: Final = "postmap"
POSTALIAS: Final = "postalias"
_LAST_STATUS: Final = 128  # above it, and below 0, a signal ended the program
_TROUBLE_OF_THE_HOST: Final = (
    "No space left",
    "Read-only file system",
    "Input/output error",
    "Disk quota",
    "Permission denied",
    "Cannot allocate memory",
    "Too many open files",
    "unsupported dictionary type",
    "main.cf",
)


@dataclass(frozen=True, slots=True)
class MapBuilder:
    """Runs `postmap` on files below `root`, with the Postfix configuration in `config_folder`
    (absolute).
    """

    runner: CommandRunner
    root: str
    config_folder: str

    def available(self) -> bool:
        """Is Postfix installed here?"""
        return self.runner.available(POSTMAP)

    def build(self, staged_source: str, shown: str) -> str:
        """Build the map of the staged file; where the map lies. `shown` is the name for messages.

        Raises `CheckFailedError` with postmap's own words, or `StageError` where the disk is to
        blame.
        """
        source = self._absolute(staged_source)
        result = self.runner.run([POSTMAP, "-c", self.config_folder, f"hash:{source}"])
        if result.status != 0:
            # One line, as it is reported: postmap says where it was when it gave up.
            words = " ".join(result.output.replace(source, shown).split())
            words = words or f"ended with status {result.status}"
            killed = result.status < 0 or result.status > _LAST_STATUS
            if killed or any(trouble in words for trouble in _TROUBLE_OF_THE_HOST):
                raise StageError(
                    f"postmap: {words}", where=shown, mend="it is tried again by itself"
                )
            raise CheckFailedError(
                f"postmap refuses it: {words}", where=shown, mend="mend the file on the master"
            )
        return map_of(staged_source)

    def build_aliases(self, tree: TreeReader) -> bool:
        """Bring the map of the system's aliases up to date, as `newaliases` does; False if it is.

        Postfix asks for it, and nobody else builds it. Raises `HostError` with postalias's own
        words.
        """
        source, built = tree.stat(ALIASES), tree.stat(map_of(ALIASES))
        if source is None or not self.runner.available(POSTALIAS) or not is_older(built, source):
            return False
        path = self._absolute(ALIASES)
        result = self.runner.run([POSTALIAS, "-c", self.config_folder, f"hash:{path}"])
        if result.status != 0:
            words = " ".join(result.output.split()) or f"ended with status {result.status}"
            raise HostError(f"postalias: {words}", where=f"/{ALIASES}", mend="mend the file")
        return True

    def _absolute(self, path: str) -> str:
        return f"{self.root.rstrip('/')}/{path}"


def is_older(built: Seen | None, source: Seen) -> bool:
    """Is the map missing, or older than what it is built from?"""
    return built is None or built.modified_ns < source.modified_ns
