"""The master's loops: wait, settle, look, publish, announce; and what an admin may ask for."""

import asyncio
import logging

import pytest

from pmgsync.errors import HostError, OperatorError, StoreError
from pmgsync.master.publish import Observed
from pmgsync.master.role import MasterConfig
from pmgsync.model.report import Outcome
from pmgsync.ports import Look
from tests.unit.master.rig import FILES, Stage, edit, hello_at, run

DOMAINS = "etc/pmg/domains"


def test_at_the_start_everything_is_looked_at() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            assert stage.version == 1
            assert len(stage.head.manifest) == len(FILES)
            assert stage.source.armed > 1

    run(scenario)


def test_an_edit_is_published_after_the_quiet_time() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.put(DOMAINS, b"1\n")
            stage.source.say(DOMAINS)
            await stage.clock.advance(0.0015)
            assert stage.version == 1
            await stage.clock.advance(0.001)
            assert stage.version == 2

    run(scenario)


def test_what_was_read_early_counts_only_if_nothing_moved_since() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.put(DOMAINS, b"half")
            stage.source.say(DOMAINS)
            await stage.clock.advance(0.001)
            stage.tree.put(DOMAINS, b"half and half")
            stage.source.say(DOMAINS)
            await stage.clock.advance(0.0015)
            assert stage.version == 1
            await stage.clock.advance(0.001)
            assert stage.version == 2
            assert stage.store.content(stage.head.manifest[DOMAINS].digest) == b"half and half"  # type: ignore[index]

    run(scenario)


def test_an_early_look_is_not_taken_for_another_one() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.put(DOMAINS, b"named")
            stage.tree.put("etc/pmg/transport", b"not named")
            stage.source.say(DOMAINS)
            await stage.clock.advance(0.001)
            published = await stage.role.publish_now()
            assert published is not None
            assert len(published.verified.change_set.change.puts) == 2

    run(scenario)


def test_a_burst_is_one_version() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            for number in range(20):
                stage.tree.put(f"etc/pmg/acme/{number}", b"%d" % number)
                stage.source.say(f"etc/pmg/acme/{number}")
                await stage.clock.advance(0.001)
            await stage.settle()
            assert stage.version == 2

    run(scenario)


def test_a_stream_of_edits_does_not_put_it_off_for_ever() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            for number in range(120):
                stage.tree.put(DOMAINS, b"%d" % number)
                stage.source.say(DOMAINS)
                await stage.clock.advance(0.001)
            assert stage.version in (3, 4)
            await stage.settle()
            assert stage.tree.files()[DOMAINS] == b"119"
            assert stage.store.content(stage.head.manifest[DOMAINS].digest) == b"119"  # type: ignore[index]

    run(scenario)


def test_a_lost_event_is_found_by_the_rescan() -> None:
    async def scenario() -> None:
        async with Stage(config=MasterConfig(rescan_s=60)) as stage:
            stage.tree.put(DOMAINS, b"1\n")
            await stage.clock.advance(50)
            assert stage.version == 1
            await stage.clock.advance(11)
            assert stage.version == 2

    run(scenario)


def test_an_edit_during_the_look_is_not_missed() -> None:
    async def scenario() -> None:
        async with Stage(config=MasterConfig(inline_paths=0)) as stage:
            for number in range(10):
                stage.tree.put(DOMAINS, b"%d" % number)
                stage.source.say(DOMAINS)
                await stage.clock.advance(0.0021)  # the look has just begun in the other thread
            await stage.settle()
            digest = next(e.digest for p, e in stage.head.manifest.items() if p == DOMAINS)
            assert stage.store.content(digest) == b"9"

    run(scenario)


def test_a_full_disk_is_said_once_and_gets_better_by_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.store.full = True
            stage.tree.put(DOMAINS, b"1\n")
            await stage.say(DOMAINS)
            await stage.clock.advance(10)
            assert stage.role.failure
            assert any("nothing can be published" in x for x in stage.role.status().attention)
            stage.store.full = False
            await stage.clock.advance(2)
            assert stage.version == 2
            assert stage.role.failure == ""

    with caplog.at_level(logging.ERROR):
        run(scenario)
    assert len(caplog.records) == 1


def test_a_cluster_conf_that_cannot_be_written_does_not_stop_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.file_error = HostError("read-only", where="etc/pmg/cluster.conf")
            stage.role.membership_changed()
            await edit(stage, b"1\n")
            await edit(stage, b"2\n")
            assert stage.version == 3
            assert any("cluster.conf" in line for line in stage.role.status().attention)
            stage.file_error = None
            await stage.clock.advance(61)
            assert stage.file_written == 2
            assert not any("cluster.conf" in line for line in stage.role.status().attention)

    with caplog.at_level(logging.ERROR):
        run(scenario)
    assert len(caplog.records) == 1


