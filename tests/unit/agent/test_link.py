"""The link: one stream kept alive; when it tries again, what it says of itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from pmgsync.agent.link import NOT_YET, Link, LinkConfig
from pmgsync.errors import (
    BadSignatureError,
    HostError,
    NotAllowedError,
    PmgsyncError,
    TransportError,
)
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.manifest import digest_of
from pmgsync.model.messages import Hello, Need, Pulse, Resync, ToAgent, ToMaster, View
from tests.sim.author import Author
from tests.sim.clock import FakeClock
from tests.unit.agent.stage import Desk, in_loop

HELLO = Hello(NOWHERE, digest_of(b""), 1, 1, "test")
WORD = View(b"{}")


class Bench:
    """A link between a desk and what it hands its messages to."""

    def __init__(self, *, silence_s: float = 10) -> None:
        self.desk, self.clock, self.author = Desk(), FakeClock(), Author()
        self.heard: list[ToAgent] = []
        self.answers: list[ToMaster] = []
        self.error: PmgsyncError | None = None
        self.streams = 0
        self.link = Link(
            dialer=self.desk,
            clock=self.clock,
            master=lambda: self.author.membership.master_member,
            opening=lambda: [HELLO],
            on_message=self._on_message,
            on_up=self._on_up,
            config=LinkConfig(pulse_s=1, silence_s=silence_s, retry_least_s=0.1, retry_most_s=2),
        )

    def _on_up(self) -> None:
        self.streams += 1

    def _on_message(self, message: ToAgent) -> list[ToMaster]:
        self.heard.append(message)
        if self.error is not None:
            raise self.error
        return self.answers

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bench"]:
        task = asyncio.create_task(self.link.run())
        try:
            await self.clock.settle()
            yield self
            if task.done():
                await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def say(self, message: ToAgent = WORD) -> None:
        await self.desk.say(message)
        await self.clock.settle()

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * 20)):
            await self.clock.advance(0.05)


@in_loop
async def test_it_is_up_once_the_master_has_spoken() -> None:
    async with Bench().running() as bench:
        link = bench.link
        assert (link.up, link.trouble, link.last_heard) == (False, NOT_YET, None)
        assert bench.desk.inbox == [HELLO]
        await bench.say()
        assert (link.up, link.trouble, link.last_heard) == (True, "", bench.clock.now())
        assert bench.heard == [WORD]
    assert not link.up


@in_loop
async def test_answers_go_back() -> None:
    async with Bench().running() as bench:
        bench.answers = [Resync(), Need((digest_of(b""),))]
        await bench.say()
        assert [said for said in bench.desk.inbox if not isinstance(said, Pulse)] == [
            HELLO,
            *bench.answers,
        ]


@in_loop
async def test_pulses_say_that_the_agent_lives() -> None:
    async with Bench().running() as bench:
        await bench.say()
        await bench.pass_time(3.5)
        assert bench.desk.heard(Pulse) == [Pulse()] * 4


@in_loop
async def test_sending_without_a_stream_says_so() -> None:
    bench = Bench()
    assert not await bench.link.send(Pulse())
    bench.desk.refuses = TransportError("cannot be reached")
    async with bench.running():
        assert not await bench.link.send(Pulse())


@in_loop
async def test_what_is_sent_during_the_opening_comes_after_it() -> None:
    async with Bench().running() as bench:
        assert await bench.link.send(Resync())
        await bench.clock.settle()
        assert bench.desk.inbox == [HELLO, Resync()]


@in_loop
async def test_tries_are_spaced_by_growing_random_waits_up_to_the_most() -> None:
    bench = Bench()
    bench.desk.refuses = TransportError("cannot be reached", where="node1(1)")
    waits: list[float] = []
    plain = bench.clock.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await plain(seconds)

    bench.clock.sleep = sleep  # type: ignore[method-assign]
    async with bench.running():
        assert bench.link.trouble == "node1(1): cannot be reached"
        await bench.pass_time(60)
    assert bench.desk.dials == len(waits)
    assert max(waits) <= 2
    assert max(waits[:2]) <= 0.2 < max(waits[5:])
    assert len(set(waits[5:])) > 10
    assert 30 < len(waits) < 200


@in_loop
async def test_a_stream_that_had_been_up_is_soon_tried_again() -> None:
    async with Bench().running() as bench:
        await bench.say()
        await bench.desk.hang_up()
        await bench.clock.settle()
        assert (bench.link.up, bench.link.trouble) == (False, "the master closed the connection")
        await bench.pass_time(0.1)
        assert (bench.desk.dials, bench.streams) == (2, 2)
        await bench.say()
        assert bench.link.up


@pytest.mark.parametrize(
    "error",
    [
        BadSignatureError("no valid signature"),
        NotAllowedError("was removed"),
        HostError("no space left", where="chain"),
    ],
)
@in_loop
async def test_what_cannot_be_taken_in_ends_the_stream_and_slows_the_tries(
    error: PmgsyncError,
) -> None:
    async with Bench().running() as bench:
        bench.error = error
        for _ in range(40):
            with suppress(TransportError):
                await bench.say()
            await bench.pass_time(0.5)
        assert bench.link.trouble == str(error)
        assert bench.desk.dials < 35
        bench.error = None
        await bench.pass_time(2.5)
        await bench.say()
        assert bench.link.up


@in_loop
async def test_silence_is_the_end_of_a_stream() -> None:
    async with Bench(silence_s=0.05).running() as bench:
        await bench.say()
        assert bench.link.up
        await asyncio.sleep(0.1)
        assert bench.link.trouble == "nothing heard for 0.05 s"
        await bench.pass_time(1)
        assert bench.desk.dials == 2


@in_loop
async def test_a_master_that_takes_nothing_is_given_up() -> None:
    bench = Bench(silence_s=0.05)
    bench.desk.deaf = True
    bench.answers = [Resync()] * 100
    async with bench.running():
        await bench.say()
        await asyncio.sleep(0.15)
        await bench.clock.settle()
        assert bench.link.trouble == "took nothing for 0.05 s"
        assert not bench.link.up
        assert not await bench.link.send(Pulse())


@in_loop
async def test_an_error_of_our_own_is_not_swallowed() -> None:
    bench = Bench()

    def broken(message: ToAgent) -> list[ToMaster]:
        raise RuntimeError("a mistake")

    bench.link.on_message = broken
    running = asyncio.create_task(bench.link.run())
    await bench.clock.settle()
    await bench.say()
    with pytest.raises(RuntimeError, match="a mistake"):
        await running
