"""What is done for a version before it is certain, and what a crash makes of it (ADR 0014)."""

import copy
from dataclasses import replace

import pytest

from pmgsync.errors import StoreError
from pmgsync.model.messages import Offer
from pmgsync.model.paths import ManagedPath
from pmgsync.ports import Look
from tests.sim.store import MemoryStore
from tests.unit.master.rig import EVERYTHING, FILES, Rig, Stage, look, run

DOMAINS = "etc/pmg/domains"


def after_power_cut(store: MemoryStore) -> int:
    """The version that another process would find now."""
    return copy.deepcopy(store).crash().head()[0].position.version


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
            left = copy.deepcopy(stage.store).crash()
        stage.tree.put("etc/pmg/transport", b"two")
        async with Stage(left, stage.tree) as again:
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


@pytest.mark.parametrize("how", ["hold", "end"])
def test_a_hold_or_the_end_of_the_role_takes_back_what_was_written_ahead(how: str) -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.put(DOMAINS, b"half")
            stage.source.say(DOMAINS)
            await stage.clock.advance(0.001)
            assert after_power_cut(stage.store) == 2
            if how == "hold":
                stage.role.hold("admin", durable=True)
                assert after_power_cut(stage.store) == 1
        assert after_power_cut(stage.store) == 1

    run(scenario)


def test_a_draft_that_could_not_be_appended_is_forgotten_with_the_edit() -> None:
    rig = published()
    rig.tree.put(DOMAINS, b"for a moment")
    drafted = rig.publisher.draft(rig.publisher.prepare(look(DOMAINS)))
    rig.store.full = True
    with pytest.raises(StoreError):
        rig.publisher.commit(drafted)
    rig.store.full = False
    rig.tree.put(DOMAINS, FILES[DOMAINS])
    assert rig.publisher.publish(look(DOMAINS)) is None
    assert rig.store.crash().head()[0].position.version == 1


def test_the_quiet_time_counts_from_the_event_and_not_from_when_the_loop_heard() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.put(DOMAINS, b"new")
            stage.role.look(Look(frozenset([DOMAINS]), at=stage.clock.monotonic() - 0.0015))
            await stage.clock.advance(0.001)
            assert stage.version == 2

    run(scenario)
