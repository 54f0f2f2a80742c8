"""Who may call what: one table, one check, in front of every call.

An RPC that is not in the table is refused, whatever handlers the server has. A member is recognised
by the exact certificate that its connection showed, against the membership of this moment; never by
a name in it.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from enum import Enum
from typing import Any

import grpc
from grpc import StatusCode

from pmgsync.errors import NotAllowedError
from pmgsync.model.manifest import Digest
from pmgsync.model.membership import Member
from pmgsync.wire.tls import fingerprint_of
from pmgsync.wire.v1 import follow_pb2, join_pb2, peer_pb2, register_pb2


class Audience(Enum):
    """Who may call an RPC."""

    ANYONE = "anyone"
    """Strangers: callers without a certificate, so at the join port only."""
    MEMBER = "member"
    """Members of the cluster, at the member port."""


FOLLOW = f"/{follow_pb2.DESCRIPTOR.services_by_name['Follow'].full_name}/Follow"
JOIN = f"/{join_pb2.DESCRIPTOR.services_by_name['Join'].full_name}/Join"

CHANGE = f"/{register_pb2.DESCRIPTOR.services_by_name['Register'].full_name}/Change"
CONSULT = f"/{peer_pb2.DESCRIPTOR.services_by_name['Peer'].full_name}/Consult"
CATCH_UP = f"/{peer_pb2.DESCRIPTOR.services_by_name['Peer'].full_name}/CatchUp"

AUDIENCES: Mapping[str, Audience] = {
    FOLLOW: Audience.MEMBER,
    CHANGE: Audience.MEMBER,
    JOIN: Audience.ANYONE,
    CONSULT: Audience.MEMBER,
    CATCH_UP: Audience.MEMBER,
}

Lookup = Callable[[Digest], Member | None]
"""The member whose certificate has this digest, by the membership of this moment."""

CALLER: ContextVar[Member | None] = ContextVar("CALLER", default=None)
"""Inside a handler: the member that calls; None for a stranger."""

StreamHandler = Callable[[Any, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[None]]


def caller() -> Member:
    """The member that makes the call which is being served; the guard has let no other through."""
    member = CALLER.get()
    if member is None:
        raise RuntimeError("a call for members without a member")
    return member


def admit(method: str, fingerprint: Digest | None, lookup: Lookup) -> Member | None:
    """The member that may make this call, None for a stranger that may; `NotAllowedError`
    otherwise.
    """
    match AUDIENCES.get(method):
        case Audience.MEMBER if fingerprint is not None:
            if member := lookup(fingerprint):
                return member
            raise NotAllowedError("this certificate is not one of a member of the cluster")
        case Audience.ANYONE if fingerprint is None:
            return None
    raise NotAllowedError("this call is not for this port")


class Guard(grpc.aio.ServerInterceptor):
    """The one place where callers are checked."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401 - grpc's handler types are not the same in its releases
        """Wrap the handler; here, nothing is known of the peer yet."""
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        inner: StreamHandler | None = getattr(handler, "stream_stream", None)

        async def guarded(
            requests: Any,  # noqa: ANN401 - not used: handlers read from the context
            context: "grpc.aio.ServicerContext[bytes, bytes]",
        ) -> None:
            try:
                member = admit(method, fingerprint_of(context.auth_context()), self._lookup)
            except NotAllowedError as error:
                await context.abort(StatusCode.PERMISSION_DENIED, str(error))
            if inner is None:
                await context.abort(StatusCode.UNIMPLEMENTED, "no such call")
            CALLER.set(member)
            await inner(requests, context)

        return grpc.stream_stream_rpc_method_handler(guarded)
