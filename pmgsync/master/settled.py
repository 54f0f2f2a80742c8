"""Waiting for a version to arrive: what `run`, `release`, `confirm` and `wait` tell the admin
at the end.
"""

import asyncio
from dataclasses import dataclass

from pmgsync.master.roster import Contact, Roster
from pmgsync.model.membership import Member, Membership
from pmgsync.model.report import Outcome
from pmgsync.ports import Clock


@dataclass(frozen=True, slots=True)
class Arrived:
    """What became of a version on one node; `milliseconds` is from publishing to the node's
    report.
    """

    member: Member
    outcome: Outcome
    detail: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Settled:
    """Where a version has arrived, and the joined nodes that have not said anything about it:
    `missing` are connected, `away` are not, and were not waited for.
    """

    version: int
    arrived: tuple[Arrived, ...]
    missing: tuple[Member, ...]
    away: tuple[Member, ...] = ()


def settled(roster: Roster, membership: Membership, version: int) -> Settled:
    """How things stand with `version` at this moment."""
    arrived: list[Arrived] = []
    missing: list[Member] = []
    away: list[Member] = []
    for member in membership.members:
        contact = roster.contact(member.cid)
        outcome = contact.outcome_of(version) if contact.connected else None
        if outcome is not None:
            arrived.append(_arrived(roster, member, contact, outcome, version))
        elif member.keys is not None:
            (missing if contact.connected else away).append(member)
    return Settled(version, tuple(arrived), tuple(missing), tuple(away))


async def wait_settled(
    roster: Roster, membership: Membership, version: int, timeout_s: float, clock: Clock
) -> Settled:
    """Return when every connected node has said what became of `version`, or after `timeout_s`
    seconds.

    Nodes that go away meanwhile are not waited for, nor is one that has been away all along.
    """
    done = asyncio.Event()
    pending = {m.cid for m in membership.members if m.keys is not None}

    def look(cid: int) -> None:
        contact = roster.contact(cid)
        if not contact.connected or contact.outcome_of(version) is not None:
            pending.discard(cid)
            if not pending:
                done.set()

    stop = roster.listen(look)
    tasks = [asyncio.ensure_future(done.wait()), asyncio.ensure_future(clock.sleep(timeout_s))]
    try:
        for cid in tuple(pending):
            look(cid)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return settled(roster, membership, version)


def _arrived(
    roster: Roster, member: Member, contact: Contact, outcome: Outcome, version: int
) -> Arrived:
    birth, report = roster.birth(version), contact.report
    took = contact.reported_at - birth.at if birth and report else 0.0
    detail = report.detail if report and outcome is not Outcome.ACTIVATED else ""
    return Arrived(member, outcome, detail, max(0, round(took * 1000)))
