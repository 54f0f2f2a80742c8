"""The agent as a whole, on doubles: what is offered is applied, reported, and tried again."""

import asyncio
import threading
from contextlib import suppress

import pytest

from pmgsync.errors import HostError, PmgsyncError, StoreError
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.messages import Need, Pulse, Resync, View
from pmgsync.model.report import Outcome
from pmgsync.ports import FileKind
from tests.sim.killing import Steps
from tests.unit.agent.stage import Gate, Stage, in_loop

CONF, DOMAINS, KEY = "etc/pmg/pmg.conf", "etc/pmg/domains", "etc/pmg/dkim/mail.private"
MANY = {f"etc/pmg/acme/file{number}": b"%d" % number for number in range(20)}


@in_loop
async def test_an_offer_is_activated_and_reported() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version({CONF: b"conf", KEY: b"key"}))
        assert stage.tree.files(leavings=True) == {CONF: b"conf", KEY: b"key"}
        report = stage.reports[-1]
        assert (report.active, report.wanted, report.outcome) == (
            Position(1, 1),
            Position(1, 1),
            Outcome.ACTIVATED,
        )
        assert report.manifest == stage.author.head.manifest.digest
        assert stage.store.active() == stage.role.active == stage.author.head


@in_loop
async def test_contents_that_did_not_come_along_are_asked_for() -> None:
    async with Stage().running() as stage:
        version = stage.author.version({CONF: b"conf", KEY: b"key"})
        await stage.offer(version, inline=False)
        assert stage.tree.files() == {}
        (need,) = stage.desk.heard(Need)
        assert isinstance(need, Need)
        await stage.desk.say(version.answer(need.digests))
        await stage.settle()
        assert stage.tree.files() == version.files


@in_loop
async def test_what_was_asked_for_before_a_cut_is_asked_for_again() -> None:
    async with Stage().running() as stage:
        version = stage.author.version({CONF: b"conf"})
        await stage.offer(version, inline=False)
        await stage.desk.hang_up()
        await stage.pass_time(1)
        assert [hello.active for hello in stage.hellos] == [NOWHERE, Position(1, 1)]
        assert len(stage.desk.heard(Need)) == 2
        await stage.desk.say(version.answer(tuple(version.contents)))
        await stage.settle()
        assert stage.tree.files() == version.files


@in_loop
async def test_a_gap_leads_to_a_snapshot() -> None:
    async with Stage().running() as stage:
        stage.author.version({CONF: b"one"})
        second = stage.author.version({KEY: b"key"})
        await stage.offer(second)
        assert len(stage.desk.heard(Resync)) == 1
        await stage.desk.say(*second.snapshot(step=100), second.answer(tuple(second.contents)))
        await stage.settle()
        assert stage.tree.files() == {CONF: b"one", KEY: b"key"}
        assert stage.reports[-1].active == Position(1, 2)
        assert stage.store.manifest_at(2) == second.head.manifest


@in_loop
async def test_a_full_disk_is_reported_once_and_heals_by_itself() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version({CONF: b"old"}))
        stage.tree.space = 0
        await stage.offer(stage.author.version({CONF: b"new", KEY: b"key"}))
        await stage.pass_time(9)
        unable = [r for r in stage.reports if r.outcome is Outcome.UNABLE]
        assert [(r.active, r.wanted) for r in unable] == [(Position(1, 1), Position(1, 2))]
        assert "no space left" in unable[0].detail
        assert "tries so far: 3, the next 8 s" in stage.role.trouble
        assert stage.tree.files(leavings=True) == {CONF: b"old"}
        stage.tree.space = None
        await stage.pass_time(6)
        assert stage.tree.files(leavings=True) == {CONF: b"new", KEY: b"key"}
        assert stage.reports[-1].outcome is Outcome.ACTIVATED
        assert stage.reports[-1].milliseconds > 9000
        assert stage.role.trouble == ""


@in_loop
async def test_what_postmap_refuses_is_tried_rarely_until_the_next_version() -> None:
    async with Stage(postfix=True).running() as stage:
        await stage.offer(stage.author.version({DOMAINS: b"good"}))
        await stage.offer(stage.author.version({DOMAINS: b"!\n", CONF: b"conf"}))
        report = stage.reports[-1]
        assert (report.outcome, report.active) == (Outcome.INVALID, Position(1, 1))
        assert report.detail.startswith(DOMAINS)
        ran = len(stage.commands.ran)
        await stage.pass_time(10)
        assert len(stage.commands.ran) == ran + 2, "after two and after four seconds"
        assert stage.tree.files()[DOMAINS] == b"good"
        assert stage.reports[-1] == report
        await stage.offer(stage.author.version({DOMAINS: b"better"}))
        assert stage.tree.files() == {DOMAINS: b"better", CONF: b"conf"}
        assert stage.reports[-1].active == Position(1, 3)
        assert [line.position.version for line in stage.store.lines(most=9)] == [3, 2, 1]
        assert stage.reports[-1].milliseconds < 1000


