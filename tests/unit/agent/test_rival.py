"""A master that changed the membership while the others made another one."""

from collections.abc import Sequence
from itertools import combinations

import pytest

from pmgsync.agent.rival import RivalParts, Rivals, concession
from pmgsync.agent.voting import NOTE, Voting, VotingParts
from pmgsync.errors import GapError, RivalError
from pmgsync.model.ballot import NO_BALLOT, Ballot
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import digest_of
from pmgsync.model.membership import MEMBERSHIP_TYPE, MemberKeys, Membership, admit, remove
from pmgsync.model.promotion import majority, signed_by, voters
from pmgsync.model.rekeying import rekeyed
from pmgsync.model.trust import Branch, TrustedHistory
from tests.sim.store import MemoryStore
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
    document = concession(branch, 1)
    assert document is not None
    assert Membership.from_bytes(document.payload).master == 2
    # With its signature, the promotion stands here, too.
    signed = promotion(cluster(3), 2, key(3), key(1))
    assert history.accept_membership(signed).master == 2
    assert concession(met(changed(3, more=[4]), 3, 2, 3), 1) is not None


def test_not_where_a_majority_may_be_on_its_side() -> None:
    assert concession(met(changed(3, more=[4, 5, 6]), 3, 2, 3), 1) is None


def test_nor_to_those_whom_it_has_removed() -> None:
    """Members 4 and 5 were removed; with 3 they were the majority of the genesis."""
    history = changed(5, gone=[4, 5])
    assert concession(met(history, 5, 4, 5, 3), 1) is None
    assert concession(met(history, 5, 3, 4, 5), 1) is None
    # The new master must belong to it still, even where half of the others have signed.
    assert concession(met(changed(3, gone=[3]), 3, 3, 2), 1) is None


def test_nor_where_another_than_this_node_was_the_master_meanwhile() -> None:
    assert concession(met(changed(3, gone=[3]), 3, 2, 3), 2) is None


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
    gives_way = concession(branch, 1) is not None
    if gives_way:
        for membership in branch.displaced:
            left = len(voters(membership)) - len(signed_by(membership, document))
            assert left < majority(membership)
    return gives_way


def rekeyed_too() -> TrustedHistory:
    """What the master of three believes, who has let in a fourth, and then has taken new keys."""
    history = changed(3, more=[4])
    new = MemberKeys(key(41).public_key, b"another certificate")
    made = rekeyed(history.membership, history.chain[-1], 1, new, head=EMPTY, now=7)
    history.accept_membership(seal(MEMBERSHIP_TYPE, made.to_bytes(), key(1), key(41)))
    return history


def rivals(history: TrustedHistory, *own: SigningKey, ballot: Ballot = NO_BALLOT) -> Rivals:
    """Of the master 1, which has these keys."""
    store = MemoryStore()
    store.write_note(NOTE, {"cluster": sample.CLUSTER, "ballot": ballot.to_json()})
    voting = Voting(
        VotingParts(
            cid=1,
            cluster=sample.CLUSTER,
            store=store,
            own_keys=lambda: own,
            history=lambda: history,
            live=lambda: True,
            yields_to=lambda: 0,
            unfinished=lambda: None,
            promised=history.promise,
        )
    )
    return Rivals(RivalParts(1, lambda: own, voting, lambda: history, lambda: True))


def test_a_master_with_new_keys_signs_with_each_that_its_memberships_name() -> None:
    history = rekeyed_too()
    document = promotion(cluster(3), 2, key(3))
    signed = rivals(history, key(41), key(1), key(66)).meet([*history.chain[:1], document])
    assert signed is not None
    assert history.accept_memberships(signed)
    assert history.membership.master == 2
    assert signed[-1].signers([key(66).public_key]) == frozenset()
    # So it stands for everybody who had followed this master, wherever that is.
    for serial in (1, 2, 3):
        other = TrustedHistory(rekeyed_too().chain[:serial])
        assert other.accept_memberships(signed)


def test_no_promise_is_spent_where_the_signature_would_let_nothing_through() -> None:
    """Its key of before is lost: it has changed its keys more often than it keeps them."""
    history = rekeyed_too()
    met = rivals(history, key(41))
    assert met.meet([*history.chain[:1], promotion(cluster(3), 2, key(3))]) is None
    assert history.promised == 0
    assert "mx2(2) is the master of epoch 2 for others" in "".join(met.attention)


def test_nor_where_its_word_is_given_to_another() -> None:
    history = rekeyed_too()
    given = rivals(history, key(41), key(1), ballot=Ballot(2, digest_of(b"another"), 3))
    assert given.meet([*history.chain[:1], promotion(cluster(3), 2, key(3))]) is None
    assert history.promised == 0


def test_it_need_not_be_the_master_of_what_the_promotion_stands_in_already() -> None:
    """Its own epoch is the second that is displaced; in the first, that master has signed."""
    history = changed(5, more=[6])
    history.accept_membership(
        promotion((history.membership, history.chain[-1]), 2, key(1), epoch=2)
    )
    before = history.membership, history.chain[-1]
    after = remove(*before, 5)
    history.accept_membership(sample.seal_membership(after, key(2)))
    document = promotion(cluster(5), 3, key(4), key(1), epoch=3)
    branch = history.branch([*history.chain[:1], document])
    assert concession(branch, 2) == document
    assert concession(branch, 1) is None


def test_links_that_attach_nowhere_are_no_branch() -> None:
    strange: list[Envelope] = [promotion(cluster(4), 2, key(3), key(4))]
    for links in (strange, []):
        with pytest.raises(GapError):
            changed(3, gone=[3]).branch(links)
