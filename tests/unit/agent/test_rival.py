"""A master that changed the membership while the others made another one."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest

from pmgsync.agent.rival import concession, undone
from pmgsync.errors import GapError, RivalError
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import MemberKeys, Membership, admit, remove
from pmgsync.model.promotion import majority, signed_by, voters
from pmgsync.model.rekeying import rekeyed
from pmgsync.model.trust import Branch, TrustedHistory
from tests.unit.model import sample
from tests.unit.model.sample import key
from tests.unit.model.test_promotion import EMPTY, cluster, promotion


def changed(count: int, *, gone: Sequence[int] = (), more: Sequence[int] = ()) -> TrustedHistory:
    """What the master of so many believes, who has removed some and let in others meanwhile."""
    _, envelope = cluster(count)
    history = TrustedHistory([envelope])
    for cid in (*gone, *more):
        before, link = history.membership, history.chain[-1]
        after = (
            remove(before, link, cid) if cid in gone else admit(before, link, sample.member(cid))
        )
        history.accept_membership(sample.seal_membership(after))
    return history


def met(history: TrustedHistory, count: int, to: int, *signers: int, epoch: int = 2) -> Branch:
    """The promotion of `to` on the first link, which `history` does not let through."""
    document = promotion(cluster(count), to, *map(key, signers), epoch=epoch)
    with pytest.raises(RivalError):
        history.accept_membership(document)
    return history.branch([*history.chain[:1], document])


def test_it_gives_way_where_half_of_its_own_members_have_signed() -> None:
    history = changed(3, gone=[3])
    branch = met(history, 3, 2, 3)
    document = concession(branch, key(1).public_key)
    assert document is not None
    assert Membership.from_bytes(document.payload).master == 2
    # With its signature, the promotion stands here, too.
    signed = promotion(cluster(3), 2, key(3), key(1))
    assert history.accept_membership(signed).master == 2
    assert concession(met(changed(3, more=[4]), 3, 2, 3), key(1).public_key) is not None


def test_not_where_a_majority_may_be_on_its_side() -> None:
    assert concession(met(changed(3, more=[4, 5, 6]), 3, 2, 3), key(1).public_key) is None


def test_nor_to_those_whom_it_has_removed() -> None:
    """Members 4 and 5 were removed; with 3 they were the majority of the genesis."""
    history = changed(5, gone=[4, 5])
    assert concession(met(history, 5, 4, 5, 3), key(1).public_key) is None
    assert concession(met(history, 5, 3, 4, 5), key(1).public_key) is None
    # The new master must belong to it still, even where half of the others have signed.
    assert concession(met(changed(3, gone=[3]), 3, 3, 2), key(1).public_key) is None


def test_nor_where_another_than_this_node_was_the_master_meanwhile() -> None:
    assert concession(met(changed(3, gone=[3]), 3, 2, 3), key(2).public_key) is None


def test_who_gives_way_leaves_no_majority_behind() -> None:
    """So nothing that was acknowledged on its side is lost: as with a handover."""
    seen = {True: 0, False: 0}
    for count in (3, 4, 5):
        others = range(2, count + 1)
        for gone in (some for n in (0, 1, 2) for some in combinations(others, n)):
            for more in ((), (8,), (8, 9)):
                for signers in combinations(others, majority(cluster(count)[0])):
                    if gone or more:
                        gives_way = judge(changed(count, gone=gone, more=more), count, signers)
                        seen[gives_way] += 1
    assert min(seen.values()) > 20


def judge(history: TrustedHistory, count: int, signers: Sequence[int]) -> bool:
    """Does the master give way, or need not even be asked? Then no majority is left."""
    document = promotion(cluster(count), signers[0], *map(key, signers[1:]))
    branch = history.branch([document])
    gives_way = concession(branch, key(1).public_key) is not None
    if gives_way:
        for membership in branch.displaced:
            left = len(voters(membership)) - len(signed_by(membership, document))
            assert left < majority(membership)
    return gives_way


def test_it_is_named_what_did_not_happen() -> None:
    before = cluster(3)[0]
    own = changed(3, gone=[3], more=[4]).membership
    assert undone(before, before) == ""
    assert undone(own, before) == (
        "let in here while another master was made, and no member: mx4(4); `pmgsync leave` there, "
        "then join again; removed here while another master was made, and a member again: mx3(3); "
        "`pmgsync delete` on the master"
    )


def test_a_member_with_other_keys_is_neither_let_in_nor_removed() -> None:
    before = cluster(3)
    keys = MemberKeys(key(42).public_key, b"another certificate")
    own = rekeyed(*before, 2, keys, head=EMPTY, now=7)
    assert undone(own, before[0]) == (
        "has the keys again that it had before another master was made: mx2(2); `pmgsync "
        "rotate-keys` there, or join it again if it had joined anew"
    )


def test_a_recovery_key_that_came_to_nothing_is_named() -> None:
    """Else an admin keeps the new one only, and it opens nothing."""
    before = cluster(3)[0]
    own = replace(before, recovery=sample.STRANGER.public_key)
    said = undone(own, before)
    assert f"{sample.STRANGER.public_key.key_id[:16]}… that was made here does not count" in said
    assert f"{before.recovery.key_id[:16]}… does" in said


def test_links_that_attach_nowhere_are_no_branch() -> None:
    strange: list[Envelope] = [promotion(cluster(4), 2, key(3), key(4))]
    for links in (strange, []):
        with pytest.raises(GapError):
            changed(3, gone=[3]).branch(links)
