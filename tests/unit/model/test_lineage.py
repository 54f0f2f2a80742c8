"""What a whole chain says: since when, by whom, and which keys are dead."""

from dataclasses import replace

from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.lineage import RECOVERY, Lineage, Origin
from pmgsync.model.membership import (
    MEMBERSHIP_TYPE,
    Member,
    MemberKeys,
    Membership,
    admit,
    remove,
)
from tests.unit.model import sample
from tests.unit.model.sample import MASTER, genesis, key, member, seal_membership

NEW = MemberKeys(key(42).public_key, b"certificate 42")


class Story:
    """A chain that grows."""

    def __init__(self) -> None:
        self.membership = genesis()
        self.chain: list[Envelope] = [seal_membership(self.membership)]

    def admit(self, newcomer: Member, now: int | None = None) -> "Story":
        return self._add(admit(self.membership, self.chain[-1], newcomer, now=now))

    def remove(self, cid: int) -> "Story":
        return self._add(remove(self.membership, self.chain[-1], cid))

    def _add(self, membership: Membership) -> "Story":
        self.membership = membership
        self.chain.append(seal_membership(membership))
        return self


def test_each_member_is_one_since_it_has_its_keys() -> None:
    story = Story().admit(member(3), now=7).admit(member(4), now=8)
    origins = Lineage(story.chain).origins
    signers = ("mx1(1)",)
    assert origins == {
        1: Origin(1, 1, None, signers),
        2: Origin(1, 1, None, signers),
        3: Origin(1, 2, 7, signers),
        4: Origin(1, 3, 8, signers),
    }


def test_new_keys_are_a_new_beginning() -> None:
    story = Story().admit(replace(member(2), keys=NEW), now=9)
    assert Lineage(story.chain).origins[2] == Origin(1, 2, 9, ("mx1(1)",))


def test_who_is_gone_is_not_listed_and_who_came_back_is_since_then() -> None:
    story = Story().remove(2)
    assert set(Lineage(story.chain).origins) == {1, 3}
    story.admit(replace(member(2), keys=NEW))
    assert Lineage(story.chain).origins[2].serial == 3


def test_keys_die_with_the_membership_of_their_holder() -> None:
    story = Story().remove(2)
    lineage = Lineage(story.chain)
    held = member(2).keys
    assert held is not None
    assert lineage.is_dead(held)
    assert lineage.is_dead(MemberKeys(held.identity, b"another certificate"))
    assert lineage.is_dead(MemberKeys(key(77).public_key, held.certificate))
    assert not lineage.is_dead(NEW)
    alive = member(1).keys
    assert alive is not None
    assert not lineage.is_dead(alive)


def test_keys_that_were_replaced_are_dead_also_later() -> None:
    story = Story().admit(replace(member(2), keys=NEW)).admit(member(5))
    lineage = Lineage(story.chain)
    old = member(2).keys
    assert old is not None
    assert lineage.is_dead(old)
    assert not lineage.is_dead(NEW)


def test_links_may_be_added_one_by_one() -> None:
    story = Story().admit(member(3)).remove(2).admit(replace(member(2), keys=NEW))
    lineage = Lineage()
    for envelope in story.chain:
        lineage.add(envelope)
    assert lineage.origins == Lineage(story.chain).origins
    assert lineage.links == 4
    assert lineage.newest == Origin(1, 4, None, ("mx1(1)",))


def test_all_who_signed_are_named_and_nobody_else() -> None:
    document = genesis().to_bytes()
    envelope = seal(
        MEMBERSHIP_TYPE, document, MASTER, sample.NODE, sample.STRANGER, sample.RECOVERY
    )
    newest = Lineage([envelope]).newest
    assert newest is not None
    assert set(newest.signers) == {"mx1(1)", "mx2(2)", RECOVERY}
