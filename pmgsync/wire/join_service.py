"""The master's half of the join exchange: bytes in order; what they mean is `ports.JoinHandler`.

Everything here serves strangers, so all of it is bounded: how many exchanges at once, how many from
one address, how long each, and how much is read.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from pmgsync.errors import MalformedError, TransportError
from pmgsync.model.messages import BATCH_BYTES
from pmgsync.ports import JoinGrant, JoinHandler
from pmgsync.wire.codec import parse
from pmgsync.wire.master_end import StreamContext
from pmgsync.wire.v1 import join_pb2 as pb

MAX_EXCHANGES = 32
MAX_EXCHANGES_OF_ONE_ADDRESS = 4
EXCHANGE_SECONDS = 20.0
MAX_REQUEST_BYTES = 64 << 10
MAX_TOKEN_ID = 64


class JoinService:
    """Serves strangers, each with one exchange a call."""

    def __init__(self, handler: JoinHandler, *, seconds: float = EXCHANGE_SECONDS) -> None:
        self._handler = handler
        self._seconds = seconds
        self._open: Counter[str] = Counter()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let the open exchanges end now, and no new ones begin."""
        self._stopping.set()

    async def serve(self, context: StreamContext, address: str) -> None:
        """Serve one exchange; raises what the stranger is to be told."""
        with self._place_for(address):
            exchange = asyncio.ensure_future(self._exchange(context, address))
            stopping = asyncio.ensure_future(self._stopping.wait())
            try:
                done, _ = await asyncio.wait(
                    {exchange, stopping},
                    timeout=self._seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if exchange in done:
                    exchange.result()
                else:
                    reason = "the master stops" if stopping in done else "joining took too long"
                    raise TransportError(reason, mend="try again")
            finally:
                exchange.cancel()
                stopping.cancel()

    @contextmanager
    def _place_for(self, address: str) -> Iterator[None]:
        if self._open.total() >= MAX_EXCHANGES or (
            self._open[address] >= MAX_EXCHANGES_OF_ONE_ADDRESS
        ):
            raise TransportError("too many nodes join at once", mend="try again in a minute")
        self._open[address] += 1
        try:
            yield
        finally:
            self._open[address] -= 1
            self._open = +self._open  # forget addresses that are gone

    async def _exchange(self, context: StreamContext, address: str) -> None:
        opening = (await _read(context, "opening")).opening
        if len(opening.token_id) > MAX_TOKEN_ID:
            raise MalformedError("a token id that is too long", where=address)
        attempt = self._handler.begin(opening.token_id, opening.node_nonce, address)
        challenge = pb.Challenge(master_nonce=attempt.master_nonce, proof=attempt.proof)
        await _write(context, pb.ToJoinNode(challenge=challenge))
        request = (await _read(context, "request")).request
        grant = attempt.admit(request.envelope, request.proof)
        for part in _parts_of(grant):
            await _write(context, part)


def _parts_of(grant: JoinGrant) -> Iterator[pb.ToJoinNode]:
    """The chain in messages of some links each, then the proof."""
    links: list[bytes] = []
    for link in grant.chain:
        if links and sum(map(len, links)) + len(link) > BATCH_BYTES:
            yield pb.ToJoinNode(chain_part=pb.ChainPart(envelopes=links))
            links = []
        links.append(link)
    yield pb.ToJoinNode(chain_part=pb.ChainPart(envelopes=links))
    yield pb.ToJoinNode(admitted=pb.Admitted(proof=grant.proof))


async def _read(context: StreamContext, wanted: str) -> pb.ToJoinMaster:
    data = await context.read()
    if not isinstance(data, bytes):
        raise TransportError("went away while joining")
    if len(data) > MAX_REQUEST_BYTES:
        raise MalformedError(f"a join message of {len(data)} bytes, {MAX_REQUEST_BYTES} at most")
    message = parse(pb.ToJoinMaster, data)
    if message.WhichOneof("message") != wanted:
        raise MalformedError(f"a join message other than the {wanted} that is due")
    return message


async def _write(context: StreamContext, message: pb.ToJoinNode) -> None:
    try:
        await context.write(message.SerializeToString())
    except grpc.aio.BaseError:
        raise TransportError("went away while joining") from None
