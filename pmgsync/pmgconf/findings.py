"""What reading a file of PMG found worth saying: where, what, how bad, and how to mend it.

Parsers of this folder never raise for what a file holds; they go on as PMG itself would and return
findings beside the values. An error is what PMG dies on or drops; a warning what it tolerates, or
what the admin surely did not mean. A finding never shows a secret.
"""

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `line` counts from 1; 0 is the file as a whole.

    `section` is the id of the section it stands in, where the file has sections; `key` the option
    it is about, if it is about one. `skips`: the whole section is left out.
    """

    line: int
    what: str
    section: str = ""
    mend: str = ""
    severity: Severity = Severity.ERROR
    key: str = ""
    skips: bool = False

    def __str__(self) -> str:
        if self.skips:
            return f"line {self.line} (skip section '{self.section}'): {self.what}"
        section = f" (section '{self.section}')" if self.section else ""
        return f"line {self.line}{section} - {self.what}"

    @property
    def told(self) -> str:
        """What was found, for a line that names the place itself."""
        skipped = f"the section '{self.section}' is skipped: " if self.skips else ""
        return skipped + self.what

    def warning(self, file: str) -> str:
        """The line that PMG's own reader of section files prints for this; `file` as it names it
        (`/etc/pmg/pmg.conf`).
        """
        return f"file {file} {self}"


MOST_FINDINGS = 10_000
"""Of a file with more, only so many are kept; one more says how many there were."""


class Findings:
    """Collects what is found in one file, up to `MOST_FINDINGS`."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._more = 0

    @property
    def is_full(self) -> bool:
        """Are further ones only counted?"""
        return len(self._kept) >= MOST_FINDINGS

    def add(self, finding: Finding) -> None:
        """One more."""
        if self.is_full:
            self.count()
        else:
            self._kept.append(finding)

    def error(self, line: int, what: str, mend: str) -> None:
        """PMG dies on it, or drops it."""
        self.add(Finding(line, what, mend=mend))

    def warning(self, line: int, what: str, mend: str) -> None:
        """PMG tolerates it."""
        self.add(Finding(line, what, mend=mend, severity=Severity.WARNING))

    def count(self) -> None:
        """One more, whatever it is, where there are enough already."""
        self._more += 1

    def all(self) -> tuple[Finding, ...]:
        """What was found."""
        if not self._more:
            return tuple(self._kept)
        what = f"{self._more} more findings are not listed"
        return (*self._kept, Finding(0, what, mend="mend those above first"))
