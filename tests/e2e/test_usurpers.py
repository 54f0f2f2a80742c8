"""Rows 9 and 10 of the threats: a node that is broken into, and a master that comes back.

The attacker has everything that is on a member's disk, and speaks to real daemons over real TLS.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest

from pmgsync.errors import PmgsyncError
from pmgsync.host.identity import Identity
from pmgsync.host.store import SqliteStore
from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Position, diff
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import FileEntry
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, Member
from pmgsync.model.paths import ManagedPath
from pmgsync.model.peers import Answer, Ask, Propose, Question, Refusal, Standing, Tell, Vote
from pmgsync.model.promotion import promoted
from pmgsync.model.trust import Head, TrustedHistory
from pmgsync.wire.peers import GrpcPeers
from pmgsync.wire.tls import TlsIdentity
from tests.e2e.cluster import Cluster, Node, a_cluster, until
from tests.e2e.test_promotion import is_led_by, lead, new_master_works

T = TypeVar("T")


@dataclass
class Thief:
    """Whoever has the disk of a member."""

    identity: Identity
    history: TrustedHistory
    head: Head
    proof: Envelope | None

    @classmethod
    def of(cls, node: Node) -> "Thief":
        """With what `node` has at this moment; its daemon may go on."""
        identity = Identity.load_or_create(node.root, _no_certificate)
        store = SqliteStore(node.root / "var/lib/pmgsync/node.db")
        head, proof = store.head()
        store.close()
        return cls(identity, TrustedHistory(identity.read_chain(), head), head, proof)

    def member(self, node: Node) -> Member:
        found = self.history.membership.named(node.name)
        assert found is not None
        return found

    @property
    def cid(self) -> int:
        mine = self.identity.key.public_key
        members = self.history.membership.members
        return next(m.cid for m in members if m.keys and m.keys.identity == mine)

    def document(self, *more: SigningKey, epoch: int = 2, base: Base | None = None) -> Envelope:
        """A membership in which the thief's node is the master."""
        base = base or Base(self.head.position, self.head.manifest.digest)
        made = promoted(
            self.history.membership,
            self.history.chain[-1],
            self.cid,
            epoch=epoch,
            base=base,
            now=int(time.time() * 1000),
        )
        return seal(MEMBERSHIP_TYPE, made.to_bytes(), self.identity.key, *more)

    def ask(self, node: Node, question: Question) -> Answer | PmgsyncError:
        """Ask with the stolen certificate; what comes of it."""
        tls = TlsIdentity(self.identity.tls_key, self.identity.tls_certificate)

        async def asking() -> Answer:
            return await GrpcPeers(tls).ask(self.member(node), question, seconds=5)

        try:
            return run(asking)
        except PmgsyncError as error:
            return error


