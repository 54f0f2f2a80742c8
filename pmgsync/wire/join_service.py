"""The master's half of joining: bytes in order; what they mean is `join_ports.JoinHandler`.

Everything here serves strangers, so all of it is bounded: how many exchanges at once, how many from
one address, how long each, and how much is read.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc

from pmgsync.errors import MalformedError, TransportError
from pmgsync.join_ports import FiledPetition, JoinHandler
from pmgsync.model.messages import BATCH_BYTES
from pmgsync.wire.codec import parse
from pmgsync.wire.master_end import StreamContext
from pmgsync.wire.v1 import join_pb2 as pb

MAX_EXCHANGES = 32
MAX_EXCHANGES_OF_ONE_ADDRESS = 4
EXCHANGE_SECONDS = 20.0
MAX_REQUEST_BYTES = 64 << 10
MAX_TOKEN_ID = 64
_TOO_LONG = "joining took too long"
_TOO_LATE = "nobody has approved it in time"

T = TypeVar("T")


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
            filed = await self._until(self._exchange(context, address), self._seconds, _TOO_LONG)
        if filed is not None:
            # It waits for people, beside the exchanges and not in their way.
            try:
                await self._until(_wait(context, filed), filed.seconds, _TOO_LATE)
            finally:
                filed.withdraw()

    async def _until(self, work: Coroutine[Any, Any, T], seconds: float, late: str) -> T:
        """Do `work` within so many seconds, unless the server stops."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            done, _ = await asyncio.wait(
                {working, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if working in done:
                return working.result()
            reason = "the master stops" if stopping in done else late
            raise TransportError(reason, mend="try again")
        finally:
            working.cancel()
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

    async def _exchange(self, context: StreamContext, address: str) -> FiledPetition | None:
        """A join with a token, whole; or a petition, up to where it waits."""
        first = await _read(context, "opening", "petition")
        if first.WhichOneof("message") == "petition":
            return await self._file(context, first.petition.envelope, address)
        opening = first.opening
        if len(opening.token_id) > MAX_TOKEN_ID:
            raise MalformedError("a token id that is too long", where=address)
        attempt = self._handler.begin(opening.token_id, opening.node_nonce, address)
        challenge = pb.Challenge(master_nonce=attempt.master_nonce, proof=attempt.proof)
        await _write(context, pb.ToJoinNode(challenge=challenge))
        request = (await _read(context, "request")).request
        grant = attempt.admit(request.envelope, request.proof)
        for part in _parts_of(grant.chain):
            await _write(context, part)
        await _write(context, pb.ToJoinNode(admitted=pb.Admitted(proof=grant.proof)))
        return None

    async def _file(self, context: StreamContext, envelope: bytes, address: str) -> FiledPetition:
        filed = self._handler.file(envelope, address)
        try:
            said = pb.Filed(identity=filed.identity, seconds=filed.seconds)
            await _write(context, pb.ToJoinNode(filed=said))
        except BaseException:
            filed.withdraw()
            raise
        return filed


async def _wait(context: StreamContext, filed: FiledPetition) -> None:
    """Until the admin has said yes or no, or the node is gone."""
    gone = asyncio.ensure_future(context.read())
    granted = asyncio.ensure_future(filed.granted())
    try:
        await asyncio.wait({gone, granted}, return_when=asyncio.FIRST_COMPLETED)
        if not granted.done():
            raise TransportError("went away while it waited")
        chain = granted.result()
    finally:
        gone.cancel()
        granted.cancel()
        # What ended them is of no interest: the node is gone, or has its answer.
        await asyncio.gather(gone, granted, return_exceptions=True)
    for part in _parts_of(chain):
        await _write(context, part)
    await _write(context, pb.ToJoinNode(approved=pb.Approved()))


def _parts_of(chain: tuple[bytes, ...]) -> Iterator[pb.ToJoinNode]:
    """The chain in messages of some links each."""
    links: list[bytes] = []
    for link in chain:
        if links and sum(map(len, links)) + len(link) > BATCH_BYTES:
            yield pb.ToJoinNode(chain_part=pb.ChainPart(envelopes=links))
            links = []
        links.append(link)
    yield pb.ToJoinNode(chain_part=pb.ChainPart(envelopes=links))


async def _read(context: StreamContext, *wanted: str) -> pb.ToJoinMaster:
    data = await context.read()
    if not isinstance(data, bytes):
        raise TransportError("went away while joining")
    if len(data) > MAX_REQUEST_BYTES:
        raise MalformedError(f"a join message of {len(data)} bytes, {MAX_REQUEST_BYTES} at most")
    message = parse(pb.ToJoinMaster, data)
    if message.WhichOneof("message") not in wanted:
        raise MalformedError(f"a join message other than the {wanted[0]} that is due")
    return message


async def _write(context: StreamContext, message: pb.ToJoinNode) -> None:
    try:
        await context.write(message.SerializeToString())
    except grpc.aio.BaseError:
        raise TransportError("went away while joining") from None
