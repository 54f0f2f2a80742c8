"""New files can be read at once; the rest of an activation, and the report, come a moment later."""

from pmgsync.agent.parts import AgentConfig
from pmgsync.errors import HostError
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.report import Outcome
from tests.crash.stepping import Kept, activator_on, plan_to
from tests.sim.author import Author
from tests.sim.host import MemoryTree
from tests.sim.killing import Steps
from tests.sim.store import MemoryStore
from tests.unit.agent.stage import Stage, in_loop

CONF, KEY = "etc/pmg/pmg.conf", "etc/pmg/dkim/mail.private"


def unhurried() -> Stage:
    stage = Stage()
    stage.config = AgentConfig(settle_delay_s=0.5)
    stage.role = stage.build()
    return stage


async def first(stage: Stage) -> None:
    """A first version, in place and reported: joining looks at everything and does not wait."""
    await stage.offer(stage.author.version({CONF: b"first"}))
    assert stage.reports[-1].active == Position(1, 1)


class FullOnce(Steps):
    """A disk that fails once, when the folders are brought to it."""

    def step(self, what: str) -> None:
        if what.startswith("sync") and what.endswith("folders"):
            self.__class__ = Steps  # type: ignore[assignment]
            raise HostError("the disk reports an error", where="etc/pmg")
        super().step(what)


@in_loop
async def test_files_are_there_before_the_node_says_so() -> None:
    async with unhurried().running() as stage:
        await first(stage)
        await stage.offer(stage.author.version({CONF: b"second", KEY: b"key"}))
        assert stage.tree.files() == {CONF: b"second", KEY: b"key"}
        assert stage.reports[-1].active == stage.role.active.position == Position(1, 1)
        await stage.pass_time(0.6)
        assert stage.reports[-1].active == stage.store.active().position == Position(1, 2)
        assert stage.tree.files(leavings=True) == {CONF: b"second", KEY: b"key"}


@in_loop
async def test_versions_that_come_meanwhile_are_the_next_step() -> None:
    async with unhurried().running() as stage:
        await first(stage)
        for content in (b"second", b"third", b"fourth"):
            await stage.offer(stage.author.version({CONF: content}))
        assert stage.tree.files() == {CONF: b"second"}
        await stage.pass_time(0.6)
        assert stage.tree.files() == {CONF: b"fourth"}
        await stage.pass_time(0.6)
        assert [report.active.version for report in stage.reports] == [0, 1, 2, 4]


@in_loop
async def test_a_stop_meanwhile_waits_for_the_disk() -> None:
    stage = unhurried()
    async with stage.running():
        await first(stage)
        await stage.offer(stage.author.version({CONF: b"second"}))
        assert stage.store.pending() is not None
    assert stage.store.pending() is None
    assert stage.store.active().position == Position(1, 2)
    assert stage.tree.files(leavings=True) == {CONF: b"second"}


def test_a_crash_meanwhile_is_finished_by_recovery() -> None:
    author, tree, store = Author(), MemoryTree(), MemoryStore()
    version = author.version({CONF: b"new", KEY: b"key"})
    plan, contents = plan_to(version)
    activator_on(tree, store, Steps()).switch(plan, contents, Kept())
    assert tree.files() == version.files
    store = store.crash()
    activator_on(tree, store, Steps()).recover(Kept())
    assert store.active() == version.head
    assert tree.files(leavings=True) == version.files


@in_loop
async def test_a_disk_that_fails_at_the_end_has_everything_switched_back() -> None:
    async with unhurried().running() as stage:
        await first(stage)
        stage.tree.steps = FullOnce()
        await stage.offer(stage.author.version({CONF: b"second"}))
        assert stage.tree.files() == {CONF: b"second"}
        await stage.pass_time(0.6)
        report = stage.reports[-1]
        assert (report.active, report.outcome) == (Position(1, 1), Outcome.UNABLE)
        assert stage.tree.files(leavings=True) == {CONF: b"first"}
        await stage.pass_time(3)
        assert stage.reports[-1].outcome is Outcome.ACTIVATED
        assert stage.tree.files(leavings=True) == {CONF: b"second"}
        assert stage.role.active.position > NOWHERE
