"""The call by which a member asks the master about itself, `join_ports.MemberRequests`.

One request, one answer.

The server's half is the handler, the node's half is `ask_leave`. The guard has checked who calls.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import grpc

from pmgsync.errors import DeadlineError, MalformedError, PmgsyncError, TransportError
from pmgsync.join_ports import MemberRequests
from pmgsync.model.membership import Member
from pmgsync.wire.audience import CALLER, CHANGE
from pmgsync.wire.codec import parse
from pmgsync.wire.master_end import StreamContext
from pmgsync.wire.refusals import MEND, error_of, one_line, status_of
from pmgsync.wire.tls import TlsIdentity, client_credentials, client_options, target_of
from pmgsync.wire.v1 import register_pb2 as pb

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
MAX_REQUEST_BYTES = 64 << 10

ChangeCall = grpc.aio.StreamStreamCall[bytes, bytes]


def serving(requests: MemberRequests) -> Callable[[object, StreamContext], Awaitable[None]]:
    """The handler of the call."""

    async def serve(_requests: object, context: StreamContext) -> None:
        member = CALLER.get()
        if member is None:  # the guard lets only members through
            raise RuntimeError("a member's call without a member")
        try:
            answer = _answer(requests, member, await _read(context))
            await context.write(answer.SerializeToString())
        except PmgsyncError as error:
            log.warning("%s: its request is refused: %s", member.label, one_line(str(error)))
            await context.abort(*status_of(error))

    return serve


def _answer(requests: MemberRequests, member: Member, data: bytes) -> pb.FromRegister:
    message = parse(pb.ToRegister, data)
    match message.WhichOneof("message"):
        case "leave":
            return pb.FromRegister(left=pb.Left(notice=requests.leave(member)))
        case "rekey":
            link = requests.rekey(member, message.rekey.request, message.rekey.proof)
            return pb.FromRegister(rekeyed=pb.Rekeyed(link=link))
    raise MalformedError("a request that this master does not know")


async def _read(context: StreamContext) -> bytes:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            data = await context.read()
    except TimeoutError:
        raise TransportError("asked for nothing") from None
    if not isinstance(data, bytes):
        raise TransportError("went away before it asked")
    if len(data) > MAX_REQUEST_BYTES:
        raise MalformedError(f"a request of {len(data)} bytes, {MAX_REQUEST_BYTES} at most")
    return data


async def ask_leave(
    identity: TlsIdentity, master: Member, *, seconds: float = ASK_SECONDS
) -> bytes:
    """Tell `master` that the holder of `identity` leaves; the signed notice of it.

    Raises `TransportError` or `DeadlineError` if it cannot be reached, else what it refuses with.
    """
    answer = await _ask(identity, master, pb.ToRegister(leave=pb.Leave()), seconds)
    return answer.left.notice


async def ask_rekey(
    identity: TlsIdentity,
    master: Member,
    request: bytes,
    proof: bytes,
    *,
    seconds: float = ASK_SECONDS,
) -> bytes:
    """Ask `master` for other keys; the link that names them. Raises as `ask_leave`."""
    rekey = pb.ToRegister(rekey=pb.Rekey(request=request, proof=proof))
    return (await _ask(identity, master, rekey, seconds)).rekeyed.link


async def _ask(
    identity: TlsIdentity, master: Member, request: pb.ToRegister, seconds: float
) -> pb.FromRegister:
    if master.keys is None:
        raise TransportError(
            "has not joined yet, so nobody can tell who answers", where=master.label
        )
    target = target_of(master.address, master.port)
    where = f"{master.label} at {target}"
    credentials = client_credentials(master.keys.certificate, identity)
    async with grpc.aio.secure_channel(target, credentials, options=client_options()) as channel:
        call: ChangeCall = channel.stream_stream(CHANGE)()
        try:
            async with asyncio.timeout(seconds):
                return await _exchange(call, request, where)
        except TimeoutError:
            raise DeadlineError(f"no answer in {seconds:g} s", where=where, mend=MEND) from None
        except grpc.aio.AioRpcError as error:
            raise error_of(error, where) from None
        finally:
            call.cancel()


async def _exchange(call: ChangeCall, request: pb.ToRegister, where: str) -> pb.FromRegister:
    with suppress(asyncio.InvalidStateError):  # refused already; reading tells why
        await call.write(request.SerializeToString())
    data = await call.read()
    if not isinstance(data, bytes):
        raise TransportError("ended the call without an answer", where=where)
    return parse(pb.FromRegister, data)
