"""What one connection may use up, on a real server: handshakes, calls, headers."""

import asyncio
from contextlib import suppress

import grpc

from pmgsync.wire.audience import FOLLOW, JOIN
from pmgsync.wire.tls import (
    HANDSHAKE_MS,
    MAX_CALLS_PER_CONNECTION,
    MAX_HEADER_BYTES,
    MemberTrust,
    server_options,
)
from pmgsync.wire.v1 import join_pb2 as pb
from tests.wire.nodes import LOOPBACK, Reading, make_node, master, run, soon
from tests.wire.test_join import Admission
from tests.wire.test_members import Call, raw_channel


def test_a_handshake_that_does_not_come_to_an_end_is_cut() -> None:
    async def main() -> None:
        options = dict(server_options())
        assert options["grpc.server_handshake_timeout_ms"] == HANDSHAKE_MS
        options["grpc.server_handshake_timeout_ms"] = 300  # else it takes as long as it says
        server = grpc.aio.server(options=list(options.items()))
        credentials = MemberTrust(make_node(1, "master").identity, strangers=True).credentials
        port = server.add_secure_port(f"{LOOPBACK}:0", credentials)
        await server.start()
        for beginning in (b"", b"\x16\x03\x01\x02"):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(beginning)
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
        await server.stop(None)

    run(main(), 40)


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
