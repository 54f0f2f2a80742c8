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

    def warning(self, file: str) -> str:
        """The line that PMG's own reader of section files prints for this; `file` as it names it
        (`/etc/pmg/pmg.conf`).
        """
        return f"file {file} {self}"