def run(what: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await asyncio.wait_for(what(), 20)

    return asyncio.run(main())


def _no_certificate() -> tuple[bytes, bytes]:
    raise AssertionError("the node has a certificate")


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes that stay what they are: every attack fails."""
    with a_cluster(tmp_path_factory.mktemp("usurpers")) as cluster:
        yield cluster.found(3)


@pytest.fixture(autouse=True)
def _the_master_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "trio" in request.fixturenames:
        trio: Cluster = request.getfixturevalue("trio")
        for node in trio.nodes:
            assert is_led_by(node, trio.master), f"{node.name} has been turned"
        before = trio.version
        trio.master.write("domains", f"example.com 1\nafter-{before}.example 1\n")
        until(lambda: trio.version > before, "the next version")
        trio.settle()


def test_row_09_nobody_signs_for_a_node_while_the_master_is_there(trio: Cluster) -> None:
    thief = Thief.of(trio.nodes[1])
    proof = thief.proof.to_bytes() if thief.proof else b""
    question = Propose(thief.document().to_bytes(), proof)
    answer = thief.ask(trio.nodes[2], question)
    assert isinstance(answer, Refusal)
    assert "is connected to the master, mail1(1), which has not agreed" in answer.why
    answer = thief.ask(trio.master, question)
    assert isinstance(answer, Refusal)
    assert "is the master, and has not been asked to hand over" in answer.why


def test_row_09_a_promotion_that_too_few_have_signed_is_believed_by_nobody(trio: Cluster) -> None:
    thief = Thief.of(trio.nodes[1])
    strangers = [SigningKey.generate() for _ in range(5)]
    for document in (thief.document(), thief.document(*strangers)):
        many = Envelope(document.payload_type, document.payload, document.signatures * 9)
        for node in (trio.nodes[0], trio.nodes[2]):
            answer = thief.ask(node, Tell((many.to_bytes(),)))
            assert isinstance(answer, PmgsyncError)
            assert "a promotion is signed by mail2(2) only" in str(answer)


def test_row_09_a_base_that_nobody_signed_is_no_base(trio: Cluster) -> None:
    """The thief claims to have more than everybody."""
    thief = Thief.of(trio.nodes[1])
    entry = FileEntry.of(ManagedPath("etc/pmg/domains"), b"evil.example 1\n")
    target = thief.head.manifest.changed([entry], [])
    at = Position(1, thief.head.position.version + 100)
    forged = ChangeSet(
        cluster=thief.history.membership.cluster,
        position=at,
        parent=thief.head.manifest.digest,
        result=target.digest,
        change=diff(thief.head.manifest, target),
        created=0,
    )
    proof = seal(CHANGE_SET_TYPE, forged.to_bytes(), thief.identity.key)
    document = thief.document(base=Base(at, target.digest))
    answer = thief.ask(trio.nodes[2], Propose(document.to_bytes(), proof.to_bytes()))
    assert isinstance(answer, Refusal)
    assert "no valid signature" in answer.why


def test_row_09_a_member_tells_others_nothing_but_what_they_may_know(trio: Cluster) -> None:
    """Links of the chain and versions are every member's; a stranger gets neither."""
    thief = Thief.of(trio.nodes[1])
    answer = thief.ask(trio.nodes[2], Ask(0, 0))
    assert isinstance(answer, Standing)
    assert len(answer.links) == len(thief.history.chain)
    stranger = Identity.load_or_create(trio.folder / "stranger", _stranger)
    foreign = Thief(stranger, thief.history, thief.head, thief.proof)
    refused = foreign.ask(trio.nodes[2], Ask(0, 0))
    assert isinstance(refused, PmgsyncError)


def _stranger() -> tuple[bytes, bytes]:
    from pmgsync.wire.certificates import make_certificate

    return make_certificate("stranger", int(time.time() * 1000))


def test_row_10_a_master_that_returns_is_heard_by_nobody(cluster: Cluster) -> None:
    """It was cut off while another one was promoted, and goes on signing."""
    cluster.found(3)
    old, heir, third = cluster.nodes
    thief = Thief.of(old)
    old.kill()
    until(lambda: "no connection" in third.attention(), "the loss to be noticed")
    heir.pmgsync("promote")
    lead(cluster, heir)
    cluster.settle(heir, third)
    # A membership of the old epoch, and a promotion of itself that it alone has signed.
    stale = thief.document(epoch=2)
    higher = thief.document(epoch=9)
    for node in (heir, third):
        for document in (stale, higher):
            answer = thief.ask(node, Tell((document.to_bytes(),)))
            assert isinstance(answer, PmgsyncError | Standing)
            if isinstance(answer, Standing):
                assert answer.epoch == 2
        assert is_led_by(node, heir)
    old.start()
    new_master_works(cluster, heir, third, old)


def test_row_10_a_promise_that_came_to_nothing_is_resolved(cluster: Cluster) -> None:
    """A node signs for a candidate that is never heard of again; then the master comes back."""
    cluster.found(3)
    master, candidate, voter = cluster.nodes
    thief = Thief.of(candidate)
    master.stop()
    candidate.stop()
    until(lambda: "no connection" in voter.attention(), "the loss to be noticed")
    proof = thief.proof.to_bytes() if thief.proof else b""
    vote = thief.ask(voter, Propose(thief.document(epoch=5).to_bytes(), proof))
    assert isinstance(vote, Vote)
    assert "this node has signed for epoch 5, which has not begun" in voter.attention()
    master.start()
    candidate.start()
    until(lambda: cluster.master.status()["status"]["epoch"] == 101, "the master to begin anew")
    master.write("domains", "example.com 1\nresolved.example 1\n")
    cluster.settle()
    assert cluster.is_state(voter, "in sync")()
    assert "has signed for" not in voter.attention()
