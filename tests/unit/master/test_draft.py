"""What is done for a version before it is certain, and what a crash makes of it (ADR 0014)."""

from dataclasses import replace

from pmgsync.model.messages import Offer
from pmgsync.model.paths import ManagedPath
from pmgsync.ports import Look
from tests.unit.master.rig import EVERYTHING, FILES, Rig, Stage, look, run

DOMAINS = "etc/pmg/domains"


def published() -> Rig:
    rig = Rig()
    assert rig.publisher.publish(EVERYTHING) is not None
    return rig


def test_a_draft_that_is_reverted_leaves_nothing() -> None:
    rig = published()
    rig.tree.put(DOMAINS, b"for a moment")
    drafted = rig.publisher.draft(rig.publisher.prepare(look(DOMAINS)))
    assert drafted.draft is not None
    rig.tree.put(DOMAINS, FILES[DOMAINS])
    again = rig.publisher.prepare(look(DOMAINS))
    assert rig.publisher.commit(replace(again, draft=drafted.draft)) is None
    assert rig.store.crash().head()[0].position.version == 1


def test_a_draft_that_does_not_fit_on_the_disk_is_published_like_any_other() -> None:
    rig = published()
    rig.tree.put(DOMAINS, b"new")
    rig.store.full = True
    drafted = rig.publisher.draft(rig.publisher.prepare(look(DOMAINS)))
    rig.store.full = False
    assert rig.publisher.commit(drafted) is not None
    assert rig.version == 2


def test_a_crash_in_the_quiet_time_leaves_a_version_that_the_next_one_completes() -> None:
    """Two files that belong together, and the power goes when one of them was drafted."""

    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2)
            await node.got()
            stage.tree.put(DOMAINS, b"one")
            stage.source.say(DOMAINS)
            await stage.clock.advance(0.001)
            assert await node.got_of(Offer) == []
            assert stage.version == 1
        stage.tree.put("etc/pmg/transport", b"two")
        async with Stage(stage.store.crash(), stage.tree) as again:
            assert again.version == 3
            found = again.head.manifest
            assert again.store.content(found[ManagedPath(DOMAINS)].digest) == b"one"
            assert again.store.content(found[ManagedPath("etc/pmg/transport")].digest) == b"two"

    run(scenario)


def test_a_hold_in_the_quiet_time_leaves_nothing_that_a_restart_would_publish() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.put(DOMAINS, b"half")
            stage.source.say(DOMAINS)
            await stage.clock.advance(0.001)
            stage.role.hold("admin", durable=True)
            await stage.settle()
        async with Stage(stage.store.crash(), stage.tree) as again:
            assert again.version == 1

    run(scenario)


def test_the_quiet_time_counts_from_the_event_and_not_from_when_the_loop_heard() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.put(DOMAINS, b"new")
            stage.role.look(Look(frozenset([DOMAINS]), at=stage.clock.monotonic() - 0.0015))
            await stage.clock.advance(0.001)
            assert stage.version == 2

    run(scenario)
