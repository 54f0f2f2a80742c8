"""The threats, row by row: somebody attacks a real cluster and gets nowhere."""

import asyncio
import importlib
import pkgutil
import secrets
import socket
import ssl
import warnings
from dataclasses import replace

import grpc
import pytest

import pmgsync.wire.v1
from pmgsync.errors import NotAllowedError, PeerError, PmgsyncError, RemovedError, TransportError
from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Diff, Position
from pmgsync.model.envelope import seal
from pmgsync.model.joining import (
    JOIN_PETITION_TYPE,
    JOIN_REQUEST_TYPE,
    SECRET_BYTES,
    JoinRequest,
    Petition,
    Token,
)
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import FileEntry, Manifest, digest_of
from pmgsync.model.membership import MemberKeys
from pmgsync.model.messages import (
    Contents,
    Need,
    Offer,
    Part,
    Pulse,
    SignedReport,
    View,
)
from pmgsync.model.paths import ManagedPath
from pmgsync.model.rekeying import KeyChange, sign_change
from pmgsync.model.report import REPORT_TYPE, Outcome, Report
from pmgsync.wire.audience import AUDIENCES, CATCH_UP, CHANGE, CONSULT, FOLLOW, JOIN, Audience
from pmgsync.wire.join import fetch_certificate, join_exchange
from pmgsync.wire.petition import file_petition
from pmgsync.wire.register_call import ask_leave, ask_rekey
from pmgsync.wire.tls import target_of
from pmgsync.wire.v1 import join_pb2 as pb
from tests.e2e.cluster import environment, never, until
from tests.threats.attacks import (
    JOIN_PORT,
    JoinTalk,
    Liar,
    a_channel,
    a_stream,
    all_that_comes,
    code_of,
    in_the_place_of,
    tls_version,
)
from tests.threats.conftest import Stage, identity_of
from tests.unit.model.sample import PMG_KEYS
from tests.wire.nodes import make_node, run
from tests.wire.test_members import issue

EVIL = b"evil.example 1\n"
PATH = ManagedPath("etc/pmg/domains")
NO = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE)


def evil_version(stage: Stage, signer: SigningKey, **changes: object) -> Offer:
    """The next version, with evil in it."""
    entry = FileEntry.of(PATH, EVIL)
    base = Manifest(
        FileEntry.of(ManagedPath(path), (stage.master.root / path).read_bytes())
        for path in stage.master.tree()
    )
    made = ChangeSet(
        cluster=stage.membership.cluster,
        position=Position(1, stage.cluster.version + 1),
        parent=base.digest,
        result=base.changed([entry], []).digest,
        change=Diff((entry,), ()),
        created=1,
        message="",
    )
    made = replace(made, **changes)  # type: ignore[arg-type]
    envelope = seal(CHANGE_SET_TYPE, made.to_bytes(), signer)
    return Offer(envelope.to_bytes(), (Part(entry.digest, entry.size, 0, EVIL),))


def served_instead(stage: Stage, *messages: Offer, keys: str) -> Liar:
    """The master is gone; in its place somebody serves these messages, with the keys of `keys`."""
    source = stage.master if keys == "the master" else stage.broken
    identity, members = stage.thief(source).identity, stage.membership.members
    liar, address = Liar(messages), stage.master.address

    async def main() -> None:
        async with in_the_place_of(address, identity, members, liar):
            await asyncio.sleep(2.5)  # several tries of each node

    stage.master.stop()
    stage.broken.stop()
    before = stage.bystander.tree()
    run(main())
    assert stage.bystander.tree() == before
    assert stage.bystander.leftovers() == []
    return liar


def goes_on(stage: Stage) -> None:
    """The real master is back, and all is as if nothing had been."""
    for node in (stage.master, stage.broken):
        node.start()
    stage.cluster.settle()


def test_row_01_a_change_set_by_a_member_is_no_change_set(stage: Stage) -> None:
    version = evil_version(stage, identity_of(stage.broken).key)
    assert served_instead(stage, version, keys="a member").followers == []  # not even dialled in
    assert stage.bystander.logged("no connection to the master")
    assert not stage.bystander.has("domains", EVIL)
    goes_on(stage)
    # Even at the master's place with the master's TLS key, a member's signature is none.
    liar = served_instead(stage, version, keys="the master")
    assert stage.bystander.name in {member.name for member in liar.followers}
    assert stage.bystander.logged("no valid signature")
    goes_on(stage)


