"""What a check is: a question to the whole configuration, and the remarks that it makes.

A check finds what PMG takes without a word and the admin surely did not mean, so all its remarks
are warnings. It is a function of the files and of `Surroundings`; the table of them is `checks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pmgsync.pmgconf.configuration import Configuration


class Remark(NamedTuple):
    """One thing that a check found: where (line 0 is the file as a whole), what, and the mend."""

    path: str
    line: int
    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a check may have to know beyond the synced files.

    `now` is in seconds since 1970; `names` are those of this machine, lower case; `rules` the names
    that SpamAssassin's rule files mention, None where there are no such files; `program_fault` says
    why the program of custom_check_path cannot be run, empty where it can; `unread` are the paths
    of files that are there, but could not be read.
    """

    now: int = 0
    names: frozenset[str] = frozenset()
    resolv_conf: bytes = b""
    rules: frozenset[str] | None = None
    program_fault: str = ""
    unread: frozenset[str] = frozenset()


class Check(NamedTuple):
    """One row of the table. `finds` and `why` are for `docs/checking.md`."""

    name: str
    run: Callable[[Configuration, Surroundings], Iterator[Remark]]
    finds: str
    why: str


def option_line(configuration: Configuration, section: str, *keys: str) -> int:
    """The line of the first of these options of `pmg.conf` that is set; 0 where none is."""
    found = configuration.options.file.section(section)
    lines = [found.options[key].line for key in keys if key in found.options] if found else []
    return lines[0] if lines else 0