# --- holds ---------------------------------------------------------------------------------------


def test_hold_and_release() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.role.hold("root", "two at once", durable=True)
            await edit(stage, b"1\n")
            stage.tree.put("etc/pmg/acme/x", b"x")
            await stage.say("etc/pmg/acme/x")
            assert stage.version == 1
            assert any("`pmgsync release`" in line for line in stage.role.status().attention)
            published = await stage.role.release()
            assert published is not None
            assert published.verified.change_set.message == "two at once"
            assert len(published.verified.change_set.change.puts) == 2
            assert await stage.role.release() is None

    run(scenario)


def test_a_durable_hold_survives_a_restart() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.role.hold("root", durable=True)
            await edit(stage, b"1\n")
            store, tree = stage.store, stage.tree
        async with Stage(store.crash(), tree) as again:
            assert again.version == 1
            await again.role.release("at last")
            assert again.version == 2

    run(scenario)


def test_run_publishes_what_its_command_did_as_one_change_even_without_events() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            hold = stage.role.hold("run", durable=False)
            stage.tree.put(DOMAINS, b"1\n")
            stage.tree.put("etc/pmg/acme/x", b"x")
            published = await stage.role.end_hold(hold, "by a command")
            assert published is not None
            assert published.verified.change_set.message == "by a command"
            assert len(published.verified.change_set.change.puts) == 2

    run(scenario)


def test_a_run_inside_a_hold_waits_for_the_release() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.role.hold("root", durable=True)
            hold = stage.role.hold("run", durable=False)
            stage.tree.put(DOMAINS, b"1\n")
            assert await stage.role.end_hold(hold) is None
            assert stage.version == 1
            assert await stage.role.release() is not None

    run(scenario)


def test_a_hold_whose_connection_is_gone_ends() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            hold = stage.role.hold("run", durable=False)
            await edit(stage, b"1\n")
            assert stage.version == 1
            stage.role.abandon_hold(hold)
            await stage.settle()
            assert stage.version == 2

    run(scenario)


def test_a_release_into_a_full_disk_is_an_error_and_published_later() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            hold = stage.role.hold("run", "important", durable=False)
            await edit(stage, b"1\n")
            stage.store.full = True
            with pytest.raises(StoreError):
                await stage.role.end_hold(hold)
            stage.store.full = False
            await stage.clock.advance(5)
            assert stage.version == 2
            assert stage.store.lines(most=1)[0].message == "important"

    run(scenario)


def test_a_look_that_began_under_a_hold_is_taken_again_when_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        async with Stage(config=MasterConfig(inline_paths=0)) as stage:
            prepare = stage.publisher.prepare
            hold = stage.role.hold("run", durable=False)
            stage.tree.put(DOMAINS, b"1\n")

            def end_after(look: Look) -> Observed:
                observed = prepare(look)
                stage.holds.end(hold)
                return observed

            monkeypatch.setattr(stage.publisher, "prepare", end_after)
            assert await stage.role.publish_now() is not None
            assert stage.role.failure == ""
            assert stage.version == 2

    run(scenario)


def test_who_ends_a_hold_hears_of_its_version_whoever_looks_meanwhile() -> None:
    async def scenario() -> None:
        async with Stage(config=MasterConfig(inline_paths=0)) as stage:
            for number in range(8):
                hold = stage.role.hold("run", durable=False)
                stage.tree.put(DOMAINS, b"%d" % number)
                stage.source.say(DOMAINS)
                await stage.clock.advance(0.0003 * number)
                background = asyncio.create_task(stage.role.publish_now())
                await stage.clock.settle(number % 4)
                published = await stage.role.end_hold(hold)
                await background
                assert published is not None
                assert published.position.version == stage.version == number + 2

    run(scenario)


def test_two_who_release_at_once_hear_of_the_same_version() -> None:
    async def scenario() -> None:
        async with Stage(config=MasterConfig(inline_paths=0)) as stage:
            stage.role.hold("root", durable=True)
            stage.tree.put(DOMAINS, b"1\n")
            results = await asyncio.gather(stage.role.release(), stage.role.release())
            assert [made.position.version for made in results if made] == [2, 2]

    run(scenario)


