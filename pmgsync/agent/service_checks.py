"""Service files are read by their service's own program before any of them is activated.

What a program refuses is refused, in its words. What it warns of is no reason to refuse years of an
admin's overrides: it is reported. Of SpamAssassin that holds also for what it complains about with
the files that lie there already, for it works with them all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pmgsync.errors import CheckFailedError, HostError
from pmgsync.ports import CommandRunner
from pmgsync.render.plan import Change, ChangeKind, Rendered
from pmgsync.render.program_words import MOST_WORDS, new_complaints, origin, said, warnings
from pmgsync.render.targets import CHECKS, Check, Service

LayOut = Callable[[Mapping[str, bytes], str], AbstractContextManager[str]]
"""Puts files (by name) into a folder of their own, and beside them what else lies in a folder of
the tree (empty: nothing); gives its absolute path, and takes it away."""
Synced = Callable[[str], bytes | None]
"""What a synced file (by its path) will hold; None where there will be none."""
Warned = Mapping[Service, tuple[str, ...]]
"""What the programs warn of, of each service that was checked."""
TIMEOUT_S = 20.0
MOST_WARNINGS = 5
"""Of one service."""


@dataclass(frozen=True, slots=True)
class ServiceChecks:
    """The checks of one machine."""

    runner: CommandRunner
    lay_out: LayOut

    def check(
        self,
        rendered: Iterable[Rendered],
        found: Iterable[Change],
        *,
        postgres: str | None = None,
        synced: Synced = lambda _: None,
    ) -> Warned:
        """Have every service whose files change read all of its files as they will be; what they
        warn of. `postgres` is the version of PostgreSQL here, `synced` what synced files will hold.

        Raises `CheckFailedError` in the words of the first program that refuses them, `HostError`
        where one cannot be run. A service that is not installed checks nothing.
        """
        rendered = tuple(rendered)
        changed = {change.path for change in found if change.kind is not ChangeKind.ATTRIBUTES}
        affected = {file.target.service for file in rendered if file.path in changed}
        warned: dict[Service, tuple[str, ...]] = dict.fromkeys(affected, ())
        for check in CHECKS:
            program = check.argv[0].format(postgres=postgres)
            if check.service in affected and self.runner.available(program):
                files = [file for file in rendered if file.target.service is check.service]
                fresh = self._run(check, program, files, synced)
                known = dict.fromkeys((*warned[check.service], *fresh))
                warned[check.service] = tuple(known)[:MOST_WARNINGS]
        return warned

    def _run(
        self, check: Check, program: str, files: list[Rendered], synced: Synced
    ) -> tuple[str, ...]:
        """What the program warns of."""
        place = files[0].path.rpartition("/")[0]
        beside = {
            path.rpartition("/")[2]: data
            for path in check.synced
            if (data := synced(path)) is not None
        }
        contents = {file.path.rpartition("/")[2]: file.data for file in files}
        contents |= dict.fromkeys(check.empty, b"")
        status, lines = self._ask(check, program, beside | contents, place)
        name = program.rpartition("/")[2]
        fine = warnings(lines)
        if status and check.forgives:
            before, known = self._ask(check, program, beside, place)
            lines = new_complaints(lines, known) if before else lines
            status = status if lines else 0
        if status == 0:
            return tuple(f"{place}: {name} warns: {words}" for words in fine)
        words = " ".join(lines)[-MOST_WORDS:] or f"ended with status {status}"
        by = origin(words, files)
        raise CheckFailedError(
            f"{name} refuses the files of {check.service.value}: {words}{by and f' ({by})'}",
            where=place,
            mend="mend the template or the option that it comes from",
        )

    def _ask(
        self, check: Check, program: str, contents: Mapping[str, bytes], place: str
    ) -> tuple[int, tuple[str, ...]]:
        """How the program ended, and its words."""
        with self.lay_out(contents, place if check.with_others else "") as folder:
            argv = [program, *(word.format(folder=folder) for word in check.argv[1:])]
            try:
                result = self.runner.run(argv, timeout=TIMEOUT_S)
            except HostError as error:  # the same words each time: the folder has another name
                raise HostError(error.what, where=program, mend=error.mend) from None
        if result.status < 0:  # its files are not to blame
            raise HostError(
                f"was ended by signal {-result.status}",
                where=program,
                mend="is there too little memory? It is tried again by itself",
            )
        return result.status, said(result.output, folder, place)
