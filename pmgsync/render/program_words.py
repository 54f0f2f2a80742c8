"""PURE. What a service's own program said about files that wait, in words for an admin.

The programs name the folder in which the files waited, stamp their lines with times, and know
nothing of templates; here that is put right. These words end in logs, in reports and on the master,
so values that look like credentials are masked, and so is all but the option's name of a line that
a program cites because it cannot read it: the name may be that of a password, misspelt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pmgsync.model.credentials import MASK, mask_credentials
from pmgsync.render.plan import Rendered

MOST_WORDS = 300
_MOST_SHOWN = 80
_MOST_OF_A_LINE = 1_000
_MOST_MASKED = 4 * _MOST_OF_A_LINE
"""Of a longer line the rest is not even looked at."""

_STAMP = re.compile(  # of SpamAssassin, of PostgreSQL
    r"^(?:[A-Z][a-z]{2} +\d+ [\d:.]+|\d{4}-\d\d-\d\d [\d:.]+ \S+) \[\d+\] "
)
_UNREAD = re.compile(
    r"""(?x)
    (?P<kept> failed [ ] to [ ] parse [ ] line .*? :[ ] \S+ [ ]       # SpamAssassin
            | unused [ ] parameter: [ ] [^\s=]+ =                    # Postfix, as the next three
            | missing [ ] '=' [ ] after [ ] attribute [ ] name: [ ] "[^\s"]* [ ]
            | must [ ] not [ ] start [ ] with [ ] whitespace: [ ] "
            | (?: missing [ ] '\}' [ ] in | truncated [ ] macro [ ] reference: ) [ ] "
    )
    (?P<value> [ ]* \S.*? ) (?P<end> "? ) $
    """
)
_NAME = re.compile(r"[\w.-]+(?=[\s=]|$)")
_WARNING = re.compile(r"^(?:\S+: )?warn(?:ing)?: *", re.IGNORECASE)
_COUNTED = re.compile(r"\b(line|lint:) \d+")
_LINE = re.compile(r"\bline (\d+)|(?<=\.conf):(\d+)|(?<=\.cf):(\d+)")


def said(output: str, waited: str, place: str) -> tuple[str, ...]:
    """The lines of a program's `output`, as if the files in the folder `waited` lay in `place`."""
    lines = (" ".join(line.split()) for line in output.splitlines())
    return tuple(
        _masked(_STAMP.sub("", line).replace(waited, f"/{place}")) for line in lines if line
    )


def _masked(line: str) -> str:
    line = _UNREAD.sub(rf"\g<kept>{MASK}\g<end>", line[:_MOST_MASKED])
    return mask_credentials(line)[:_MOST_OF_A_LINE]


def warnings(lines: Iterable[str]) -> tuple[str, ...]:
    """What those of the lines that are warnings warn of, each once."""
    found = (_WARNING.sub("", line)[:MOST_WORDS] for line in lines if _WARNING.match(line))
    return tuple(dict.fromkeys(found))


def new_complaints(lines: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Those of the lines that are not among `known`, whatever line of a file they count."""
    before = {_COUNTED.sub(r"\1", line) for line in known}
    return tuple(line for line in lines if _COUNTED.sub(r"\1", line) not in before)


def origin(words: str, files: Iterable[Rendered]) -> str:
    """The template that the line stands in which the words name, its line there, and the name of
    the option in it; empty where they name none. A line that a directive made stands in no
    template: then the template's name alone.
    """
    number = _LINE.search(words)
    if number is None:
        return ""
    rows = [file for file in files if file.template is not None]
    named = [file for file in rows if _name(file) in words[: number.end()]] or rows
    lines = named[0].data.split(b"\n") if len(named) == 1 else []
    count = int(next(filter(None, number.groups())))
    line = lines[count - 1] if 1 <= count <= len(lines) else b""
    return _in_template(line, named[0]) if line.strip() else ""


def _in_template(line: bytes, file: Rendered) -> str:
    if file.template is None:
        return ""
    source = [text.strip() for text in file.template.source.split(b"\n")]
    where = file.template.name
    if source.count(line.strip()) == 1:
        where = f"{where} line {source.index(line.strip()) + 1}"
    # A line that is indented may go on with a value.
    name = _NAME.match(line.decode("utf-8", "replace"))
    return f"{where}: {name[0][:_MOST_SHOWN]}" if name else where


def _name(file: Rendered) -> str:
    return file.path.rpartition("/")[2]
