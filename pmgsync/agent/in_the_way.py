"""What lies where a service file should, and is none: a link, a folder, a device.

Nothing is ever written through a link, and no link makes way for a file: somebody put it there, and
only they know what for. What it concerns is left as it is, and said; everything else goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from pmgsync.errors import HostError
from pmgsync.model.manifest import MAX_FILE_BYTES
from pmgsync.model.paths import printable
from pmgsync.ports import Attributes, FileKind, Seen, TreeReader
from pmgsync.render.lookup import LeftAloneError, Load


class Tree(TreeReader, Attributes, Protocol):
    """Where service files lie."""


class NoFileError(HostError):
    """Something lies where a file or a folder should, and is none."""


def content_at(tree: TreeReader, path: str) -> bytes | None:
    """The content of the file at `path`, None where there is nothing; else `NoFileError`."""
    if _look(tree, path, FileKind.FILE) is None:
        return None
    return tree.read(path, limit=MAX_FILE_BYTES)[0]


def _look(tree: TreeReader, path: str, wanted: FileKind) -> Seen | None:
    try:
        seen = tree.stat(path)
    except HostError as error:  # a folder on the way is none
        raise NoFileError(error.what, where=error.where, mend=error.mend) from error
    if seen is not None and seen.kind is not wanted:
        raise NoFileError(
            f"is a {seen.kind.value} and stays as it is",
            where=printable(path),
            mend=f"put a plain {wanted.value} there",
        )
    return seen


@dataclass
class InTheWay:
    """Gathers what one look at a tree has to leave alone. `makes_folders`: a folder that is missing
    will be made, and that one cannot be written is for the writer to say.
    """

    tree: Tree
    makes_folders: bool
    found: dict[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> tuple[str, ...]:
        """What is in the way and what to do, one line a place."""
        return tuple(self.found.values())

    def has_folder(self, folder: str) -> bool:
        """May a file be put into it?"""
        with self._noting():
            there = _look(self.tree, folder, FileKind.FOLDER) is not None
            if there and not self.makes_folders and not self.tree.can_write(folder):
                raise NoFileError(
                    "cannot be written, so the files in it stay as they are",
                    where=printable(folder),
                    mend="if it was made after the daemon's start: systemctl restart pmgsync",
                )
            return there or self.makes_folders
        return False

    def is_free(self, path: str) -> bool:
        """Is there a file, or nothing?"""
        with self._noting():
            _look(self.tree, path, FileKind.FILE)
            return True
        return False

    def load(self, load: Load) -> Load:
        """`load`, which leaves alone what is no file."""

        def noting(name: str) -> bytes | None:
            with self._noting():
                return load(name)
            raise LeftAloneError("is no file", where=name)

        return noting

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except NoFileError as error:
            self.found[error.where] = str(error)
