"""Reading a piece of a list file in a test, and saying what was found."""

from typing import TypeVar

from pmgsync.pmgconf.findings import Finding
from pmgsync.pmgconf.lists import Entry, ListFile, ListFormat, dump, parse

E = TypeVar("E", bound=Entry)


def read(text: str | bytes, form: ListFormat[E]) -> ListFile[E]:
    return parse(text.encode() if isinstance(text, str) else text, form)


def said(findings: tuple[Finding, ...]) -> list[tuple[str, int, str]]:
    return [(finding.severity.value, finding.line, finding.what) for finding in findings]


def rewritten(text: str | bytes, form: ListFormat[E]) -> str:
    return dump(read(text, form).entries.values(), form).decode("utf-8", "surrogateescape")
