"""ManagedPath: a path that may be synced, valid by construction.

A managed path is relative to the node's root (`etc/pmg/domains`), is UTF-8, has no empty, `.` or
`..` element, no NUL and no control character, and fits the kernel's limits (255 bytes an element,
1,024 in all; Linux itself would allow 4,096). Names are bytes, as for Linux: two spellings that
only look the same (NFC, NFD) are two names. Whether a path is *in scope* is another question:
`scope.rule_for`.
"""

from __future__ import annotations

import re

from pmgsync.errors import OutOfScopeError

MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class ManagedPath(str):
    """A validated relative path; compares, hashes and joins like the `str` it is."""

    __slots__ = ()

    def __new__(cls, text: str) -> ManagedPath:
        """Raise `OutOfScopeError` naming the path and the rule that it breaks."""
        if isinstance(text, cls):
            return text
        if fault := _fault_of(text):
            raise OutOfScopeError(fault, where=printable(text[:MAX_PATH_BYTES]), mend="rename it")
        return super().__new__(cls, text)

    @property
    def folder(self) -> str:
        """The path of the folder it lies in (`etc/pmg`), empty for a path of one element."""
        return self.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its last element."""
        return self.rpartition("/")[2]


def printable(text: str) -> str:
    """`text` for a message: undecodable bytes and control characters shown as escapes."""
    shown = text.encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown)


def _fault_of(text: str) -> str:
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    if len(encoded) > MAX_PATH_BYTES:
        return f"the path is longer than {MAX_PATH_BYTES} bytes"
    if _CONTROL.search(text):
        return "the name has a control character"
    for element in text.split("/"):
        if element in ("", ".", ".."):
            return "the path is absolute or has an empty, `.` or `..` element"
        if len(element.encode("utf-8")) > MAX_NAME_BYTES:
            return f"a name is longer than {MAX_NAME_BYTES} bytes"
    return ""