@in_loop
async def test_a_refused_version_is_said_again_on_the_next_stream() -> None:
    async with Stage(postfix=True).running() as stage:
        await stage.offer(stage.author.version({DOMAINS: b"!\n"}))
        await stage.desk.hang_up()
        await stage.pass_time(1)
        assert stage.hellos[-1].active == Position(1, 1)
        assert [r.outcome for r in stage.reports][-2:] == [Outcome.INVALID, Outcome.INVALID]
        assert len(stage.commands.ran) == 1


@in_loop
async def test_a_burst_activates_only_the_newest() -> None:
    stage = Stage()
    async with stage.running():
        gate = Gate()
        stage.in_thread = gate
        await stage.offer(stage.author.version(MANY))
        assert gate.waiting == 1
        burst = [stage.author.version({CONF: b"%d" % number}) for number in range(5)]
        await stage.offer(*burst)
        gate.open()
        await stage.settle()
        begun = [step for step in stage.store.steps.taken if step.startswith("begin")]
        assert begun == ["begin 1.1", "begin 1.6"]
        assert stage.tree.files()[CONF] == b"4"
        assert stage.role.active == stage.author.head
        assert len(stage.store.lines(most=9)) == 6


@in_loop
async def test_a_new_stream_during_an_apply_disturbs_nothing() -> None:
    stage = Stage()
    async with stage.running():
        stage.in_thread = gate = Gate()
        await stage.offer(stage.author.version(MANY))
        await stage.desk.hang_up()
        await stage.pass_time(0.5)
        assert stage.hellos[-1].active == Position(1, 1)
        assert stage.reports[-1].active == NOWHERE
        await stage.offer(stage.author.version({CONF: b"conf"}))
        gate.open()
        await stage.settle()
        begun = [step for step in stage.store.steps.taken if step.startswith("begin")]
        assert begun == ["begin 1.1", "begin 1.2"]
        assert stage.reports[-1].active == Position(1, 2)
        assert stage.tree.files() == {**MANY, CONF: b"conf"}


@in_loop
async def test_contents_may_come_while_a_thread_applies() -> None:
    stage = Stage()
    stage.in_thread = asyncio.to_thread
    async with stage.running():
        for number in range(10):
            version = stage.author.version({p: b"%d %b" % (number, d) for p, d in MANY.items()})
            await stage.desk.say(version.offer(inline=False))
            for digest in version.contents:
                await stage.desk.say(version.answer((digest,)))
                await asyncio.sleep(0)
        while stage.role.active != stage.author.head:  # noqa: ASYNC110 (there is no event for it)
            await asyncio.sleep(0.01)
        assert stage.tree.files() == stage.author.files


@in_loop
async def test_nothing_happens_twice() -> None:
    async with Stage().running() as stage:
        version = stage.author.version({CONF: b"conf"})
        await stage.offer(version, version)
        done, said = list(stage.tree.steps.taken), len(stage.reports)
        await stage.offer(version)
        await stage.desk.say(version.answer(tuple(version.contents)), *version.snapshot())
        await stage.pass_time(3)
        assert stage.tree.steps.taken == done
        assert len(stage.reports) == said


@in_loop
async def test_joining_keeps_what_was_there() -> None:
    stage = Stage()
    stage.tree.put(CONF, b"my own conf")
    stage.tree.put("etc/pmg/mynetworks", b"10.0.0.0/8")
    stage.tree.put(KEY, b"the same key")
    async with stage.running():
        await stage.offer(stage.author.version({CONF: b"conf", KEY: b"the same key"}))
        assert stage.tree.files() == {CONF: b"conf", KEY: b"the same key"}
        reason = "was here before the node joined"
        assert stage.kept == {
            CONF: (b"my own conf", reason),
            "etc/pmg/mynetworks": (b"10.0.0.0/8", reason),
        }
        assert any(CONF in note for note in stage.reports[-1].notes)


