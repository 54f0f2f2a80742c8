"""What a node does with a version that it had believed when it signed for a newer epoch."""

from pmgsync.model.changeset import Position
from tests.unit.agent.stage import Gate, Stage, in_loop

CONF = "etc/pmg/pmg.conf"
MANY = {f"etc/pmg/acme/file{number}": b"%d" % number for number in range(20)}


@in_loop
async def test_a_version_whose_contents_come_after_the_promise_is_not_finished() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version({CONF: b"old"}))
        late = stage.author.version({CONF: b"new"})
        await stage.offer(late, inline=False)
        assert stage.role.unfinished is None
        stage.role.history.promise(2)
        await stage.desk.say(late.answer(tuple(late.contents)))
        await stage.settle()
        assert stage.tree.files() == {CONF: b"old"}
        assert stage.store.head()[0].position == Position(1, 1)
        assert stage.reports[-1].active == Position(1, 1)


@in_loop
async def test_nor_one_for_which_there_was_no_room_before() -> None:
    async with Stage().running() as stage:
        await stage.offer(stage.author.version({CONF: b"old"}))
        stage.tree.space = 0
        await stage.offer(stage.author.version({CONF: b"new"}))
        stage.role.history.promise(2)
        stage.tree.space = None
        await stage.pass_time(9)
        assert stage.tree.files(leavings=True) == {CONF: b"old"}
        assert stage.store.head()[0].position == Position(1, 1)


@in_loop
async def test_one_that_is_being_written_down_is_named_until_it_is() -> None:
    stage = Stage()
    async with stage.running():
        stage.in_thread = gate = Gate()
        await stage.offer(stage.author.version(MANY))
        assert stage.role.unfinished == Position(1, 1)
        gate.open()
        await stage.settle()
        assert stage.role.unfinished is None
        assert stage.store.head()[0].position == Position(1, 1)


@in_loop
async def test_one_that_waits_for_its_turn_is_not_begun_after_the_promise() -> None:
    """While a thread applies one version, the next one is believed; then this node signs."""
    stage = Stage()
    async with stage.running():
        stage.in_thread = gate = Gate()
        await stage.offer(stage.author.version(MANY))
        await stage.offer(stage.author.version({CONF: b"new"}))
        stage.role.history.promise(2)
        gate.open()
        await stage.settle()
        assert stage.store.head()[0].position == Position(1, 1)
        assert CONF not in stage.tree.files()
