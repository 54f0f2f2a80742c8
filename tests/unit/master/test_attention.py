"""What an admin must hear of the chain and of the recovery key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pmgsync.master.attention import lack_recovery, register_lines, room_lines
from pmgsync.master.register import Register
from pmgsync.master.roster import Roster
from pmgsync.model.membership import admit
from pmgsync.model.trust import TrustedHistory
from tests.sim.clock import FakeClock
from tests.unit.model import sample

MIB = 2**20
LINK = 100_000


def register() -> Register:
    history = TrustedHistory([sample.seal_membership(sample.genesis())])
    return Register(history, sample.MASTER, FakeClock(), lambda _chain: None, lambda: None)


def lacking(desk: Register, roster: Roster) -> list[str]:
    return [m.label for m in lack_recovery(desk, roster)]


def test_of_the_first_recovery_key_nothing_is_said() -> None:
    desk, roster = register(), Roster()
    desk.change(desk.membership.members, 9, "a place more")
    assert lacking(desk, roster) == []
    assert list(register_lines(desk, roster)) == []


def test_who_has_not_written_the_newest_recovery_key_down_is_named_until_it_has() -> None:
    """Neither the master, nor who has not joined; also where other links came after it."""
    desk, roster = register(), Roster()
    roster.has_link(2, (1, 1))
    desk.replace_recovery(sample.STRANGER.public_key)
    desk.change(desk.membership.members, 9, "a place more")
    assert lacking(desk, roster) == ["mx2(2)"]
    (line,) = register_lines(desk, roster)
    assert line.startswith("the recovery key of membership 1.2 is not known to have reached mx2(2)")
    roster.has_link(2, (1, 2))
    assert lacking(desk, roster) == []
    desk.replace_recovery(sample.RECOVERY.public_key)
    assert lacking(desk, roster) == ["mx2(2)"]
    roster.has_link(2, (2, 1))
    assert lacking(desk, roster) == []


def test_who_joined_after_it_has_it() -> None:
    desk = register()
    desk.replace_recovery(sample.STRANGER.public_key)
    newcomer = replace(sample.member(3), name="mx3")
    desk.enter(desk.draft(admit(desk.membership, desk.last, newcomer), "join"))
    assert lacking(desk, Roster()) == ["mx2(2)"]


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (19 * MIB, []),
        (20 * MIB, ["20.0 of the 24 MiB that changes of keys may fill: about 41 more links"]),
        (24 * MIB + 5, ["24.0 of the 24 MiB that changes of keys may fill: about 0 more links"]),
        (
            40 * MIB,
            [
                "40.0 of the 24 MiB that changes of keys may fill: about 0 more links",
                "40.0 of the 43 MiB that joins, changes and handovers may fill: about 31 more "
                "links",
            ],
        ),
    ],
)
def test_a_chain_that_is_nearly_full_is_named_with_numbers(size: int, said: list[str]) -> None:
    lines = list(room_lines(size, LINK))
    assert [line.removeprefix("the membership chain has ").split(";")[0] for line in lines] == said
    assert all("docs/operations.md" in line for line in lines)


def test_the_size_of_the_chain_is_that_of_its_links() -> None:
    desk = register()
    sizes = [desk.size]
    for number in (21, 22):
        desk.replace_recovery(sample.key(number).public_key)
        sizes.append(desk.size)
        assert desk.size == sum(len(link.to_bytes()) for link in desk.chain)
    assert sizes == sorted(set(sizes))