def test_row_02_an_older_version_and_one_of_another_cluster_are_refused(stage: Stage) -> None:
    master = identity_of(stage.master).key
    old = evil_version(stage, master, position=Position(1, 1))
    other = evil_version(stage, master, cluster="f" * 32)
    runs = stage.bystander.logged("runs version")
    served_instead(stage, old, other, keys="the master")
    assert stage.bystander.logged("is not newer than")
    assert stage.bystander.logged("another cluster")
    assert stage.bystander.logged("runs version") == runs
    goes_on(stage)


def test_row_04_a_version_that_leads_to_another_state_is_not_applied(stage: Stage) -> None:
    mixed = evil_version(stage, identity_of(stage.master).key, result=digest_of(b"a mixture"))
    served_instead(stage, mixed, keys="the master")
    assert not stage.bystander.has("domains", EVIL)
    goes_on(stage)


# --- row 7: joining -------------------------------------------------------------------------------


def token_of(stage: Stage) -> Token:
    line = stage.master.pmgsync("join-cmd").out.strip().splitlines()[-1]
    return Token.from_text(line.split()[-1])


def stranger(name: str = "thief") -> tuple[JoinRequest, SigningKey]:
    """A node of the attacker's own."""
    key, keys = SigningKey.generate(), make_node(9, name).member.keys
    assert keys is not None
    return JoinRequest(name, "127.0.0.9", 7643, key.public_key, keys.certificate, PMG_KEYS), key


def test_row_07_a_token_guessed_replayed_or_used_twice_lets_nobody_in(stage: Stage) -> None:
    address, token = stage.master.address, token_of(stage)
    request, key = stranger()
    envelope = seal(JOIN_REQUEST_TYPE, request.to_bytes(), key).to_bytes()
    certificate = fetch_certificate(address, JOIN_PORT)

    async def guessed() -> None:
        wrong = Token(secrets.token_bytes(SECRET_BYTES), token.certificate)
        with pytest.raises(NotAllowedError, match="unknown, used or expired"):
            await join_exchange(address, JOIN_PORT, wrong, lambda: envelope)

    async def replayed() -> None:
        async with a_channel(address, JOIN_PORT, certificate, None) as channel:
            seen = JoinTalk(channel)  # an exchange that somebody listened to: nonce, request, proof
            exchange = await seen.open(token)
            proof = exchange.node_proof(envelope)
            again = JoinTalk(channel)
            await again.open(token, seen.nonce)
            assert await again.ask(envelope, proof) is grpc.StatusCode.UNAUTHENTICATED
            for proof in (exchange.master_proof(), bytes(32)):
                talk = JoinTalk(channel)
                await talk.open(token)
                assert await talk.ask(envelope, proof) is grpc.StatusCode.UNAUTHENTICATED

    async def used_twice() -> None:
        await join_exchange(address, JOIN_PORT, token, lambda: envelope)
        other, other_key = stranger("other")
        second = seal(JOIN_REQUEST_TYPE, other.to_bytes(), other_key).to_bytes()
        with pytest.raises(NotAllowedError, match="unknown, used or expired"):
            await join_exchange(address, JOIN_PORT, token, lambda: second)

    run(guessed())
    run(replayed())
    assert len(stage.membership.members) == 3
    run(used_twice())  # the first time, it is the token's owner
    assert [m.name for m in stage.membership.members][3:] == ["thief"]


def test_row_07_an_impostor_of_the_master_gets_neither_secret_nor_node(stage: Stage) -> None:
    node = stage.cluster.add(python=stage.master.python).start()
    token, own = token_of(stage), make_node(1, stage.master.name)
    liar = Liar()

    async def main() -> int:
        async with in_the_place_of(stage.master.address, own.identity, (), liar):
            process = await asyncio.create_subprocess_exec(
                *node.command("join", stage.master.address, "--token", token.to_text()),
                env=environment(),
                stderr=asyncio.subprocess.PIPE,
            )
            _, said = await process.communicate()
            assert b"wrong fingerprint" in said, said
            return process.returncode or 0

    stage.master.stop()
    assert run(main(), 40) == 1
    stage.master.start()
    stage.cluster.join(node)  # the token was not used up
    stage.cluster.settle()


def test_row_07_a_petition_handed_on_by_somebody_in_between_is_refused(stage: Stage) -> None:
    request, key = stranger("honest")
    in_between = make_node(1, "in-between")
    shown = Petition(request, in_between.fingerprint)  # what the honest node was shown
    handed_on = seal(JOIN_PETITION_TYPE, shown.to_bytes(), key).to_bytes()

    async def main() -> None:
        with pytest.raises(PmgsyncError, match="somebody may stand in between"):
            await file_petition(stage.master.address, JOIN_PORT, lambda _digest: handed_on)

    run(main())
    assert "nobody waits" in stage.master.pmgsync("approve").out


# --- row 8: removal -------------------------------------------------------------------------------


