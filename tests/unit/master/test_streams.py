"""How streams begin and end, and what goes over them besides versions and contents."""

import asyncio
import json
from dataclasses import replace

import pytest

from pmgsync.errors import NotAllowedError, PeerError, TransportError
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import admit
from pmgsync.model.messages import (
    Beat,
    Memberships,
    Offer,
    Pulse,
    SignedReport,
    SnapshotPart,
    View,
)
from pmgsync.model.report import Outcome
from pmgsync.model.status import ClusterStatus, NodeState
from pmgsync.model.trust import Head, TrustedHistory
from tests.sim.host import MemoryTree
from tests.unit.master.rig import (
    Node,
    Stage,
    admit_another,
    cluster_of,
    edit,
    hello_at,
    position_of,
    run,
)
from tests.unit.model import sample

DOMAINS = "etc/pmg/domains"


# --- membership ----------------------------------------------------------------------------------


def test_a_node_gets_the_links_that_it_lacks() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            admit_another(stage, 4)
            admit_another(stage, 5)
            node = await stage.node(2, hello_at(stage.head, serial=2))
            (memberships,) = await node.got_of(Memberships)
            assert memberships.envelopes == (stage.history.chain[2].to_bytes(),)

    run(scenario)


def test_a_change_of_the_membership_goes_to_every_node_before_the_next_version() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2, hello_at(stage.head))
            await node.got()
            admit_another(stage)
            stage.tree.put(DOMAINS, b"1\n")
            await stage.say(DOMAINS)
            kinds = [type(m) for m in await node.got() if not isinstance(m, Beat)]
            assert kinds == [Memberships, Offer]
            assert stage.file_written == 2

    run(scenario)


def test_a_member_whose_keys_are_replaced_is_cut_at_once() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            new_keys = replace(sample.member(7), cid=2, name="mx2", address="127.0.0.2")
            membership = admit(stage.history.membership, stage.history.chain[-1], new_keys)
            stage.history.accept_membership(sample.seal_membership(membership))
            stage.role.membership_changed()
            await stage.settle()
            assert isinstance(await node.ended(), TransportError)
            assert stage.roster.connected == frozenset()

    run(scenario)


def test_a_removed_member_is_cut_and_forgotten() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            base, envelope = stage.history.membership, stage.history.chain[-1]
            members = tuple(m for m in base.members if m.cid != 2)
            left = replace(base, serial=2, parent=envelope.digest, members=members)
            stage.history.accept_membership(sample.seal_membership(left))
            stage.role.membership_changed()
            await stage.settle()
            assert isinstance(await node.ended(), NotAllowedError)
            assert [n.cid for n in stage.role.status().nodes] == [1, 3]

    run(scenario)


# --- heartbeats, reports, views ------------------------------------------------------------------


def test_heartbeats_are_signed_counted_and_name_the_newest_version() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2, hello_at(stage.head))
            await stage.clock.advance(3)
            beats = await node.got_of(Beat)
            assert len(beats) >= 2
            believed = TrustedHistory(stage.history.chain)
            for beat in beats:
                heartbeat = believed.accept_heartbeat(Envelope.from_bytes(beat.envelope))
                assert heartbeat.position == stage.head.position
                assert heartbeat.manifest == stage.head.manifest.digest

    run(scenario)


def test_a_silent_node_is_given_up() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            quiet = await stage.node(1, hello_at(stage.head))
            alive = await stage.node(2, hello_at(stage.head))
            for _ in range(12):
                await alive.tell(Pulse())
                await alive.got()
                await stage.clock.advance(1)
            assert stage.roster.connected == {2}
            assert isinstance(await quiet.ended(), TransportError)
            assert "nothing heard" in stage.roster.contact(1).reason

    run(scenario)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.ACTIVATED, NodeState.IN_SYNC),
        (Outcome.INVALID, NodeState.INVALID),
        (Outcome.UNABLE, NodeState.UNABLE),
    ],
)
def test_reports_become_the_status(outcome: Outcome, state: NodeState) -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            await node.report(outcome, "because")
            status = next(n for n in stage.role.status().nodes if n.cid == 2)
            assert status.state is state

    run(scenario)


def test_a_report_signed_by_somebody_else_ends_the_stream_and_counts_for_nothing() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            forged = sample.seal_report(sample.report(2), sample.STRANGER)
            await node.tell(SignedReport(forged.to_bytes()))
            assert isinstance(await node.ended(), PeerError)
            assert stage.roster.contact(2).report is None

    run(scenario)


def test_a_node_may_ask_for_the_view() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2, hello_at(stage.head))
            await node.tell(Pulse())
            assert await node.got_of(View) == []
            await node.tell(Pulse(want_view=True))
            (view,) = await node.got_of(View)
            status = ClusterStatus.from_json(json.loads(view.document))
            assert next(n.state for n in status.nodes if n.cid == 2) is NodeState.IN_SYNC
            await node.tell(Pulse(want_view=True))
            assert len(await node.got_of(View)) == 1

    run(scenario)


