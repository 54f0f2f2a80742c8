"""What only root may arrange (mounts, capabilities), and what to do where we are not root.

On a developer's machine such a test is skipped with its reason; where CI=true it fails instead.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WITHOUT_OVERRIDE = "setpriv --bounding-set=-dac_override,-dac_read_search --"
"""Runs what follows as root that may not read everything."""


def lacking(reason: str) -> None:
    """Skip, or fail where nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def as_one_who_may_not_read_all() -> tuple[str, ...]:
    """The prefix of a daemon to which modes mean something."""
    if os.geteuid() != 0:
        return ()
    prefix = tuple(WITHOUT_OVERRIDE.split())
    if subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        lacking("setpriv (util-linux) cannot drop capabilities here")
    return prefix


@contextmanager
def small_disk(at: Path, mebibytes: int) -> Iterator[Path]:
    """A file system of that size at the folder `at`, with what lies in it at this moment."""
    at.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={mebibytes}m,mode=755", "tmpfs", str(at))
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)


def resize(at: Path, mebibytes: int) -> None:
    _mount("-o", f"remount,size={mebibytes}m", str(at))


@contextmanager
def own_mount(at: Path) -> Iterator[Path]:
    """`at` as a mount of its own, so that it can be made read-only."""
    _mount("--bind", str(at), str(at))
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)


def read_only(at: Path, *, really: bool) -> None:
    _mount("-o", f"remount,bind,{'ro' if really else 'rw'}", str(at))


def _mount(*words: str) -> None:
    if os.geteuid() != 0:
        lacking("mounting needs root")
    done = subprocess.run(["mount", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        lacking(f"this machine does not let us mount: {done.stderr.strip()}")
