"""A folder that becomes a file and the reverse: in one version, in two, joining, disturbed."""

import pytest

from pmgsync.errors import HostError
from pmgsync.model.report import Outcome
from tests.sim.killing import Killed, Steps
from tests.unit.agent.stage import Stage, in_loop

FILE, INSIDE, DEEP = "etc/pmg/templates/foo", "etc/pmg/templates/foo/a", "etc/pmg/templates/foo/b/c"
CONF = "etc/pmg/pmg.conf"
STATES = {
    "file": {CONF: b"conf", FILE: b"file"},
    "folder": {CONF: b"other conf", INSIDE: b"a", DEEP: b"c"},
}
both_ways = pytest.mark.parametrize(("old", "new"), [("file", "folder"), ("folder", "file")])


def gone(old: str, new: str) -> tuple[str, ...]:
    """What a version that turns `old` into `new` deletes."""
    return tuple(STATES[old].keys() - STATES[new].keys())


@both_ways
@in_loop
async def test_in_one_version(old: str, new: str) -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(STATES[old]))
        await stage.offer(stage.author.version(STATES[new], *gone(old, new)))
        assert stage.tree.files(leavings=True) == STATES[new]
        assert stage.role.active == stage.author.head
        await stage.look(*STATES[old], *STATES[new])
        await stage.pass_time(70)
        assert stage.tree.files(leavings=True) == STATES[new]
        assert (stage.kept, stage.role.trouble, stage.role.notes) == ({}, "", ())


@both_ways
@pytest.mark.parametrize("together", [True, False])
@in_loop
async def test_in_two_versions(old: str, new: str, together: bool) -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(STATES[old]))
        versions = [stage.author.version({}, *gone(old, new))]
        versions += [stage.author.version(STATES[new])]
        for some in [versions] if together else [[one] for one in versions]:
            await stage.offer(*some)
        assert stage.tree.files(leavings=True) == STATES[new]
        assert stage.role.active == stage.author.head
        assert (stage.kept, stage.role.trouble) == ({}, "")


@both_ways
@in_loop
async def test_while_joining(old: str, new: str) -> None:
    stage = Stage()
    for path, data in STATES[old].items():
        stage.tree.put(path, data)
    async with stage.running():
        await stage.offer(stage.author.version(STATES[new]))
        assert stage.tree.files(leavings=True) == STATES[new]
        assert stage.role.active == stage.author.head
        assert stage.kept.keys() == STATES[old].keys()


@both_ways
@in_loop
async def test_as_drift(old: str, new: str) -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(STATES[old]))
        await stage.pass_time(1)
        stage.tree.drop(FILE)
        for path, data in STATES[new].items():
            stage.tree.put(path, data)
        await stage.pass_time(70)
        assert stage.tree.files(leavings=True) == STATES[old]
        assert stage.kept.keys() >= STATES[new].keys()


@in_loop
async def test_what_never_travels_is_no_reason_to_lose_it() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(STATES["folder"]))
        stage.tree.put(f"{INSIDE}.swp", b"an editor's")
        before = stage.tree.files(leavings=True)
        await stage.offer(stage.author.version(STATES["file"], *gone("folder", "file")))
        assert stage.tree.files(leavings=True) == before
        assert stage.reports[-1].outcome is Outcome.UNABLE
        assert stage.role.trouble.startswith(f"{FILE}: is a folder, and a file goes there")
        stage.tree.drop(f"{INSIDE}.swp")
        await stage.pass_time(3)
        assert stage.tree.files(leavings=True) == STATES["file"]
        assert stage.kept == {}


class Disturbed(Steps):
    """One step fails, or is the last."""

    def __init__(self, at: int, error: BaseException) -> None:
        super().__init__()
        self.at, self.error = at, error

    def step(self, what: str) -> None:
        super().step(what)
        if len(self.taken) == self.at:
            raise self.error


async def disturbed(at: int, old: str, new: str, error: BaseException) -> tuple[Stage, bool]:
    """The version is there although step `at` of it failed or was the last; was there one?"""
    stage = Stage()
    version = stage.author.version(STATES[old])
    async with stage.running():
        await stage.offer(version)
        await stage.pass_time(1)
    after = stage.author.version(STATES[new], *gone(old, new))
    steps = stage.tree.steps = Disturbed(at, error)
    stage.role = stage.build()
    try:
        async with stage.running():
            await stage.offer(after)
    except* Killed:
        pass
    happened = len(steps.taken) >= at
    stage.tree.steps = Steps()
    stage.store = stage.store.crash()
    stage.role = stage.build()
    async with stage.running():
        await stage.pass_time(3)
        if stage.role.active != stage.author.head:
            await stage.offer(after)
        await stage.pass_time(3)
        assert stage.role.active == stage.author.head
        assert stage.tree.files(leavings=True) == STATES[new]
        assert all(content is None for content, _ in stage.kept.values())
    return stage, happened


@both_ways
@pytest.mark.parametrize("dies", [True, False])
@in_loop
async def test_stopped_or_failing_at_any_step(old: str, new: str, dies: bool) -> None:
    at, happened = 0, True
    while happened:
        at += 1
        error = Killed(str(at)) if dies else HostError("operation not permitted", where=str(at))
        _, happened = await disturbed(at, old, new, error)
    assert at > len(STATES[new])
