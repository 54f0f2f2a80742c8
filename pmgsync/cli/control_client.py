"""The command's end of the local API: HTTP/1.1 by hand over the Unix socket, because it must start
fast.

Only what our own server says is understood: a status line, headers with a Content-Length, a JSON
object. One `ControlClient` is one connection, kept open until it is closed; a session hold lives
exactly as long.
"""

from __future__ import annotations

import json
import socket
from struct import pack
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from pmgsync.errors import (
    DeadlineError,
    ExitCode,
    InvalidError,
    MalformedError,
    NoMasterError,
    OperatorError,
    PmgsyncError,
    TransportError,
    UsageError,
)
from pmgsync.wire.local_socket import socket_address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

SOCKET = "run/pmgsync/control.sock"
MAX_ANSWER_BYTES = 256 << 20
MAX_HEAD_LINES = 100
FIRST_ERROR = 400
"""HTTP statuses from here on are errors."""
ANSWER_SECONDS = 10.0
"""How long an answer may take that the daemon has at hand."""
WORK_SECONDS = 180.0
"""How long an answer may take for which other nodes are asked; the daemon gives up earlier."""
_WORK = frozenset(
    [
        *("/v1/create", "/v1/join", "/v1/leave", "/v1/release", "/v1/confirm", "/v1/wait"),
        "/v1/keys",
        *("/v1/promotion", "/v1/promote", "/v1/switchover", "/v1/newcluster"),
    ]
)


class RolledBackError(OperatorError):
    """The daemon says that the change was rolled back."""

    exit_code = ExitCode.ROLLED_BACK


class DegradedError(OperatorError):
    """The daemon says that a node is behind or away."""

    exit_code = ExitCode.DEGRADED


_BY_EXIT: dict[int, type[PmgsyncError]] = {
    kind.exit_code: kind
    for kind in (
        OperatorError,
        UsageError,
        InvalidError,
        RolledBackError,
        DegradedError,
        NoMasterError,
        DeadlineError,
    )
}


class ControlClient:
    """A connection to the daemon of `root`."""

    def __init__(self, root: Path) -> None:
        """Connect. `OperatorError` if no daemon answers there, or if it is not for this user."""
        self._path = root / SOCKET
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _be_patient(self._socket, ANSWER_SECONDS)
        try:
            with socket_address(self._path) as address:
                self._socket.connect(address)
        except BlockingIOError:  # so many wait already that the kernel takes no more
            self._socket.close()
            raise _silent(self._path) from None
        except OSError as error:
            self._socket.close()
            raise _why_not(error, self._path) from None
        self._reader: BinaryIO = self._socket.makefile("rb")

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and a session hold with it."""
        self._reader.close()
        self._socket.close()

    def get(self, path: str, *, seconds: float = 0, **query: object) -> dict[str, Any]:
        """The document at `path`. `seconds`: what is waited for longer than is usual for it."""
        pairs = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        return self._ask("GET", f"{path}?{pairs}" if pairs else path, None, seconds)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do what `path` does with `body`, and say what came of it."""
        return self._ask("POST", path, body, 0)

    def _ask(
        self, method: str, target: str, body: Mapping[str, Any] | None, more_seconds: float
    ) -> dict[str, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        self._socket.settimeout(patience(target) + more_seconds)
        try:
            self._socket.sendall(head.encode() + data)
            status, answer = _read_answer(self._reader)
        except TimeoutError:
            raise _silent(self._path) from None
        except OSError as error:
            raise _broken(error.strerror or "it ended early") from None
        if status >= FIRST_ERROR:
            raise _error_of(answer)
        return answer


def _be_patient(connecting: socket.socket, seconds: float) -> None:
    """Let `connecting` wait so long where many do; with Python's own timeout it would not wait."""
    whole, part = divmod(int(seconds * 1_000_000), 1_000_000)
    connecting.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, pack("ll", whole, part))


def patience(target: str) -> float:
    """How many seconds the answer to a call of `target` may take."""
    return WORK_SECONDS if target.partition("?")[0] in _WORK else ANSWER_SECONDS


def _read_answer(reader: BinaryIO) -> tuple[int, dict[str, Any]]:
    protocol, _, rest = _line(reader).partition(" ")
    status = rest[:3]
    if not protocol.startswith("HTTP/1.") or not status.isdecimal():
        raise _broken("that was no HTTP")
    length = None
    for _ in range(MAX_HEAD_LINES):
        line = _line(reader)
        if not line:
            break
        name, _, value = line.partition(":")
        if name.lower() == "content-length" and value.strip().isdecimal():
            length = int(value)
    if length is None or length > MAX_ANSWER_BYTES:
        raise _broken("an answer without a legal length")
    data = reader.read(length)
    if len(data) < length:
        raise _broken("it ended early")
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        raise _broken("an answer that is not JSON") from None
    if not isinstance(answer, dict):
        raise _broken("an answer that is not an object")
    return int(status), answer


def _line(reader: BinaryIO) -> str:
    line = reader.readline(64 << 10)
    if not line.endswith(b"\n"):
        raise _broken("it ended early")
    return line.decode("latin-1").rstrip("\r\n")


def _broken(why: str) -> TransportError:
    mend = "see its log: journalctl -u pmgsyncd"
    return TransportError(f"the connection to pmgsyncd broke ({why})", mend=mend)


def _silent(path: Path) -> DeadlineError:
    mend = "restart it: systemctl restart pmgsyncd"
    return DeadlineError("pmgsyncd does not answer", where=str(path), mend=mend)


def _error_of(answer: Mapping[str, Any]) -> PmgsyncError:
    what, where, mend = (str(answer.get(name) or "") for name in ("what", "where", "mend"))
    if not what:
        return MalformedError("pmgsyncd refused and did not say why")
    kind = _BY_EXIT.get(answer.get("exit", ExitCode.ERROR), OperatorError)
    return kind(what, where=where, mend=mend)


def _why_not(error: OSError, path: Path) -> OperatorError:
    """Why nobody can be reached at `path`."""
    if isinstance(error, PermissionError):
        owner = _owner_of(path.parent)
        return OperatorError(
            f"pmgsyncd runs as another user{owner}, and so must this command",
            where=str(path),
            mend="type it as root, or with sudo",
        )
    if isinstance(error, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
        return OperatorError(
            "pmgsyncd is not running on this node",
            where=str(path),
            mend="start it: systemctl start pmgsyncd (or `pmgsync daemon`)",
        )
    return OperatorError(f"pmgsyncd cannot be reached: {error.strerror}", where=str(path))


def _owner_of(folder: Path) -> str:
    try:
        return f" (user {folder.stat().st_uid})"
    except OSError:
        return ""
