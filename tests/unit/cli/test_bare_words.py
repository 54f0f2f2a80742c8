"""What a member says without a signature, and what it does not do although it could, stop no
promotion: it is named, and costs no more than one try.
"""

import asyncio

import pytest

from pmgsync.agent.campaign import Way
from pmgsync.agent.fetching import MOST_SECONDS, SILENCE_SECONDS, Fetcher, FetchParts
from pmgsync.agent.link import Link
from pmgsync.agent.voting import ballot_in
from pmgsync.cli.promoting import word_of
from pmgsync.cli.promotion_answers import MemberWord
from pmgsync.errors import NoMasterError, OperatorError, TransportError
from pmgsync.model.ballot import NO_BALLOT, Ballot
from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Position, diff
from pmgsync.model.envelope import seal
from pmgsync.model.manifest import FileEntry, Manifest, digest_of
from pmgsync.model.membership import Member
from pmgsync.model.messages import Pulse, ToAgent, ToMaster, View
from pmgsync.model.paths import ManagedPath
from pmgsync.model.peers import Answer, Question
from pmgsync.ports import AgentEnd, LogRecord
from tests.sim.author import CLUSTER
from tests.sim.cluster import RECOVERY, SimCluster, SimNode
from tests.sim.store import MemoryStore
from tests.sim.virtual import VirtualClock, run_virtually
from tests.unit.cli.test_recovery import newest
from tests.unit.model.sample import member


def invent(node: SimNode, version: int) -> None:
    """Its log has a version that no master has signed."""
    (head, _), content = node.store.head(), b"invented.example 1\n"
    target = head.manifest.changed([FileEntry.of(ManagedPath("etc/pmg/domains"), content)], [])
    words = ChangeSet(
        cluster=CLUSTER,
        position=Position(1, version),
        parent=head.manifest.digest,
        result=target.digest,
        change=diff(head.manifest, target),
        created=0,
    )
    envelope = seal(CHANGE_SET_TYPE, words.to_bytes(), node.keys)
    node.store.append(LogRecord(envelope, words.change), {digest_of(content): content})


async def begun(count: int) -> SimCluster:
    cluster = SimCluster(count)
    await cluster.begin()
    await asyncio.sleep(2)
    return cluster


def took(cluster: SimCluster, since: float) -> float:
    """Seconds, of virtual time."""
    return cluster.clock.monotonic() - since


@pytest.mark.parametrize("by_key", [False, True])
def test_a_version_that_is_not_shown_stops_nobody(by_key: bool) -> None:
    async def main() -> None:
        cluster = await begun(5)
        invent(cluster.nodes[5], 999)
        await cluster.nodes[1].crash()
        await asyncio.sleep(6)
        began = cluster.clock.monotonic()
        won = await cluster.nodes[2].promote(*([RECOVERY] if by_key else []))
        assert took(cluster, began) < 1
        assert won.plan.way is (Way.RECOVERY if by_key else Way.MAJORITY)
        refused = {one.member.cid: one.why for one in won.given if one.why}
        assert refused[5].startswith("says that it has version 1.999, which does not count: no val")
        assert won.plan.lost is None
        await asyncio.sleep(3)
        assert {newest(cluster.nodes[cid]) for cid in (2, 3, 4, 5)} == {(2, 2)}
        await cluster.end()

    run_virtually(main())


async def alone_with_a_version(cluster: SimCluster, holder: SimNode, content: str) -> None:
    """`holder` alone has the master's newest version, and the master is gone."""
    for cid in cluster.nodes.keys() - {1, holder.cid}:
        cluster.network.part(1, cid)
    cluster.nodes[1].edit("domains", content)
    await asyncio.sleep(1)
    assert holder.runs == Position(1, 2)
    await cluster.nodes[1].crash()
    await asyncio.sleep(6)


