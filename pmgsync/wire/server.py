"""The listening side of the network: a port for members on every node, one for joining on the
master.

A server has one of them or both; what may be called at which is decided by `audience.Guard` in
front of every call. A member has one follow stream: a newer one replaces the older, so a half-open
connection never keeps a node out. Joining has limits of its own, so that strangers cannot use up
what members need; so have the questions that members ask each other.

Ending a stream from this side is a word to the task that serves it (`_Ending`), which then aborts
the call. Cancelling that task instead would send no status: the agent would wait until its own
timeout.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import grpc

from pmgsync.errors import (
    OperatorError,
    PmgsyncError,
    RemovedError,
    TransportError,
)
from pmgsync.join_ports import JoinHandler, MemberRequests
from pmgsync.model.membership import Member
from pmgsync.ports import FollowHandler, MasterEnd
from pmgsync.wire import join_service, register_call
from pmgsync.wire.audience import CATCH_UP, CHANGE, CONSULT, FOLLOW, JOIN, Guard, Lookup, caller
from pmgsync.wire.master_end import SameForAll, ServerStream, StreamContext
from pmgsync.wire.peer_service import PeerHandler, PeerService
from pmgsync.wire.refusals import one_line, status_of, trailing_of
from pmgsync.wire.tls import (
    MemberTrust,
    TlsIdentity,
    server_options,
    target_of,
)

log = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0
"""How long a handler may take to end after its stream has ended."""
MAX_HANDING_OVER = 8
"""So many members may catch up from one that is not their master, each once."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; port 0 is any free one. `setting` is what to change if it is taken."""

    address: str
    port: int
    setting: str = "port"


class MemberServer:
    """Serves members and strangers until it is stopped."""

    def __init__(
        self,
        identity: TlsIdentity,
        *,
        lookup: Lookup,
        follow: FollowHandler | None = None,
        join: JoinHandler | None = None,
        requests: MemberRequests | None = None,
        peers: PeerHandler | None = None,
        certificates: Iterable[bytes] = (),
        join_seconds: float = join_service.EXCHANGE_SECONDS,
    ) -> None:
        """Show `identity`; let in the members that `lookup` knows and whose `certificates` are
        pinned. What has no handler is no call.
        """
        self._lookup = lookup
        self._follow = follow
        self._join = join_service.JoinService(join, seconds=join_seconds) if join else None
        self._peers = PeerService(peers) if peers else None
        self._requests = requests
        self._trust = MemberTrust(identity, certificates)
        self._front = MemberTrust(identity, strangers=True)
        self._encoded = SameForAll()
        self._streams: dict[int, _Serving] = {}
        self._handing_over: set[_Serving] = set()
        self._server: grpc.aio.Server | None = None
        self.member_port = 0
        self.join_port = 0

    async def start(self, members: Listen | None, strangers: Listen | None = None) -> None:
        """Listen there; `OperatorError` if a port is taken."""
        for listen in filter(None, (members, strangers)):
            # Before either is bound: a server that never started keeps what it has bound.
            probe(listen)
        options = server_options(strangers=members is None)
        server = grpc.aio.server(interceptors=[Guard(self._lookup)], options=options)
        server.add_generic_rpc_handlers((_Routes(self._handlers()),))
        try:
            if members:
                self.member_port = _bind(server, members, self._trust.credentials)
            if strangers:
                self.join_port = _bind(server, strangers, self._front.credentials)
            await server.start()
        except PmgsyncError:
            await server.stop(None)
            raise
        self._server = server

    def _handlers(self) -> dict[str, Any]:
        handlers: dict[str, Any] = {}
        if self._follow:
            handlers[FOLLOW] = self._serve
        if self._join:
            handlers[JOIN] = self._serve_join
        if self._requests:
            handlers[CHANGE] = register_call.serving(self._requests)
        if self._peers:
            handlers[CONSULT] = self._peers.consult
            handlers[CATCH_UP] = self._serve_catch_up
        return handlers

    def trust(self, certificates: Iterable[bytes]) -> None:
        """The membership changed: pin these certificates, cut the streams of removed members."""
        self._trust.trust(certificates)
        for serving in (*self._streams.values(), *self._handing_over):
            keys = serving.member.keys
            now = self._lookup(keys.fingerprint) if keys else None
            if now is None or now.cid != serving.member.cid:
                self._cut(serving)

    def show(self, identity: TlsIdentity) -> None:
        """This node has other keys now; open streams go on."""
        self._trust.show(identity)
        self._front.show(identity)

    def _cut(self, serving: "_Serving") -> None:
        """End a stream, with the signed reason where its node was removed. The next call is checked
        like any.
        """
        keys = serving.member.keys
        notice = self._requests.notice(keys) if self._requests and keys else None
        if notice == b"":
            serving.end(TransportError("has other keys now, and comes again with them"))
        else:
            error = RemovedError("this node was removed from the cluster", notice=notice or b"")
            serving.end(error)

    def end_streams(self, error: PmgsyncError) -> None:
        """End all follow streams; their nodes try again."""
        for serving in tuple(self._streams.values()):
            serving.end(error)

    @property
    def connected(self) -> frozenset[int]:
        """The cids with an open stream."""
        return frozenset(cid for cid, serving in self._streams.items() if serving.is_open)

    async def stop(self, grace: float = 2.0) -> None:
        """End all streams, then the server; safe to call twice."""
        for serving in (*self._streams.values(), *self._handing_over):
            serving.end(TransportError("the master stops"))
        if self._join:
            self._join.stop()
        if self._server is not None:
            await self._server.stop(grace)
            self._server = None

    async def _serve(self, _requests: object, context: StreamContext) -> None:
        member, follow = caller(), self._follow
        if follow is None:
            raise RuntimeError("a follow stream without a handler")
        serving = _Serving(member, context, self._encoded)
        older = self._streams.get(member.cid)
        self._streams[member.cid] = serving
        try:
            if older is not None:
                older.end(TransportError("replaced by a newer stream of the same node"))
                await older.wait_until_over()
            await context.send_initial_metadata(())  # tells the agent that it was let in
            await serving.run(follow.follow)
        finally:
            serving.over.set()
            if self._streams.get(member.cid) is serving:
                del self._streams[member.cid]

    async def _serve_catch_up(self, _requests: object, context: StreamContext) -> None:
        member, peers = caller(), self._peers
        others = sum(one.member.cid != member.cid for one in self._handing_over)
        if peers is None or others >= MAX_HANDING_OVER:
            await context.abort(*status_of(TransportError("too many catch up here", mend="wait")))
        for older in tuple(self._handing_over):
            if older.member.cid == member.cid:
                older.end(TransportError("replaced by a newer stream of the same node"))
                self._handing_over.discard(older)
        serving = _Serving(member, context, self._encoded)
        self._handing_over.add(serving)
        try:
            await context.send_initial_metadata(())
            await serving.run(peers.handler.catch_up)
        finally:
            serving.over.set()
            self._handing_over.discard(serving)

    async def _serve_join(self, _requests: object, context: StreamContext) -> None:
        if self._join is None:
            raise RuntimeError("a join without a handler")
        try:
            await self._join.serve(context, _address_of(context.peer()))
        except PmgsyncError as error:
            log.warning("join from %s: %s", _address_of(context.peer()), one_line(str(error)))
            await context.abort(*status_of(error))