def test_row_08_a_removed_member_hears_and_says_nothing_more(stage: Stage) -> None:
    stage.broken.stop()
    thief, address = stage.thief(), stage.address
    keys = address.keys
    assert keys is not None

    async def main() -> None:
        stream = await a_stream(address, thief.identity)
        listening = asyncio.ensure_future(all_that_comes(stream))
        async with a_channel(
            address.address, address.port, keys.certificate, thief.identity
        ) as channel:
            # A second connection that is open already, and idle.
            assert await code_of(channel, CHANGE, b"\xff") is grpc.StatusCode.INVALID_ARGUMENT
            await asyncio.to_thread(stage.master.pmgsync, "delete", stage.broken.name)
            stage.master.write("domains", "after the removal\n")
            came, end = await listening
            assert isinstance(end, RemovedError)
            assert not any(b"after the removal" in repr(message).encode() for message in came)
            for method in (FOLLOW, CHANGE):
                assert await code_of(channel, method) is grpc.StatusCode.PERMISSION_DENIED
        with pytest.raises((NotAllowedError, TransportError)):
            await a_stream(address, thief.identity)
        with pytest.raises((NotAllowedError, TransportError)):
            await ask_leave(thief.identity, address)

    run(main(), 40)
    stage.cluster.settle(stage.master, stage.bystander)

    async def elsewhere() -> None:
        """The other members do not know it any more, either."""
        member = next(m for m in stage.membership.members if m.name == stage.bystander.name)
        assert member.keys is not None
        async with a_channel(
            member.address, member.port, member.keys.certificate, thief.identity
        ) as channel:
            for method in (CONSULT, CATCH_UP):
                assert await code_of(channel, method) in NO

    run(elsewhere(), 40)


# --- row 9: a node that was broken into -----------------------------------------------------------


def test_row_09_a_member_mints_no_certificate_for_another(stage: Stage) -> None:
    thief = stage.thief()
    names = (stage.master.name, stage.bystander.name, stage.broken.name)

    async def main() -> None:
        for name in names:
            for usage in (True, False):
                minted = issue(thief.identity, f"{name}-12345678", usage=usage)
                with pytest.raises((NotAllowedError, TransportError)):
                    await a_stream(stage.address, minted)

    run(main(), 60)


def test_row_09_a_member_reads_nothing_but_what_is_its_own(stage: Stage) -> None:
    secret = stage.master.write("pmg-api.pem", "the master's own key\n").read_bytes()
    key = stage.master.path("var/lib/pmgsync/identity.key").read_bytes()
    stage.broken.stop()
    thief = stage.thief()

    async def main() -> list[Part]:
        stream = await a_stream(stage.address, thief.identity)
        await stream.send(Need((digest_of(secret), digest_of(key))))
        parts: list[Part] = []
        while len(parts) < 2:
            message = await asyncio.wait_for(stream.receive(), 10)
            parts += message.parts if isinstance(message, Contents) else ()
        await stream.close()
        return parts

    parts = run(main(), 30)
    assert {part.digest for part in parts} == {digest_of(secret), digest_of(key)}
    assert all((part.total, part.data) == (-1, b"") for part in parts)


def test_row_09_a_member_speaks_for_itself_only(stage: Stage) -> None:
    stage.broken.stop()
    thief = stage.thief()
    victim = next(m for m in stage.membership.members if m.name == stage.bystander.name)
    lie = Report(
        cluster=stage.membership.cluster,
        cid=victim.cid,
        active=Position(1, 1),
        manifest=digest_of(b""),
        wanted=Position(1, stage.cluster.version),
        outcome=Outcome.UNABLE,
        detail="a lie",
        notes=(),
        milliseconds=1,
    )
    envelope = seal(REPORT_TYPE, lie.to_bytes(), identity_of(stage.broken).key).to_bytes()
    new = SigningKey.generate()
    new_keys = MemberKeys(new.public_key, make_node(9, "thief").certificate)
    last = identity_of(stage.master).read_chain()[-1].digest

    async def main() -> None:
        stream = await a_stream(stage.address, thief.identity)
        await stream.send(SignedReport(envelope))
        _, end = await all_that_comes(stream)
        assert isinstance(end, PeerError)
        # Its own signature under the other's number gives the other no other keys.
        change = KeyChange(stage.membership.cluster, victim.cid, last, new_keys)
        request = sign_change(change, identity_of(stage.broken).key, new).to_bytes()
        with pytest.raises(PeerError, match="for itself only"):
            await ask_rekey(thief.identity, stage.address, request, b"")
        # To leave is to leave oneself: the request has no name in it.
        await ask_leave(thief.identity, stage.address)

    run(main(), 40)
    names = {m.name for m in stage.membership.members}
    assert names == {stage.master.name, stage.bystander.name}
    stage.cluster.settle(stage.master, stage.bystander)
    assert "a lie" not in stage.master.attention()