def test_a_version_that_is_shown_and_not_handed_over_is_named_as_lost() -> None:
    async def main() -> None:
        cluster = await begun(4)
        holder = cluster.nodes[4]
        await alone_with_a_version(cluster, holder, "x" * 300_000)
        lose(holder.store, b"x" * 300_000 + b"\n")
        began = cluster.clock.monotonic()
        with pytest.raises(NoMasterError) as refused:  # before anything is signed
            await cluster.nodes[2].promote(RECOVERY)
        assert took(cluster, began) < SILENCE_SECONDS + 1
        assert str(refused.value).startswith(
            "this node cannot be the master: node4(4) has version 1.2, which did not come: "
        )
        assert str(refused.value).endswith(
            "`pmgsync promote` on node4(4), which has it; if that cannot be, `--without 1.2` here "
            "goes on without it"
        )
        assert {ballot_in(node.store, CLUSTER) for node in cluster.nodes.values()} == {NO_BALLOT}
        won = await cluster.nodes[2].promote(RECOVERY, without=Position(1, 2))
        assert won.plan.lost == (Position(1, 2), Position(1, 2))
        told = {one.member.cid: one.why for one in won.given if one.why}
        assert told[4].startswith("has version 1.2, which did not come: ")
        await asyncio.sleep(5)
        assert cluster.nodes[3].text_of("domains") == "example.com 1"
        assert {newest(cluster.nodes[cid]) for cid in (2, 3, 4)} == {(2, 2)}
        await cluster.end()

    run_virtually(main())


def test_what_one_does_not_hand_over_is_fetched_from_another() -> None:
    async def main() -> None:
        cluster = await begun(5)
        for cid in (2, 5):
            cluster.network.part(1, cid)
        cluster.nodes[1].edit("domains", "y" * 300_000)
        await asyncio.sleep(1)
        await cluster.nodes[1].crash()
        lose(cluster.nodes[3].store, b"y" * 300_000 + b"\n")
        await asyncio.sleep(6)
        won = await cluster.nodes[2].promote()
        assert won.document is not None
        assert (won.plan.lost, cluster.nodes[2].runs.version) == (None, 2)
        assert cluster.nodes[2].text_of("domains") == "y" * 300_000
        await cluster.end()

    run_virtually(main())


@pytest.mark.parametrize("by_key", [False, True])
def test_who_has_signed_for_another_epoch_does_not_lose_what_a_majority_has(by_key: bool) -> None:
    """Node 2 has signed for a candidate that never began, and missed a version since."""
    recovery = [RECOVERY] if by_key else []

    async def main() -> None:
        cluster = await begun(5)
        node, voting = cluster.nodes[2], cluster.nodes[2].peering
        assert voting is not None
        cluster.part({2, 3})
        await asyncio.sleep(5)
        voting.voting.promise(Ballot(3, Manifest().digest, 3))
        await cluster.nodes[3].crash()
        cluster.nodes[1].edit("domains", "of-a-majority.example 1")
        await asyncio.sleep(1)
        assert {cluster.nodes[cid].runs.version for cid in (1, 4, 5)} == {2}
        await cluster.nodes[1].crash()
        cluster.heal()
        await asyncio.sleep(6)
        began = cluster.clock.monotonic()
        with pytest.raises(NoMasterError) as refused:
            await node.promote(*recovery)
        assert str(refused.value) == (
            "this node cannot be the master: node4(4) has version 1.2, and this node takes in "
            "nothing before epoch 3, for which it has signed; `pmgsync promote` on node4(4), which "
            "has it; if that cannot be, `--without 1.2` here goes on without it"
        )
        assert took(cluster, began) < 1
        await cluster.nodes[4].promote()
        await asyncio.sleep(3)
        assert node.text_of("domains") == "of-a-majority.example 1"
        await cluster.end()

    run_virtually(main())


