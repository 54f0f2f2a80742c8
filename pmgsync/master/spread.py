"""How far a change of the membership has come: is it on so many disks that it cannot be undone?

Members that have not heard of it vote by the membership before it. Where they are a majority of
that, they may make another master, and the change came to nothing (`model/undone.py`). So whoever
asks for one is told.
"""

from dataclasses import dataclass
from typing import Final

from pmgsync.master.register import Register
from pmgsync.master.roster import Roster
from pmgsync.model.membership import Membership
from pmgsync.model.promotion import majority, voters
from pmgsync.ports import Clock

WAIT_S: Final = 5.0
POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Spread:
    """So many `of` the members before the change have it on their disks, the master among them;
    `certain`: the others cannot make another master by their votes alone.
    """

    has: int
    of: int
    certain: bool


async def spread(before: Membership, register: Register, roster: Roster, clock: Clock) -> Spread:
    """How far the newest link, which follows on `before`, has come; a few seconds later at most,
    as long as those who are connected make a difference.
    """
    deadline = clock.monotonic() + WAIT_S
    while True:
        lacking = _lacking(before, register.membership, roster)
        certain = len(lacking) < majority(before)
        if certain or not lacking & roster.connected or clock.monotonic() >= deadline:
            of = len(voters(before))
            return Spread(of - len(lacking), of, certain)
        await clock.sleep(POLL_S)


def _lacking(before: Membership, newest: Membership, roster: Roster) -> frozenset[int]:
    """Who votes by `before`, and has not said that it has `newest`; who is removed is cut off."""
    place = newest.epoch, newest.serial
    return frozenset(
        member.cid
        for member in voters(before)
        if member.cid != newest.master and roster.contact(member.cid).link < place
    )