class _Serving:
    """One stream of one member, from its first to its last moment."""

    def __init__(self, member: Member, context: StreamContext, encoded: SameForAll) -> None:
        self.member = member
        self.over = asyncio.Event()
        self._context = context
        self._stream = ServerStream(context, member.label, encoded)
        self._ending = asyncio.get_running_loop().create_future()

    @property
    def is_open(self) -> bool:
        """Nobody has ended it yet."""
        return not self._ending.done()

    def end(self, error: PmgsyncError) -> None:
        """Let the stream end with `error`; the first word counts."""
        if self.is_open:
            self._stream.fail(error)
            self._ending.set_result(error)

    async def wait_until_over(self) -> None:
        """Return when nothing of this stream runs any more, or it took too long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), SETTLE_SECONDS)

    async def run(self, handler: Callable[[Member, MasterEnd], Coroutine[Any, Any, None]]) -> None:
        """Serve until the handler is done, `end` is called or the agent is gone."""
        task = asyncio.ensure_future(handler(self.member, self._stream))
        try:
            await asyncio.wait({task, self._ending}, return_when=asyncio.FIRST_COMPLETED)
            error = self._ending.result() if self._ending.done() else _outcome(task)
            if error is not None:
                status, line = status_of(error)
                log.info("%s: its stream ends: %s", self.member.label, line)
                await self._context.abort(status, line, trailing_of(error))
        finally:
            # Also when grpc cancels us, which is how it says that the agent is gone.
            self._stream.fail(TransportError("the connection broke", where=self.member.label))
            await _settle(task, self.member.label)


async def _settle(task: "asyncio.Task[None]", who: str) -> None:
    """Let the handler notice that its stream has ended; cancel it if it does not."""
    _, slow = await asyncio.wait({task}, timeout=SETTLE_SECONDS)
    if slow:
        task.cancel()
        await asyncio.wait({task}, timeout=SETTLE_SECONDS)
    error = _outcome(task) if task.done() else None
    if error is not None and not isinstance(error, PmgsyncError):
        log.error("%s: serving its stream failed", who, exc_info=error)


def _outcome(task: "asyncio.Task[None]") -> BaseException | None:
    return TransportError("the master stops") if task.cancelled() else task.exception()


class _Routes(grpc.GenericRpcHandler):
    """Method name to coroutine; messages stay bytes, so that `codec` alone judges them."""

    def __init__(self, handlers: dict[str, Any]) -> None:
        self._handlers: dict[str, Any] = {
            method: grpc.stream_stream_rpc_method_handler(handler)
            for method, handler in handlers.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401 - grpc's
        """The handler, None for a method that there is not."""
        return self._handlers.get(handler_call_details.method)


def _bind(server: grpc.aio.Server, listen: Listen, credentials: grpc.ServerCredentials) -> int:
    where = target_of(listen.address, listen.port)
    try:
        port = server.add_secure_port(where, credentials)
    except RuntimeError:  # newer releases; older ones return 0
        port = 0
    if not port:
        raise _taken(listen)
    return port


def probe(listen: Listen) -> None:
    """`OperatorError` with the reason if listening there is impossible now: grpc tells the cause in
    no release in the same way.
    """
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.address, listen.port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _taken(listen) from None
            raise OperatorError(
                f"cannot listen there: {error.strerror}",
                where=target_of(listen.address, listen.port),
                mend=f"set another address or `{listen.setting}` in pmgsync.toml",
            ) from None


def _taken(listen: Listen) -> OperatorError:
    return OperatorError(
        "is taken by another program",
        where=target_of(listen.address, listen.port),
        mend=f"stop it, or set another `{listen.setting}` in pmgsync.toml",
    )


def _address_of(peer: str) -> str:
    """The IP address in grpc's name of a peer, `ipv4:192.0.2.1:4711` or `ipv6:%5B::1%5D:4711`."""
    _, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]")
