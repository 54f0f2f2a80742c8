"""Tells services what changed, apart from everything else: some take a minute to restart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pmgsync.agent.reactions import Answer
    from pmgsync.agent.services import Services

InThread = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs something that blocks away from the event loop."""


class Telling:
    """One node's. `turn` is held while what is owed is taken from or written to the tree; `said` is
    called after each round. `failures`: what went wrong in the last one.
    """

    def __init__(
        self,
        services: Services | None,
        apart: InThread,
        turn: asyncio.Lock,
        said: Callable[[], Awaitable[None]],
    ) -> None:
        self._services = services
        self._apart = apart
        self._turn = turn
        self._said = said
        self._wanted = asyncio.Event()
        self.failures: tuple[str, ...] = ()

    def wake(self) -> None:
        """There may be somebody to tell."""
        if self._services is not None and self._services.waiting:
            self._wanted.set()

    async def run(self) -> None:
        """Tell whoever is to be told, for ever; returns at once on a node without services."""
        while self._services is not None:
            await self._wanted.wait()
            self._wanted.clear()
            await self._tell(self._services)

    async def _tell(self, services: Services) -> None:
        async with self._turn:
            wanted = services.take()
        answers: list[Answer] = []
        await self._apart(lambda: answers.extend(services.teller.tell(wanted)))
        async with self._turn:
            self.failures = services.told(answers)
        await self._said()
