"""Other keys for a member: who must have signed, what counts then, and what does no longer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pmgsync.errors import (
    BadSignatureError,
    GapError,
    InvalidError,
    MalformedError,
    PeerError,
    StaleError,
    WrongClusterError,
)
from pmgsync.model.ballot import Ballot, Proposal, Voter, decide
from pmgsync.model.changeset import ChangeSet, Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.heartbeat import HEARTBEAT_TYPE
from pmgsync.model.keys import SigningKey
from pmgsync.model.lineage import Lineage
from pmgsync.model.manifest import Digest, Manifest, digest_of
from pmgsync.model.membership import (
    MEMBERSHIP_TYPE,
    Base,
    MemberKeys,
    Membership,
    follows,
    remove,
)
from pmgsync.model.promotion import promoted
from pmgsync.model.rekeying import (
    DAY_MS,
    KEY_CHANGE_TYPE,
    KeyChange,
    accept_change,
    ends_soon,
    is_due,
    rekeyed,
    sign_change,
    with_recovery,
)
from pmgsync.model.trust import TrustedHistory
from tests.unit.model.sample import (
    CLUSTER,
    MASTER,
    NODE,
    OTHER,
    RECOVERY,
    STRANGER,
    beat,
    genesis,
    key,
    manifest,
    member,
    seal_membership,
    seal_version,
    version,
)

GENESIS = genesis()
LAST = seal_membership(GENESIS)
NEW = key(22)
NEW_KEYS = MemberKeys(NEW.public_key, b"another certificate")
CHANGE = KeyChange(CLUSTER, 2, LAST.digest, NEW_KEYS)
REQUEST = sign_change(CHANGE, NODE, NEW)
NOWHERE_YET = Base(Position(0, 0), Manifest().digest)


# --- the request ---


def test_a_request_survives_its_bytes() -> None:
    assert KeyChange.from_bytes(CHANGE.to_bytes()) == CHANGE


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", CHANGE.to_bytes()[:-1], b"x" * 9000])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        KeyChange.from_bytes(data)


def test_a_member_gets_the_keys_that_it_asks_for() -> None:
    assert accept_change(REQUEST, GENESIS, LAST, member(2)) == NEW_KEYS


def test_only_the_certificate_may_change() -> None:
    keys = MemberKeys(NODE.public_key, b"another certificate")
    request = sign_change(replace(CHANGE, keys=keys), NODE, NODE)
    assert len(request.signatures) == 1
    assert accept_change(request, GENESIS, LAST, member(2)) == keys


@pytest.mark.parametrize(
    "signers",
    [(), (NODE,), (NEW,), (MASTER, NEW), (STRANGER, NEW), (NODE, STRANGER), (RECOVERY, NEW)],
    ids=["nobody", "held only", "new only", "master", "stranger", "another new", "recovery"],
)
def test_the_held_key_and_the_new_one_must_both_have_signed(
    signers: tuple[SigningKey, ...],
) -> None:
    request = seal(KEY_CHANGE_TYPE, CHANGE.to_bytes(), *signers)
    with pytest.raises(BadSignatureError):
        accept_change(request, GENESIS, LAST, member(2))


def test_a_member_speaks_for_itself_only() -> None:
    """Neither with its own signature under another's number, nor by handing on another's word."""
    for_master = replace(CHANGE, cid=1)
    for request in (sign_change(for_master, NODE, NEW), sign_change(for_master, MASTER, NEW)):
        with pytest.raises(BadSignatureError, match="for itself only"):
            accept_change(request, GENESIS, LAST, member(2))


def test_a_removed_member_and_one_that_has_not_joined_get_nothing() -> None:
    without = remove(GENESIS, LAST, 2)
    link = seal_membership(without)
    again = sign_change(replace(CHANGE, link=link.digest), NODE, NEW)
    with pytest.raises(BadSignatureError):
        accept_change(again, without, link, member(2))
    expected = sign_change(replace(CHANGE, cid=3), OTHER, NEW)
    with pytest.raises(BadSignatureError):
        accept_change(expected, GENESIS, LAST, member(3, joined=False))


def test_a_request_counts_once_and_on_its_link_only() -> None:
    second = rekeyed(GENESIS, LAST, 2, NEW_KEYS, head=NOWHERE_YET, now=None)
    link = seal_membership(second)
    with pytest.raises(PeerError):  # said again by whoever has the new keys, or the old ones
        accept_change(REQUEST, second, link, second.member(2))
    with pytest.raises(BadSignatureError):
        accept_change(REQUEST, second, link, member(2))
    back = KeyChange(CLUSTER, 2, LAST.digest, NEW_KEYS)
    other = with_recovery(GENESIS, LAST, STRANGER.public_key, now=None)
    with pytest.raises(StaleError):
        accept_change(sign_change(back, NODE, NEW), other, seal_membership(other), member(2))


def test_a_request_of_another_cluster_is_refused() -> None:
    request = sign_change(replace(CHANGE, cluster="another\x1b"), NODE, NEW)
    with pytest.raises(WrongClusterError) as caught:
        accept_change(request, GENESIS, LAST, member(2))
    assert str(caught.value).isprintable()


# --- the link ---


def test_the_link_changes_the_keys_of_one_member_and_nothing_else() -> None:
    second = rekeyed(GENESIS, LAST, 2, NEW_KEYS, head=NOWHERE_YET, now=7)
    assert second.member(2) == replace(member(2), keys=NEW_KEYS)
    assert replace(second, members=GENESIS.members, serial=1, parent=None, created=None) == replace(
        GENESIS
    )
    assert follows(GENESIS, LAST, seal_membership(second)) == second


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (MemberKeys(NEW.public_key, b"certificate 2"), "certificate already"),
        (MemberKeys(MASTER.public_key, b"another certificate"), "same key"),
        (MemberKeys(NEW.public_key, b"certificate 1"), "same key"),
    ],
)
def test_keys_that_somebody_has_are_nobody_elses(keys: MemberKeys, what: str) -> None:
    with pytest.raises(InvalidError, match=what):
        rekeyed(GENESIS, LAST, 2, keys, head=NOWHERE_YET, now=None)


def test_a_key_that_was_replaced_is_dead() -> None:
    second = rekeyed(GENESIS, LAST, 2, NEW_KEYS, head=NOWHERE_YET, now=None)
    lineage = Lineage([LAST, seal_membership(second)])
    held = member(2).keys
    assert held is not None
    assert lineage.is_dead(held)
    assert not lineage.is_dead(NEW_KEYS)
    assert lineage.holder_of(held) == lineage.holder_of(NEW_KEYS) == 2
    assert lineage.holder_of(MemberKeys(STRANGER.public_key, b"never seen")) is None


# --- the master's own keys ---

ONE, TWO, THREE = manifest(domains="1"), manifest(domains="2"), manifest(domains="3")
FIRST = version(1, Manifest(), ONE)
SECOND, THIRD = version(2, ONE, TWO), version(3, TWO, THREE)
AFTER_ONE = Base(FIRST.position, ONE.digest)
MASTER_KEYS = MemberKeys(NEW.public_key, b"the master's other certificate")
REKEYED = rekeyed(GENESIS, LAST, 1, MASTER_KEYS, head=AFTER_ONE, now=None)
LINK = seal(MEMBERSHIP_TYPE, REKEYED.to_bytes(), MASTER, NEW)


def believing(*versions: ChangeSet) -> TrustedHistory:
    history = TrustedHistory([LAST])
    for one in versions:
        history.accept(seal_version(one))
    return history


def test_a_master_takes_another_identity_key_within_its_epoch() -> None:
    history = believing(FIRST)
    history.accept_membership(LINK)
    assert (history.membership.epoch, history.membership.master_key) == (1, NEW.public_key)
    assert history.accept(seal_version(SECOND, NEW)).position == SECOND.position
    assert history.accept_heartbeat(seal(HEARTBEAT_TYPE, beat(1).to_bytes(), NEW)).count == 1


def test_what_the_key_before_signs_counts_no_longer() -> None:
    history = believing(FIRST)
    history.accept_membership(LINK)
    with pytest.raises(BadSignatureError):
        history.accept(seal_version(SECOND))
    with pytest.raises(BadSignatureError):
        history.accept_heartbeat(seal(HEARTBEAT_TYPE, beat(1).to_bytes(), MASTER))
    third = with_recovery(REKEYED, LINK, STRANGER.public_key, now=None)
    with pytest.raises(BadSignatureError):
        history.accept_membership(seal_membership(third))
    history.accept_membership(seal_membership(third, NEW))


@pytest.mark.parametrize("signers", [(MASTER,), (NEW,), (NODE, NEW), (MASTER, STRANGER)])
def test_the_key_before_and_the_new_one_sign_the_link(signers: tuple[SigningKey, ...]) -> None:
    with pytest.raises(BadSignatureError):
        follows(GENESIS, LAST, seal(MEMBERSHIP_TYPE, REKEYED.to_bytes(), *signers))


def test_the_link_says_where_the_versions_of_the_key_before_end() -> None:
    for base in (None, NOWHERE_YET):
        twice = replace(REKEYED, serial=3, parent=LINK.digest, members=GENESIS.members, base=base)
        back = seal(MEMBERSHIP_TYPE, twice.to_bytes(), NEW, MASTER)
        with pytest.raises(MalformedError, match="without a base"):
            follows(REKEYED, LINK, back)


def test_another_certificate_of_the_master_needs_no_base() -> None:
    keys = MemberKeys(MASTER.public_key, b"the master's other certificate")
    second = rekeyed(GENESIS, LAST, 1, keys, head=AFTER_ONE, now=None)
    assert second.base is None
    assert follows(GENESIS, LAST, seal_membership(second)) == second


def test_who_was_away_takes_in_the_last_version_of_the_key_before_and_goes_on() -> None:
    history = believing()
    history.accept_membership(LINK)
    assert history.accept(seal_version(FIRST)).position == FIRST.position
    assert history.accept(seal_version(SECOND, NEW)).position == SECOND.position


def test_who_was_away_for_longer_gets_a_snapshot() -> None:
    base = Base(SECOND.position, TWO.digest)
    second = rekeyed(GENESIS, LAST, 1, MASTER_KEYS, head=base, now=None)
    history = believing()
    history.accept_membership(seal(MEMBERSHIP_TYPE, second.to_bytes(), MASTER, NEW))
    with pytest.raises(StaleError):  # the versions before the base do not count one by one
        history.accept(seal_version(FIRST))
    with pytest.raises(GapError):
        history.accept(seal_version(THIRD, NEW))
    assert history.accept_snapshot(seal_version(THIRD, NEW), THREE).position == THIRD.position


def test_nobody_slips_a_version_in_before_the_base() -> None:
    history = believing()
    history.accept_membership(LINK)
    forged = version(1, Manifest(), TWO)
    with pytest.raises(PeerError):
        history.accept(seal_version(forged))
    with pytest.raises(PeerError):
        history.accept_snapshot(seal_version(forged), TWO)


def voter(history: TrustedHistory, head: Base) -> Voter:
    return Voter(2, history.chain, history.membership, head, Ballot(), live=False)


def test_a_candidate_may_show_a_version_of_either_key() -> None:
    history = believing(FIRST)
    history.accept_membership(LINK)
    for base, proof in (
        (AFTER_ONE, seal_version(FIRST)),
        (Base(SECOND.position, TWO.digest), seal_version(SECOND, NEW)),
    ):
        candidate = promoted(REKEYED, LINK, 2, epoch=2, base=base, now=None)
        proposal = Proposal(seal_membership(candidate, NODE), proof)
        assert isinstance(decide(proposal, voter(history, base)), Ballot)


def test_a_promotion_on_an_earlier_link_brings_the_key_before_back() -> None:
    """The members had not heard of the new one when they voted: what the chain says counts."""
    history = believing(FIRST)
    history.accept_membership(LINK)
    voted = promoted(GENESIS, LAST, 2, epoch=2, base=AFTER_ONE, now=None)
    history.accept_membership(seal(MEMBERSHIP_TYPE, voted.to_bytes(), NODE, MASTER, NEW))
    assert history.membership.member(1) == member(1)


def test_who_lacks_the_last_version_of_the_key_before_may_still_be_promoted() -> None:
    """That base is the lost master's word alone: a majority may go on from an earlier version."""
    base = Base(SECOND.position, TWO.digest)
    second = rekeyed(GENESIS, LAST, 1, MASTER_KEYS, head=base, now=None)
    link = seal(MEMBERSHIP_TYPE, second.to_bytes(), MASTER, NEW)
    won = promoted(second, link, 2, epoch=2, base=AFTER_ONE, now=None)
    document = seal(MEMBERSHIP_TYPE, won.to_bytes(), NODE, RECOVERY)
    behind = believing(FIRST)
    for one in (link, document):
        behind.accept_membership(one)
    assert not behind.is_forked
    assert behind.accept(seal_version(version(2, ONE, THREE, epoch=2), NODE)).manifest == THREE
    ahead = believing(FIRST, SECOND)
    for one in (link, document):
        ahead.accept_membership(one)
    assert ahead.is_forked


