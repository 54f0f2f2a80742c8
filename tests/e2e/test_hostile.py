"""A master that lies, with the real keys of the cluster or without, to a real node over real TLS.

The real master is stopped; in its place, at its address and with its certificate, somebody serves
one crafted message. The node must say what is wrong in one line and change nothing; when the real
master is back the node goes on as if nothing had been.
"""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from pmgsync.errors import NotAllowedError, PmgsyncError
from pmgsync.host.identity import Identity
from pmgsync.host.store import SqliteStore
from pmgsync.join_ports import FiledPetition, JoinAttempt
from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Diff, Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.heartbeat import HEARTBEAT_TYPE, Heartbeat
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import FileEntry, digest_of
from pmgsync.model.membership import Member, Membership
from pmgsync.model.messages import Beat, Offer, Part, Resync, SnapshotPart, ToAgent
from pmgsync.model.paths import ManagedPath
from pmgsync.model.trust import Head
from pmgsync.ports import MasterEnd
from pmgsync.wire.server import Listen, MemberServer
from pmgsync.wire.tls import TlsIdentity
from tests.e2e.cluster import Cluster, Node, a_cluster

PATH = "etc/pmg/domains"
EVIL = b"evil.example 1\n"
PATIENCE = 15.0


class Liar:
    """Says its messages to whoever follows, and remembers whether it was asked for a snapshot."""

    def __init__(self, messages: Sequence[ToAgent]) -> None:
        self._messages = messages
        self.over = asyncio.Event()
        self.asked_anew = False

    async def follow(self, member: Member, stream: MasterEnd) -> None:
        """See `FollowHandler`."""
        await stream.receive()
        for message in self._messages:
            await stream.send(message)
        try:
            while (said := await stream.receive()) is not None:
                self.asked_anew |= isinstance(said, Resync)
                if self.asked_anew:
                    self.over.set()
        except PmgsyncError:
            pass
        self.over.set()


class NoJoining:
    """A `JoinHandler` that lets nobody in."""

    def begin(self, token_id: str, node_nonce: bytes, peer: str) -> JoinAttempt:
        raise NotAllowedError("nobody joins here")

    def file(self, envelope: bytes, peer: str) -> FiledPetition:
        raise NotAllowedError("nobody joins here")


@dataclass
class Stage:
    """A cluster whose master is stopped, and what a thief of the master's disk would know."""

    cluster: Cluster
    identity: Identity
    head: Head
    envelopes: dict[int, Envelope]
    membership: Membership

    @property
    def node(self) -> Node:
        return self.cluster.nodes[1]

    @property
    def version(self) -> int:
        return self.head.position.version

    def honest(self, content: bytes = EVIL) -> tuple[ChangeSet, FileEntry]:
        """The next version, as it should be."""
        entry = FileEntry.of(ManagedPath(PATH), content)
        change = Diff((entry,), ())
        target = self.head.manifest.changed([entry], [])
        position = Position(self.membership.epoch, self.version + 1)
        made = ChangeSet(
            cluster=self.membership.cluster,
            position=position,
            parent=self.head.manifest.digest,
            result=target.digest,
            change=change,
            created=int(time.time() * 1000),
            message="",
        )
        return made, entry

    def signed(self, payload: bytes, key: SigningKey | None = None) -> bytes:
        return seal(CHANGE_SET_TYPE, payload, key or self.identity.key).to_bytes()

    def lie(self, *messages: ToAgent) -> bool:
        """Serve the messages once; whether the node then asked for a snapshot."""
        return asyncio.run(self._serve(messages))

    async def _serve(self, messages: Sequence[ToAgent]) -> bool:
        liar = Liar(messages)
        members = {m.keys.fingerprint: m for m in self.membership.members if m.keys is not None}
        server = MemberServer(
            TlsIdentity(self.identity.tls_key, self.identity.tls_certificate),
            lookup=members.get,
            follow=liar,
            join=NoJoining(),
            certificates=[m.keys.certificate for m in members.values() if m.keys is not None],
        )
        address = self.cluster.master.address
        await server.start(Listen(address, 7643), Listen(address, 7644))
        try:
            await asyncio.wait_for(liar.over.wait(), PATIENCE)
        finally:
            await server.stop(0.2)
        return liar.asked_anew


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with a_cluster(tmp_path_factory.mktemp("hostile")) as cluster:
        cluster.found(2, settings="[network]\nheartbeat_ms = 300\n")
        cluster.master.write("domains", "example.com 1\nlast-honest.example 1\n")
        cluster.settle()
        cluster.master.stop()
        root = cluster.master.root
        store = SqliteStore(root / "var/lib/pmgsync/node.db")
        head, _ = store.head()
        records = {n: store.record(n) for n in range(1, head.position.version + 1)}
        store.close()
        identity = Identity.load_or_create(root, _no_certificate)
        membership = Membership.from_bytes(identity.read_chain()[-1].payload)
        envelopes = {n: record.envelope for n, record in records.items() if record is not None}
        yield Stage(cluster, identity, head, envelopes, membership)


def _no_certificate() -> tuple[bytes, bytes]:
    raise AssertionError("the master has a certificate")