def test_a_pulse_says_what_time_it_is_there_and_which_link_the_node_has() -> None:
    """One of a build that says neither changes nothing."""

    async def scenario() -> None:
        async with Stage() as stage:
            hello = replace(hello_at(stage.head), epoch=1, serial=1)
            node = await stage.node(2, hello)
            contact = stage.roster.contact(2)
            await node.tell(Pulse())
            assert (contact.clock_ahead, contact.link) == (None, (1, 1))
            await node.tell(Pulse(clock=stage.clock.now() + 1_000_000, epoch=1, serial=2))
            await node.tell(Pulse())
            assert contact.clock_ahead is not None
            assert 999_000 < contact.clock_ahead <= 1_000_000  # it was some time on its way
            assert contact.link == (1, 2)
            assert stage.role.time_by_most == stage.clock.now()
            for cid in (2, 3):
                stage.roster.came(cid, stage.head.position, stage.head.manifest.digest, 0)
                stage.roster.said_clock(cid, 3_600_000)
            assert stage.role.time_by_most == stage.clock.now() + 3_600_000

    run(scenario)


def test_in_a_large_cluster_a_view_is_made_once_for_all_who_ask() -> None:
    async def scenario() -> None:
        made = 0

        def view() -> bytes:
            nonlocal made
            made += 1
            return b"{}"

        async with Stage(membership=cluster_of(30)) as stage:
            nodes = [await stage.node(cid, hello_at(stage.head)) for cid in range(1, 31)]
            stage.feeds.view = view
            for node in nodes:
                await node.stream.send(Pulse(want_view=True))
            await stage.clock.settle(100)
            await stage.clock.advance(0.02)
            for node in nodes:
                assert len(await node.got_of(View)) == 1
            assert made == 1

    run(scenario)


# --- how streams begin and end -------------------------------------------------------------------


def test_a_stream_begins_with_a_hello() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = Node(stage, 2, await stage.dial(2))
            await node.tell(Pulse())
            assert "hello" in str(await node.ended())
            assert stage.roster.connected == frozenset()

    run(scenario)


def test_one_hello_is_enough() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            await node.tell(hello_at(Head()))
            assert "hello twice" in str(await node.ended())

    run(scenario)


def test_who_leaves_is_away() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            assert stage.roster.connected == {2}
            await node.stream.close()
            await stage.settle()
            assert stage.roster.connected == frozenset()
            assert stage.feeds._sessions == {}

    run(scenario)


def test_a_broken_connection_ends_in_good_order() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            await stage.node(2)
            stage.network.part(2, 1)
            await stage.settle()
            await edit(stage, b"1\n")
            assert stage.roster.connected == frozenset()
            assert stage.feeds._sessions == {}
            stage.network.heal(2, 1)
            node = await stage.node(2)
            news = [m for m in await node.got() if isinstance(m, Offer | SnapshotPart)]
            assert position_of(news[-1]) == stage.head.position

    run(scenario)


def test_a_newer_stream_takes_over_and_the_older_one_does_not_say_goodbye_for_it() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            await stage.node(2)
            newer = await stage.node(2, hello_at(stage.head))
            await newer.got()
            assert stage.roster.connected == {2}
            await edit(stage, b"1\n")
            assert len(await newer.got_of(Offer)) == 1

    run(scenario)


def test_no_task_is_left_behind() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            nodes = [await stage.node(cid) for cid in (1, 2)]
            await nodes[0].stream.close()
            stage.network.part(2, 1)
            await stage.settle()
        await stage.clock.settle(60)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario)


@pytest.mark.slow
def test_a_thousand_streams() -> None:
    async def scenario() -> None:
        count = 1000
        async with Stage(membership=cluster_of_many(count)) as stage:
            nodes = []
            for cid in range(1, count + 1):
                node = Node(stage, cid, await stage.dial(cid))
                await node.stream.send(hello_at(stage.head))
                nodes.append(node)
            await stage.settle()
            assert len(stage.roster.connected) == count
            for node in nodes:
                await node.got_of(Beat)
            stage.tree.put(DOMAINS, b"1\n")
            assert await stage.role.publish_now() is not None
            await stage.clock.advance(0.02)
            news = [message for node in nodes for message in await node.got_of(Offer)]
            assert len(news) == count
            assert {position_of(offer).version for offer in news[:3]} == {2}

    def cluster_of_many(count: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
        base = cluster_of(200)
        more = tuple(
            replace(
                base.members[1],
                cid=cid,
                name=f"mx{cid}",
                address=f"127.1.{cid // 250}.{cid % 250}",
                keys=replace(
                    sample.member(2).keys,  # type: ignore[type-var]
                    identity=replace(sample.NODE.public_key, raw=cid.to_bytes(32, "big")),
                    certificate=b"certificate %d" % cid,
                ),
            )
            for cid in range(201, count + 1)
        )
        return replace(base, members=(*base.members, *more), max_cid=count)

    run(scenario)


def test_heartbeats_before_the_first_version_are_of_this_epoch() -> None:
    async def scenario() -> None:
        async with Stage(tree=MemoryTree()) as stage:
            node = await stage.node(2)
            await stage.clock.advance(2)
            (beat, *_) = await node.got_of(Beat)
            believed = TrustedHistory(stage.history.chain, Head())
            heartbeat = believed.accept_heartbeat(Envelope.from_bytes(beat.envelope))
            assert heartbeat.position == Position(1, 0)

    run(scenario)
