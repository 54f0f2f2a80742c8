"""The link: one stream to the master, kept alive. The only place that waits and tries again.

A stream counts as up once the master has said something on it. It is given up when nothing was
heard or taken for `silence_s`, although the master sends heartbeats: TCP alone would not notice a
cut for minutes. Tries are spaced by a random, growing wait of at most `retry_most_s`, so that a
restarted master is not met by all at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from pmgsync.errors import HostError, PeerError, PmgsyncError, RemovedError, TransportError
from pmgsync.model.membership import Member
from pmgsync.model.messages import Pulse, ToAgent, ToMaster
from pmgsync.ports import AgentEnd, Clock, Dialer

log = logging.getLogger(__name__)

NOT_YET = "has not connected yet"
CURABLE = (TransportError, PeerError, HostError)
"""What a new try may cure. `HostError`: this machine could not take down what it heard."""


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """Seconds: between pulses, of silence until the stream is given up, and between tries."""

    pulse_s: float = 1.0
    silence_s: float = 4.0
    retry_least_s: float = 0.1
    retry_most_s: float = 2.0


@dataclass
class Link:
    """Keeps a stream to `master()`; `opening()` is what it begins with, `on_message` gets what
    comes, in order.
    """

    dialer: Dialer
    clock: Clock
    master: Callable[[], Member]
    opening: Callable[[], list[ToMaster]]
    on_message: Callable[[ToAgent], list[ToMaster]]
    on_up: Callable[[], None]
    pulse: Callable[[], Pulse] = Pulse
    """What is said once in a while."""
    on_removed: Callable[[RemovedError], None] = lambda _error: None
    """Raises what ends the link, where the master's word on the removal is proven."""
    config: LinkConfig = field(default_factory=LinkConfig)
    last_heard: int | None = None
    trouble: str = NOT_YET
    _stream: AgentEnd | None = None
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def up(self) -> bool:
        """Is there a stream on which the master has spoken?"""
        return self._stream is not None and not self.trouble

    async def run(self) -> None:
        """Follow the master until cancelled."""
        while True:
            retrying = AsyncRetrying(
                wait=wait_random_exponential(
                    multiplier=self.config.retry_least_s, max=self.config.retry_most_s
                ),
                retry=retry_if_exception_type(CURABLE),
                before_sleep=self._note_trouble,
                sleep=self.clock.sleep,
            )
            async for attempt in retrying:
                with attempt:
                    await self._follow_once()
            await self.clock.sleep(self.config.retry_least_s)

    async def send(self, message: ToMaster) -> bool:
        """Send if there is a stream; False if not (what matters is said again when there is)."""
        stream = self._stream
        if stream is None:
            return False
        try:
            async with self._sending:
                await self._send_on(stream, message)
        except PmgsyncError:
            return False
        return True

    async def _follow_once(self) -> None:
        """One stream, from dial to end. Returns if it had been up: the next try comes soon."""
        try:
            await self._follow_stream()
        except RemovedError as error:
            self.on_removed(error)
            raise

    async def _follow_stream(self) -> None:
        stream = await self.dialer.dial(self.master())
        try:
            self.on_up()
            async with self._sending:
                # What others send meanwhile comes after the opening, and is not lost between.
                self._stream = stream
                for word in self.opening():
                    await self._send_on(stream, word)
            message = await self._receive(stream)
            self.trouble = ""
            log.info("connected to the master %s", self.master().label)
            await self._converse(stream, message)
        except CURABLE as error:
            was_up = self.up
            self._note(error)
            if not was_up or not isinstance(error, TransportError):
                raise
        finally:
            self._stream = None
            await stream.close()

    async def _converse(self, stream: AgentEnd, message: ToAgent) -> None:
        pulse = asyncio.create_task(self._pulse())
        try:
            while True:
                for answer in self.on_message(message):
                    async with self._sending:
                        await self._send_on(stream, answer)
                await asyncio.sleep(0)  # what the message has set going comes first
                message = await self._receive(stream)
        finally:
            pulse.cancel()

    async def _send_on(self, stream: AgentEnd, message: ToMaster) -> None:
        """Send; a master that takes nothing for that long is as lost as one that says nothing."""
        try:
            async with asyncio.timeout(self.config.silence_s):
                await stream.send(message)
        except TimeoutError:
            raise TransportError(f"took nothing for {self.config.silence_s:g} s") from None

    async def _receive(self, stream: AgentEnd) -> ToAgent:
        try:
            async with asyncio.timeout(self.config.silence_s):
                message = await stream.receive()
        except TimeoutError:
            raise TransportError(f"nothing heard for {self.config.silence_s:g} s") from None
        if message is None:
            raise TransportError("the master closed the connection")
        self.last_heard = self.clock.now()
        return message

    async def _pulse(self) -> None:
        while await self.send(self.pulse()):
            await self.clock.sleep(self.config.pulse_s)

    def _note(self, error: PmgsyncError) -> None:
        if self.trouble != str(error):
            log.warning("no connection to the master %s: %s", self.master().label, error)
        self.trouble = str(error)

    def _note_trouble(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, PmgsyncError):
            self._note(error)
