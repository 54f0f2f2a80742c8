"""The streams of a master, with nodes that say only what a test lets them say."""

import pytest

from pmgsync.errors import PeerError
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.manifest import Digest, Manifest, digest_of
from pmgsync.model.messages import (
    BATCH_BYTES,
    PART_BYTES,
    Contents,
    Need,
    Offer,
    Part,
    Pulse,
    Resync,
    SnapshotPart,
)
from pmgsync.model.trust import Head, TrustedHistory
from tests.unit.master.rig import (
    FILES,
    Stage,
    cluster_of,
    edit,
    hello_at,
    position_of,
    run,
)
from tests.unit.model import sample

DOMAINS = "etc/pmg/domains"


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
        async with Stage(membership=cluster_of(3)) as stage:
            nodes = [await stage.node(cid, hello_at(stage.head)) for cid in (2, 3)]
            for node in nodes:
                assert await node.got_of(Offer) == []
            await edit(stage, b"b.example 1\n")
            for node in nodes:
                (offer,) = await node.got_of(Offer)
                assert position_of(offer) == Position(1, 2)
                assert [part.data for part in offer.parts] == [b"b.example 1\n"]

    run(scenario)


def test_the_masters_own_node_comes_last() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            own, other = [await stage.node(cid, hello_at(stage.head)) for cid in (1, 2)]
            for content in (b"b.example 1\n", b"c.example 1\n"):
                stage.tree.put("etc/pmg/domains", content)
                await stage.role.publish_now()
                assert len(await other.got_of(Offer)) == 1
                assert await own.got_of(SnapshotPart) == []
            await stage.clock.advance(0.02)
            # Both at once, and here the whole state is shorter than the two versions.
            assert [type(message) for message in await own.got()] == [SnapshotPart]

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


def test_all_but_the_last_of_several_versions_say_that_more_follows() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            for number in range(30):  # so that a snapshot is longer than the versions
                stage.tree.put(f"etc/pmg/templates/{number}.in", b"x")
            await stage.say(*(f"etc/pmg/templates/{number}.in" for number in range(30)))
            before = stage.head
            await edit(stage, b"1\n")
            await edit(stage, b"2\n")
            node = await stage.node(2, hello_at(before))
            offers = await node.got_of(Offer)
            assert [offer.more for offer in offers] == [True, False]

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
            (line,) = (x for x in stage.role.status().attention if "is ahead of this master" in x)
            assert line.startswith("mx2(2) ")
            assert line.endswith("bring back this master's database from a backup")
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