@pytest.fixture(autouse=True)
def _nothing_changes(stage: Stage) -> Iterator[None]:
    # Anew each time: what the cluster's own key has signed, a node remembers while it runs.
    stage.node.stop()
    stage.node.start()
    before, lines = stage.node.tree(), len(stage.node.log_text().splitlines())
    yield
    assert stage.node.tree() == before
    assert stage.node.leftovers() == []
    assert stage.node.applied == stage.version
    fresh = stage.node.log_text().splitlines()[lines:]
    assert not any("Traceback" in line or "runs version" in line for line in fresh)


def complained(stage: Stage, *words: str) -> bool:
    """Did the node say it in one line?"""
    return any(all(word in line for word in words) for line in stage.node.log_text().splitlines())


def test_an_older_version_is_not_taken_again(stage: Stage) -> None:
    older = stage.envelopes[stage.version - 1].to_bytes()
    manifest = stage.head.manifest.to_bytes()
    beat = Heartbeat(
        cluster=stage.membership.cluster,
        position=replace(stage.head.position, version=stage.version + 1),
        manifest=stage.head.manifest.digest,
        serial=stage.membership.serial,
        count=1,
    )
    # The beat of a version that does not come makes the node ask; until then it took nothing.
    sealed = Beat(seal(HEARTBEAT_TYPE, beat.to_bytes(), stage.identity.key).to_bytes())
    assert stage.lie(Offer(older), Offer(stage.envelopes[1].to_bytes()), sealed)
    newest = stage.envelopes[stage.version].to_bytes()
    assert stage.lie(SnapshotPart(newest, len(manifest), 0, manifest), sealed)


def test_a_version_of_another_cluster_is_refused(stage: Stage) -> None:
    made, _ = stage.honest()
    other = replace(made, cluster="f" * len(made.cluster))
    stage.lie(Offer(stage.signed(other.to_bytes())))
    assert complained(stage, "no connection to the master", "another cluster")


def test_row_06_a_path_out_of_scope_is_refused(stage: Stage) -> None:
    made, entry = stage.honest()
    for path in ("etc/passwd", "etc/pmg/pmg-api.pem", "etc/pmg/../shadow", "/etc/pmg/domains"):
        payload = made.to_bytes().replace(f'"{PATH}"'.encode(), f'"{path}"'.encode())
        assert payload != made.to_bytes()
        part = Part(entry.digest, entry.size, 0, EVIL)
        stage.lie(Offer(stage.signed(payload), (part,)))
        assert complained(stage, "no connection to the master", path), stage.node.tail()


def test_a_content_that_is_not_the_signed_one_is_refused(stage: Stage) -> None:
    made, entry = stage.honest()
    wrong = b"X" * len(EVIL)
    stage.lie(Offer(stage.signed(made.to_bytes()), (Part(entry.digest, len(wrong), 0, wrong),)))
    assert complained(stage, "does not have the digest that was signed")


def test_row_03_who_withholds_all_news_is_left_and_the_age_of_what_is_known_is_said(
    stage: Stage,
) -> None:
    stage.lie()
    assert complained(stage, "no connection to the master", "nothing heard for")
    shown = stage.node.pmgsync("status", code=None).out
    assert re.match(r"as of \d+ \S+ ago: the master mail1 \(\S+\) is away\n", shown), shown


def test_row_05_a_content_longer_than_signed_is_refused(stage: Stage) -> None:
    made, entry = stage.honest(b"longer\n")
    stage.lie(Offer(stage.signed(made.to_bytes()), (Part(entry.digest, 100, 0, b"x"),)))
    assert complained(stage, "a content is not as long as was signed")


def test_an_altered_envelope_is_refused(stage: Stage) -> None:
    made, _ = stage.honest()
    good = seal(CHANGE_SET_TYPE, made.to_bytes(), stage.identity.key)
    altered = replace(good, payload=good.payload.replace(b"domains", b"transpo"))
    stage.lie(Offer(altered.to_bytes()))
    assert complained(stage, "no connection to the master", "sign")


def test_a_version_signed_by_somebody_else_is_refused(stage: Stage) -> None:
    made, _ = stage.honest()
    before = len(stage.node.logged("sign"))
    stage.lie(Offer(stage.signed(made.to_bytes(), SigningKey.generate())))
    assert len(stage.node.logged("sign")) > before


@pytest.mark.parametrize("what", ["result", "parent", "version"])
def test_a_version_that_does_not_follow_is_asked_for_anew(stage: Stage, what: str) -> None:
    made, _ = stage.honest()
    ahead = replace(made.position, version=stage.version + 5)
    wrong = {
        "result": replace(made, result=digest_of(b"?")),
        "parent": replace(made, parent=digest_of(b"?")),
        "version": replace(made, position=ahead),
    }
    assert stage.lie(Offer(stage.signed(wrong[what].to_bytes())))


def test_the_node_goes_on_when_the_real_master_is_back(stage: Stage) -> None:
    stage.cluster.master.start()
    stage.cluster.settle()
    assert stage.cluster.version == stage.version
    stage.cluster.master.stop()
