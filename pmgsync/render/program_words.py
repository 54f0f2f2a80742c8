"""PURE. What a service's own program said about files that wait, in words for an admin.

The programs name the folder in which the files waited, stamp their lines with times, and know
nothing of templates; here that is put right. Values that look like credentials are masked: these
words end in logs, in reports and on the master.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pmgsync.model.credentials import mask_credentials
from pmgsync.render.plan import Rendered

MOST_WORDS = 300
_MOST_SHOWN = 80

_STAMP = re.compile(  # of SpamAssassin, of PostgreSQL
    r"^(?:[A-Z][a-z]{2} +\d+ [\d:.]+|\d{4}-\d\d-\d\d [\d:.]+ \S+) \[\d+\] "
)
_WARNING = re.compile(r"^(?:\S+: )?warn(?:ing)?: *", re.IGNORECASE)
_COUNTED = re.compile(r"\b(line|lint:) \d+")
_LINE = re.compile(r"\bline (\d+)|(?<=\.conf):(\d+)|(?<=\.cf):(\d+)")


def said(output: str, waited: str, place: str) -> tuple[str, ...]:
    """The lines of a program's `output`, as if the files in the folder `waited` lay in `place`."""
    lines = (" ".join(line.split()) for line in output.splitlines())
    return tuple(
        mask_credentials(_STAMP.sub("", line).replace(waited, f"/{place}"))
        for line in lines
        if line
    )


def warnings(lines: Iterable[str]) -> tuple[str, ...]:
    """What those of the lines that are warnings warn of, each once."""
    found = (_WARNING.sub("", line)[:MOST_WORDS] for line in lines if _WARNING.match(line))
    return tuple(dict.fromkeys(found))


def new_complaints(lines: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Those of the lines that are not among `known`, whatever line of a file they count."""
    before = {_COUNTED.sub(r"\1", line) for line in known}
    return tuple(line for line in lines if _COUNTED.sub(r"\1", line) not in before)


def origin(words: str, files: Iterable[Rendered]) -> str:
    """The line that the words name, and the line of the template that it stands in; empty where
    they name none. A line that a directive made stands in no template: then the template's name.
    """
    number = _LINE.search(words)
    if number is None:
        return ""
    rows = [file for file in files if file.template is not None]
    named = [file for file in rows if _name(file) in words[: number.end()]] or rows
    lines = named[0].data.split(b"\n") if len(named) == 1 else []
    count = int(next(filter(None, number.groups())))
    line = lines[count - 1].strip() if 1 <= count <= len(lines) else b""
    return _in_template(line, named[0]) if line else ""


def _in_template(line: bytes, file: Rendered) -> str:
    if file.template is None:
        return ""
    source = [text.strip() for text in file.template.source.split(b"\n")]
    where = file.template.name
    if source.count(line) == 1:
        where = f"{where} line {source.index(line) + 1}"
    shown = " ".join(mask_credentials(line.decode("utf-8", "replace")).split())[:_MOST_SHOWN]
    return f"{where}: {shown}"


def _name(file: Rendered) -> str:
    return file.path.rpartition("/")[2]
