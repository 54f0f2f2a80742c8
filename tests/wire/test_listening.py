"""Where the server listens, and what it says when it cannot."""

import socket

import pytest

from pmgsync.errors import OperatorError
from pmgsync.wire.client import GrpcDialer
from pmgsync.wire.server import Listen, MemberServer
from tests.wire.nodes import LOOPBACK, Node, NoJoining, Reading, Visitors, make_node, master, run


def server_of(node: Node) -> MemberServer:
    return MemberServer(node.identity, lookup=lambda _: None, follow=Visitors(), join=NoJoining())


@pytest.mark.parametrize("setting", ["port", "join_port"])
def test_a_port_that_is_taken_is_named(setting: str) -> None:
    async def main() -> None:
        async with master() as here:
            taken = Listen(LOOPBACK, here.server.member_port, setting)
            free = Listen(LOOPBACK, 0)
            second = server_of(make_node(1, "master"))
            with pytest.raises(OperatorError) as caught:
                await second.start(*((taken, free) if setting == "port" else (free, taken)))
            assert str(caught.value) == (
                f"{LOOPBACK}:{taken.port}: is taken by another program; "
                f"stop it, or set another `{setting}` in pmgsync.toml"
            )
            await second.stop()

    run(main())


def test_an_address_of_another_machine_is_named() -> None:
    async def main() -> None:
        server = server_of(make_node(1, "master"))
        with pytest.raises(OperatorError, match=r"^192\.0\.2\.1:26: cannot listen there: "):
            await server.start(Listen("192.0.2.1", 26), Listen(LOOPBACK, 0))

    run(main())


def test_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")

    async def main() -> None:
        node, here = make_node(2, "node2"), make_node(1, "master")
        server = MemberServer(
            here.identity,
            lookup={node.fingerprint: node.member}.get,
            follow=Reading(),
            join=NoJoining(),
            certificates=[node.certificate],
        )
        await server.start(Listen("::1", 0), Listen("::1", 0))
        stream = await GrpcDialer(node.identity).dial(here.at("::1", server.member_port))
        await stream.close()
        await server.stop()

    run(main())
