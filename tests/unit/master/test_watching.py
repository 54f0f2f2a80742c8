"""The master without events: late, but never blind, and never ended by it."""

from pmgsync.errors import HostError
from tests.unit.master.rig import Stage, run

DOMAINS = "etc/pmg/domains"


def test_without_watches_edits_are_found_by_looking() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.source.trouble = HostError("cannot watch for changes: no more watches")
            stage.tree.put(DOMAINS, b"1\n")
            stage.source.say(DOMAINS)
            await stage.clock.advance(0.2)
            assert stage.version == 2
            said = "found by the rescan only: cannot watch for changes: no more watches"
            assert any(said in line for line in stage.role.status().attention)
            stage.source.trouble = None
            await stage.clock.advance(70)
            assert not any("rescan" in line for line in stage.role.status().attention)

    run(scenario)


def test_a_release_needs_no_watches() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.source.trouble = HostError("cannot watch for changes: no more watches")
            stage.tree.put(DOMAINS, b"1\n")
            assert await stage.role.publish_now() is not None

    run(scenario)
