"""The streams of a master, with nodes that say only what a test lets them say."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from pmgsync.errors import NotAllowedError, PeerError, TransportError
from pmgsync.model.changeset import ChangeSet, Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.manifest import Digest, Manifest, digest_of
from pmgsync.model.membership import admit
from pmgsync.model.messages import (
    BATCH_BYTES,
    PART_BYTES,
    Beat,
    Contents,
    Memberships,
    Need,
    Offer,
    Part,
    Pulse,
    Resync,
    SignedReport,
    SnapshotPart,
    View,
)
from pmgsync.model.report import Outcome
from pmgsync.model.status import ClusterStatus, NodeState
from pmgsync.model.trust import Head, TrustedHistory
from tests.unit.master.rig import FILES, Node, Stage, cluster_of, hello_at, run
from tests.unit.model import sample

DOMAINS = "etc/pmg/domains"


def position_of(offer: Offer | SnapshotPart) -> Position:
    return ChangeSet.from_bytes(Envelope.from_bytes(offer.envelope).payload).position


async def edit(stage: Stage, content: bytes, path: str = DOMAINS) -> None:
    stage.tree.put(path, content)
    await stage.say(path)


def admit_another(stage: Stage, cid: int = 4) -> None:
    history = stage.history
    envelope = sample.seal_membership(
        admit(history.membership, history.chain[-1], sample.member(cid))
    )
    history.accept_membership(envelope)
    stage.role.membership_changed()


# --- versions ------------------------------------------------------------------------------------


def test_a_new_node_gets_the_newest_version_with_its_contents() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            (offer,) = await node.got_of(Offer)
            believed = TrustedHistory(stage.history.chain)
            assert believed.accept(Envelope.from_bytes(offer.envelope)).manifest.digest == (
                stage.head.manifest.digest
            )
            assert {part.digest for part in offer.parts} == stage.head.manifest.digests

    run(scenario)


def test_an_edit_goes_to_every_node_as_one_offer() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            nodes = [await stage.node(cid, hello_at(stage.head)) for cid in (1, 2)]
            for node in nodes:
                assert await node.got_of(Offer) == []
            await edit(stage, b"b.example 1\n")
            for node in nodes:
                (offer,) = await node.got_of(Offer)
                assert position_of(offer) == Position(1, 2)
                assert [part.data for part in offer.parts] == [b"b.example 1\n"]

    run(scenario)


def test_a_node_that_was_away_gets_the_versions_since() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            before = stage.head
            await edit(stage, b"1\n")
            await edit(stage, b"2\n")
            await edit(stage, b"3\n")
            node = await stage.node(2, hello_at(before))
            messages = await node.got()
            got = [m for m in messages if isinstance(m, Offer | SnapshotPart)]
            assert [position_of(message).version for message in got][-1] == 4
            believed = TrustedHistory(stage.history.chain, before)
            for message in got:
                if isinstance(message, Offer):
                    believed.accept(Envelope.from_bytes(message.envelope))
                else:
                    manifest = Manifest.from_bytes(
                        message.data, expected=stage.head.manifest.digest
                    )
                    believed.accept_snapshot(Envelope.from_bytes(message.envelope), manifest)
            assert believed.head == stage.head

    run(scenario)


def test_a_node_of_another_history_gets_a_snapshot() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            await edit(stage, b"1\n")
            other = Head(Position(1, 1), sample.manifest(domains="other"))
            node = await stage.node(2, hello_at(other))
            (part,) = await node.got_of(SnapshotPart)
            assert position_of(part) == stage.head.position
            assert part.total == len(part.data)

    run(scenario)


def test_resync_gets_a_snapshot_each_time_and_then_edits_again() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2, hello_at(stage.head))
            await node.got()
            for _ in range(2):
                await node.tell(Resync())
                assert len(await node.got_of(SnapshotPart)) == 1
            await edit(stage, b"1\n")
            assert len(await node.got_of(Offer)) == 1

    run(scenario)


def test_a_node_that_is_ahead_is_named_and_served_again_once_we_are_past_it() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            ahead = Head(Position(1, 2), sample.manifest(domains="from before the restore"))
            node = await stage.node(2, hello_at(ahead))
            assert await node.got_of(Offer) == []
            assert any("is ahead of this master" in line for line in stage.role.status().attention)
            await edit(stage, b"1\n")
            assert await node.got_of(SnapshotPart) == []
            await edit(stage, b"2\n")
            assert len(await node.got_of(SnapshotPart)) == 1
            assert not any("ahead" in line for line in stage.role.status().attention)

    run(scenario)


def test_a_slow_node_gets_no_backlog() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2, hello_at(stage.head))
            await node.got()
            node.reading.clear()
            for number in range(80):
                await edit(stage, b"%d\n" % number)
                await node.stream.send(Pulse())
            node.reading.set()
            await stage.clock.settle(200)
            messages = await node.got()
            news = [m for m in messages if isinstance(m, Offer | SnapshotPart)]
            assert len(news) < 40
            assert position_of(news[-1]) == stage.head.position

    run(scenario)


def test_a_restarted_master_serves_what_its_log_has() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            before = stage.head
            await edit(stage, b"1\n")
            store, tree = stage.store, stage.tree
        async with Stage(store.crash(), tree) as again:
            node = await again.node(2, hello_at(before))
            (offer,) = await node.got_of(Offer)
            assert position_of(offer) == Position(1, 2)
            assert offer.parts == ()
            await node.tell(Need((digest_of(b"1\n"),)))
            (contents,) = await node.got_of(Contents)
            assert contents.parts[0].data == b"1\n"

    run(scenario)


# --- contents ------------------------------------------------------------------------------------


def assemble(messages: list[Contents]) -> dict[Digest, bytes]:
    found: dict[Digest, bytes] = {}
    for message in messages:
        assert sum(len(part.data) for part in message.parts) <= BATCH_BYTES
        for part in message.parts:
            assert len(part.data) <= PART_BYTES
            assert part.offset == len(found.setdefault(part.digest, b""))
            found[part.digest] += part.data
            assert len(found[part.digest]) <= part.total
    return found


def test_contents_come_in_parts() -> None:
    async def scenario() -> None:
        large = bytes(range(256)) * (12 << 10) + b"end"
        async with Stage() as stage:
            await edit(stage, large, "etc/pmg/acme/large")
            await edit(stage, b"", "etc/pmg/acme/empty")
            node = await stage.node(2)
            wanted = tuple(stage.head.manifest.digests)
            await node.tell(Need(wanted))
            found = assemble(await node.got_of(Contents))
            assert found == {digest: stage.store.content(digest) for digest in wanted}

    run(scenario)


def test_a_content_that_is_not_to_be_had_is_said_so() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            await node.got()
            unknown = digest_of(b"unknown")
            await node.tell(Need((unknown, digest_of(FILES[DOMAINS]))))
            (contents,) = await node.got_of(Contents)
            assert contents.parts[0] == Part(unknown, -1, 0, b"")
            assert contents.parts[1].data == FILES[DOMAINS]

    run(scenario)


def test_asking_twice_is_asking_once() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            await node.got()
            digest = digest_of(FILES[DOMAINS])
            await node.tell(Need((digest, digest)))
            (contents,) = await node.got_of(Contents)
            assert len(contents.parts) == 1
            await node.tell(Need((digest,)))
            assert len(await node.got_of(Contents)) == 1

    run(scenario)


def test_a_new_version_overtakes_large_contents() -> None:
    async def scenario() -> None:
        large = b"x" * (30 << 20)
        async with Stage() as stage:
            await edit(stage, large, "etc/pmg/acme/large")
            node = await stage.node(2, hello_at(stage.head))
            await node.got()
            node.reading.clear()
            await node.tell(Need((digest_of(large),)))
            await edit(stage, b"urgent\n")
            node.reading.set()
            await stage.clock.settle(200)
            kinds = [type(message) for message in await node.got()]
            after = kinds[kinds.index(Offer) :]
            assert Contents in after
            assert kinds.count(Offer) == 1

    run(scenario)


def test_a_node_that_asks_without_end_is_cut_off() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            session = stage.feeds._sessions[2]
            with pytest.raises(PeerError):
                session.need(Digest(f"{number:064x}") for number in range(100_001))
            await node.stream.close()

    run(scenario)


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
            assert isinstance(await node.ended(), NotAllowedError)
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
            began = time.perf_counter()
            assert await stage.role.publish_now() is not None
            await stage.clock.settle(10)
            took = time.perf_counter() - began
            news = [message for node in nodes for message in await node.got_of(Offer)]
            assert len(news) == count
            assert {position_of(offer).version for offer in news[:3]} == {2}
            assert took < 3

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