# --- row 13: calls without the right to them ------------------------------------------------------


def every_rpc() -> list[str]:
    """All methods of all services that there are."""
    methods = []
    for module in pkgutil.iter_modules(pmgsync.wire.v1.__path__):
        if module.name.endswith("_pb2"):
            found = importlib.import_module(f"pmgsync.wire.v1.{module.name}").DESCRIPTOR
            for service in found.services_by_name.values():
                methods += [f"/{service.full_name}/{method.name}" for method in service.methods]
    return methods


def test_row_13_no_call_is_answered_for_who_may_not_make_it(stage: Stage) -> None:
    methods = [*every_rpc(), "/pmgsync.v1.Follow/Secret", "/grpc.health.v1.Health/Check", "/x"]
    assert set(every_rpc()) == set(AUDIENCES)
    member, nobody = stage.thief().identity, make_node(9, "nobody").identity
    keys, address = stage.address.keys, stage.master.address
    assert keys is not None
    certificate = keys.certificate

    async def main() -> None:
        for port, identity in (
            (7643, None),
            (7643, nobody),
            (JOIN_PORT, None),
            (JOIN_PORT, nobody),
            (JOIN_PORT, member),
        ):
            async with a_channel(address, port, certificate, identity) as channel:
                for method in methods:
                    if port == JOIN_PORT and AUDIENCES.get(method) is Audience.ANYONE:
                        continue
                    assert await code_of(channel, method) in NO, (port, method)
        async with a_channel(address, 7643, certificate, member) as channel:
            for method in methods:
                if AUDIENCES.get(method) is not Audience.MEMBER:
                    assert await code_of(channel, method) is grpc.StatusCode.PERMISSION_DENIED

    run(main(), 60)


def test_row_13_neither_plaintext_nor_old_tls_is_spoken(stage: Stage) -> None:
    address = stage.master.address

    async def plaintext() -> None:
        for port in (7643, JOIN_PORT):
            async with grpc.aio.insecure_channel(target_of(address, port)) as channel:
                assert await code_of(channel, JOIN) is grpc.StatusCode.UNAVAILABLE

    run(plaintext(), 40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
        for port in (7643, JOIN_PORT):
            for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
                assert tls_version(address, port, version).startswith("refused")
    assert tls_version(address, JOIN_PORT, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


# --- row 15: floods -------------------------------------------------------------------------------


def test_row_15_members_keep_their_streams_in_a_flood_of_connections(stage: Stage) -> None:
    address = stage.master.address
    silent = []
    for number in range(200):
        plain = socket.create_connection((address, (7643, JOIN_PORT)[number % 2]), timeout=5)
        plain.sendall(b"\x16\x03\x01"[: number % 4])  # the beginning of a handshake, or nothing
        silent.append(plain)
    stage.master.write("domains", "in the flood\n")
    stage.cluster.settle()
    assert stage.cluster.state_of(stage.bystander)["state"] == "in sync"
    for plain in silent:
        plain.close()


def test_row_15_a_flood_of_guesses_is_slowed_down_and_members_notice_nothing(
    stage: Stage,
) -> None:
    address = stage.master.address
    certificate = fetch_certificate(address, JOIN_PORT)
    opening = pb.Opening(token_id="0" * 16, node_nonce=bytes(32))
    said = pb.ToJoinMaster(opening=opening).SerializeToString()

    async def main() -> None:
        async with a_channel(address, JOIN_PORT, certificate, None) as channel:
            for _ in range(60):
                assert await code_of(channel, JOIN, said) in NO

    run(main(), 60)
    assert stage.master.logged("too many tries")
    stage.master.write("domains", "in the flood\n")
    stage.cluster.settle()


def test_row_15_a_member_has_one_stream_whatever_it_opens(stage: Stage) -> None:
    stage.broken.stop()
    thief = stage.thief()

    async def main() -> None:
        streams = [await a_stream(stage.address, thief.identity) for _ in range(12)]
        for stream in streams[:-1]:
            _, end = await all_that_comes(stream)
            assert isinstance(end, TransportError)
        await streams[-1].send(Pulse(want_view=True))
        while not isinstance(await asyncio.wait_for(streams[-1].receive(), 10), View):
            pass
        await streams[-1].close()

    run(main(), 60)
    until(stage.cluster.is_state(stage.broken, "away"), "the last one to be gone")
    never(lambda: stage.cluster.state_of(stage.bystander)["state"] != "in sync", "it to suffer")