def test_a_large_file_is_not_read_in_the_loop() -> None:
    async def scenario() -> None:
        async with Stage(config=MasterConfig(inline_bytes=100)) as stage:
            stage.tree.put(DOMAINS, b"x" * 101)
            assert not stage.role._is_small(Look(frozenset({DOMAINS})))
            stage.tree.put(DOMAINS, b"x" * 100)
            assert stage.role._is_small(Look(frozenset({DOMAINS})))
            assert stage.role._is_small(Look(frozenset({"etc/pmg/acme/none"})))

    run(scenario)


# --- the guard -----------------------------------------------------------------------------------


def test_an_emptied_folder_is_held_until_confirmed(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.drop("etc/pmg")
            await stage.say(everywhere=True)
            await stage.clock.advance(200)
            assert stage.version == 1
            assert any("`pmgsync confirm 2`" in line for line in stage.role.status().attention)
            with pytest.raises(OperatorError):
                await stage.role.confirm(3)
            published = await stage.role.confirm(2)
            assert published.verified.manifest.keys() == set()
            assert stage.version == 2
            assert not any("confirm" in line for line in stage.role.status().attention)

    with caplog.at_level(logging.WARNING, "pmgsync.master.role"):
        run(scenario)
    assert len(caplog.records) == 1


def test_a_folder_that_comes_back_is_no_change() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.drop("etc/pmg")
            await stage.say(everywhere=True)
            for path, content in FILES.items():
                stage.tree.put(path, content)
            await stage.say(everywhere=True)
            assert stage.version == 1
            assert stage.publisher.held is None
            with pytest.raises(OperatorError, match="nothing is held"):
                await stage.role.confirm(2)

    run(scenario)


def test_what_came_back_changed_is_published_after_a_confirm_that_came_too_late() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            stage.tree.drop("etc/pmg")
            await stage.say(everywhere=True)
            for path, content in FILES.items():
                stage.tree.put(path, content)
            stage.tree.put(DOMAINS, b"1\n")
            with pytest.raises(OperatorError):
                await stage.role.confirm(2)
            await stage.settle()
            assert stage.version == 2
            assert len(stage.head.manifest) == len(FILES)

    run(scenario)


# --- waiting -------------------------------------------------------------------------------------


def test_waiting_for_every_connected_node() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            nodes = [await stage.node(cid, hello_at(stage.head)) for cid in (1, 2)]
            await edit(stage, b"1\n")
            waiting = asyncio.create_task(stage.role.wait_settled(2, 30))
            await nodes[0].report()
            assert not waiting.done()
            await nodes[1].report(Outcome.UNABLE, "disk full")
            end = await waiting
            assert [(a.member.cid, a.outcome, a.detail) for a in end.arrived] == [
                (1, Outcome.ACTIVATED, ""),
                (2, Outcome.UNABLE, "disk full"),
            ]
            assert all(a.milliseconds > 0 for a in end.arrived)

    run(scenario)


def test_publish_now_does_not_wait_for_quiet() -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            node = await stage.node(2, hello_at(stage.head))
            await node.got()
            stage.tree.put(DOMAINS, b"1\n")
            published = await stage.role.publish_now("now")
            assert published is not None
            assert published.position.version == 2
            assert await stage.role.publish_now() is None

    run(scenario)


def test_turns_do_not_overlap() -> None:
    async def scenario() -> None:
        async with Stage(config=MasterConfig(inline_paths=0)) as stage:
            stage.tree.put(DOMAINS, b"1\n")
            results = await asyncio.gather(*(stage.role.publish_now() for _ in range(5)))
            assert [r.position.version for r in results if r] == [2]

    run(scenario)


# --- how it ends ---------------------------------------------------------------------------------


def test_it_ends_cleanly_wherever_it_is() -> None:
    async def scenario() -> None:
        for pause in (0.0, 0.0005, 0.0021, 0.03, 2.0):
            stage = Stage(config=MasterConfig(inline_paths=0))
            task = asyncio.create_task(stage.role.run())
            stage.tree.put(DOMAINS, b"1\n")
            stage.source.say(DOMAINS)
            await stage.clock.advance(pause)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert stage.clock.sleeping == 0
            assert stage.store.head()[0] == stage.history.head

    run(scenario)


def test_a_version_is_in_the_log_also_when_the_role_ends_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with Stage() as stage:
            await edit(stage, b"1\n")
            await edit(stage, b"2\n")

    with caplog.at_level(logging.INFO, "pmgsync.master.role"):
        run(scenario)
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if "1 put, 0 deleted" in line] == [
        "version 1.2: 1 put, 0 deleted",
        "version 1.3: 1 put, 0 deleted",
    ]
