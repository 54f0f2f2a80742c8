"""The asking half of what members ask each other (`agent.peers.Peers`): a connection a question."""

import asyncio
from contextlib import suppress
from functools import partial

import grpc

from pmgsync.errors import NotLetInError, TransportError
from pmgsync.model.membership import Member, MemberKeys
from pmgsync.model.peers import Answer, Question
from pmgsync.ports import AgentEnd
from pmgsync.wire.audience import CATCH_UP, CONSULT
from pmgsync.wire.client import GrpcDialer, StreamCall, in_turn
from pmgsync.wire.peer_codec import decode_answer, encode_question
from pmgsync.wire.refusals import BROKE, MEND, error_of, is_being_cancelled
from pmgsync.wire.tls import (
    Shown,
    TlsIdentity,
    client_credentials,
    client_options,
    target_of,
)


class GrpcPeers:
    """See `agent.peers.Peers`. Shows `identity`, believes only the certificate of whom it asks."""

    def __init__(self, identity: Shown) -> None:
        self._identity = identity
        self._catch_up = GrpcDialer(identity, method=CATCH_UP)

    async def ask(self, member: Member, question: Question, *, seconds: float = 2.0) -> Answer:
        """See `agent.peers.Peers`."""
        if member.keys is None:
            raise TransportError("has not joined yet", where=member.label)
        ask = partial(self._ask, member, member.keys, question, seconds)
        return await in_turn(self._identity, ask)

    async def _ask(
        self,
        member: Member,
        keys: MemberKeys,
        question: Question,
        seconds: float,
        identity: TlsIdentity,
    ) -> Answer:
        target = target_of(member.address, member.port)
        where = f"{member.label} at {target}"
        credentials = client_credentials(keys.certificate, identity)
        async with grpc.aio.secure_channel(
            target, credentials, options=client_options()
        ) as channel:
            call: StreamCall = channel.stream_stream(CONSULT)()
            try:
                async with asyncio.timeout(seconds):
                    return await _exchange(call, question, where)
            except TimeoutError:
                what = f"no answer in {seconds:g} s"
                raise TransportError(what, where=where, mend=MEND) from None
            except grpc.aio.AioRpcError as error:
                raise error_of(error, where) from None
            finally:
                call.cancel()

    async def catch_up(self, member: Member) -> AgentEnd:
        """See `agent.peers.Peers`."""
        return await self._catch_up.dial(member)


async def _exchange(call: StreamCall, question: Question, where: str) -> Answer:
    try:
        with suppress(asyncio.InvalidStateError):  # the call is over; reading tells why
            await call.write(encode_question(question))
        data = await call.read()
    except asyncio.CancelledError:
        if is_being_cancelled():
            raise
        raise NotLetInError(BROKE, where=where) from None
    if not isinstance(data, bytes):
        code, details = await call.code(), await call.details()
        raise TransportError(f"gave no answer ({code.name}: {details})", where=where)
    return decode_answer(data)
