"""Joining with a token: the node's half against a real server, with a small admission behind it."""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass, field

import grpc
import pytest

from pmgsync.errors import (
    BadSignatureError,
    DeadlineError,
    InvalidError,
    MalformedError,
    NotAllowedError,
    OperatorError,
    PeerError,
    PmgsyncError,
    StoreError,
    TransportError,
)
from pmgsync.join_ports import JoinAttempt, JoinGrant
from pmgsync.model.joining import NONCE_BYTES, SECRET_BYTES, Exchange, Token, require_proof
from pmgsync.model.manifest import Digest
from pmgsync.wire import join_service
from pmgsync.wire.audience import JOIN
from pmgsync.wire.client import GrpcDialer
from pmgsync.wire.join import fetch_certificate, join_exchange
from pmgsync.wire.tls import client_credentials, client_options, target_of
from pmgsync.wire.v1 import join_pb2 as pb
from tests.wire.nodes import LOOPBACK, Master, Visitors, make_node, master, run, soon

CHAIN = tuple(b"link %d" % number for number in range(5))


@dataclass
class Admission:
    """A `JoinHandler` with one token, which can be told to lie or to fail."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(SECRET_BYTES))
    chain: tuple[bytes, ...] = CHAIN
    failure: PmgsyncError | None = None
    wrong_first_proof: bool = False
    wrong_last_proof: bool = False
    requests: list[bytes] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    slips: list["Slip"] = field(default_factory=list)
    filed: asyncio.Event = field(default_factory=asyncio.Event)
    patience: int = 60

    def token(self, certificate: Digest) -> Token:
        return Token(self.secret, certificate)

    def begin(self, token_id: str, node_nonce: bytes, peer: str) -> JoinAttempt:
        self.peers.append(peer)
        if token_id != Token(self.secret, Digest("")).token_id:
            raise NotAllowedError(
                "no such token, or it was used or ran out",
                mend="get a new one with `pmgsync join-cmd`",
            )
        return Attempt(self, Exchange(self.secret, node_nonce, secrets.token_bytes(NONCE_BYTES)))

    def file(self, envelope: bytes, peer: str) -> "Slip":
        if self.failure:
            raise self.failure
        self.slips.append(Slip(envelope, self.patience))
        self.filed.set()
        return self.slips[-1]


@dataclass
class Slip:
    """A `FiledPetition` that a test decides."""

    envelope: bytes
    seconds: int
    identity: bytes = bytes(range(32))
    answer: "asyncio.Future[tuple[bytes, ...]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    withdrawn: asyncio.Event = field(default_factory=asyncio.Event)

    async def granted(self) -> tuple[bytes, ...]:
        return await asyncio.shield(self.answer)

    def withdraw(self) -> None:
        self.withdrawn.set()


@dataclass
class Attempt:
    admission: Admission
    exchange: Exchange

    @property
    def master_nonce(self) -> bytes:
        return self.exchange.master_nonce

    @property
    def proof(self) -> bytes:
        return bytes(32) if self.admission.wrong_first_proof else self.exchange.master_proof()

    def admit(self, request: bytes, proof: bytes) -> JoinGrant:
        require_proof(proof, self.exchange.node_proof(request), "a node")
        if self.admission.failure:
            raise self.admission.failure
        self.admission.requests.append(request)
        proof = self.exchange.chain_proof(self.admission.chain)
        wrong = self.admission.wrong_last_proof
        return JoinGrant(self.admission.chain, bytes(32) if wrong else proof)


def request() -> bytes:
    return b"the envelope of a join request"


async def join(here: Master, admission: Admission, **changes: bytes) -> tuple[bytes, ...]:
    token = Token(
        changes.get("secret", admission.secret),
        Digest(changes["certificate"].decode()) if "certificate" in changes else fingerprint(here),
    )
    return await join_exchange(LOOPBACK, here.server.join_port, token, request, seconds=5)


def fingerprint(here: Master) -> Digest:
    return here.node.fingerprint


def test_a_node_with_the_token_gets_the_chain() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            assert await join(here, admission) == CHAIN
        assert admission.requests == [request()]
        assert admission.peers == [LOOPBACK]

    run(main())


@pytest.mark.parametrize(
    "chain",
    [(), (b"",), (b"x" * 3_000_000, b"y" * 3_000_000), tuple(bytes(300_000) for _ in range(60))],
    ids=["none", "empty", "large links", "18 MB"],
)
def test_a_chain_of_any_size_arrives(chain: tuple[bytes, ...]) -> None:
    async def main() -> None:
        admission = Admission(chain=chain)
        async with master(join=admission) as here:
            assert await join(here, admission) == chain

    run(main())


def test_a_wrong_fingerprint_stops_before_a_word_is_said() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            with pytest.raises(PeerError, match=r"wrong fingerprint .* not the master"):
                await join(here, admission, certificate=b"0" * 64)
        assert admission.peers == []

    run(main())


def test_an_unknown_token_is_refused_with_a_mend() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            with pytest.raises(NotAllowedError, match=r"no such token.*`pmgsync join-cmd`"):
                await join(here, admission, secret=bytes(SECRET_BYTES))
        assert admission.requests == []

    run(main())


def test_a_master_that_does_not_know_the_secret_hears_nothing_of_the_node() -> None:
    async def main() -> None:
        admission = Admission(wrong_first_proof=True)
        asked = False

        def make_request() -> bytes:
            nonlocal asked
            asked = True
            return b""

        async with master(join=admission) as here:
            token = admission.token(fingerprint(here))
            with pytest.raises(BadSignatureError, match="did not prove that it knows the token"):
                await join_exchange(LOOPBACK, here.server.join_port, token, make_request)
        assert not asked

    run(main())


def test_a_chain_that_is_not_proven_is_refused() -> None:
    async def main() -> None:
        admission = Admission(wrong_last_proof=True)
        async with master(join=admission) as here:
            with pytest.raises(BadSignatureError):
                await join(here, admission)

    run(main())


@pytest.mark.parametrize(
    ("raised", "family"),
    [
        (NotAllowedError, NotAllowedError),
        (BadSignatureError, BadSignatureError),
        (MalformedError, PeerError),
        (InvalidError, OperatorError),
        (StoreError, TransportError),
    ],
)
def test_errors_keep_their_family(raised: type[PmgsyncError], family: type[PmgsyncError]) -> None:
    async def main() -> None:
        admission = Admission(failure=raised("cannot be granted", where="node2(2)"))
        async with master(join=admission) as here:
            with pytest.raises(family, match=r"node2\(2\): cannot be granted"):
                await join(here, admission)

    run(main())


def test_nobody_at_the_address() -> None:
    async def main() -> None:
        token = Token(bytes(SECRET_BYTES), Digest("0" * 64))
        with pytest.raises(TransportError, match=r"refused; start .*; only a master"):
            await join_exchange(LOOPBACK, 9, token, request)

    run(main())


async def _serve_once(reply: bytes) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(reply)
        writer.close()

    return await asyncio.start_server(answer, LOOPBACK, 0)


@pytest.mark.parametrize(
    ("reply", "what"),
    [(b"", "is no pmgsyncd|cannot be reached"), (b"220 mail ESMTP\r\n", "is no pmgsyncd")],
)
def test_something_else_at_the_address(reply: bytes, what: str) -> None:
    async def main() -> None:
        server = await _serve_once(reply)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TransportError, match=what):
            await asyncio.to_thread(fetch_certificate, LOOPBACK, port)
        server.close()

    run(main())


# --- a stranger who does not keep to the exchange -------------------------------------------------


async def say(here: Master, *messages: bytes) -> tuple[grpc.StatusCode, str]:
    """Say these, and read to the end."""
    credentials = client_credentials(here.node.certificate, None)
    target = target_of(LOOPBACK, here.server.join_port)
    async with grpc.aio.secure_channel(target, credentials, options=client_options()) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(JOIN)()
        for message in messages:
            await call.write(message)
        await call.done_writing()
        with suppress(grpc.aio.AioRpcError):  # the status comes after what was said before it
            while isinstance(await soon(call.read(), 5), bytes):
                pass
        return await soon(call.code(), 5), await call.details() or ""


def opening(token_id: str, nonce: bytes) -> bytes:
    message = pb.ToJoinMaster(opening=pb.Opening(token_id=token_id, node_nonce=nonce))
    return message.SerializeToString()


def answering(proof: bytes, envelope: bytes = b"") -> bytes:
    message = pb.ToJoinMaster(request=pb.Request(envelope=envelope, proof=proof))
    return message.SerializeToString()


def test_a_wrong_proof_is_refused() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            first = opening(admission.token(Digest("")).token_id, bytes(NONCE_BYTES))
            code, line = await say(here, first, answering(bytes(32)))
        assert code is grpc.StatusCode.UNAUTHENTICATED
        assert "did not prove" in line
        assert admission.requests == []

    run(main())


@pytest.mark.parametrize(
    "words",
    [
        (b"garbage",),
        (b"",),
        (answering(bytes(32)),),
        (opening("x" * 1000, bytes(NONCE_BYTES)),),
        (answering(bytes(32), bytes(100_000)),),
    ],
    ids=["garbage", "empty", "out of turn", "long token id", "too large"],
)
def test_words_out_of_place_are_refused(words: tuple[bytes, ...]) -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            code, line = await say(here, *words)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert line
        assert admission.peers == []

    run(main())


def test_a_nonce_of_the_wrong_length_is_refused() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            code, _ = await say(here, opening(admission.token(Digest("")).token_id, b"short"))
        assert code is grpc.StatusCode.INVALID_ARGUMENT

    run(main())


def test_who_goes_away_is_forgotten() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            code, _ = await say(here)
            assert code is grpc.StatusCode.UNAVAILABLE
            assert await join(here, admission) == CHAIN

    run(main())


def test_strangers_are_limited_and_members_are_not_kept_out_by_them() -> None:
    async def main() -> None:
        admission, node = Admission(), make_node(2, "node2")
        visitors = Visitors()
        async with master(node, follow=visitors, join=admission) as here:
            credentials = client_credentials(here.node.certificate, None)
            target = target_of(LOOPBACK, here.server.join_port)
            channel = grpc.aio.secure_channel(target, credentials, options=client_options())
            idle: list[grpc.aio.StreamStreamCall[bytes, bytes]] = [
                channel.stream_stream(JOIN)()
                for _ in range(join_service.MAX_EXCHANGES_OF_ONE_ADDRESS)
            ]
            await asyncio.sleep(0.1)
            with pytest.raises(TransportError, match="too many nodes join at once"):
                await join(here, admission)
            stream = await GrpcDialer(node.identity).dial(here.address)
            visitors.release.set()
            await stream.close()
            for call in idle:
                call.cancel()
            await asyncio.sleep(0.1)
            assert await join(here, admission) == CHAIN
            await channel.close()

    run(main())


def test_an_exchange_has_a_deadline() -> None:
    async def main() -> None:
        async with master(join=Admission(), join_seconds=0.1) as here:
            credentials = client_credentials(here.node.certificate, None)
            target = target_of(LOOPBACK, here.server.join_port)
            async with grpc.aio.secure_channel(
                target, credentials, options=client_options()
            ) as channel:
                call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(JOIN)()
                assert await soon(call.code()) is grpc.StatusCode.UNAVAILABLE
                assert "took too long" in (await call.details() or "")

    run(main())


def test_a_master_that_says_nothing_is_given_up() -> None:
    async def main() -> None:
        admission = Admission()
        async with master(join=admission) as here:
            token = admission.token(fingerprint(here))
            with pytest.raises((DeadlineError, TransportError)):
                await join_exchange(LOOPBACK, here.server.join_port, token, request, seconds=0.0001)

    run(main())


def test_stopping_ends_an_open_exchange() -> None:
    async def main() -> None:
        async with master(join=Admission()) as here:
            telling = asyncio.ensure_future(_wait_in_an_exchange(here))
            await asyncio.sleep(0.1)
            await soon(here.server.stop(5), 2)
            assert await soon(telling) == (
                grpc.StatusCode.UNAVAILABLE,
                "the master stops; try again",
            )

    run(main())


async def _wait_in_an_exchange(here: Master) -> tuple[grpc.StatusCode, str]:
    credentials = client_credentials(here.node.certificate, None)
    target = target_of(LOOPBACK, here.server.join_port)
    async with grpc.aio.secure_channel(target, credentials, options=client_options()) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(JOIN)()
        return await call.code(), await call.details() or ""