# --- the recovery key ---


def recovered(before: Membership, link: Envelope, by: SigningKey) -> Envelope:
    made = promoted(before, link, 2, epoch=2, base=NOWHERE_YET, now=None)
    return seal(MEMBERSHIP_TYPE, made.to_bytes(), NODE, by)


def test_another_recovery_key_counts_and_the_one_before_does_not() -> None:
    second = with_recovery(GENESIS, LAST, STRANGER.public_key, now=None)
    link = seal_membership(second)
    history = TrustedHistory([LAST, link])
    with pytest.raises(BadSignatureError):
        history.accept_membership(recovered(second, link, RECOVERY))
    with pytest.raises(BadSignatureError):  # nor by going back to the link before
        history.accept_membership(recovered(GENESIS, LAST, RECOVERY))
    history.accept_membership(recovered(second, link, STRANGER))
    assert history.membership.master == 2


def test_only_the_master_replaces_the_recovery_key() -> None:
    second = with_recovery(GENESIS, LAST, STRANGER.public_key, now=None)
    for signer in (NODE, RECOVERY, STRANGER):
        with pytest.raises(BadSignatureError):
            follows(GENESIS, LAST, seal_membership(second, signer))


# --- when ---


@pytest.mark.parametrize(
    ("days", "due", "soon"),
    [(3650, False, False), (731, False, False), (729, True, False), (364, True, True)],
)
def test_a_certificate_is_replaced_two_years_before_its_end_and_warned_of_one(
    days: int, due: bool, soon: bool
) -> None:
    now = 1_800_000_000_000
    assert (is_due(now + days * DAY_MS, now), ends_soon(now + days * DAY_MS, now)) == (due, soon)
    assert is_due(now - 1, now)
    assert ends_soon(now - 1, now)


def test_digests_name_the_link() -> None:
    assert CHANGE.link == Digest(digest_of(GENESIS.to_bytes()))