@in_loop
async def test_a_file_that_was_the_same_when_joining_can_be_put_back_later() -> None:
    stage = Stage()
    stage.tree.put(KEY, b"key", mode=0o777)
    async with stage.running():
        await stage.offer(stage.author.version({KEY: b"key"}))
        await stage.pass_time(1)
        seen = stage.tree.stat(KEY)
        assert seen is not None
        assert seen.mode == 0o640
        stage.tree.put(KEY, b"edited")
        await stage.look(KEY)
        assert stage.tree.files() == {KEY: b"key"}
        assert stage.role.trouble == ""


@in_loop
async def test_joining_replaces_a_link_and_says_so() -> None:
    stage = Stage()
    stage.tree.put_kind(CONF, FileKind.LINK)
    async with stage.running():
        await stage.offer(stage.author.version({CONF: b"conf"}))
        assert stage.tree.files() == {CONF: b"conf"}
        assert "no file" in stage.reports[-1].notes[0]


@in_loop
async def test_the_masters_own_files_are_never_written() -> None:
    stage = Stage(authored=True, postfix=True)
    stage.tree.put(DOMAINS, b"edited since it was published")
    async with stage.running():
        await stage.offer(stage.author.version({DOMAINS: b"example.org", CONF: b"conf"}))
        assert stage.tree.files() == {DOMAINS: b"edited since it was published"}
        assert stage.tree.stat(f"{DOMAINS}.db") is not None
        assert stage.reports[-1].outcome is Outcome.ACTIVATED
        assert stage.store.active() == stage.author.head
        await stage.look(DOMAINS, everywhere=True)
        assert stage.tree.files() == {DOMAINS: b"edited since it was published"}
        assert stage.kept == {}


@in_loop
async def test_a_local_edit_that_a_version_overwrites_is_kept() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version({CONF: b"one"}))
        stage.tree.put(CONF, b"edited")
        await stage.offer(stage.author.version({CONF: b"two"}))
        assert stage.kept == {CONF: (b"edited", "edited on this node")}
        assert stage.reports[-1].notes[0].startswith(f"{CONF}: edited on this node")


