"""Files that somebody is writing: not half, not late, and said."""

import asyncio

import pytest

from pmgsync.model.paths import ManagedPath
from pmgsync.ports import FileKind
from tests.unit.master.rig import EVERYTHING, Rig, Stage, run

DOMAINS = "etc/pmg/domains"


def being_written(stage: Stage, content: bytes) -> None:
    stage.survey.finished = True
    stage.tree.put(DOMAINS, content)
    stage.tree.written_ns = stage.clock.now() * 1_000_000
    stage.tree.writers.add(DOMAINS)
    stage.source.say(DOMAINS)


def test_a_close_that_nobody_told_of_is_found_soon() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            being_written(stage, b"half")
            await stage.settle()
            assert stage.version == 1
            assert [problem.what for problem in stage.role.unfinished] == ["is being written"]
            stage.tree.put(DOMAINS, b"whole")
            stage.tree.writers.clear()
            await stage.clock.advance(1.1)
            await stage.settle()
            assert stage.version == 2
            assert stage.role.unfinished == ()

    run(scenario)


def test_what_is_published_at_once_waits_a_moment_for_who_is_writing() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            being_written(stage, b"half")
            stage.tree.put("etc/pmg/transport", b"whole")
            asking = asyncio.create_task(stage.role.publish_now())
            await stage.clock.advance(0.001)
            stage.tree.writers.clear()
            await stage.clock.advance(0.1)
            published = await asking
            assert published is not None
            assert len(published.verified.change_set.change.puts) == 2

    run(scenario)


def test_who_does_not_come_to_an_end_is_left_out_and_named() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            being_written(stage, b"half")
            stage.tree.put("etc/pmg/transport", b"whole")
            asking = asyncio.create_task(stage.role.publish_now())
            for _ in range(20):
                await stage.clock.advance(0.1)
            published = await asking
            assert published is not None
            assert len(published.verified.change_set.change.puts) == 1
            assert [problem.path for problem in stage.role.unfinished] == [DOMAINS]

    run(scenario)


@pytest.mark.parametrize("place", [DOMAINS, "etc/pmg/templates"])
def test_a_master_that_starts_deletes_nothing_that_it_cannot_read(place: str) -> None:
    rig = Rig()
    rig.publisher.publish(EVERYTHING)
    rig.tree.put_kind(place, FileKind.LINK)
    again = Rig(rig.store.crash(), rig.tree)
    assert again.publisher.publish(EVERYTHING) is None
    assert ManagedPath(DOMAINS) in again.head.manifest
    assert again.publisher.problems[0].path == place
