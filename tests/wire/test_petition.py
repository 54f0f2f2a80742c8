"""Joining without a token, over real TLS sockets: filing, waiting, being granted, going away."""

import asyncio
import socket

import grpc
import pytest

from pmgsync.errors import (
    InvalidError,
    MalformedError,
    NotAllowedError,
    OperatorError,
    PeerError,
    TransportError,
)
from pmgsync.model.manifest import Digest
from pmgsync.wire.audience import JOIN
from pmgsync.wire.join_service import (
    MAX_EXCHANGES_OF_ONE_ADDRESS,
    MAX_REQUEST_BYTES,
)
from pmgsync.wire.petition import file_petition
from pmgsync.wire.tls import client_credentials, client_options, target_of
from pmgsync.wire.v1 import join_pb2 as pb
from tests.wire.nodes import LOOPBACK, Master, master, run, soon
from tests.wire.test_join import CHAIN, Admission, Slip, join


def petition(_master: Digest) -> bytes:
    return b"the envelope of a petition"


def test_a_petition_waits_until_it_is_granted() -> None:
    async def main() -> None:
        admission, named = Admission(), []

        def make(master_digest: Digest) -> bytes:
            named.append(master_digest)
            return petition(master_digest)

        async with master(join=admission) as here:
            filed = await file_petition(LOOPBACK, here.server.join_port, make)
            assert named == [here.node.fingerprint]
            assert filed.master.certificate == here.node.certificate
            assert filed.master.identity.raw == bytes(range(32))
            assert filed.seconds == 60
            waiting = asyncio.ensure_future(filed.granted())
            await asyncio.sleep(0.05)
            assert not waiting.done()
            (slip,) = admission.slips
            assert slip.envelope == petition(Digest(""))
            slip.answer.set_result(CHAIN)
            assert await soon(waiting) == CHAIN
            await soon(slip.withdrawn.wait())

    run(main())


def test_a_long_chain_arrives_whole() -> None:
    async def main() -> None:
        chain = (b"x" * 3_000_000, b"y" * 3_000_000, b"z")
        admission = Admission()
        async with master(join=admission) as here:
            filed = await file_petition(LOOPBACK, here.server.join_port, petition)
            admission.slips[0].answer.set_result(chain)
            assert await soon(filed.granted(), 5) == chain

    run(main())


def test_who_goes_away_has_withdrawn() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            first = await file_petition(LOOPBACK, here.server.join_port, petition)
            second = await file_petition(LOOPBACK, here.server.join_port, petition)
            await first.withdraw()
            await soon(admission.slips[0].withdrawn.wait())
            assert not admission.slips[1].withdrawn.is_set()
            waiting = asyncio.ensure_future(second.granted())
            await asyncio.sleep(0)
            waiting.cancel()
            await soon(admission.slips[1].withdrawn.wait())
            await first.withdraw()

    run(main())


def test_a_refusal_and_the_end_of_patience_are_said_in_words() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            port = here.server.join_port
            filed = await file_petition(LOOPBACK, port, petition)
            admission.slips[0].answer.set_exception(NotAllowedError("the admin has refused it"))
            with pytest.raises(NotAllowedError, match="the admin has refused it"):
                await soon(filed.granted())
            admission.patience = 0
            filed = await file_petition(LOOPBACK, port, petition)
            with pytest.raises(TransportError, match="nobody has approved it in time"):
                await soon(filed.granted())
            await soon(admission.slips[1].withdrawn.wait())
            admission.failure = InvalidError("mail2(2) is in the cluster and connected")
            with pytest.raises(OperatorError, match="is in the cluster and connected"):
                await file_petition(LOOPBACK, port, petition)

    run(main())


def test_a_master_that_stops_sends_those_who_wait_away() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            filed = await file_petition(LOOPBACK, here.server.join_port, petition)
            waiting = asyncio.ensure_future(filed.granted())
            await asyncio.sleep(0.02)
            await here.server.stop(1)
            with pytest.raises(TransportError, match="the master stops"):
                await soon(waiting, 5)

    run(main())


def test_those_who_wait_are_not_in_the_way_of_those_with_a_token() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            port = here.server.join_port
            filed = [
                await file_petition(LOOPBACK, port, petition)
                for _ in range(MAX_EXCHANGES_OF_ONE_ADDRESS + 1)
            ]
            assert await join(here, admission) == CHAIN
            for one in filed:
                await one.withdraw()

    run(main())


async def said(here: Master, *messages: bytes) -> tuple[grpc.StatusCode, str]:
    """How the call ends of somebody who says that."""
    credentials = client_credentials(here.node.certificate, None)
    target = target_of(LOOPBACK, here.server.join_port)
    async with grpc.aio.secure_channel(target, credentials, options=client_options()) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(JOIN)()
        for message in messages:
            await call.write(message)
        code = await soon(call.code(), 5)
        return code, await call.details() or ""


def test_what_is_no_petition_or_too_large_is_refused() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            large = pb.ToJoinMaster(petition=pb.Petition(envelope=bytes(MAX_REQUEST_BYTES + 1)))
            code, line = await said(here, large.SerializeToString())
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert "at most" in line
            code, _ = await said(here, b"\x1a\xff")
            assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert admission.slips == []

    run(main())


def test_an_answer_that_is_none_is_refused() -> None:
    async def main() -> None:
        class Liar(Admission):
            def file(self, envelope: bytes, peer: str) -> Slip:
                slip = super().file(envelope, peer)
                slip.identity = b"short"
                return slip

        async with master(join=Liar()) as here:
            with pytest.raises(MalformedError):
                await file_petition(LOOPBACK, here.server.join_port, petition)

    run(main())


def test_nobody_there_or_nobody_of_us() -> None:
    async def main() -> None:
        with socket.create_server((LOOPBACK, 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(TransportError, match="connection refused"):
            await file_petition(LOOPBACK, port, petition)

    run(main())


def test_a_certificate_that_changes_between_the_two_connections_is_noticed() -> None:
    """The petition goes only to whoever has the certificate that was shown first."""

    async def main() -> None:
        admission, other = Admission(), Admission()
        async with master(join=admission) as here, master(join=other) as there:
            relay = _Switch(here.server.join_port, there.server.join_port)
            async with relay:
                with pytest.raises((TransportError, PeerError)):
                    await soon(file_petition(LOOPBACK, relay.port, petition), 8)
        assert admission.slips == other.slips == []

    run(main())


class _Switch:
    """A relay whose first connection goes to one port, and all later ones to another."""

    def __init__(self, first: int, later: int) -> None:
        self._ports = [first, later]
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> "_Switch":
        self._server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._ports.pop(0) if len(self._ports) > 1 else self._ports[0]
        there_reader, there = await asyncio.open_connection(LOOPBACK, port)
        for source, sink in ((reader, there), (there_reader, writer)):
            self._tasks.add(asyncio.ensure_future(_copy(source, sink)))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()
