"""What a displaced membership had changed, until something was done about it."""

from dataclasses import replace

import pytest

from pmgsync.errors import MalformedError
from pmgsync.model.fingerprint import fingerprint
from pmgsync.model.membership import MemberKeys, Membership, admit, remove
from pmgsync.model.rekeying import rekeyed
from pmgsync.model.undone import Undone, What, undone_by, undone_lines
from tests.unit.model import sample
from tests.unit.model.sample import key
from tests.unit.model.test_promotion import EMPTY, cluster

BEFORE, LINK = cluster(3)
NEW_KEYS = MemberKeys(key(42).public_key, b"another certificate")


def without_third() -> Membership:
    return remove(BEFORE, LINK, 3)


def said(own: Membership, other: Membership = BEFORE) -> tuple[str, ...]:
    return undone_lines(undone_by(BEFORE, own, other))


def test_what_was_not_changed_is_not_undone() -> None:
    assert said(BEFORE) == ()


def test_whom_it_had_removed_and_let_in_is_named() -> None:
    own = admit(without_third(), sample.seal_membership(without_third()), sample.member(4))
    assert said(own) == (
        "let in here while another master was made, and no member: mx4(4); `pmgsync leave` there, "
        "then join again",
        "removed here while another master was made, and a member again: mx3(3); "
        "`pmgsync delete` on the master",
    )


def test_nothing_is_said_of_what_the_other_side_did_by_itself() -> None:
    """It has let in a fourth, removed the third, too, and replaced the recovery key."""
    other = admit(without_third(), sample.seal_membership(without_third()), sample.member(4))
    other = replace(other, recovery=sample.STRANGER.public_key)
    assert said(without_third(), other) == ()
    assert said(BEFORE, other) == ()


def test_a_member_with_other_keys_is_neither_let_in_nor_removed() -> None:
    own = rekeyed(BEFORE, LINK, 2, NEW_KEYS, head=EMPTY, now=7)
    assert said(own) == (
        "has the keys again that it had before another master was made: mx2(2); `pmgsync "
        "rotate-keys` there, or join it again if it had joined anew",
    )


def test_a_recovery_key_that_came_to_nothing_is_named() -> None:
    """Else an admin keeps the new one only, and it opens nothing."""
    (line,) = said(replace(BEFORE, recovery=sample.STRANGER.public_key))
    assert f"{sample.STRANGER.public_key.key_id[:16]}… that was made here does not count" in line
    assert f"{BEFORE.recovery.key_id[:16]}… does" in line


def test_two_nodes_may_have_the_same_number_on_either_side() -> None:
    """So who was let in here is not taken for who was let in there."""
    own = admit(BEFORE, LINK, sample.member(4))
    other = admit(BEFORE, LINK, replace(sample.member(4), name="another"))
    assert [(one.what, one.name) for one in undone_by(BEFORE, own, other)] == [(What.LET_IN, "mx4")]


def test_it_holds_until_something_was_done_about_it() -> None:
    changed = rekeyed(BEFORE, LINK, 2, NEW_KEYS, head=EMPTY, now=7)
    own = admit(changed, sample.seal_membership(changed), sample.member(4))
    own = remove(own, sample.seal_membership(own), 3)
    own = replace(own, recovery=sample.STRANGER.public_key)
    undone = undone_by(BEFORE, own, BEFORE)
    assert {one.what for one in undone} == set(What)
    assert all(one.holds(BEFORE) for one in undone)
    assert not any(one.holds(own) for one in undone)


def test_it_is_written_down_and_read_back() -> None:
    assert BEFORE.members[1].keys
    before = fingerprint(BEFORE.members[1].keys)
    one = Undone(What.KEYS, "mx2(2)", "mx2", fingerprint(NEW_KEYS), before)
    assert Undone.from_json(one.to_json()) == one
    with pytest.raises(MalformedError, match="unknown kind"):
        Undone.from_json({**one.to_json(), "what": "rained"})
