"""Has anybody a file open for writing? The kernel knows: it grants a read lease only if nobody has
(fcntl(2), F_SETLEASE).

The lease is given back at once. Who opens the file for writing in that moment waits for it, and
this process gets the signal of a broken lease: SIGURG instead of SIGIO, which would end it.
"""

from __future__ import annotations

import errno
import fcntl
import signal


def has_writer(handle: int) -> bool:
    """Has somebody the file behind `handle` (opened for reading) open for writing?

    False also where the kernel does not tell: a file system without leases, another user's file.
    """
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # before there is a lease to break
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
