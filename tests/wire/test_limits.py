"""What one connection may use up, on a real server: handshakes, calls, headers."""

import asyncio
import ssl
from contextlib import suppress

import grpc
import pytest

from pmgsync.wire.audience import FOLLOW, JOIN
from pmgsync.wire.tls import (
    HANDSHAKE_MS,
    IDLE_MS,
    MAX_CALLS_PER_CONNECTION,
    MAX_CONNECTIONS_OF_MEMBERS,
    MAX_CONNECTIONS_OF_STRANGERS,
    MAX_HEADER_BYTES,
    MemberTrust,
    server_options,
)
from pmgsync.wire.v1 import join_pb2 as pb
from tests.wire.nodes import LOOPBACK, Reading, make_node, master, run, soon
from tests.wire.test_join import Admission
from tests.wire.test_members import Call, raw_channel


def _front() -> grpc.ServerCredentials:
    return MemberTrust(make_node(1, "master").identity, strangers=True).credentials


def test_a_handshake_that_does_not_come_to_an_end_is_cut() -> None:
    async def main() -> None:
        options = dict(server_options())
        assert options["grpc.server_handshake_timeout_ms"] == HANDSHAKE_MS
        options["grpc.server_handshake_timeout_ms"] = 300  # else it takes as long as it says
        server = grpc.aio.server(options=list(options.items()))
        port = server.add_secure_port(f"{LOOPBACK}:0", _front())
        await server.start()
        for beginning in (b"", b"\x16\x03\x01\x02"):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(beginning)
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
        await server.stop(None)

    run(main(), 40)


async def _at_once(port: int, count: int) -> list[bool]:
    """Which of `count` connections the server keeps, while none of them says anything."""
    ends = [await asyncio.open_connection(LOOPBACK, port) for _ in range(count)]
    reads = [asyncio.ensure_future(reader.read()) for reader, _ in ends]
    await asyncio.wait(reads, timeout=1.0)
    kept = [not read.done() for read in reads]
    for read, (_, writer) in zip(reads, ends, strict=True):
        read.cancel()
        writer.close()
    await asyncio.gather(*reads, return_exceptions=True)
    return kept


def test_a_port_takes_so_many_connections() -> None:
    """Of a grpc that can limit them; what others cannot do is said in docs/limits.md."""
    if tuple(map(int, grpc.__version__.split(".")[:2])) < (1, 63):
        pytest.skip("this grpc has no limit of connections")

    async def main() -> None:
        for strangers, most in (
            (True, MAX_CONNECTIONS_OF_STRANGERS),
            (False, MAX_CONNECTIONS_OF_MEMBERS),
        ):
            options = dict(server_options(strangers=strangers))
            assert options["grpc.max_allowed_incoming_connections"] == most
            options["grpc.max_allowed_incoming_connections"] = 5
            server = grpc.aio.server(options=list(options.items()))
            port = server.add_secure_port(f"{LOOPBACK}:0", _front())
            await server.start()
            assert sum(await _at_once(port, 9)) == 5
            await server.stop(None)

    run(main())


def test_a_strangers_connection_without_a_call_is_closed() -> None:
    async def main() -> None:
        options = dict(server_options(strangers=True))
        assert options["grpc.max_connection_idle_ms"] == IDLE_MS
        assert "grpc.max_connection_idle_ms" not in dict(server_options())
        options["grpc.max_connection_idle_ms"] = 200
        server = grpc.aio.server(options=list(options.items()))
        port = server.add_secure_port(f"{LOOPBACK}:0", _front())
        await server.start()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        with suppress(ConnectionResetError):
            while await asyncio.wait_for(reader.read(1000), 10):
                pass
        writer.close()
        await server.stop(None)

    run(main())


def test_a_connection_has_so_many_calls_at_once() -> None:
    """The others wait in the caller; the server does not hear of them."""

    async def main() -> None:
        said = pb.ToJoinMaster(petition=pb.Petition(envelope=b"x")).SerializeToString()
        admission = Admission()
        async with (
            master(join=admission) as here,
            raw_channel(here, here.server.join_port, None) as channel,
        ):
            calls: list[Call] = []
            for _ in range(MAX_CALLS_PER_CONNECTION):
                admission.filed.clear()
                calls.append(channel.stream_stream(JOIN)())
                await calls[-1].write(said)
                await soon(admission.filed.wait(), 5)
            calls += [channel.stream_stream(JOIN)() for _ in range(3)]
            says = [asyncio.ensure_future(call.write(said)) for call in calls[-3:]]
            await asyncio.sleep(0.5)
            assert len(admission.slips) == MAX_CALLS_PER_CONNECTION
            for say in says:
                say.cancel()
            await asyncio.wait(says, timeout=5)

    run(main())


def test_headers_that_are_too_large_are_refused() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with (
            master(node, follow=Reading()) as here,
            raw_channel(here, here.server.member_port, node.identity) as channel,
        ):
            padding = (("padding", "x" * (4 * MAX_HEADER_BYTES)),)
            call: Call = channel.stream_stream(FOLLOW)(metadata=grpc.aio.Metadata(*padding))
            assert await soon(call.code(), 5) is not grpc.StatusCode.OK

    run(main())
