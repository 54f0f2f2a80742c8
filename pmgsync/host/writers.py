"""Has anybody a file open for writing? The kernel knows: it grants a read lease only if nobody has
(fcntl(2), F_SETLEASE).

The lease is given back at once. Who opens the file for writing in that moment waits for it (or is
told to come again, with O_NONBLOCK), and this process gets the signal of a broken lease: SIGURG
instead of SIGIO, which would end it.

A writer counts for a moment longer than its close: the kernel tells of the close first, and then
takes the writer off. So whoever was told of a writer asks again.
"""

from __future__ import annotations

import errno
import fcntl
import signal
from contextlib import suppress


def has_writer(handle: int) -> bool:
    """Has somebody the file behind `handle` (opened for reading) open for writing?

    False also where the kernel does not tell: a file system without leases, another user's file.
    """
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # before there is a lease to break
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    with suppress(OSError):  # it ends with the handle, too
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
