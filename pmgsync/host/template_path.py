"""The folders that templates come from, in order; nothing outside of them is ever read."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from pmgsync.errors import InvalidError

MOST_BYTES = 2**20
"""The largest template that is read."""


class TemplatePath:
    """Finds templates below `folders`; the first folder that has one wins.

    In one folder `NAME.j2` goes before `NAME`. A name that is absolute or has `..` in it, a link
    that leads out of all the folders, and what is no regular file are refused with InvalidError.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._real = [os.path.realpath(folder) + os.sep for folder in folders]

    def __call__(self, name: str) -> bytes | None:
        """The content of the template; None if no folder has it."""
        found = self.find(name)
        return None if found is None else self._content(found)

    def find(self, name: str) -> Path | None:
        """Where the template is; None if no folder has it."""
        self._check(name)
        candidates = (folder / name for folder in self.folders)
        return next((path for path in candidates if os.path.lexists(path)), None)

    def resolve(self, name: str) -> str | None:
        """`NAME.j2` or `NAME`, whichever is found first; None if there is neither."""
        self._check(name)
        for folder in self.folders:
            for candidate in (f"{name}.j2", name):
                if os.path.lexists(folder / candidate):
                    return candidate
        return None

    def _check(self, name: str) -> None:
        if name.startswith("/"):
            raise InvalidError("absolute paths are not allowed", where=name)
        if not name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise InvalidError("is no name of a template", where=repr(name))

    def _content(self, path: Path) -> bytes:
        real = os.path.realpath(path)
        if not real.startswith(tuple(self._real)):
            raise InvalidError("is a link that leads out of the template path", where=str(path))
        if not stat.S_ISREG(os.stat(real).st_mode):
            raise InvalidError("is no regular file", where=str(path))
        with open(real, "rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InvalidError(f"is larger than {MOST_BYTES >> 20} MiB", where=str(path))
        return content
