"""Fetching versions from another member than the master, which may hand them over or not.

What comes is believed for its signatures, so it does not matter who hands it over. Whether it comes
is in that member's hands, so waiting for it is bounded: whoever says nothing for a while, although
something is missing, is given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pmgsync.agent.link import Link
from pmgsync.agent.peers import Peers
from pmgsync.errors import DeadlineError, OperatorError, TransportError
from pmgsync.model.changeset import Position
from pmgsync.model.membership import Member
from pmgsync.model.messages import Beat, View
from pmgsync.ports import Clock, Store

if TYPE_CHECKING:
    from pmgsync.agent.role import AgentRole

log = logging.getLogger(__name__)

SILENCE_SECONDS = 3.0
"""So long a source may say nothing while this node lacks something."""
MOST_SECONDS = 60.0
"""So long all of it may take."""
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class FetchParts:
    """What fetching works with. `link` is the agent's, which takes in what comes; `has_all`: is all
    at hand for a version that this node does not run yet; `trouble`: what keeps it from running it.
    """

    store: Store
    clock: Clock
    peers: Peers
    link: Link
    has_all: Callable[[], bool]
    trouble: Callable[[], str]


def fetcher_for(agent: AgentRole, store: Store, clock: Clock, peers: Peers) -> Fetcher:
    """What takes in versions through `agent`."""
    has_all, trouble = lambda: agent.has_all, lambda: agent.trouble
    return Fetcher(FetchParts(store, clock, peers, agent.link, has_all, trouble))


class Fetcher:
    """Fetches from one member at a time."""

    def __init__(self, parts: FetchParts) -> None:
        self._parts = parts
        self._heard = 0.0

    async def until(self, position: Position, seconds: float) -> None:
        """Wait until this node runs `position`, durably; `DeadlineError` if it does not."""
        clock = self._parts.clock
        deadline = clock.monotonic() + seconds
        while not self._runs(position):
            if clock.monotonic() >= deadline:
                raise DeadlineError(f"version {position} did not come within {seconds:g} s")
            await clock.sleep(POLL_S)

    async def fetch(self, source: Member, position: Position) -> None:
        """Fetch what `source` has, up to `position`, and run it.

        Where it does not come, what the stream raised, or `TransportError`; `OperatorError` where
        it came, and this node cannot run it.
        """
        log.info("fetches the versions up to %s from %s", position, source.label)
        self._heard = self._parts.clock.monotonic()
        taking = asyncio.ensure_future(self._take_all(source))
        try:
            await self._until_it_runs(position, taking)
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _until_it_runs(self, position: Position, taking: asyncio.Future[None]) -> None:
        parts = self._parts
        began = parts.clock.monotonic()
        while not self._runs(position):
            now = parts.clock.monotonic()
            if parts.has_all():
                self._heard = now  # the next thing is this node's to do
                if trouble := parts.trouble():
                    raise OperatorError(f"this node cannot run version {position}: {trouble}")
            elif taking.done():
                taking.result()
                raise TransportError("ended before it")
            if now - self._heard >= SILENCE_SECONDS:
                raise TransportError(f"said nothing for {SILENCE_SECONDS:g} s")
            if now - began >= MOST_SECONDS:
                raise TransportError(f"took longer than {MOST_SECONDS:g} s")
            await parts.clock.sleep(POLL_S)

    async def _take_all(self, source: Member) -> None:
        """Take in what comes as if it came from the master; not the master's own words."""
        parts = self._parts
        stream = await parts.peers.catch_up(source)
        try:
            parts.link.on_up()
            for word in parts.link.opening():
                await stream.send(word)
            while (message := await stream.receive()) is not None:
                self._heard = parts.clock.monotonic()
                taken = [] if isinstance(message, Beat | View) else parts.link.on_message(message)
                for word in taken:
                    await stream.send(word)
        finally:
            await stream.close()

    def _runs(self, position: Position) -> bool:
        store = self._parts.store
        return store.pending() is None and store.active().position >= position
