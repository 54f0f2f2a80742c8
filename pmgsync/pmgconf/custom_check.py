"""PMG's interface to an admin's own check of mails: what it makes of the program's answer.

    PROGRAM v1 FILE          how it is called; it has 5 minutes
    v1                       its answer: the version first,
    OK                       then one result: OK, `VIRUS: NAME` or `SCORE: NUMBER`

A line more, also an empty one, or an exit code other than 0 spoils the answer. PMG then logs an
error and goes on without a virus; but a score counts once its line was read. Oddities that are
PMG's: a version line makes it forget a result that stood before it, and a score with a sign may
have no decimals.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pmgsync.model.paths import printable

VERSION = "v1"
TIMEOUT_S = 300

_LINE_END = re.compile(r"\n|\x08+|\r\n?")
_VERSION = re.compile(r"v[0-9]")
_SCORE = re.compile(r"SCORE: (-?[0-9]+|.[0-9]+|[0-9]+.[0-9]+)", re.DOTALL)
_VIRUS = re.compile(r"VIRUS: (.+)", re.DOTALL)
_NUMBER = re.compile(r"[ \t\r\f\v]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Verdict:
    """What PMG makes of an answer. `fault` says why the answer is spoilt, empty where it is not."""

    virus: str = ""
    score: float | None = None
    fault: str = ""
    mend: str = ""

    def __str__(self) -> str:
        """In words."""
        if self.fault:
            counts = f"; the score {self.score:g} counts all the same" if self.score else ""
            return f"logs an error and takes the mail as not checked{counts}"
        if self.virus:
            return f"takes the mail for infected with {printable(self.virus)}"
        if self.score is not None:
            return f"adds {self.score:g} to the spam score"
        return "takes the mail for clean, as far as this check goes"


def verdict_of(output: bytes, status: int | None) -> Verdict:
    """What PMG makes of this output (stdout only) and exit status; None: not ended in time.

    A status below zero is the signal that ended the program, negated.
    """
    reading = _Reading()
    for line in lines_of(output):
        if fault := reading.refuse(line):
            return Verdict(score=reading.score, fault=fault, mend="print `v1`, then one result")
    fault, mend = _end_fault(status)
    if not fault:
        fault, mend = reading.lack()
    if fault:
        return Verdict(score=reading.score, fault=fault, mend=mend)
    return Verdict(reading.virus, reading.score)


def lines_of(output: bytes) -> Iterator[str]:
    """The lines that PMG sees; what follows the last line end is one if it is not empty."""
    *lines, rest = _LINE_END.split(output.decode("utf-8", "surrogateescape"))
    yield from lines
    if rest not in ("", "0"):  # false in Perl
        yield rest


def _end_fault(status: int | None) -> tuple[str, str]:
    if status is None:
        return "it did not end in time", "let it, and all that it starts, give up earlier"
    if status < 0:
        return f"signal {-status} ended it", "see its output, or the journal"
    return (f"it ended with exit code {status}", "end with 0") if status else ("", "")


class _Reading:
    """PMG's reader: one line after the other."""

    def __init__(self) -> None:
        self.version = ""
        self.has_result = False
        self.virus = ""
        self.score: float | None = None

    def refuse(self, line: str) -> str:
        """Take a line; why PMG gives up at it, empty where it does not."""
        if _VERSION.fullmatch(line):
            again, self.version = self.version, line
            self.has_result = False
            if again:
                return "the version stands twice"
            return "" if line == VERSION else f"the version is {line}, not {VERSION}"
        if not self._takes_result(line):
            return f"unexpected line: {printable(line[:_SHOWN])!r}"
        again_result, self.has_result = self.has_result, True
        return "more than one result" if again_result else ""

    def lack(self) -> tuple[str, str]:
        """What is missing at the end, and the mend."""
        if not self.version:
            return "no version", f"print `{VERSION}` as the first line"
        if not self.has_result:
            return "no result after the version", "print `OK`, `VIRUS: NAME` or `SCORE: NUMBER`"
        return "", ""

    def _takes_result(self, line: str) -> bool:
        if score := _SCORE.fullmatch(line):
            number = _NUMBER.match(score[1])
            self.score = float(number[1]) if number else 0.0
        elif virus := _VIRUS.fullmatch(line):
            self.virus = virus[1]
        else:
            return line == "OK"
        return True
