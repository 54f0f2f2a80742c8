"""How errors cross the wire: a gRPC status and one line, and back into the same family.

Only what a person may read travels: the line of the error, never a traceback. What comes in is
untrusted text: it is cut and stripped of control characters before it reaches a terminal or a log.
"""

import asyncio
from collections.abc import Iterable

import grpc
from grpc import StatusCode

from pmgsync.errors import (
    BadSignatureError,
    MalformedError,
    NotAllowedError,
    NotLetInError,
    OperatorError,
    PeerError,
    PmgsyncError,
    RemovedError,
    TransportError,
)
from pmgsync.model.removal import MAX_REMOVAL_BYTES

MAX_LINE = 500
NOTICE = "pmgsync-removal-bin"
"""What the signed notice of a removal is called beside the status of the call that it ends."""
MEND = "start pmgsyncd there or mend the network"
MEND_REMOVED = (
    "it is tried again; if this node was removed (`pmgsync members` there), `pmgsync leave` here "
    "forgets the cluster; else, are the clocks of both right (`timedatectl`)?"
)

_GRPC_FAILED = ("failed to connect to all addresses", "connections to all backends failing")
_GRPC_BROKE = (
    *("socket closed", "connection reset", "recvmsg:", "sendmsg:", "broken pipe", "goaway"),
    *("stream removed", "transport closed", "endpoint closing", "keepalive watchdog"),
)
"""How the details begin that grpc writes itself, in its releases from 1.51 to today's."""
SHUT_OUT = "ends the connection before it lets this node in"
BROKE = "the connection broke"
WRONG_CERTIFICATE = (
    "shows another certificate than the one it has in the cluster, or one that does not count now"
)
"""TLS does not say which: here it has ended, or not begun."""
MEND_CERTIFICATE = "`pmgsync status` there says more; are the clocks of both right (`timedatectl`)?"
_NO_CONNECTION = (
    ("certificate_verify_failed", WRONG_CERTIFICATE),
    ("refused", "connection refused"),
    ("timed out", "timed out"),
    ("timeout", "timed out"),
    ("no route", "no route"),
    ("unreachable", "no route"),
    ("socket closed", SHUT_OUT),
)
"""What a cause has in it, and the words for it. Where TLS refuses a certificate, grpc says no more
than that the other end has closed the connection.
"""

_MENDS = {SHUT_OUT: MEND_REMOVED, WRONG_CERTIFICATE: MEND_CERTIFICATE}

# The first family that fits counts. What is not here (HostError, TransportError) may pass:
# UNAVAILABLE.
_STATUS_OF: tuple[tuple[type[PmgsyncError], StatusCode], ...] = (
    (NotAllowedError, StatusCode.PERMISSION_DENIED),
    (BadSignatureError, StatusCode.UNAUTHENTICATED),
    (PeerError, StatusCode.INVALID_ARGUMENT),
    (OperatorError, StatusCode.FAILED_PRECONDITION),
)

_FAMILY_OF: dict[StatusCode, type[PmgsyncError]] = {
    StatusCode.PERMISSION_DENIED: NotAllowedError,
    StatusCode.UNAUTHENTICATED: BadSignatureError,
    StatusCode.INVALID_ARGUMENT: PeerError,
    StatusCode.FAILED_PRECONDITION: OperatorError,
    StatusCode.RESOURCE_EXHAUSTED: MalformedError,  # a message above the limit
    StatusCode.UNIMPLEMENTED: PeerError,
    StatusCode.INTERNAL: PeerError,
}


def status_of(error: BaseException) -> tuple[StatusCode, str]:
    """What the other end is told about `error`."""
    if not isinstance(error, PmgsyncError):
        return StatusCode.INTERNAL, "failed inside; its log says more"
    for family, status in _STATUS_OF:
        if isinstance(error, family):
            return status, one_line(str(error))
    return StatusCode.UNAVAILABLE, one_line(str(error))


def trailing_of(error: BaseException) -> tuple[tuple[str, bytes], ...]:
    """What travels beside the status of `error`."""
    if isinstance(error, RemovedError) and 0 < len(error.notice) <= MAX_REMOVAL_BYTES:
        return ((NOTICE, error.notice),)
    return ()


def unreachable(cause: str, where: str) -> TransportError:
    """The error of a connection that did not come to be, whatever the words of `cause`: those of
    the system, or those of grpc around them.
    """
    cause = cause.lower()
    what = next((words for sign, words in _NO_CONNECTION if sign in cause), "cannot be reached")
    family = NotLetInError if what == SHUT_OUT else TransportError
    return family(what, where=where, mend=_MENDS.get(what, MEND))


def may_know_another(error: PmgsyncError) -> bool:
    """Is this how it ends where the other end does not know the certificate that was shown? Then it
    may know another one of this node: it has not heard of a change yet, or this node has not.
    """
    return isinstance(error, NotLetInError)


def error_of(error: grpc.aio.AioRpcError, where: str) -> PmgsyncError:
    """The error that the peer at `where` meant; `TransportError` for what the network does."""
    return family_of(error.code(), error.details() or "", where, error.trailing_metadata())


def family_of(
    code: StatusCode,
    details: str,
    where: str,
    trailing: Iterable[tuple[str, str | bytes]] | None = None,
) -> PmgsyncError:
    """The error of a call that ended with `code`."""
    line = one_line(details) or "ended without a word"
    notice = next((value for name, value in trailing or () if name == NOTICE), None)
    if code is StatusCode.PERMISSION_DENIED and isinstance(notice, bytes):
        return RemovedError(line, where=where, notice=notice)
    if code is StatusCode.UNAVAILABLE and line.startswith(_GRPC_FAILED):
        return unreachable(line, where)
    if code is StatusCode.UNAVAILABLE and line.lower().startswith(_GRPC_BROKE):
        return NotLetInError(BROKE, where=where, mend=MEND)
    return _FAMILY_OF.get(code, TransportError)(line, where=where)


def one_line(text: str) -> str:
    """`text` without control characters, and not too long."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * MAX_LINE])
    return " ".join(kept.split())[:MAX_LINE]


def is_being_cancelled() -> bool:
    """Was the running task cancelled by somebody? Else its CancelledError is grpc's word for
    "over".
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
