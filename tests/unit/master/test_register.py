"""The master's pen: what it writes, whom it finds, and what members may ask of it."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from pmgsync.errors import (
    BadSignatureError,
    InvalidError,
    MalformedError,
    NotAllowedError,
    NotMemberError,
    PeerError,
    PmgsyncError,
    StoreError,
)
from pmgsync.master.register import Register
from pmgsync.master.requests import (
    CHANGES,
    CHANGES_WITHIN_DAYS,
    HANDOVERS,
    HANDOVERS_WITHIN_DAYS,
    Requests,
    change_keys,
    handover_objection,
)
from pmgsync.model.canonical import MAX_DOCUMENT_BYTES
from pmgsync.model.chain_room import MIB, ROOM, Room
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, Former, MemberKeys, remove
from pmgsync.model.promotion import epoch_for, promoted
from pmgsync.model.rekeying import DAY_MS, KeyChange, sign_change
from pmgsync.model.removal import accept_removal
from pmgsync.model.trust import TrustedHistory
from tests.sim.clock import START_MS, FakeClock
from tests.unit.model import sample


class Desk:
    """A register with all that it stands on."""

    def __init__(self) -> None:
        self.history = TrustedHistory([sample.seal_membership(sample.genesis())])
        self.written: tuple[Envelope, ...] = self.history.chain
        self.announced = 0
        self.error: PmgsyncError | None = None
        self.room = ROOM
        self.begin()

    def begin(self) -> None:
        """The master starts, or starts again."""
        self.history = TrustedHistory(self.written)
        self.register = Register(
            self.history, sample.MASTER, FakeClock(), self._write, self._announce, self.room
        )

    def _write(self, chain: tuple[Envelope, ...]) -> None:
        if self.error:
            raise self.error
        self.written = chain

    def _announce(self) -> None:
        assert self.written == self.history.chain  # durable before anybody hears of it
        self.announced += 1

    def keys(self, cid: int) -> MemberKeys:
        keys = self.history.membership.member(cid).keys
        assert keys is not None
        return keys


@pytest.mark.parametrize("who", ["mx2", "MX2", "2"])
def test_a_member_is_found_by_name_and_by_number(who: str) -> None:
    assert Desk().register.find(who).cid == 2


@pytest.mark.parametrize("who", ["", "mx9", "9", "02x", "²", "2 ", "-2", "2" * 500])
def test_who_is_no_member_is_not_found(who: str) -> None:
    with pytest.raises(NotMemberError, match="is no member of this cluster"):
        Desk().register.find(who)


def test_a_removal_is_written_down_believed_and_announced() -> None:
    desk = Desk()
    desk.register.remove(desk.register.find("mx2"))
    membership = desk.history.membership
    assert [m.cid for m in membership.members] == [1, 3]
    assert (membership.former, membership.created) == ((Former(2, "mx2"),), START_MS)
    assert TrustedHistory(desk.written).membership == membership
    assert desk.announced == 1


def test_what_cannot_be_written_down_removed_nobody() -> None:
    desk = Desk()
    desk.error = StoreError("disk full", where="chain.json")
    with pytest.raises(StoreError):
        desk.register.remove(desk.register.find("mx2"))
    assert len(desk.history.chain) == 1
    assert desk.announced == 0
    desk.error = None
    desk.register.remove(desk.register.find("mx2"))
    assert desk.announced == 1


def test_the_master_is_not_removed_whoever_asks() -> None:
    desk = Desk()
    master = desk.history.membership.master_member
    for leave in (desk.register.remove, Requests(desk.register).leave):
        with pytest.raises(InvalidError, match="promote another node first"):
            leave(master)
    assert desk.announced == 0


def test_there_is_a_notice_for_dead_keys_only() -> None:
    desk = Desk()
    before, keys = desk.history.membership, desk.keys(2)
    assert desk.register.notice_for(keys) == b""
    desk.register.remove(desk.register.find("mx2"))
    removal = accept_removal(desk.register.notice_for(keys), before, keys.identity)
    assert (removal.epoch, removal.serial) == (1, 2)


def test_a_member_that_leaves_gets_its_notice() -> None:
    desk = Desk()
    before, member = desk.history.membership, desk.register.find("mx2")
    notice = Requests(desk.register).leave(member)
    accept_removal(notice, before, sample.NODE.public_key)
    assert desk.announced == 1
    with pytest.raises(KeyError):
        desk.history.membership.member(2)


def test_a_closed_register_takes_nobody_in_and_removes_nobody() -> None:
    """The node steps down: what it wrote now would be written over the new master's chain."""
    desk = Desk()
    link = desk.register.draft(
        remove(desk.history.membership, desk.register.last, 2), "before it closed"
    )
    desk.register.close()
    with pytest.raises(InvalidError, match="is not the master any more"):
        desk.register.remove(desk.register.find("mx2"))
    with pytest.raises(InvalidError, match="is not the master any more"):
        desk.register.change(desk.history.membership.members[:1], 9, "etc/pmg/cluster.conf")
    with pytest.raises(InvalidError, match="is not the master any more"):
        desk.register.enter(link)
    assert (len(desk.written), desk.announced) == (1, 0)


