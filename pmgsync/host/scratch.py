"""Files in a folder of their own, for a program that is to look at them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pmgsync.errors import HostError
from pmgsync.host.faults import host_error
from pmgsync.host.folders import open_folder

FOLDER = "run/pmgsync"


@contextmanager
def laid_out(root: Path, files: Mapping[str, bytes], beside: str = "") -> Iterator[str]:
    """The absolute path of a folder with these files (by name), for nobody else to read; it is gone
    at the end. What else lies in the folder `beside` below `root` is there by links.

    The files look old: Postfix waits up to two seconds before it reads what was written just now.
    """
    import shutil  # a node without service files carries neither
    import tempfile

    where = root / FOLDER
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="check-", dir=where))
    except OSError as error:
        raise host_error(error, str(where), "make a folder in it") from None
    try:
        _fill(folder, files)
        if beside:
            _link(folder, root, beside)
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        try:
            path.touch(mode=0o600)
            path.write_bytes(content)
            os.utime(path, (0, 0))
        except OSError as error:  # named without the folder, which is another one each time
            raise HostError(
                f"cannot write it: {error.strerror}", where=f"{FOLDER}/{name}"
            ) from None


def _link(folder: Path, root: Path, beside: str) -> None:
    try:
        with open_folder(str(root), beside) as handle:
            names = [name for name in os.listdir(handle) if not name.startswith(".")]
        for name in names:
            with suppress(FileExistsError):
                (folder / name).symlink_to(root.absolute() / beside / name)
    except FileNotFoundError:
        return  # a service that has no files yet
    except OSError as error:
        raise host_error(error, beside, "look into it") from None
