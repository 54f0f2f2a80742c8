"""What members ask each other, over real TLS sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from pmgsync.errors import MalformedError, NotAllowedError, NotLetInError, TransportError
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import Digest, Manifest
from pmgsync.model.membership import Member
from pmgsync.model.messages import Pulse, View
from pmgsync.model.peers import Answer, Ask, Propose, Question, Refusal, Standing, StepDown, Vote
from pmgsync.ports import MasterEnd
from pmgsync.wire import peer_service
from pmgsync.wire.audience import CATCH_UP, CONSULT, FOLLOW, JOIN
from pmgsync.wire.peers import GrpcPeers
from pmgsync.wire.server import Listen, MemberServer
from pmgsync.wire.tls import client_credentials, client_options, target_of
from tests.wire.nodes import LOOPBACK, Node, make_node, run, soon

STANDING = Standing(2, 3, Position(1, 4), Manifest().digest, 2, live=True, master=False)


class Oracle:
    """A `PeerHandler` with one answer."""

    def __init__(self, answer: Answer = STANDING) -> None:
        self.said: Answer | Exception = answer
        self.heard: list[tuple[int, Question]] = []
        self.pause, self._came = asyncio.Event(), asyncio.Event()
        self.pause.set()

    async def all_here(self, count: int) -> None:
        """Return when so many have asked."""
        while len(self.heard) < count:
            self._came.clear()
            await self._came.wait()

    async def answer(self, member: Member, question: Question) -> Answer:
        self.heard.append((member.cid, question))
        self._came.set()
        await self.pause.wait()
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    async def catch_up(self, member: Member, stream: MasterEnd) -> None:
        await stream.receive()
        await stream.send(View(f"for {member.cid}".encode()))
        while await stream.receive() is not None:
            pass


@asynccontextmanager
async def oracle(
    handler: Oracle, *members: Node, known: dict[Digest, Member] | None = None
) -> AsyncIterator[tuple[Node, Member, MemberServer]]:
    """A node that is no master, and answers; it has a member port and no other. `known`: whom it
    knows by fingerprint, if that is to change.
    """
    node = make_node(1, "oracle")
    if known is None:
        known = {member.fingerprint: member.member for member in members}
    server = MemberServer(
        node.identity,
        lookup=lambda fingerprint: known.get(fingerprint),
        peers=handler,
        certificates=[member.certificate for member in members],
    )
    await server.start(Listen(LOOPBACK, 0))
    try:
        yield node, node.at(LOOPBACK, server.member_port), server
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (Ask(1, 2), STANDING),
        (Propose(b"document", b"proof"), Vote("a" * 64, b"s" * 64)),
        (Propose(b"document", b""), Refusal("is behind", Position(1, 7))),
        (StepDown(), Refusal("is not the master")),
    ],
)
def test_a_question_is_answered(question: Question, answer: Answer) -> None:
    async def main() -> None:
        asking, handler = make_node(2, "node2"), Oracle(answer)
        async with oracle(handler, asking) as (_, where, _):
            assert await soon(GrpcPeers(asking.identity).ask(where, question)) == answer
            assert handler.heard == [(2, question)]

    run(main())


def test_a_stranger_is_not_answered() -> None:
    async def main() -> None:
        handler = Oracle()
        async with oracle(handler, make_node(2, "node2")) as (_, where, _):
            stranger = make_node(3, "stranger")
            with pytest.raises((NotLetInError, NotAllowedError)):
                await soon(GrpcPeers(stranger.identity).ask(where, Ask(0, 0)), 6)
            assert handler.heard == []

    run(main())


def test_another_certificate_than_the_members_is_not_asked() -> None:
    async def main() -> None:
        asking, handler = make_node(2, "node2"), Oracle()
        async with oracle(handler, asking) as (_, where, _):
            impostor = make_node(1, "oracle").at(where.address, where.port)
            with pytest.raises(TransportError):
                await soon(GrpcPeers(asking.identity).ask(impostor, Ask(0, 0)), 6)

    run(main())


def test_a_refusal_of_the_question_is_told() -> None:
    async def main() -> None:
        asking, handler = make_node(2, "node2"), Oracle()
        handler.said = MalformedError("a proposal that is none")
        async with oracle(handler, asking) as (_, where, _):
            with pytest.raises(Exception, match="a proposal that is none"):
                await soon(GrpcPeers(asking.identity).ask(where, Ask(0, 0)))

    run(main())


def test_who_does_not_answer_in_time_is_given_up() -> None:
    async def main() -> None:
        asking, handler = make_node(2, "node2"), Oracle()
        handler.pause.clear()
        async with oracle(handler, asking) as (_, where, _):
            with pytest.raises(TransportError, match=r"no answer in 0\.2 s"):
                await GrpcPeers(asking.identity).ask(where, Ask(0, 0), seconds=0.2)
            handler.pause.set()

    run(main())


def test_nobody_there() -> None:
    async def main() -> None:
        asking = make_node(2, "node2")
        nowhere = make_node(1, "gone").at(LOOPBACK, 1)
        with pytest.raises(TransportError, match="refused"):
            await soon(GrpcPeers(asking.identity).ask(nowhere, Ask(0, 0)), 6)

    run(main())


def test_a_member_catches_up_from_another() -> None:
    async def main() -> None:
        asking, handler = make_node(2, "node2"), Oracle()
        async with oracle(handler, asking) as (_, where, _):
            stream = await soon(GrpcPeers(asking.identity).catch_up(where))
            await stream.send(Pulse())
            assert await soon(stream.receive()) == View(b"for 2")
            await stream.close()

    run(main())


@pytest.mark.parametrize("method", [FOLLOW, JOIN])
def test_a_node_that_is_no_master_serves_nothing_of_a_master(method: str) -> None:
    async def main() -> None:
        asking = make_node(2, "node2")
        async with oracle(Oracle(), asking) as (node, where, _):
            credentials = client_credentials(node.certificate, asking.identity)
            target = target_of(where.address, where.port)
            async with grpc.aio.secure_channel(
                target, credentials, options=client_options()
            ) as channel:
                code = await soon(channel.stream_stream(method)().code())
            assert code in {
                grpc.StatusCode.UNIMPLEMENTED,
                grpc.StatusCode.PERMISSION_DENIED,
            }

    run(main())


@pytest.mark.parametrize("method", [CONSULT, CATCH_UP])
def test_without_a_certificate_nothing_is_answered(method: str) -> None:
    async def main() -> None:
        handler = Oracle()
        async with oracle(handler, make_node(2, "node2")) as (node, where, _):
            credentials = client_credentials(node.certificate, None)
            target = target_of(where.address, where.port)
            async with grpc.aio.secure_channel(
                target, credentials, options=client_options()
            ) as channel:
                code = await soon(channel.stream_stream(method)().code(), 6)
            assert code is grpc.StatusCode.UNAVAILABLE
        assert handler.heard == []

    run(main())


def test_there_is_a_limit_to_questions_at_the_same_time() -> None:
    async def main() -> None:
        asking, handler = make_node(2, "node2"), Oracle()
        handler.pause.clear()
        async with oracle(handler, asking) as (_, where, _):
            peers = GrpcPeers(asking.identity)
            asked = [
                asyncio.ensure_future(peers.ask(where, Ask(0, 0), seconds=10))
                for _ in range(peer_service.MAX_QUESTIONS)
            ]
            await soon(handler.all_here(peer_service.MAX_QUESTIONS), 5)
            with pytest.raises(TransportError, match="too many questions"):
                await peers.ask(where, Ask(0, 0))
            handler.pause.set()
            assert await asyncio.gather(*asked) == [STANDING] * len(asked)
            assert await peers.ask(where, Ask(0, 0)) == STANDING

    run(main())


def test_a_node_has_no_join_port() -> None:
    async def main() -> None:
        node = make_node(1, "oracle")
        server = MemberServer(node.identity, lookup=lambda _: None, peers=Oracle())
        await server.start(Listen(LOOPBACK, 0))
        assert server.member_port
        assert server.join_port == 0
        await server.stop()

    run(main())


def test_a_member_catches_up_on_one_stream_and_a_removed_one_on_none() -> None:
    async def main() -> None:
        asking, handler = make_node(2, "node2"), Oracle()
        known = {asking.fingerprint: asking.member}
        async with oracle(handler, asking, known=known) as (_, where, server):
            peers = GrpcPeers(asking.identity)
            first = await soon(peers.catch_up(where))
            second = await soon(peers.catch_up(where))
            with pytest.raises(TransportError, match="replaced by a newer stream"):
                await soon(first.receive())
            await second.send(Pulse())
            assert await soon(second.receive()) == View(b"for 2")
            known.clear()
            server.trust([])
            with pytest.raises(NotAllowedError, match="was removed from the cluster"):
                await soon(second.receive())
            for stream in (first, second):
                await stream.close()

    run(main())
