"""What reading and writing a file of PMG looks like, whichever file it is."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from pmgsync.pmgconf.findings import Finding


class Parsed(Protocol):
    """What a file says: its entries by key, and what is wrong in it."""

    @property
    def entries(self) -> Mapping[str, Any]:
        """By what each is called."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """In the order in which PMG would complain."""

    @property
    def unread(self) -> tuple[int, ...]:
        """Lines that PMG drops, and would lose at the next write."""

    @property
    def unkept(self) -> tuple[int, ...]:
        """Lines of comments that PMG would not write again."""


class FileKind(NamedTuple):
    """How one file is read and written.

    `parse` takes bytes, never raises, and returns what the file says with what is wrong in it;
    `dump` gives the bytes that PMG's own writer would make of that, or of one with other entries.
    """

    parse: Callable[[bytes], Parsed]
    dump: Callable[[Any], bytes]


def kind_of_entries(
    parse: Callable[[bytes], Parsed], dump: Callable[[Iterable[Any]], bytes]
) -> FileKind:
    """A kind whose file is its entries and nothing else."""
    return FileKind(parse, lambda parsed: dump(parsed.entries.values()))