def test_the_recovery_key_goes_on_without_it_where_the_admin_says_so() -> None:
    async def main() -> None:
        cluster = await begun(3)
        await alone_with_a_version(cluster, cluster.nodes[3], "left-behind.example 1")
        peering = cluster.nodes[2].peering
        assert peering is not None
        peering.voting.promise(Ballot(3, Manifest().digest, 3))
        for lower in (None, Position(1, 1)):
            with pytest.raises(NoMasterError, match=r"`--without 1\.2` here goes on"):
                await cluster.nodes[2].promote(RECOVERY, without=lower)
        won = await cluster.nodes[2].promote(RECOVERY, without=Position(1, 2))
        assert won.plan.lost == (Position(1, 2), Position(1, 2))
        await asyncio.sleep(5)
        assert cluster.nodes[3].text_of("domains") == "example.com 1"
        assert len(cluster.nodes[3].store.orphans()) == 1
        await cluster.end()

    run_virtually(main())


def test_it_is_told_beforehand_who_says_what_it_does_not_show() -> None:
    async def main() -> list[MemberWord]:
        cluster = await begun(3)
        invent(cluster.nodes[3], 999)
        peering = cluster.nodes[2].peering
        assert peering is not None
        survey = await peering.candidate().survey()
        await cluster.end()
        return list(map(word_of, survey.heard))

    first, liar = run_virtually(main())
    assert first == MemberWord("node1(1)", head="1.1")
    assert liar.why.startswith("says that it has version 1.999, which does not count: no valid si")


def lose(store: MemoryStore, content: bytes) -> None:
    """The disk has eaten it."""
    del store._disk.contents[digest_of(content)]


class Source:
    """A member that answers a request to hand over what it has: each `pause` seconds a message that
    is none of the versions; None: with nothing. Both `Peers` and `AgentEnd`.
    """

    def __init__(self, pause: float | None) -> None:
        self._pause = pause

    async def ask(self, member: Member, question: Question, *, seconds: float = 2.0) -> Answer:
        raise AssertionError("nobody asks")

    async def catch_up(self, member: Member) -> AgentEnd:
        return self

    async def send(self, message: ToMaster) -> None:
        """Takes everything."""

    async def receive(self) -> ToAgent | None:
        await asyncio.sleep(1e6 if self._pause is None else self._pause)
        return View(b"{}")

    async def dial(self, master: Member) -> AgentEnd:
        return self

    async def close(self) -> None:
        """Nothing to do."""


def fetch(source: Source, **more: object) -> float:
    """How long (in virtual seconds) it takes until the error of a fetch comes, which is raised."""
    taken: list[ToAgent] = []

    def take(message: ToAgent) -> list[ToMaster]:
        taken.append(message)
        return []

    async def main() -> None:
        clock = VirtualClock()
        link = Link(source, clock, lambda: member(1), lambda: [Pulse()], take, lambda: None)
        parts = {"has_all": lambda: False, "trouble": lambda: "", **more}
        fetcher = Fetcher(
            FetchParts(MemoryStore(), clock, source, link, **parts)  # type: ignore[arg-type]
        )
        try:
            await fetcher.fetch(member(5), Position(1, 7))
        finally:
            spent.append(clock.monotonic())

    spent: list[float] = []
    try:
        run_virtually(main())
    finally:
        assert taken == []  # a view is the master's to say
    return spent[0]


@pytest.mark.parametrize(
    ("pause", "words"),
    [(None, f"said nothing for {SILENCE_SECONDS:g} s"), (1.0, f"longer than {MOST_SECONDS:g} s")],
)
def test_a_source_that_hands_over_nothing_is_given_up(pause: float | None, words: str) -> None:
    with pytest.raises(TransportError, match=words):
        fetch(Source(pause))


def test_what_this_node_cannot_run_is_not_the_fault_of_the_source() -> None:
    with pytest.raises(OperatorError, match=r"cannot run version 1\.7: the disk is full"):
        fetch(Source(None), has_all=lambda: True, trouble=lambda: "the disk is full")
