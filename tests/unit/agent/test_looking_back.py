"""What a version overwrites is looked at when it is done, and never lost in between."""

from collections.abc import Sequence

import pytest

from pmgsync.agent.activate import Activator
from pmgsync.agent.maps import MapBuilder
from pmgsync.agent.plan import Advance
from pmgsync.agent.tree_work import TreeWork
from pmgsync.errors import HostError
from pmgsync.model.report import Outcome
from pmgsync.survey import Survey
from tests.sim.author import Author, Version
from tests.sim.clock import FakeClock
from tests.sim.host import FakeCommands, MemoryTree
from tests.sim.killing import Killed, Steps
from tests.sim.store import MemoryStore
from tests.unit.agent.stage import Stage, in_loop

CONF, KEY = "etc/pmg/pmg.conf", "etc/pmg/dkim/mail.private"
OLD = {CONF: b"old", KEY: b"key"}


def work_on(tree: MemoryTree, store: MemoryStore) -> TreeWork:
    clock = FakeClock()
    activator = Activator(tree, store, MapBuilder(FakeCommands(None), "/", "/etc/postfix"))
    work = TreeWork(store, Survey(tree, clock), activator, clock, authored=False)
    work.recover()
    return work


def advance(work: TreeWork, version: Version) -> Sequence[str]:
    step = Advance(version.head.position, version.head.manifest, (version.record,))
    plan = work.plan(step)
    return (*work.switch(step, plan, version.contents), *work.settle())


def edited(author: Author) -> tuple[MemoryTree, MemoryStore]:
    """A node that runs a version, with an edit of its own."""
    tree, store = MemoryTree(), MemoryStore()
    advance(work_on(tree, store), author.version(OLD))
    tree.put(CONF, b"edited here")
    return tree, store


def kept(store: MemoryStore) -> list[tuple[str, bytes | None]]:
    return [
        (one.path, store.content(one.digest) if one.digest else None) for one in store.keepsakes()
    ]


@pytest.mark.parametrize("puts", [{CONF: b"new"}, {}, {CONF: b"new", KEY: b"new"}])
def test_whenever_the_node_dies_an_edit_is_there_or_kept(puts: dict[str, bytes]) -> None:
    for at in range(1, 100):
        author = Author()
        tree, store = edited(author)
        version = author.version(puts, *({CONF} - puts.keys()))
        work = work_on(tree, store)
        tree.steps = store.steps = Steps(at)
        try:
            notes = advance(work, version)
        except Killed:
            tree.steps, store = Steps(), store.crash()
            work_on(tree, store)
            where = b"edited here" in (tree.files().get(CONF), *(data for _, data in kept(store)))
            assert where, tree.files()
        else:
            assert kept(store) == [(CONF, b"edited here")]
            assert f"{CONF}: edited on this node" in [note.partition(";")[0] for note in notes]
            assert at > 5
            return
    pytest.fail("never came to its end")


def test_what_the_version_itself_wants_or_the_last_one_had_is_not_kept() -> None:
    author = Author()
    tree, store = edited(author)
    tree.put(CONF, b"new")
    work = work_on(tree, store)
    advance(work, author.version({CONF: b"new", KEY: b"key 2"}))
    advance(work, author.version({CONF: b"newer"}))
    assert kept(store) == []
    assert tree.files(leavings=True) == {CONF: b"newer", KEY: b"key 2"}


def test_where_an_edit_cannot_be_kept_it_stays() -> None:
    author = Author()
    tree, store = edited(author)
    work = work_on(tree, store)
    version = author.version({CONF: b"new"})
    store.steps = FullWhenKeeping()
    with pytest.raises(HostError, match="no space"):
        advance(work, version)
    assert tree.files(leavings=True) == {**OLD, CONF: b"edited here"}
    store.steps = Steps()
    advance(work, version)
    assert kept(store) == [(CONF, b"edited here")]


class FullWhenKeeping(Steps):
    """No room for what is to be kept."""

    def step(self, what: str) -> None:
        if what.startswith("keep"):
            raise HostError("no space left", where="node.db")
        super().step(what)


@in_loop
async def test_what_cannot_be_read_is_overwritten_once_and_then_looked_at_first() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version(OLD))
        await stage.pass_time(1)
        stage.tree.put(CONF, b"half wri")
        stage.tree.restless.add(CONF)
        stage.tree.steps = steps = Steps()
        await stage.offer(stage.author.version({CONF: b"new"}))
        await stage.pass_time(20)
        assert stage.tree.files(leavings=True) == {**OLD, CONF: b"half wri"}
        assert stage.reports[-1].outcome is Outcome.UNABLE
        assert "would be lost" in stage.role.trouble
        assert CONF in stage.role.trouble
        arrivals = [step for step in steps.taken if step.startswith("rename") and "new" in step]
        assert len(arrivals) == 1
        stage.tree.restless.clear()
        await stage.pass_time(20)
        assert stage.tree.files(leavings=True) == {**OLD, CONF: b"new"}
        assert stage.kept == {CONF: (b"half wri", "edited on this node")}
