"""The local API: HTTP/1.1 and JSON on a Unix socket, so that the command line and `curl` can use
it.

    curl --unix-socket /run/pmgsync/control.sock http://localhost/v1/status

The sockets are served by threads; every request is handed to the daemon's loop, where one handler
answers it. What is true here:

* The socket's folder is 0700, the socket 0600 from its first moment, and each peer is asked who it
  is (SO_PEERCRED): root and the daemon's own user are served, nobody else.
* Sizes, times and the number of connections are bounded before anything is read into memory.
* A connection has a number. The handler hears when it is closed, whatever closed it; that is what
  a hold of `pmgsync run` lives on. A client that wants to keep a quiet connection says
  `Connection: keep-alive`; others are closed after a minute of silence.
* A `PmgsyncError` becomes a JSON error with the exit code of the command; anything else is our own
  fault, goes to the log with its traceback, and the client is told so in one line.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import select
import socket
import stat
import struct
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotYetError
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingMixIn, UnixStreamServer
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from pmgsync.errors import (
    DeadlineError,
    ExitCode,
    HostError,
    NotAllowedError,
    OperatorError,
    PmgsyncError,
    TransportError,
    UsageError,
)
from pmgsync.wire import http1
from pmgsync.wire.local_socket import socket_address

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

MAX_BODY_BYTES = 64 << 10
DIGITS = 9
"""A Content-Length with more digits is not even looked at."""
MAX_PARAMETERS = 20
MAX_CONNECTIONS = 64
REQUEST_SECONDS = 10.0
"""How long a request may take to arrive once it has begun, and an answer to be taken."""
IDLE_SECONDS = 60.0
"""How long a connection may be silent between requests, unless it asked to be kept."""
HANGUP_SECONDS = 0.25
"""How often a request that is being worked on looks whether its client is still there."""
STOP_SECONDS = 2.0
"""How long `stop` waits for the threads."""
PRIVATE = 0o700
STOPPING = "pmgsyncd is stopping"

Answer = tuple[int, Mapping[str, Any]]

_log = logging.getLogger(__name__)

_STATUS_OF: tuple[tuple[type[PmgsyncError], int], ...] = (
    (UsageError, 400),
    (NotAllowedError, 403),
    (OperatorError, 409),
    (DeadlineError, 504),
    (TransportError, 502),
)


class ControlHandler(Protocol):
    """What answers; both methods run on the daemon's loop."""

    async def handle(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any],
        connection: int,
    ) -> Answer:
        """The HTTP status and document for one request. Cancelled if the client of a GET goes
        away.
        """

    async def closed(self, connection: int) -> None:
        """This connection is gone; called once for each that made a request."""


def error_document(error: PmgsyncError) -> dict[str, Any]:
    """An error as the API shows it."""
    return {
        "what": error.what,
        "where": error.where,
        "mend": error.mend,
        "exit": int(error.exit_code),
    }


def http_status_of(error: PmgsyncError) -> int:
    """The HTTP status that an error is answered with."""
    return next((status for kind, status in _STATUS_OF if isinstance(error, kind)), 500)


