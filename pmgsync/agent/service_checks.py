"""Service files are read by their service's own program before any of them is activated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pmgsync.errors import CheckFailedError
from pmgsync.ports import CommandRunner
from pmgsync.render.plan import Change, Rendered
from pmgsync.render.targets import CHECKS, Check

LayOut = Callable[[Mapping[str, bytes]], AbstractContextManager[str]]
"""Puts files (by name) into a folder of their own; gives its absolute path, and takes it away."""
TIMEOUT_S = 20.0
_MOST_WORDS = 300


@dataclass(frozen=True, slots=True)
class ServiceChecks:
    """The checks of one machine."""

    runner: CommandRunner
    lay_out: LayOut

    def check(self, rendered: Iterable[Rendered], found: Iterable[Change]) -> None:
        """Have every service whose files change read all of its files as they will be.

        Raises `CheckFailedError` in the words of the first program that refuses them, `HostError`
        where one cannot be run. A service that is not installed checks nothing.
        """
        rendered = tuple(rendered)
        changed = {change.path for change in found}
        affected = {file.target.service for file in rendered if file.path in changed}
        for check in CHECKS:
            if check.service in affected and self.runner.available(check.argv[0]):
                self._run(
                    check, [file for file in rendered if file.target.service is check.service]
                )

    def _run(self, check: Check, files: list[Rendered]) -> None:
        contents = {file.path.rpartition("/")[2]: file.data for file in files}
        with self.lay_out(contents) as folder:
            argv = [word.format(folder=folder) for word in check.argv]
            result = self.runner.run(argv, timeout=TIMEOUT_S)
        if result.status == 0:
            return
        place = files[0].path.rpartition("/")[0]
        words = " ".join(result.output.replace(folder, f"/{place}").split())
        words = words[-_MOST_WORDS:] or f"ended with status {result.status}"
        raise CheckFailedError(
            f"{check.argv[0]} refuses the files of {check.service.value}: {words}",
            where=place,
            mend="mend the template or the option that it comes from",
        )
