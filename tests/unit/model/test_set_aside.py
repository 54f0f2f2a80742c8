"""Links of its own epoch that a node hears of after it has signed for a newer one."""

import pytest

from pmgsync.errors import BadSignatureError, GapError, PeerError, StaleError
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.membership import (
    MEMBERSHIP_TYPE,
    MemberKeys,
    Membership,
    admit,
    remove,
)
from pmgsync.model.rekeying import rekeyed
from pmgsync.model.trust import TrustedHistory
from tests.unit.model import sample
from tests.unit.model.sample import key
from tests.unit.model.test_promotion import EMPTY, cluster, promotion


def aside() -> tuple[TrustedHistory, list[Envelope], Membership]:
    """A node that has signed for epoch 2, two links that its master has written since (the first
    removes member 5, the second lets in 6), and what they lead to.
    """
    membership, first = cluster(5)
    history = TrustedHistory([first])
    history.promise(2)
    gone = remove(membership, first, 5)
    links = [sample.seal_membership(gone)]
    grown = admit(gone, links[0], sample.member(6))
    return history, [*links, sample.seal_membership(grown)], grown


@pytest.mark.parametrize("at_once", [True, False])
def test_a_newer_epoch_takes_in_the_links_before_it_that_were_set_aside(at_once: bool) -> None:
    history, links, grown = aside()
    third = promotion((grown, links[-1]), 1, key(2), key(3), key(4), epoch=3)
    batches = [[*links, third]] if at_once else [links[:1], links[1:], [third]]
    assert [history.accept_memberships(batch) for batch in batches] == [False, False, True][
        -len(batches) :
    ]
    assert history.chain[1:] == (*links, third)
    assert history.known_chain == history.chain
    assert not history.promised


def test_what_is_set_aside_is_not_believed_and_is_known() -> None:
    history, links, grown = aside()
    assert not history.accept_memberships(links)
    assert not history.accept_memberships(links)  # again
    assert history.membership == cluster(5)[0]
    assert history.chain == (cluster(5)[1],)
    assert history.known_membership == grown
    assert history.known_chain[1:] == tuple(links)
    # So nobody is asked for them again, and others can be told of them.
    assert next(history.places_back()) == (1, 3)
    assert history.links_after(1, 1) == tuple(links)


def test_the_epoch_that_was_signed_for_may_begin_before_them() -> None:
    history, links, _ = aside()
    history.accept_memberships(links)
    second = promotion(cluster(5), 2, key(4), key(5))
    assert history.accept_membership(second).epoch == 2
    assert history.known_chain == (cluster(5)[1], second)
    # Whoever has taken them in meanwhile comes back from there.
    assert history.accept_memberships(links) is False


@pytest.mark.parametrize("signers", [[], [5], [4, 5]])
def test_a_promotion_on_them_wants_the_signatures_that_they_ask_for(signers: list[int]) -> None:
    history, links, grown = aside()
    third = promotion((grown, links[-1]), 2, *map(key, signers), epoch=3)
    with pytest.raises(BadSignatureError):
        history.accept_memberships([*links, third])
    assert history.membership.serial == 1
    assert history.known_membership == grown


def test_a_link_that_is_none_is_not_set_aside() -> None:
    history, links, grown = aside()
    forged = sample.seal_membership(admit(grown, links[-1], sample.member(7)), key(2))
    for batch in ([forged], [*links, forged]):
        with pytest.raises(PeerError):
            history.accept_memberships(batch)
    assert history.known_membership == grown
    other = sample.seal_membership(remove(*cluster(5), 3))
    assert not history.accept_memberships([other])  # its master has forgotten that it wrote others
    assert history.known_chain[1:] == (other,)
    with pytest.raises(GapError):
        history.accept_memberships(links[1:])


def test_no_version_is_taken_in_by_a_master_key_that_was_set_aside() -> None:
    membership, first = cluster(5)
    history = TrustedHistory([first])
    history.promise(2)
    new = MemberKeys(key(41).public_key, b"another certificate")
    made = rekeyed(membership, first, 1, new, head=EMPTY, now=7)
    link = seal(MEMBERSHIP_TYPE, made.to_bytes(), key(1), key(41))
    assert not history.accept_memberships([link])
    with pytest.raises(StaleError, match="has signed for epoch 2"):
        history.accept(sample.seal_version(sample.HISTORY[0], key(41)))
    with pytest.raises(BadSignatureError):
        history.accept(sample.ENVELOPES[0])
    assert history.accept_heartbeat(sample.seal_beat(sample.beat(1), key(41))).count == 1


def test_everybody_is_known_by_what_is_believed_and_by_what_is_set_aside() -> None:
    """Either may come to count: member 5 was removed, 6 let in, and 2 has other keys."""
    history, links, grown = aside()
    new = MemberKeys(key(42).public_key, b"another certificate")
    made = rekeyed(grown, links[-1], 2, new, head=EMPTY, now=7)
    before = history.known_members
    assert sorted(member.cid for member in before) == [1, 2, 3, 4, 5]
    history.accept_memberships([*links, sample.seal_membership(made)])
    known = history.known_members
    assert sorted(member.cid for member in known) == [1, 2, 2, 3, 4, 5, 6]
    assert {member.keys for member in known if member.cid == 2} == {sample.member(2).keys, new}
