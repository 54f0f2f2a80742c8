"""PURE. The names of what lies beside a target: its map, and what waits there to replace it."""

from __future__ import annotations

import hashlib

from pmgsync.model.scope import STAGE_PREFIX


def map_of(path: str) -> str:
    """Where Postfix looks for the indexed map of the file at `path`."""
    return path + ".db"


def staged(path: str) -> str:
    """Where the new content of `path` waits: beside it, under a name that never travels and always
    fits.
    """
    return _beside(path, "new")


def backup(path: str) -> str:
    """Where the old content of `path` is until the new one is known to hold."""
    return _beside(path, "old")


def _beside(path: str, suffix: str) -> str:
    folder, _, _ = path.rpartition("/")
    return f"{folder}/{STAGE_PREFIX}{hashlib.sha256(path.encode()).hexdigest()[:16]}.{suffix}"
