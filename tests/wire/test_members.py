"""Who gets in at which port, and who does not: attacks on a real server over real TLS sockets."""

import asyncio
import logging
import pkgutil
import socket
import ssl
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import pmgsync.wire.v1
from pmgsync.errors import NotAllowedError, PeerError, TransportError
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.manifest import digest_of
from pmgsync.model.membership import Member
from pmgsync.model.messages import Hello, Pulse
from pmgsync.ports import MasterEnd
from pmgsync.wire.audience import AUDIENCES, FOLLOW, JOIN, Audience, admit
from pmgsync.wire.client import GrpcDialer
from pmgsync.wire.tls import TlsIdentity, client_credentials, client_options, target_of
from tests.wire.nodes import (
    LOOPBACK,
    Master,
    Reading,
    make_node,
    master,
    node_of,
    run,
    soon,
)

Call = grpc.aio.StreamStreamCall[bytes, bytes]

REFUSED = (NotAllowedError, TransportError)  # by the guard, or already in the handshake


@asynccontextmanager
async def raw_channel(
    here: Master, port: int, identity: TlsIdentity | None
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel without any of our client's manners."""
    credentials = client_credentials(here.node.certificate, identity)
    async with grpc.aio.secure_channel(
        target_of(LOOPBACK, port), credentials, options=client_options()
    ) as channel:
        yield channel


async def code_of(channel: grpc.aio.Channel, method: str) -> grpc.StatusCode:
    """How a call that says nothing ends."""
    call: Call = channel.stream_stream(method)()
    return await soon(call.code(), 5)


async def refused(here: Master, identity: TlsIdentity) -> None:
    with pytest.raises(REFUSED):
        await soon(GrpcDialer(identity).dial(here.address), 6)


async def welcome(here: Master, identity: TlsIdentity) -> None:
    stream = await soon(GrpcDialer(identity).dial(here.address), 6)
    await stream.send(Pulse())
    await stream.close()


# --- certificates ---------------------------------------------------------------------------------


def issue(issuer: TlsIdentity, common_name: str, *, usage: bool = True) -> TlsIdentity:
    """A certificate for `common_name`, issued with the key of `issuer` and sent with its chain."""
    ca = x509.load_pem_x509_certificate(issuer.certificate)
    signer = serialization.load_pem_private_key(issuer.key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    return _sign(common_name, key, ca.subject, signer, usage, chain=issuer.certificate)


def home_made(common_name: str, *, usage: bool) -> TlsIdentity:
    """A certificate signed by its own key, with or without KeyUsage."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    return _sign(common_name, key, name, key, usage)


def _sign(
    common_name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    usage: bool,
    chain: bytes = b"",
) -> TlsIdentity:
    recipe = x509.load_pem_x509_certificate(make_node(9, "recipe").identity.certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_day(-1))
        .not_valid_after(_day(30))
    )
    for extension in recipe.extensions:
        if usage or not isinstance(extension.value, x509.KeyUsage):
            builder = builder.add_extension(extension.value, extension.critical)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return TlsIdentity(private, builder.sign(signer, hashes.SHA256()).public_bytes(pem) + chain)


def _day(offset: int) -> datetime:

    now = datetime.fromtimestamp(time.time(), UTC)
    return now + timedelta(days=offset)


def test_a_member_gets_in() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with master(node, follow=Reading()) as here:
            await welcome(here, node.identity)

    run(main())


def test_a_stranger_is_refused() -> None:
    async def main() -> None:
        async with master(make_node(2, "node2"), follow=Reading()) as here:
            await refused(here, make_node(3, "stranger").identity)

    run(main())


def test_a_master_without_members_refuses_everybody() -> None:
    async def main() -> None:
        async with master(follow=Reading()) as here:
            await refused(here, make_node(2, "node2").identity)
            async with raw_channel(here, here.server.member_port, None) as channel:
                assert await code_of(channel, FOLLOW) is grpc.StatusCode.UNAVAILABLE

    run(main())


def test_a_member_admitted_later_gets_in_and_a_removed_one_does_not() -> None:
    async def main() -> None:
        first, second = make_node(2, "node2"), make_node(3, "node3")
        async with master(first, follow=Reading()) as here:
            await refused(here, second.identity)
            here.admit(second)
            await welcome(here, second.identity)
            await welcome(here, first.identity)
            here.remove(first)
            await refused(here, first.identity)
            await welcome(here, second.identity)

    run(main())


def test_the_same_name_with_another_key_is_refused() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        name = x509.load_pem_x509_certificate(node.identity.certificate).subject.rfc4514_string()
        async with master(node, follow=Reading()) as here:
            await refused(here, home_made(name.removeprefix("CN="), usage=True))
            await welcome(here, node.identity)

    run(main())


@pytest.mark.parametrize("usage", [True, False])
def test_a_certificate_that_a_member_issued_for_another_is_refused(usage: bool) -> None:
    async def main() -> None:
        thief, victim = make_node(2, "thief"), make_node(3, "victim")
        async with master(thief, victim, follow=Reading()) as here:
            await refused(here, issue(thief.identity, "victim-12345678", usage=usage))
            await welcome(here, victim.identity)

    run(main())


def test_even_where_the_library_takes_a_member_for_an_issuer_the_guard_does_not() -> None:
    async def main() -> None:
        # Without KeyUsage BoringSSL lets in what this certificate issued; only the guard is left.
        careless = node_of(2, "careless", home_made("careless", usage=False))
        async with master(careless, follow=Reading()) as here:
            await refused(here, issue(careless.identity, "careless", usage=False))
            await welcome(here, careless.identity)

    run(main())


def test_two_certificates_of_one_node_both_get_in() -> None:
    async def main() -> None:
        old, new = make_node(2, "node2"), make_node(2, "node2")
        async with master(old, new, follow=Reading()) as here:
            await welcome(here, old.identity)
            await welcome(here, new.identity)

    run(main())


def test_an_agent_refuses_a_master_with_another_certificate() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with master(node, follow=Reading()) as here:
            other = make_node(1, "master")
            with pytest.raises(TransportError):
                await GrpcDialer(node.identity).dial(other.at(LOOPBACK, here.server.member_port))
            expected = Member(1, "master", LOOPBACK, here.server.member_port, here.address.pmg)
            with pytest.raises(TransportError, match="has not joined yet"):
                await GrpcDialer(node.identity).dial(expected)

    run(main())


# --- removal --------------------------------------------------------------------------------------


def test_after_a_removal_the_next_call_on_the_same_connection_is_refused() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with (
            master(node, follow=Reading()) as here,
            raw_channel(here, here.server.member_port, node.identity) as channel,
        ):
            call: Call = channel.stream_stream(FOLLOW)()
            await soon(call.initial_metadata())
            here.remove(node)
            assert await soon(call.code()) is grpc.StatusCode.PERMISSION_DENIED
            assert await code_of(channel, FOLLOW) is grpc.StatusCode.PERMISSION_DENIED
            assert here.server.connected == frozenset()

    run(main())


def test_a_removal_leaves_the_others_alone() -> None:
    async def main() -> None:
        first, second = make_node(2, "node2"), make_node(3, "node3")
        async with master(first, second, follow=Reading()) as here:
            goes = await GrpcDialer(first.identity).dial(here.address)
            stays = await GrpcDialer(second.identity).dial(here.address)
            assert here.server.connected == {2, 3}
            here.remove(first)
            with pytest.raises(NotAllowedError):
                await soon(goes.receive())
            await stays.send(Pulse())
            assert here.server.connected == {3}
            await goes.close()
            await stays.close()

    run(main())


def test_stopping_ends_the_streams_in_good_order(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with master(node) as here:
            stream = await GrpcDialer(node.identity).dial(here.address)
            receiving = asyncio.ensure_future(stream.receive())
            await asyncio.sleep(0.02)
            await soon(here.server.stop(), 5)
            with pytest.raises(TransportError, match="the master stops"):
                await soon(receiving)
            await stream.close()

    run(main())
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# --- ports and calls ------------------------------------------------------------------------------


def test_every_rpc_has_an_audience() -> None:
    declared = set()
    for module in pkgutil.iter_modules(pmgsync.wire.v1.__path__):
        if module.name.endswith("_pb2"):
            descriptor = import_module(f"pmgsync.wire.v1.{module.name}").DESCRIPTOR
            for service in descriptor.services_by_name.values():
                declared |= {f"/{service.full_name}/{method.name}" for method in service.methods}
    assert declared == set(AUDIENCES), "every RPC needs a line in AUDIENCES, and no other has one"


def test_what_is_not_declared_is_refused_to_everybody() -> None:
    node = make_node(2, "node2")

    def lookup(fingerprint: str) -> Member | None:
        return node.member if fingerprint == node.fingerprint else None

    assert admit(FOLLOW, node.fingerprint, lookup) is node.member
    assert admit(JOIN, None, lookup) is None
    for method, fingerprint in [
        (FOLLOW, None),
        (FOLLOW, digest_of(b"stranger")),
        (JOIN, node.fingerprint),
        ("/pmgsync.v1.Follow/Secret", node.fingerprint),
        ("/pmgsync.v1.Follow/Secret", None),
        ("", None),
    ]:
        with pytest.raises(NotAllowedError):
            admit(method, fingerprint, lookup)
    assert {Audience.ANYONE, Audience.MEMBER} == set(Audience)


@pytest.mark.parametrize(
    "method", ["/pmgsync.v1.Follow/Secret", "/grpc.health.v1.Health/Check", JOIN]
)
def test_a_member_may_call_nothing_but_follow(method: str) -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with (
            master(node, follow=Reading()) as here,
            raw_channel(here, here.server.member_port, node.identity) as channel,
        ):
            assert await code_of(channel, method) is grpc.StatusCode.PERMISSION_DENIED

    run(main())


@pytest.mark.parametrize("method", [FOLLOW, "/pmgsync.v1.Join/Secret", "/x/y"])
@pytest.mark.parametrize("shows", ["nothing", "a member's certificate"])
def test_the_join_port_serves_nothing_but_joining(method: str, shows: str) -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        identity = None if shows == "nothing" else node.identity
        async with (
            master(node, follow=Reading()) as here,
            raw_channel(here, here.server.join_port, identity) as channel,
        ):
            assert await code_of(channel, method) is grpc.StatusCode.PERMISSION_DENIED

    run(main())


def test_the_member_port_wants_a_certificate() -> None:
    async def main() -> None:
        async with (
            master(make_node(2, "node2"), follow=Reading()) as here,
            raw_channel(here, here.server.member_port, None) as channel,
        ):
            assert await code_of(channel, FOLLOW) is grpc.StatusCode.UNAVAILABLE
            assert await code_of(channel, JOIN) is grpc.StatusCode.UNAVAILABLE

    run(main())


def test_plaintext_is_refused() -> None:
    async def main() -> None:
        async with master(make_node(2, "node2"), follow=Reading()) as here:
            for port in (here.server.member_port, here.server.join_port):
                async with grpc.aio.insecure_channel(target_of(LOOPBACK, port)) as channel:
                    assert await code_of(channel, JOIN) is grpc.StatusCode.UNAVAILABLE

    run(main())


def with_tls(version: ssl.TLSVersion, port: int) -> str:
    """Try to connect with exactly this version; the version that came about, or why none did."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # else our own library would be the one that refuses
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
        context.minimum_version = context.maximum_version = version
    try:
        with (
            socket.create_connection((LOOPBACK, port), timeout=5) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            return wrapped.version() or "no version"
    except OSError as error:
        return f"refused: {error}"


def test_tls_below_1_2_is_refused() -> None:
    async def main() -> None:
        async with master(make_node(2, "node2"), follow=Reading()) as here:
            for port in (here.server.member_port, here.server.join_port):
                for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
                    answer = await asyncio.to_thread(with_tls, version, port)
                    assert answer.startswith("refused"), answer
            port = here.server.join_port  # and it is the version that was refused
            assert await asyncio.to_thread(with_tls, ssl.TLSVersion.TLSv1_2, port) == "TLSv1.2"

    run(main())


def test_a_single_message_of_5_mib_is_refused() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        unlimited = ("grpc.max_send_message_length", -1)
        async with master(node, follow=Reading()) as here:
            credentials = client_credentials(here.node.certificate, node.identity)
            options = [option for option in client_options() if option[0] != unlimited[0]]
            target = target_of(LOOPBACK, here.server.member_port)
            async with grpc.aio.secure_channel(
                target, credentials, options=[*options, unlimited]
            ) as channel:
                call: Call = channel.stream_stream(FOLLOW)()
                await soon(call.initial_metadata())
                await call.write(bytes(5 << 20))
                assert await soon(call.code(), 5) is not grpc.StatusCode.OK

    run(main())


@pytest.mark.parametrize("garbage", [b"", b"\xff" * 40, b"\x0a\x02\x08", b"\x7a\x00\x00"])
def test_bytes_that_are_no_message_end_the_stream_with_one_line(garbage: bytes) -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with (
            master(node, follow=Reading()) as here,
            raw_channel(here, here.server.member_port, node.identity) as channel,
        ):
            call: Call = channel.stream_stream(FOLLOW)()
            await call.write(garbage)
            assert await soon(call.code()) is grpc.StatusCode.INVALID_ARGUMENT
            assert "\n" not in (await call.details() or "")

    run(main())


def test_a_failure_inside_says_nothing_on_the_wire(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def follow(self, member: Member, stream: MasterEnd) -> None:
            await stream.receive()
            raise ValueError("the secret is sesame")

    async def main() -> None:
        node = make_node(2, "node2")
        async with master(node, follow=Broken()) as here:
            stream = await GrpcDialer(node.identity).dial(here.address)
            await stream.send(Hello(NOWHERE, digest_of(b""), 1, 1, "test"))
            with pytest.raises(PeerError, match="failed inside") as caught:
                await soon(stream.receive())
            assert "sesame" not in str(caught.value)
            await stream.close()

    run(main())
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in errors] == ["node2(2): serving its stream failed"]
