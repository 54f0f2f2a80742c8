"""The shape that PMG's list files share: one entry a line, a comment with it, the last one wins.

    # a comment              kept with the next entry, where the format keeps comments
    KEY VALUES               an entry; what makes one is up to the format
    <blank>                  skipped

PMG's readers drop a line that they cannot read, with a warning, and go on; its writers write what
was read, sorted by the bytes of the key. So here: `parse` never raises, and each dropped line is an
error among the findings and stands in `unread`, for whoever must not lose it. Comments that PMG's
writer would not write again stand in `unkept`. What is merely odd is a warning.

The formats themselves are `maps.py`'s.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, Protocol, TypeVar

from pmgsync.model.paths import printable
from pmgsync.pmgconf.file_kind import FileKind, kind_of_entries
from pmgsync.pmgconf.findings import Finding, Findings
from pmgsync.pmgconf.formats import BLANKS

_SHOWN = 60  # characters of a line in a finding


class Entry(Protocol):
    """One line of a list file. `line` is 0 where it was not read from a file."""

    @property
    def key(self) -> str:
        """What there can be only one of."""

    @property
    def comment(self) -> str:
        """The admin's words about it, as they stand in the file."""

    @property
    def line(self) -> int:
        """Where it stands."""


E = TypeVar("E", bound=Entry)


class Comments(Enum):
    """Where a format has comments, and what PMG's writer does with them."""

    ABOVE = "above"
    """The last `#` line before an entry is the entry's."""
    DROPPED = "dropped"
    """`#` lines are skipped."""
    NONE = "none"
    """A `#` line is no more than a line that cannot be read."""


class Doubt(NamedTuple):
    """Why an entry that was read may not be what was meant, or will not be used."""

    what: str
    mend: str
    is_warning: bool = True


@dataclass(frozen=True)
class ListFormat(Generic[E]):
    """How one list file is read and written."""

    read: Callable[[str, str, int], E | str]
    """An entry from a line, its comment and its number; or the form that the line should have."""
    write: Callable[[E], str]
    """The lines of an entry."""
    comments: Comments
    comment_of: Callable[[str], str] = lambda line: line[1:]
    is_map: bool = False
    """Postfix looks things up in it: it knows no case, and of two lines it takes the first."""
    doubt: Callable[[E], Doubt | None] = lambda _entry: None


@dataclass(frozen=True, slots=True)
class ListFile(Generic[E]):
    """What a list file says. `entries` are in the order of the file, by key.

    `unread` are the numbers of lines that PMG drops; `unkept` those of comments, and of entries
    said again, that it would not write again.
    """

    entries: Mapping[str, E]
    findings: tuple[Finding, ...] = ()
    unread: tuple[int, ...] = ()
    unkept: tuple[int, ...] = ()


def parse(data: bytes, form: ListFormat[E]) -> ListFile[E]:
    """What `data` says. Never raises."""
    return _Reading(form).of(data)


def dump(entries: Iterable[E], form: ListFormat[E]) -> bytes:
    """The file as PMG writes it."""
    by_key = sorted(entries, key=lambda entry: encoded(entry.key))
    return encoded("".join([form.write(entry) for entry in by_key]))


def list_kind(form: ListFormat[E]) -> FileKind:
    """The kind of the files that have this format."""
    return kind_of_entries(lambda data: parse(data, form), lambda entries: dump(entries, form))


def encoded(text: str) -> bytes:
    """The bytes that were decoded to `text`."""
    return text.encode("utf-8", "surrogateescape")


def decoded(data: bytes) -> str:
    """Text from which every byte can be had back."""
    return data.decode("utf-8", "surrogateescape")


def shown(text: str) -> str:
    """A part of a file, short and printable, for a message."""
    return printable(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


class _Reading(Generic[E]):
    """One pass over a file."""

    def __init__(self, form: ListFormat[E]) -> None:
        self.form = form
        self.entries: dict[str, E] = {}
        self.folded: dict[str, E] = {}
        self.findings = Findings()
        self.unread: list[int] = []
        self.unkept: list[int] = []

    def of(self, data: bytes) -> ListFile[E]:
        read, above = self.form.read, self.form.comments is Comments.ABOVE
        hashes = self.form.comments is not Comments.NONE
        comment, comment_line = "", 0
        if b"\r\n" in data:
            self._note_line_ends(data)
        for number, line in enumerate(decoded(data).split("\n"), 1):
            if not line.strip(BLANKS):
                continue
            if hashes and line[0] == "#":
                self._lose(comment_line if above else number)
                if above:
                    comment, comment_line = self.form.comment_of(line), number
                continue
            entry = read(line, comment, number)
            if isinstance(entry, str):
                self._refuse(number, line, entry)
                self._lose(comment_line)
            else:
                self._take(entry)
            comment, comment_line = "", 0
        self._lose(comment_line)
        return ListFile(self.entries, self.findings.all(), tuple(self.unread), tuple(self.unkept))

    def _take(self, entry: E) -> None:
        key = entry.key
        folded = key.lower() if self.form.is_map else key
        if folded in self.folded:
            self._note_twice(entry, self.folded[folded])
            self.entries.pop(key, None)
        self.entries[key] = self.folded[folded] = entry
        if doubt := self.form.doubt(entry):
            note = self.findings.warning if doubt.is_warning else self.findings.error
            note(entry.line, doubt.what, doubt.mend)

    def _lose(self, comment_line: int) -> None:
        if comment_line:
            self.unkept.append(comment_line)

    def _refuse(self, number: int, line: str, wanted: str) -> None:
        self.unread.append(number)
        if self.findings.is_full:  # a large file that is another file
            self.findings.count()
        else:
            self.findings.error(number, f"cannot be read: {shown(line)}", f"write {wanted}")

    def _note_twice(self, entry: E, earlier: E) -> None:
        key, line = shown(entry.key), earlier.line
        if earlier.key != entry.key:
            what = f"{key} differs only in case from line {line}; Postfix finds only one of them"
            self.findings.warning(entry.line, what, "remove one")
        elif self.form.is_map and not self._says_the_same(entry, earlier):
            what = f"{key} stands in line {entry.line}, too, and differently"
            what += ": PMG takes that one, Postfix this one"
            self.findings.error(line, what, "remove the one that is not meant")
            self.unread.append(line)
        else:
            what = f"{key} already stands in line {line}; this one counts"
            self.findings.warning(entry.line, what, "remove one")
            self.unkept.append(line)

    def _says_the_same(self, entry: E, earlier: E) -> bool:
        one, other = (self.form.write(each).splitlines()[-1] for each in (entry, earlier))
        return one == other

    def _note_line_ends(self, data: bytes) -> None:
        first = data.count(b"\n", 0, data.index(b"\r\n")) + 1
        self.findings.warning(
            first, "lines end with CR LF", "make them Unix line ends, with `dos2unix` for example"
        )
