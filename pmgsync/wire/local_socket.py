"""Addresses of Unix sockets below a long root: the kernel takes 107 bytes, a path may have 4,096.

A handle of the folder makes any path short: `/proc/self/fd/N/NAME`. Kept apart from the server, so
that a command need not load one.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_ADDRESS_BYTES = 107


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """An address for `bind` or `connect` to `path`, good within the `with`. Raises OSError."""
    if len(os.fsencode(path)) <= MAX_ADDRESS_BYTES:
        yield str(path)
        return
    handle = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)