class ControlServer:
    """The API at `path`, served until `stop`. Make it on the loop that the handler is to run on."""

    def __init__(self, path: Path, handler: ControlHandler, *, idle: float = IDLE_SECONDS) -> None:
        self._path = path
        self._handler = handler
        self._idle = idle
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind and serve. `OperatorError` where another daemon answers, `HostError` where it
        cannot be.
        """
        loop = asyncio.get_running_loop()
        try:
            _make_folder(self._path.parent)
            _remove_stale(self._path)
            self._server = _Server(self._path, _Bridge(self._handler, loop), self._idle)
        except OSError as error:
            raise HostError(f"cannot listen: {error.strerror}", where=str(self._path)) from error
        self._thread = threading.Thread(target=self._server.serve, name="control", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Close every connection (the handler hears of each) and remove the socket."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        self._server = None
        await asyncio.to_thread(server.stop, thread)


class _Bridge:
    """From the threads of the connections to the loop of the daemon."""

    def __init__(self, handler: ControlHandler, loop: asyncio.AbstractEventLoop) -> None:
        self._handler = handler
        self._loop = loop

    def ask(self, request: _Request, connection: int) -> Future[Answer]:
        """Begin to answer."""
        return self._submit(
            self._handler.handle(
                request.method, request.path, request.query, request.body, connection
            )
        )

    def closed(self, connection: int) -> None:
        """Say that a connection is gone, and wait until the handler has heard it."""
        with suppress(TransportError, NotYetError):
            self._submit(self._handler.closed(connection)).result(STOP_SECONDS)

    def _submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise TransportError(STOPPING) from None


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: Path, bridge: _Bridge, idle: float) -> None:
        self.bridge = bridge
        self.idle = idle
        self.numbers = itertools.count(1)
        self.stopping = False
        self._path = path
        self._guard = threading.Lock()
        self._open: dict[socket.socket, threading.Thread | None] = {}
        super().__init__(str(path), _Connection)
        self._inode = path.stat().st_ino

    def serve(self) -> None:
        """Take connections until `stop`; asleep in between (`serve_forever` would wake up to
        look).
        """
        while not self.stopping:
            self.handle_request()

    def server_bind(self) -> None:
        os.fchmod(self.socket.fileno(), 0o600)  # what the new socket file is made with
        with socket_address(self._path) as address:
            self.socket.bind(address)
        self._path.chmod(0o600)

    def get_request(self) -> tuple[socket.socket, str]:
        connection, _ = self.socket.accept()
        return connection, ""

    def verify_request(self, request: Any, _client_address: object) -> bool:  # noqa: ANN401 - as in socketserver
        user = _peer_of(request)
        with self._guard:
            free = len(self._open) < MAX_CONNECTIONS
            if free and user in (0, os.geteuid()):
                self._open[request] = None
                return True
        if free:
            mend = f"run it as root or as user {os.geteuid()}"
            _refuse(request, 403, f"user {user} may not talk to this daemon", mend)
        else:
            _refuse(request, 503, "too many connections", "try again")
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in socketserver
        with self._guard:
            self._open[request] = threading.current_thread()
        super().process_request_thread(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in socketserver
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, _request: object, _client_address: object) -> None:
        _log.exception("the control socket")

    def stop(self, serving: threading.Thread) -> None:
        """Stop listening, take no more requests, wait for the threads, remove the socket."""
        self.stopping = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes `serve`
        with self._guard:
            connections = dict(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # an answer may still go out
        serving.join(STOP_SECONDS)
        self.server_close()
        for thread in connections.values():
            if thread is not None:
                thread.join(STOP_SECONDS)
        with suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


class _Request:
    """One request, read and checked."""

    def __init__(self, method: str, target: str, body: bytes) -> None:
        try:
            parts = urlsplit(target)
            pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        except ValueError:
            raise UsageError("the target is not one of this API", where=target[:80]) from None
        self.method = method
        self.path = parts.path
        self.query = dict(pairs)
        if len(self.query) != len(pairs):
            raise UsageError("a parameter is given twice", where=parts.path)
        try:
            self.body = json.loads(body) if body else {}
        except (ValueError, RecursionError):
            raise UsageError("the body is not JSON", where=parts.path) from None
        if not isinstance(self.body, dict):
            raise UsageError("the body is not a JSON object", where=parts.path)


class _Connection(StreamRequestHandler):
    """One connection: requests, one after the other."""

    server: _Server
    rfile: BufferedReader

    def setup(self) -> None:
        super().setup()
        self.number = next(self.server.numbers)
        self.asked = False
        self.kept = False
        self.close_connection = False

    def handle(self) -> None:
        try:
            while not self.close_connection and self._is_next_coming():
                self.connection.settimeout(REQUEST_SECONDS)
                self._serve()
        except OSError:
            pass  # the client is gone, in the middle of something
        finally:
            if self.asked:
                self.server.bridge.closed(self.number)

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def _is_next_coming(self) -> bool:
        """Wait in silence for the next request; false at the end of the stream. Raises at the
        limit.
        """
        self.connection.settimeout(None if self.kept else self.server.idle)
        return bool(self.rfile.peek(1))

    def _serve(self) -> None:
        head = http1.read_head(self.rfile)
        if not isinstance(head, http1.Head):
            self.close_connection = True
            if head is not None:
                self._reply(head.status, error_document(UsageError(head.what)))
            return
        _log.debug("connection %d: %s %s", self.number, head.method, head.target)
        self.kept = head.headers.get("connection", "").lower() == "keep-alive"
        self.close_connection = head.closes
        try:
            request = self._read(head)
            self.asked = True
            status, document = self._answer(request)
        except PmgsyncError as error:
            status, document = http_status_of(error), error_document(error)
        self._reply(status, document)

    def _read(self, head: http1.Head) -> _Request:
        headers, target = head.headers, head.target
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal() or len(length) > DIGITS:
            self.close_connection = True
            raise UsageError("a body needs its Content-Length", where=target)
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            raise UsageError(f"the body is larger than {MAX_BODY_BYTES} bytes", where=target)
        if head.waits:
            self.connection.sendall(http1.CONTINUE)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionResetError("the body ended early")
        return _Request(head.method, target, body)

    def _answer(self, request: _Request) -> Answer:
        future = self.server.bridge.ask(request, self.number)
        try:
            while True:
                try:
                    return future.result(HANGUP_SECONDS)
                except NotYetError:
                    if not future.done():
                        self._look_around(request, future)
        except CancelledError:
            raise TransportError(STOPPING) from None
        except (PmgsyncError, ConnectionResetError):
            raise
        except Exception:  # noqa: BLE001 # daemon edge: our fault must not end the daemon
            _log.exception("%s %s failed", request.method, request.path)
            what = "pmgsyncd made a mistake, its log tells which"
            return 500, error_document(PmgsyncError(what, mend="see: journalctl -u pmgsyncd"))

    def _look_around(self, request: _Request, future: Future[Answer]) -> None:
        """Is it still worth waiting? What changes something is never cancelled half-way."""
        if self.server.stopping:
            self.close_connection = True
            raise TransportError(STOPPING, mend="try again when it runs")
        if request.method == "GET" and _has_hung_up(self.connection):
            future.cancel()
            raise ConnectionResetError("the client is gone")

    def _reply(self, status: int, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode() + b"\n"
        self.connection.sendall(http1.answer(status, body, closes=self.close_connection))


def _peer_of(connection: socket.socket) -> int:
    """The user id at the other end."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return int(user)


def _has_hung_up(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def _refuse(connection: socket.socket, status: int, what: str, mend: str) -> None:
    document = {"what": what, "where": "", "mend": mend, "exit": int(ExitCode.ERROR)}
    body = json.dumps(document).encode() + b"\n"
    with suppress(OSError):
        connection.setblocking(False)
        connection.sendall(http1.answer(status, body, closes=True))


def _make_folder(folder: Path) -> None:
    """A folder that only this user may enter."""
    folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        what = f"the folder belongs to user {found.st_uid}, not to {os.geteuid()}"
        raise HostError(what, where=str(folder), mend="remove it, or start as that user")
    if stat.S_IMODE(found.st_mode) != PRIVATE:
        folder.chmod(PRIVATE)


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody answers; two daemons of one root are kept apart by a lock before
    this.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise HostError("is in the way: not a socket", where=str(path), mend="move it away")
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.settimeout(REQUEST_SECONDS)
        with socket_address(path) as address:
            probe.connect(address)
    except ConnectionRefusedError:
        path.unlink()
    else:
        mend = "stop it first: systemctl stop pmgsyncd"
        raise OperatorError("another pmgsyncd answers here already", where=str(path), mend=mend)
    finally:
        probe.close()
