"""What the kernel's error numbers mean to an admin: one plain cause, and what to do about it."""

from __future__ import annotations

import errno

from pmgsync.errors import HostError
from pmgsync.model.paths import printable

_AGAIN = "it is retried by itself"

_PLAIN: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space left on the disk", f"free space there; {_AGAIN}"),
    errno.EDQUOT: ("the disk quota is used up", f"free space or raise the quota; {_AGAIN}"),
    errno.EFBIG: ("larger than this file system or process limit allows", "raise the limit"),
    errno.EROFS: ("the file system is read-only", f"mount it for writing; {_AGAIN}"),
    errno.EPERM: (
        "operation not permitted (is it immutable?)",
        f"see `lsattr`, then `chattr -i`; {_AGAIN}",
    ),
    errno.EACCES: ("permission denied", f"mend the permissions; {_AGAIN}"),
    errno.EIO: ("the disk reports an error", "check the disk"),
    errno.ELOOP: ("is a symbolic link", "put a real file or folder there"),
    errno.EISDIR: ("is a folder", "remove it or move it away"),
    errno.ENOTDIR: ("a part of the path is not a folder", "remove it or move it away"),
    errno.ENOENT: ("does not exist", _AGAIN),
    errno.ENAMETOOLONG: ("the name is too long", "rename it"),
    errno.EMFILE: ("too many open files", "raise the limit (LimitNOFILE)"),
    errno.ENFILE: ("too many open files on this machine", "raise fs.file-max"),
    errno.EXDEV: ("lies on another file system", "do not mount anything inside this folder"),
    errno.EMLINK: ("has too many names", "remove some of its hard links"),
    errno.ETXTBSY: ("is being executed", _AGAIN),
    errno.EBUSY: ("is in use (a mount point?)", _AGAIN),
}


def plainly(error: OSError) -> tuple[str, str]:
    """Cause and mend of `error`."""
    known = _PLAIN.get(error.errno or 0)
    if known is not None:
        return known
    return (error.strerror or str(error)).lower(), _AGAIN


def host_error(
    error: OSError, where: str, doing: str = "", *, kind: type[HostError] = HostError
) -> HostError:
    """`error` as a `HostError`: `WHERE: cannot DOING: CAUSE; MEND`."""
    what, mend = plainly(error)
    return kind(f"cannot {doing}: {what}" if doing else what, where=printable(where), mend=mend)