class FinishFails(Steps):
    """The first `finish` fails, as on a disk that has just become full."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 1

    def step(self, what: str) -> None:
        if what.startswith("finish") and self.left:
            self.left -= 1
            raise StoreError("no space left for the database", where="node.db")
        super().step(what)


@in_loop
async def test_a_failed_finish_is_finished_before_the_next_plan() -> None:
    stage = Stage()
    async with stage.running():
        await stage.offer(stage.author.version({CONF: b"one", KEY: b"one"}))
        stage.store.steps = FinishFails()
        await stage.offer(stage.author.version({CONF: b"two"}))
        assert stage.store.pending() is not None
        assert stage.reports[-1].outcome is Outcome.UNABLE
        # Version 3 says of pmg.conf what version 1 said: a plan from there would not touch it.
        await stage.offer(stage.author.version({CONF: b"one", KEY: b"three"}))
        assert stage.tree.files(leavings=True) == {CONF: b"one", KEY: b"three"}
        assert stage.store.active() == stage.role.active == stage.author.head
        assert stage.kept == {}
        assert stage.role.trouble == ""


@in_loop
async def test_a_failed_finish_is_no_drift() -> None:
    stage = Stage()
    async with stage.running():
        await stage.offer(stage.author.version({CONF: b"one"}))
        stage.store.steps = FinishFails()
        await stage.offer(stage.author.version({CONF: b"two"}))
        await stage.look(CONF)
        assert stage.tree.files() == {CONF: b"two"}
        assert stage.kept == {}
        await stage.pass_time(3)
        assert stage.reports[-1].outcome is Outcome.ACTIVATED
        assert stage.role.active == stage.author.head


@in_loop
async def test_a_report_made_before_the_master_has_spoken_is_not_lost() -> None:
    stage = Stage()
    async with stage.running():
        stage.tree.space = 0
        await stage.offer(stage.author.version({CONF: b"conf"}))
        await stage.desk.hang_up()
        await stage.pass_time(0.2)
        assert len(stage.hellos) == 2
        assert not stage.role.link.up
        stage.tree.space = None
        await stage.pass_time(3)
        assert stage.reports[-1].outcome is Outcome.ACTIVATED


@in_loop
async def test_a_stop_waits_until_the_activation_is_over() -> None:
    stage, began, go_on = Stage(), threading.Event(), threading.Event()

    class Slow(Steps):
        def step(self, what: str) -> None:
            if what.startswith("rename") and not began.is_set():
                began.set()
                go_on.wait(5)
            super().step(what)

    stage.tree.steps = Slow()
    stage.in_thread = asyncio.to_thread
    stage.role.recover()
    task = asyncio.create_task(stage.role.run())
    await stage.settle()
    await stage.desk.say(stage.author.version(MANY).offer())
    await asyncio.to_thread(began.wait, 5)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
    go_on.set()
    with suppress(asyncio.CancelledError):
        await task
    assert stage.store.pending() is None
    assert stage.store.active() == stage.author.head
    assert stage.tree.files(leavings=True) == MANY


@in_loop
async def test_new_members_are_written_down() -> None:
    async with Stage().running() as stage:
        await stage.desk.say(stage.author.grow())
        await stage.settle()
        assert stage.chains == [tuple(stage.author.chain)]


@in_loop
async def test_new_members_that_cannot_be_written_down_are_tried_again() -> None:
    async with Stage().running() as stage:
        stage.chain_error = HostError("no space left", where="chain")
        await stage.desk.say(stage.author.grow())
        await stage.pass_time(3)
        assert "no space left" in stage.role.link.trouble
        stage.chain_error = None
        await stage.pass_time(3)
        assert stage.chains == [tuple(stage.author.chain)]
        assert stage.hellos[-1].serial == 2


@in_loop
async def test_a_restart_goes_on_where_it_was() -> None:
    stage = Stage()
    async with stage.running():
        await stage.offer(stage.author.version({CONF: b"one"}))
    stage.store = stage.store.crash()
    stage.role = stage.build()
    async with stage.running():
        assert stage.role.active == stage.author.head
        await stage.offer(stage.author.version({KEY: b"two"}))
        assert stage.tree.files() == {CONF: b"one", KEY: b"two"}


@in_loop
async def test_the_last_view_survives_a_restart() -> None:
    stage = Stage()
    async with stage.running():
        asking = asyncio.create_task(stage.role.ask_view(5))
        await stage.settle()
        assert Pulse(want_view=True) in stage.desk.inbox
        await stage.desk.say(View(b'{"nodes":[]}'))
        assert await asking == (b'{"nodes":[]}', stage.clock.now())
    stage.role = stage.build()
    stage.role.recover()
    assert stage.role.view == (b'{"nodes":[]}', stage.clock.now())


@in_loop
async def test_the_view_is_written_down_as_it_comes_but_at_most_once_a_minute() -> None:
    async with Stage().running() as stage:
        for document, saved in ((b"1", "1"), (b"2", "1"), (b"3", "3")):
            if document == b"3":
                await stage.clock.advance(60)
                await stage.settle()
            await stage.desk.say(stage.author.beat(0), View(document))
            await stage.settle()
            note = stage.store.note("view")
            assert isinstance(note, list)
            assert note[0] == saved


@in_loop
async def test_without_an_answer_the_known_view_counts() -> None:
    async with Stage().running() as stage:
        assert await stage.role.ask_view(0.01) is None


@in_loop
async def test_a_view_that_cannot_be_saved_does_not_spoil_the_stop() -> None:
    stage = Stage()
    async with stage.running():
        await stage.desk.say(View(b"{}"))
        await stage.settle()
        stage.store.full = True
    assert stage.role.view is not None


@pytest.mark.parametrize(("nodes", "seconds"), [(1, 5.0), (39, 10.0)])
@in_loop
async def test_the_larger_the_cluster_the_rarer_a_view(nodes: int, seconds: float) -> None:
    async with Stage(nodes=nodes).running() as stage:
        await stage.pass_time(4 * seconds + 1)
        asked = [word for word in stage.desk.inbox if isinstance(word, Pulse) and word.want_view]
        assert len(asked) == 1 + 4  # when the stream began, and then


def test_recovery_comes_first() -> None:
    with pytest.raises(RuntimeError, match="recover"):
        asyncio.run(Stage().role.run())


@in_loop
async def test_an_altered_offer_changes_nothing_and_costs_the_stream() -> None:
    async with Stage().running() as stage:
        version = stage.author.version({CONF: b"conf"})
        data = version.envelope.to_bytes().replace(b'"sig":"', b'"sig":"AAAA', 1)
        with suppress(PmgsyncError):
            Envelope.from_bytes(data)
        await stage.desk.say(type(version.offer())(data))
        await stage.pass_time(3)
        assert stage.desk.dials > 1
        assert stage.tree.files() == {}
        assert stage.role.active.position == NOWHERE
