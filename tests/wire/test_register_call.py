"""What a member asks the master about itself, over real TLS sockets."""

import socket
from dataclasses import dataclass, field

import grpc
import pytest

from pmgsync.errors import (
    DeadlineError,
    InvalidError,
    NotAllowedError,
    OperatorError,
    PmgsyncError,
    RemovedError,
    TransportError,
)
from pmgsync.model.membership import Member, MemberKeys
from pmgsync.model.removal import MAX_REMOVAL_BYTES
from pmgsync.wire.audience import CHANGE
from pmgsync.wire.client import GrpcDialer
from pmgsync.wire.register_call import MAX_REQUEST_BYTES, ask_leave, ask_rekey
from pmgsync.wire.tls import client_credentials, client_options, target_of
from tests.wire.nodes import LOOPBACK, Reading, make_node, master, run, soon


@dataclass
class Desk:
    """A `MemberRequests` that writes down who asked."""

    said: bytes = b""
    failure: PmgsyncError | None = None
    asked: list[Member] = field(default_factory=list)

    def leave(self, member: Member) -> bytes:
        self.asked.append(member)
        if self.failure:
            raise self.failure
        return b"the notice"

    def rekey(self, member: Member, request: bytes, proof: bytes) -> bytes:
        self.asked.append(member)
        if self.failure:
            raise self.failure
        return request + proof

    def notice(self, keys: MemberKeys) -> bytes:
        return self.said


def test_a_member_leaves_and_gets_its_notice() -> None:
    async def main() -> None:
        desk, node = Desk(), make_node(2, "node2")
        async with master(node, requests=desk) as here:
            assert await ask_leave(node.identity, here.address) == b"the notice"
        assert desk.asked == [node.member]

    run(main())


def test_a_refusal_arrives_in_words() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        desk = Desk(failure=InvalidError("is the master", mend="promote another node first"))
        async with master(node, requests=desk) as here:
            with pytest.raises(OperatorError, match="is the master; promote another node first"):
                await ask_leave(node.identity, here.address)

    run(main())


def test_strangers_and_masters_that_do_not_know_the_call() -> None:
    async def main() -> None:
        desk, node = Desk(), make_node(2, "node2")
        async with master(node, requests=desk) as here:
            with pytest.raises((TransportError, NotAllowedError)):
                await ask_leave(make_node(2, "node2").identity, here.address)
        assert desk.asked == []
        async with master(node) as here:
            with pytest.raises(PmgsyncError, match="no such call"):
                await ask_leave(node.identity, here.address)
        with pytest.raises(TransportError):  # nobody listens there any more
            await ask_leave(node.identity, here.address)

    run(main())


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 9, b"\x0a\x00\x0a\x00", b"\x7a\x00", bytes(MAX_REQUEST_BYTES + 1)]
)
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    async def main() -> None:
        desk, node = Desk(), make_node(2, "node2")
        async with master(node, requests=desk) as here:
            credentials = client_credentials(here.node.certificate, node.identity)
            target = target_of(LOOPBACK, here.server.member_port)
            async with grpc.aio.secure_channel(
                target, credentials, options=client_options()
            ) as channel:
                call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(CHANGE)()
                await call.write(data)
                assert await soon(call.code()) is grpc.StatusCode.INVALID_ARGUMENT
        assert desk.asked == []

    run(main())


def test_a_master_that_says_nothing_is_given_up() -> None:
    async def main() -> None:
        with socket.create_server((LOOPBACK, 0)) as deaf:
            there = make_node(1, "master").at(LOOPBACK, deaf.getsockname()[1])
            with pytest.raises((DeadlineError, TransportError)):
                await ask_leave(make_node(2, "node2").identity, there, seconds=0.3)

    run(main())


# --- the notice beside a stream that is cut -------------------------------------------------------


@pytest.mark.parametrize(
    ("notice", "arrives"),
    [(b"signed", b"signed"), (bytes(MAX_REMOVAL_BYTES + 1), None)],
    ids=["signed", "too large"],
)
def test_a_removed_member_gets_the_notice_with_the_end_of_its_stream(
    notice: bytes, arrives: bytes | None
) -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with master(node, follow=Reading(), requests=Desk(notice)) as here:
            stream = await GrpcDialer(node.identity).dial(here.address)
            here.remove(node)
            with pytest.raises(NotAllowedError, match="was removed from the cluster") as caught:
                await soon(stream.receive())
            error = caught.value
            assert (error.notice if isinstance(error, RemovedError) else None) == arrives
            with pytest.raises(NotAllowedError):
                await stream.receive()
            await stream.close()

    run(main())


def test_a_member_that_has_other_keys_is_told_to_come_again() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with master(node, follow=Reading(), requests=Desk(b"")) as here:
            stream = await GrpcDialer(node.identity).dial(here.address)
            here.remove(node)
            with pytest.raises(TransportError, match="has other keys now"):
                await soon(stream.receive())
            await stream.close()

    run(main())


def test_a_member_asks_for_other_keys() -> None:
    async def main() -> None:
        desk, node = Desk(), make_node(2, "node2")
        async with master(node, requests=desk) as here:
            link = await ask_rekey(node.identity, here.address, b"request", b"proof")
            assert (link, desk.asked) == (b"requestproof", [node.member])
            with pytest.raises(TransportError):
                await ask_rekey(make_node(2, "node2").identity, here.address, b"x", b"y")
            assert len(desk.asked) == 1

    run(main())
