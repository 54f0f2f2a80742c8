"""What did not come to be, as another master was made meanwhile, and how long it is named."""

from dataclasses import replace

from pmgsync.agent.undone import LET_IN_DAYS, MOST, Undone
from pmgsync.model.membership import MemberKeys, Membership, admit, remove
from pmgsync.model.rekeying import DAY_MS, rekeyed
from tests.sim.clock import FakeClock
from tests.sim.store import MemoryStore
from tests.unit.agent.stage import in_loop
from tests.unit.agent.test_rival import changed
from tests.unit.model import sample
from tests.unit.model.sample import CLUSTER, key
from tests.unit.model.test_promotion import EMPTY, cluster

PARTED, LINK = cluster(3)


class Desk:
    """A node that notes down what it has believed, and starts anew now and then."""

    def __init__(self, cluster: str = CLUSTER) -> None:
        self.store, self.clock = MemoryStore(), FakeClock()
        self.cluster = cluster
        self.begin()

    def begin(self) -> None:
        self.undone = Undone(self.store, self.cluster, self.clock)

    def says(self, own: Membership, now: Membership = PARTED) -> tuple[str, ...]:
        """What is named after `own` was displaced, as long as `now` counts."""
        self.undone.note_down((PARTED, own))
        before = self.undone.lines(now)
        self.begin()
        assert self.undone.lines(now) == before
        return before


def test_who_was_let_in_or_removed_is_named_until_that_is_done_again() -> None:
    desk = Desk()
    let_in, removed = desk.says(changed(3, gone=[3], more=[4]).membership)
    assert let_in == (
        "let in here while another master was made, and no member: mx4(4); `pmgsync leave` there, "
        "then join again"
    )
    assert removed == (
        "removed here while another master was made, and a member again: mx3(3); `pmgsync delete` "
        "on the master"
    )
    assert desk.undone.lines(remove(PARTED, LINK, 3)) == (let_in,)
    again = replace(sample.member(5), name="mx4")  # its number belongs to somebody else now
    assert desk.undone.lines(admit(PARTED, LINK, again)) == (removed,)


def test_nothing_is_said_twice_or_of_what_was_not_done() -> None:
    desk = Desk()
    assert desk.says(PARTED) == ()
    own = changed(3, gone=[3]).membership
    assert desk.says(own) == desk.says(own)
    assert len(desk.undone.lines(PARTED)) == 1


@in_loop
async def test_who_was_let_in_and_is_not_wanted_is_not_named_for_ever() -> None:
    desk = Desk()
    assert len(desk.says(changed(3, more=[4]).membership)) == 1
    await desk.clock.advance(LET_IN_DAYS * DAY_MS / 1000)
    assert desk.undone.lines(PARTED) == ()


def test_a_member_with_other_keys_is_neither_let_in_nor_removed() -> None:
    keys = MemberKeys(key(42).public_key, b"another certificate")
    desk = Desk()
    (line,) = desk.says(rekeyed(PARTED, LINK, 2, keys, head=EMPTY, now=7))
    assert line == (
        "has the keys again that it had before another master was made: mx2(2); `pmgsync "
        "rotate-keys` there, or join it again if it had joined anew"
    )
    later = MemberKeys(key(43).public_key, b"a third certificate")
    assert desk.undone.lines(rekeyed(PARTED, LINK, 2, later, head=EMPTY, now=8)) == ()


def test_a_recovery_key_that_came_to_nothing_is_named() -> None:
    """Else an admin keeps the new one only, and it opens nothing."""
    desk = Desk()
    (line,) = desk.says(replace(PARTED, recovery=sample.STRANGER.public_key))
    assert f"{sample.STRANGER.public_key.key_id[:16]}… that was made here does not count" in line
    assert f"{PARTED.recovery.key_id[:16]}… does" in line
    assert desk.undone.lines(replace(PARTED, recovery=key(44).public_key)) == ()


def test_what_was_undone_in_another_cluster_is_nothing_to_this_one() -> None:
    desk = Desk()
    desk.says(changed(3, gone=[3]).membership)
    desk.cluster = "another"
    desk.begin()
    assert desk.undone.lines(PARTED) == ()


def test_only_so_much_is_remembered() -> None:
    desk = Desk()
    for number in range(MOST + 5):
        desk.undone.note_down((PARTED, replace(PARTED, recovery=key(100 + number).public_key)))
    note = desk.store.note("undone")
    assert isinstance(note, dict)
    assert len(note["changes"]) == MOST
