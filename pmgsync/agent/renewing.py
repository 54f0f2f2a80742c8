"""A master that begins a newer epoch, as somebody has signed for one that never began.

Until then, whoever has signed takes in no version. What members say of it is `hearsay`; the way is
that of any candidate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pmgsync.agent.hearsay import Hearsay
from pmgsync.errors import PmgsyncError
from pmgsync.model.membership import Member
from pmgsync.model.promotion import voters
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import Clock

if TYPE_CHECKING:
    from pmgsync.agent.candidate import Won

log = logging.getLogger(__name__)

EVERY_S = 1.0
AGAIN_MOST_S = 60.0
"""A master that finds too few for a newer epoch tries again more and more rarely, up to this."""


@dataclass(frozen=True, slots=True)
class RenewalParts:
    """`leads`: is this node a master that hands over to nobody now? `promised` is the epoch that it
    has signed for last. `run` wins the next epoch, and `begin` begins it; both while `busy` is
    held.
    """

    cid: int
    clock: Clock
    busy: asyncio.Lock
    history: Callable[[], TrustedHistory]
    leads: Callable[[], bool]
    promised: Callable[[], int]
    run: Callable[[], Awaitable[Won]]
    begin: Callable[[Won], Awaitable[None]]


class Renewal:
    """Looks once a second."""

    def __init__(self, parts: RenewalParts) -> None:
        self._parts = parts
        self._hearsay = Hearsay()
        self._wait = self._at = 0.0

    async def run(self) -> None:
        """As the master: begin a newer epoch whenever that is to be."""
        clock, said = self._parts.clock, ""
        while True:
            await clock.sleep(EVERY_S)
            asks = self._who_has_signed()
            if asks is None or self._parts.busy.locked() or clock.monotonic() < self._at:
                continue
            try:
                await self._renew(asks)
                self._wait = 0.0
            except PmgsyncError as error:
                self._wait = min(AGAIN_MOST_S, 2 * self._wait or EVERY_S)
                self._at = clock.monotonic() + self._wait
                if str(error) != said:
                    said = str(error)
                    log.warning("members have signed for a newer epoch: %s", error)

    async def _renew(self, asks: int) -> None:
        async with self._parts.busy:
            won = await self._parts.run()
            # Before the roles change, which ends this loop.
            self._hearsay.acted(asks, self._parts.clock.monotonic())
            log.warning("begins a newer epoch, as cid %d has signed for one", asks)
            await self._parts.begin(won)

    def heard(self, member: Member, epoch: int) -> None:
        """A node that follows has signed for `epoch`, which has not begun; 0: for none."""
        self._hearsay.heard(member.cid, epoch)
        self._at = 0.0  # somebody follows again, and may sign

    def _who_has_signed(self) -> int | None:
        """The member, or this master, that waits for a newer epoch; None where it is not time."""
        parts = self._parts
        if not parts.leads():
            return None
        membership = parts.history().membership
        if parts.promised() > membership.epoch:
            return parts.cid
        cids = {member.cid for member in voters(membership)}
        return self._hearsay.due(membership.epoch, cids, parts.clock.monotonic())
