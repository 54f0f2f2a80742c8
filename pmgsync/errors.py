"""The error families of pmgsync, named by who must act, and the exit codes they end in.

* `OperatorError`: the admin must change a file, an option or an order of commands.
* `PeerError`: another node sent something that must not be believed; nothing was changed.
* `HostError`: this machine cannot do it now (disk full, read-only, a command that failed).
* `TransportError`: the network or the other end is away; trying again is the cure.

Every error is one sentence that names the place (`where`: a file, a node, an option), what is wrong
and the mend. Wrong use of our own code is `RuntimeError`, never one of these. The exit code of a
command is the `exit_code` of the error that ended it; this file holds the only table of them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the exit status of every `pmgsync` command means."""

    FINE = 0
    ERROR = 1
    USAGE = 2
    REJECTED = 3
    ROLLED_BACK = 4
    DEGRADED = 5
    NO_MASTER = 6
    TIMED_OUT = 124


EXIT_CODE_MEANINGS: dict[ExitCode, str] = {
    ExitCode.FINE: "fine",
    ExitCode.ERROR: "an error; the one line on stderr says which",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.REJECTED: "a change was rejected, or something is invalid",
    ExitCode.ROLLED_BACK: "a change was rolled back",
    ExitCode.DEGRADED: "degraded: a node is behind or away",
    ExitCode.NO_MASTER: "no master, or two",
    ExitCode.TIMED_OUT: "timed out",
}


class PmgsyncError(Exception):
    """`what` is wrong, `where` (file, node, option), and `mend`, what to do about it."""

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        """One line: `WHERE: WHAT; MEND`, without the parts that are empty."""
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}; {self.mend}" if self.mend else line


class OperatorError(PmgsyncError):
    """The admin must change something: a file, a flag, an order of commands."""


class UsageError(OperatorError):
    """The command line is wrong."""

    exit_code = ExitCode.USAGE


class InvalidError(OperatorError):
    """A file or a value that pmgsync refuses; `where` is `FILE:LINE` where a line is known."""

    exit_code = ExitCode.REJECTED


class NotMemberError(OperatorError):
    """This node belongs to no cluster yet, or the named one is not in it."""


class NoLongerMemberError(NotMemberError):
    """This node was removed from its cluster, and the master's signed `notice` proves it."""

    def __init__(self, what: str, *, where: str = "", mend: str = "", notice: bytes) -> None:
        super().__init__(what, where=where, mend=mend)
        self.notice = notice


class NoMasterError(OperatorError):
    """The command needs the master, and this node is not the master or cannot reach it."""

    exit_code = ExitCode.NO_MASTER


class DeadlineError(PmgsyncError):
    """What was waited for did not happen in time."""

    exit_code = ExitCode.TIMED_OUT
    retryable = True


class PeerError(PmgsyncError):
    """Another node sent something that must not be believed. Nothing was changed."""


class BadSignatureError(PeerError):
    """No valid signature of the key that must have signed."""


class RivalError(BadSignatureError):
    """A promotion that is legal where it began, and does not stand in what has followed here."""


class MalformedError(PeerError):
    """Bytes that are not what they claim to be: wrong form, field, type or size."""


class WrongClusterError(PeerError):
    """Signed for another cluster."""


class StaleError(PeerError):
    """An older version, serial or epoch than the one known here (a replay, or a master that was
    fenced).
    """


class GapError(PeerError):
    """Does not follow on what is known here; a snapshot is the cure."""

    retryable = True


class DigestMismatchError(PeerError):
    """Content or manifest does not have the digest that was signed."""


class OutOfScopeError(PeerError):
    """A path, mode or size that is not in the scope table."""


class NotAllowedError(PeerError):
    """The caller may not make this call."""


class RemovedError(NotAllowedError):
    """The caller was a member and is none any more. `notice` is the master's signed word on it, in
    its envelope; empty where there is none.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "", notice: bytes = b"") -> None:
        super().__init__(what, where=where, mend=mend)
        self.notice = notice


class HostError(PmgsyncError):
    """This machine cannot do it now."""

    retryable = True


class StageError(HostError):
    """New contents could not be put beside their targets; the live files are untouched."""


class ActivateError(HostError):
    """The switch to the new files failed; what was switched has been switched back."""


class CheckFailedError(HostError):
    """A service's own tool refused a staged file; its message is in `what`."""

    exit_code = ExitCode.REJECTED
    retryable = False


class StoreError(HostError):
    """The node's database cannot be read or written."""


class StoreDamagedError(StoreError):
    """The node's database is damaged; it must be moved away."""

    retryable = False


class TransportError(PmgsyncError):
    """The other end cannot be reached, or the connection broke."""

    retryable = True


class NotLetInError(TransportError):
    """The other end has ended the connection without a word, as it does where it does not know the
    certificate that was shown. (TLS tells the client no more.)
    """