# --- other keys -----------------------------------------------------------------------------------


class Counter(Desk):
    """Where members ask for other keys. The proof of the new TLS key is the word `proof`."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()

    def request(self, cid: int, held: SigningKey, new: SigningKey, name: bytes) -> bytes:
        keys = MemberKeys(new.public_key, name)
        change = KeyChange(sample.CLUSTER, cid, self.register.last.digest, keys)
        return sign_change(change, held, new).to_bytes()

    def ask(self, cid: int, request: bytes, proof: bytes = b"proof") -> Envelope:
        member = self.history.membership.member(cid)
        link = change_keys(
            self.register,
            member,
            request,
            proof,
            check_key=_require_proof,
            objection=_object_to_one_of_the_future,
            clock=self.clock,
            now=NOW_BY_MOST,
        )
        return Envelope.from_bytes(link)


def _require_proof(_certificate: bytes, proof: bytes, _message: bytes) -> None:
    if proof != b"proof":
        raise BadSignatureError("does not have the key of that certificate")


NOW_BY_MOST = START_MS + 1234


def _object_to_one_of_the_future(
    before: bytes, after: bytes, moments: Sequence[int], now: int
) -> str:
    is_asked_right = (before, moments[0], now) == (b"certificate 2", START_MS, NOW_BY_MOST)
    return "begins too late" if after == b"future" and is_asked_right else ""


def test_a_certificate_that_counts_at_another_time_is_refused() -> None:
    desk = Counter()
    with pytest.raises(InvalidError, match="begins too late"):
        desk.ask(2, desk.request(2, sample.NODE, sample.key(22), b"future"))
    assert (len(desk.history.chain), desk.announced) == (1, 0)


def test_a_member_gets_other_keys_and_the_ones_before_are_dead() -> None:
    desk, new = Counter(), sample.key(22)
    before = desk.keys(2)
    link = desk.ask(2, desk.request(2, sample.NODE, new, b"new"))
    assert (desk.written[-1], desk.announced) == (link, 1)
    assert desk.keys(2) == MemberKeys(new.public_key, b"new")
    assert desk.register.notice_for(before) == b""  # its holder is a member still
    back = desk.request(2, new, sample.NODE, b"certificate 2")
    with pytest.raises(InvalidError, match="dead"):
        desk.ask(2, back)


def test_what_is_asked_twice_is_refused() -> None:
    desk = Counter()
    request = desk.request(2, sample.NODE, sample.key(22), b"new")
    desk.ask(2, request)
    with pytest.raises(PeerError):
        desk.ask(2, request)
    assert desk.announced == 1


def test_a_certificate_without_its_key_a_strangers_word_and_a_flood_of_bytes_are_refused() -> None:
    desk = Counter()
    good = desk.request(2, sample.NODE, sample.key(22), b"new")
    with pytest.raises(BadSignatureError):
        desk.ask(2, good, b"")
    with pytest.raises(BadSignatureError):
        desk.ask(2, desk.request(2, sample.STRANGER, sample.key(22), b"new"))
    with pytest.raises(MalformedError):
        desk.ask(2, b"x" * 20_000)
    assert desk.announced == 0
    assert len(desk.history.chain) == 1


def test_a_member_changes_its_keys_so_often() -> None:
    """Counted in the chain: a master that starts again, or another one, counts the same."""
    desk, held = Counter(), sample.NODE
    for number in range(CHANGES):
        new = sample.key(100 + number)
        desk.ask(2, desk.request(2, held, new, b"new %d" % number))
        held = new
    more = desk.request(2, held, sample.key(200), b"one more")
    desk.begin()
    with pytest.raises(NotAllowedError, match="5 times within 30 days"):
        desk.ask(2, more)
    asyncio.run(desk.clock.advance(CHANGES_WITHIN_DAYS * 86_400 + 1))
    desk.ask(2, more)


def _change_for_ever(desk: Counter) -> None:
    held = sample.NODE
    for number in range(100, 200):
        asyncio.run(desk.clock.advance(CHANGES_WITHIN_DAYS * 86_400))
        new = sample.key(number)
        desk.ask(2, desk.request(2, held, new, b"new %d" % number))
        held = new


def _replace_recovery_for_ever(desk: Desk) -> None:
    for number in range(200, 256):
        desk.register.replace_recovery(sample.key(number).public_key)


def test_room_is_left_for_removals_and_members_fill_no_more_than_the_half() -> None:
    desk = Counter()
    link = len(desk.history.chain[0].to_bytes())
    desk.room = Room(10 * link, 18 * link, 19 * link, 21 * link)
    desk.begin()
    with pytest.raises(InvalidError, match="members can still be removed"):
        _change_for_ever(desk)
    assert 5 < len(desk.written) < 12
    with pytest.raises(InvalidError, match="members can still be removed"):
        _replace_recovery_for_ever(desk)
    desk.register.remove(desk.register.find("mx2"))
    size = sum(len(one.to_bytes()) for one in desk.written)
    assert 0.9 * desk.room.changes < size <= desk.room.reserve


def test_the_steps_of_a_chain_leave_room_for_what_helps_in_need() -> None:
    steps = [ROOM.key_changes, ROOM.changes, ROOM.votes, ROOM.reserve, MAX_DOCUMENT_BYTES]
    assert all(below + 4 * MIB <= above for below, above in pairwise(steps))


def test_a_master_without_room_hands_over_to_nobody_and_still_removes() -> None:
    desk = Desk()
    assert handover_objection(desk.register, START_MS, agreed=False) == ""
    link = len(desk.history.chain[0].to_bytes())
    desk.room = Room(0, 2 * link - 1, 2 * link - 1, 3 * link)
    desk.begin()
    assert "has no room for a handover" in handover_objection(desk.register, START_MS, agreed=True)
    with pytest.raises(InvalidError, match=r"would have 0\.0 MiB"):
        desk.register.replace_recovery(sample.STRANGER.public_key)
    desk.register.remove(desk.register.find("mx2"))


def test_handovers_that_members_ask_for_are_counted_in_the_chain() -> None:
    """Any member may have any other one take over, and each time the chain grows for ever."""
    desk = Desk()
    for number in range(HANDOVERS):
        assert handover_objection(desk.register, START_MS, agreed=False) == "", number
        before = desk.register.membership
        epoch = epoch_for(before.master, before.epoch)
        base = before.base or Base(Position(1, 1), sample.STATES[1].digest)
        begun = promoted(
            before, desk.register.last, before.master, epoch=epoch, base=base, now=START_MS
        )
        link = seal(MEMBERSHIP_TYPE, begun.to_bytes(), sample.MASTER)
        desk.history.accept_membership(link)
    why = handover_objection(desk.register, START_MS, agreed=False)
    assert "only when `pmgsync switchover` is typed on it" in why
    assert handover_objection(desk.register, START_MS, agreed=True) == ""
    for days in (HANDOVERS_WITHIN_DAYS + 1, -2):  # or the candidates' clocks were wrong
        now = START_MS + days * DAY_MS
        assert handover_objection(desk.register, now, agreed=False) == ""


def test_what_cannot_be_written_down_gives_nobody_other_keys() -> None:
    desk = Counter()
    before = desk.history.membership
    desk.error = StoreError("disk full")
    with pytest.raises(StoreError):
        desk.ask(2, desk.request(2, sample.NODE, sample.key(22), b"new"))
    assert (desk.history.membership, desk.announced) == (before, 0)


def test_the_master_takes_other_keys_and_signs_the_link_with_both() -> None:
    desk, new = Counter(), sample.key(22)
    keys = MemberKeys(new.public_key, b"new")
    link = desk.register.rekey(desk.register.find("mx1"), keys, new)
    assert link.signers([sample.MASTER.public_key, new.public_key]) == {
        sample.MASTER.public_key,
        new.public_key,
    }
    assert TrustedHistory(desk.written).membership.master_key == new.public_key
    assert desk.register.lineage().origins[1].signers == ("mx1(1)",)


def test_another_recovery_key_is_written_down_and_announced() -> None:
    desk = Counter()
    desk.register.replace_recovery(sample.STRANGER.public_key)
    assert TrustedHistory(desk.written).membership.recovery == sample.STRANGER.public_key
    assert desk.announced == 1
