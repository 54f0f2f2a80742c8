"""The rule for the next epoch: who may begin one, on which grounds, and what it displaces."""

from dataclasses import replace

import pytest

from pmgsync.errors import (
    BadSignatureError,
    GapError,
    MalformedError,
    PeerError,
    StaleError,
    WrongClusterError,
)
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.envelope import Envelope, Signature, seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Manifest
from pmgsync.model.membership import (
    MEMBERSHIP_TYPE,
    Base,
    Member,
    Membership,
    admit,
    found,
    remove,
)
from pmgsync.model.promotion import (
    CANDIDATES,
    MOST_SKIPPED,
    VERDICTS,
    Era,
    Fit,
    Ground,
    Verdict,
    epoch_for,
    era_of,
    grounds_of,
    half,
    majority,
    next_link,
    promoted,
    signed_by,
)
from pmgsync.model.trust import TrustedHistory
from tests.unit.model import sample
from tests.unit.model.sample import RECOVERY, key

EMPTY = Base(NOWHERE, Manifest().digest)
AT_4 = Base(Position(1, 4), sample.STATES[4].digest)


def cluster(count: int = 5) -> tuple[Membership, Envelope]:
    """A genesis of so many members, all joined."""
    members = tuple(sample.member(cid) for cid in range(1, count + 1))
    recovery = RECOVERY.public_key
    genesis = found(sample.CLUSTER, members, master=1, max_cid=count, recovery=recovery)
    return genesis, sample.seal_membership(genesis)


def promotion(
    before: tuple[Membership, Envelope],
    to: int,
    *signers: SigningKey,
    epoch: int = 0,
    base: Base = EMPTY,
    by: SigningKey | None = None,
) -> Envelope:
    """`to` becomes the master after `before`; signed by it (or `by`) and `signers`."""
    membership, envelope = before
    made = promoted(membership, envelope, to, epoch=epoch or membership.epoch + 1, base=base, now=7)
    return seal(MEMBERSHIP_TYPE, made.to_bytes(), by or key(to), *signers)


def changed(envelope: Envelope, *signers: SigningKey, **values: object) -> Envelope:
    """The membership in `envelope` with other values, signed anew."""
    made = replace(Membership.from_bytes(envelope.payload), **values)  # type: ignore[arg-type]
    return seal(MEMBERSHIP_TYPE, made.to_bytes(), *signers)


def test_no_two_candidates_have_an_epoch_in_common() -> None:
    taken: dict[int, int] = {}
    for cid in range(1, CANDIDATES + 1):
        for above in (*range(1, 3 * CANDIDATES), 2**40):
            epoch = epoch_for(cid, above)
            assert above < epoch <= above + CANDIDATES
            assert taken.setdefault(epoch, cid) == cid
    assert [epoch_for(2, above) for above in (0, 1, 2, 3, 102)] == [2, 2, 102, 102, 202]


# --- grounds ---


@pytest.mark.parametrize(
    ("signers", "grounds"),
    [
        ([], set()),
        ([key(1)], {Ground.HANDOVER}),
        ([key(3)], set()),
        ([key(3), key(4)], {Ground.MAJORITY}),
        ([key(1), key(3)], {Ground.MAJORITY, Ground.HANDOVER}),
        ([RECOVERY], {Ground.RECOVERY}),
        ([key(66), key(67), key(68)], set()),
        ([key(3), key(66), key(67)], set()),
    ],
)
def test_a_promotion_stands_on_a_handover_a_majority_or_the_recovery_key(
    signers: list[SigningKey], grounds: set[Ground]
) -> None:
    before = cluster(5)
    envelope = promotion(before, 2, *signers)
    assert grounds_of(before[0], envelope) == grounds
    if grounds:
        assert next_link(*before, envelope).master == 2
    else:
        with pytest.raises(BadSignatureError, match="neither by the master before it"):
            next_link(*before, envelope)


def test_the_new_master_itself_must_have_signed() -> None:
    before = cluster(3)
    envelope = promotion(before, 2, key(1), key(3), RECOVERY, by=key(1))
    with pytest.raises(BadSignatureError):
        next_link(*before, envelope)


def test_a_signature_counts_once_however_often_it_is_listed() -> None:
    """As in CVE-2020-6173 and its like: thresholds that counted the same key twice."""
    before = cluster(5)
    honest = promotion(before, 2, key(3))
    many = Envelope(honest.payload_type, honest.payload, honest.signatures * 5)
    assert len(signed_by(before[0], many)) == 2
    with pytest.raises(BadSignatureError):
        next_link(*before, many)


def test_a_key_under_another_id_is_no_other_signer() -> None:
    before = cluster(5)
    honest = promotion(before, 2, key(3))
    other = [Signature(key(cid).public_key.key_id, honest.signatures[1].value) for cid in (4, 5)]
    forged = Envelope(honest.payload_type, honest.payload, (*honest.signatures, *other))
    with pytest.raises(BadSignatureError):
        next_link(*before, forged)


def test_two_members_never_have_one_key_so_it_never_counts_for_two() -> None:
    genesis, _ = cluster(3)
    twin = replace(sample.member(3), keys=sample.member(2).keys)
    with pytest.raises(MalformedError, match="same key"):
        replace(genesis, members=(*genesis.members[:2], twin))


def test_members_without_keys_have_no_vote_and_do_not_make_the_majority_larger() -> None:
    members = (*(sample.member(n) for n in (1, 2, 3)), sample.member(4, joined=False))
    genesis = found(sample.CLUSTER, members, master=1, max_cid=4, recovery=RECOVERY.public_key)
    before = genesis, sample.seal_membership(genesis)
    assert majority(genesis) == 2
    assert next_link(*before, promotion(before, 2, key(3))).epoch == 2
    with pytest.raises(BadSignatureError):
        next_link(*before, promotion(before, 2, key(4)))


@pytest.mark.parametrize(
    ("count", "more_than_half", "leaves_no_majority"),
    [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 3, 2), (5, 3, 3), (6, 4, 3)],
)
def test_a_majority_and_the_half_that_leaves_none(
    count: int, more_than_half: int, leaves_no_majority: int
) -> None:
    genesis, _ = cluster(count)
    assert (majority(genesis), half(genesis)) == (more_than_half, leaves_no_majority)
    assert count - half(genesis) < majority(genesis)


def test_a_signature_for_another_document_of_the_same_epoch_does_not_count() -> None:
    before = cluster(3)
    for_two, for_three = promotion(before, 2), promotion(before, 3, key(1))
    mixed = Envelope(
        for_two.payload_type, for_two.payload, (*for_two.signatures, *for_three.signatures)
    )
    with pytest.raises(BadSignatureError):
        next_link(*before, mixed)


# --- what may be in it ---


def no_longer(membership: Membership, cid: int) -> tuple[Member, ...]:
    return tuple(member for member in membership.members if member.cid != cid)


def test_nothing_changes_but_the_master() -> None:
    before = cluster(3)
    good = promotion(before, 2, key(3), base=AT_4)
    assert next_link(*before, good).base == AT_4
    genesis = before[0]
    stranger = sample.member(9)
    tampered: list[dict[str, object]] = [
        {"members": no_longer(genesis, 3)},
        {"members": (*genesis.members, stranger), "max_cid": 9},
        {"members": (*no_longer(genesis, 3), replace(sample.member(3), address="127.9.9.9"))},
        {"members": (*no_longer(genesis, 3), replace(sample.member(3), keys=stranger.keys))},
        {"recovery": key(66).public_key},
        {"max_cid": 99},
        {"serial": 5},
    ]
    for values in tampered:
        with pytest.raises(MalformedError, match="changes more than the master"):
            next_link(*before, changed(good, key(2), key(3), **values))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"cluster": "another"}, WrongClusterError),
        ({"parent": Manifest().digest}, GapError),
        ({"epoch": 2 + MOST_SKIPPED}, MalformedError),
        ({"base": None}, MalformedError),
        ({"epoch": 3, "base": Base(Position(2, 1), Manifest().digest)}, MalformedError),
    ],
)
def test_what_does_not_go_on_from_here_is_refused(
    values: dict[str, object], error: type[PeerError]
) -> None:
    before = cluster(3)
    envelope = changed(promotion(before, 2), key(2), key(3), **values)
    with pytest.raises(error):
        next_link(*before, envelope)


def test_an_epoch_may_be_skipped_but_never_comes_again() -> None:
    before = cluster(3)
    envelope = promotion(before, 2, key(3), epoch=7)
    second = next_link(*before, envelope), envelope
    assert second[0].epoch == 7
    for epoch in (7, 6, 1):
        made = replace(second[0], epoch=8, serial=3, parent=envelope.digest, master=3)
        old = replace(made, epoch=epoch, base=EMPTY)
        with pytest.raises(PeerError):
            next_link(*second, seal(MEMBERSHIP_TYPE, old.to_bytes(), key(3), key(1), key(2)))


def test_a_later_epoch_does_not_begin_before_an_earlier_one() -> None:
    before = cluster(3)
    envelope = promotion(before, 2, key(3), base=AT_4)
    second = next_link(*before, envelope), envelope
    back = promotion(second, 3, key(1), base=Base(Position(1, 3), sample.STATES[3].digest))
    with pytest.raises(MalformedError, match="does not go on from where"):
        next_link(*second, back)


def test_within_an_epoch_its_base_stays() -> None:
    before = cluster(3)
    envelope = promotion(before, 2, key(3), base=AT_4)
    second = next_link(*before, envelope)
    third = admit(second, envelope, sample.member(4))
    assert next_link(second, envelope, seal(MEMBERSHIP_TYPE, third.to_bytes(), key(2))) == third
    moved = replace(third, base=EMPTY)
    with pytest.raises(MalformedError, match="base"):
        next_link(second, envelope, seal(MEMBERSHIP_TYPE, moved.to_bytes(), key(2)))


def test_a_version_that_the_epoch_before_did_not_follow_on_is_no_base() -> None:
    """Version 4 of epoch 1 was published by a master that was cut off; epoch 2 began after 3."""
    before = cluster(3)
    at_3 = Base(Position(1, 3), sample.STATES[3].digest)
    envelope = promotion(before, 2, key(3), base=at_3)
    second = next_link(*before, envelope), envelope
    orphaned = promotion(second, 1, key(3), RECOVERY, base=AT_4)
    with pytest.raises(MalformedError, match=r"begins on version 1\.4, which is orphaned"):
        next_link(*second, orphaned)
    assert next_link(*second, promotion(second, 1, key(3), base=at_3)).base == at_3
    later = Base(Position(2, 4), sample.STATES[4].digest)
    assert next_link(*second, promotion(second, 1, key(3), base=later)).base == later


def test_the_recovery_key_is_the_way_out_of_all_epochs_that_were_used_up() -> None:
    before = cluster(3)
    far = promotion(before, 2, RECOVERY, epoch=2 + 2 * MOST_SKIPPED)
    assert next_link(*before, far).epoch == 2 + 2 * MOST_SKIPPED


def test_a_base_is_of_no_later_epoch() -> None:
    with pytest.raises(MalformedError, match="a later epoch"):
        replace(cluster(3)[0], base=Base(Position(2, 1), Manifest().digest))


# --- the chain ---


def test_every_pair_of_era_and_fit_has_a_verdict() -> None:
    assert set(VERDICTS) == {(era, fit) for era in Era for fit in Fit}
    assert {pair for pair, verdict in VERDICTS.items() if verdict is Verdict.EXTEND} == {
        (Era.SAME, Fit.TIP),
        (Era.NEWER, Fit.TIP),
        (Era.NEWER, Fit.ASIDE),
    }
    fenced = {fit: verdict for (era, fit), verdict in VERDICTS.items() if era is Era.FENCED}
    assert {Verdict.EXTEND, Verdict.DISPLACE}.isdisjoint(fenced.values())
    displacing = [pair for pair, verdict in VERDICTS.items() if verdict is Verdict.DISPLACE]
    assert displacing == [(Era.NEWER, Fit.EARLIER)]


@pytest.mark.parametrize(
    ("epoch", "own", "promised", "era"),
    [
        (1, 2, 0, Era.OLDER),
        (2, 2, 0, Era.SAME),
        (3, 2, 0, Era.NEWER),
        (2, 2, 3, Era.FENCED),
        (3, 2, 3, Era.NEWER),
        (3, 2, 4, Era.NEWER),
        (1, 2, 4, Era.OLDER),
        (2, 2, 2, Era.SAME),
    ],
)
def test_an_epoch_is_judged_by_what_was_promised(
    epoch: int, own: int, promised: int, era: Era
) -> None:
    assert era_of(epoch, own=own, promised=promised) is era


def forked() -> tuple[tuple[Membership, Envelope], Envelope, Envelope]:
    """A genesis of five, and two promotions on it: 2 in epoch 2 and 3 in epoch 3."""
    before = cluster(5)
    return (
        before,
        promotion(before, 2, key(1), key(4)),
        promotion(before, 3, key(4), key(5), epoch=3),
    )


def test_of_two_promotions_on_one_link_the_higher_epoch_stands() -> None:
    before, second, third = forked()
    history = TrustedHistory([before[1], second])
    assert history.accept_membership(third).master == 3
    assert history.chain == (before[1], third)
    with pytest.raises(StaleError):
        history.accept_membership(second)
    other = TrustedHistory([before[1], third])
    with pytest.raises(StaleError):
        other.accept_membership(second)
    assert other.chain == history.chain


def test_who_was_removed_cannot_displace_the_removal() -> None:
    """Members 4 and 5 were removed; with 3 they were the majority of the genesis."""
    before = cluster(5)
    chain = [before[1]]
    membership = before[0]
    for cid in (4, 5):
        membership = remove(membership, chain[-1], cid)
        chain.append(sample.seal_membership(membership))
    history = TrustedHistory(chain)
    with pytest.raises(BadSignatureError):
        history.accept_membership(promotion(before, 4, key(5), key(3), epoch=9))
    assert history.chain == tuple(chain)
    # With the word of the master of today, or of a majority of today, it is another matter.
    assert history.accept_membership(promotion(before, 3, key(1), epoch=9)).epoch == 9


def test_the_few_of_a_young_cluster_cannot_displace_the_many_of_today() -> None:
    before = cluster(3)
    chain, membership = [before[1]], before[0]
    for cid in (4, 5, 6, 7):
        membership = admit(membership, chain[-1], sample.member(cid))
        chain.append(sample.seal_membership(membership))
    history = TrustedHistory(chain)
    with pytest.raises(BadSignatureError):
        history.accept_membership(promotion(before, 2, key(3), epoch=2))
    assert history.membership == membership


def test_a_promise_fences_off_what_the_old_master_still_changes() -> None:
    before, second, third = forked()
    history = TrustedHistory([before[1]])
    history.promise(3)
    assert history.promised == 3
    grown = admit(*before, sample.member(6))
    with pytest.raises(StaleError, match="has signed for a newer one"):
        history.accept_membership(sample.seal_membership(grown))
    # Another promotion may come first; what it publishes is not taken in all the same.
    assert history.accept_membership(second).epoch == 2
    assert history.promised == 3
    assert history.accept_membership(third).epoch == 3
    assert history.promised == 0


# --- links that lead away ---


def test_links_that_lead_away_are_judged_as_a_whole() -> None:
    """A node with one promotion meets a chain that went by another, and on to a third."""
    before, second, third = forked()
    here = TrustedHistory([before[1], third])
    there = TrustedHistory([before[1], second])
    fourth = promotion((there.membership, second), 5, key(2), key(4), epoch=4)
    there.accept_membership(fourth)
    with pytest.raises(GapError):
        here.accept_memberships([fourth])
    assert here.accept_memberships(there.chain)
    assert here.chain == there.chain
    assert not here.accept_memberships(there.chain)


def test_links_that_lead_away_to_nothing_newer_are_passed_over() -> None:
    before, second, third = forked()
    here = TrustedHistory([before[1], third])
    second_of = next_link(*before, second)
    grown = sample.seal_membership(admit(second_of, second, sample.member(6)), key(2))
    assert not here.accept_memberships([second, grown])
    assert here.chain == (before[1], third)


def test_who_was_removed_cannot_lead_away_by_a_detour_either() -> None:
    before = cluster(5)
    chain, membership = [before[1]], before[0]
    for cid in (4, 5):
        membership = remove(membership, chain[-1], cid)
        chain.append(sample.seal_membership(membership))
    here = TrustedHistory(chain)
    detour = promotion(before, 4, key(5), key(3), epoch=9)
    member = next_link(*before, detour)
    further = promotion((member, detour), 5, key(4), epoch=10)
    with pytest.raises(BadSignatureError, match="too few of those who came after it"):
        here.accept_memberships([detour, further])
    assert here.chain == tuple(chain)


def test_a_broken_link_among_them_changes_nothing() -> None:
    before, second, third = forked()
    here = TrustedHistory([before[1], third])
    broken = promotion((next_link(*before, second), second), 5, epoch=4)
    with pytest.raises(BadSignatureError):
        here.accept_memberships([second, broken])
    assert here.chain == (before[1], third)


def test_where_to_ask_from_until_it_attaches() -> None:
    chain, membership = [cluster(3)[1]], cluster(3)[0]
    for cid in range(4, 10):
        membership = admit(membership, chain[-1], sample.member(cid))
        chain.append(sample.seal_membership(membership))
    places = list(TrustedHistory(chain).places_back())
    assert places == [(1, 7), (1, 6), (1, 4), (0, 0)]


def test_a_promise_is_never_taken_back() -> None:
    history = TrustedHistory([cluster(3)[1]], promised=4)
    history.promise(2)
    assert history.promised == 4


def test_a_version_of_an_epoch_that_is_not_known_strays_and_so_does_an_orphan() -> None:
    before = cluster(3)
    at_3 = Base(Position(1, 3), sample.STATES[3].digest)
    history = TrustedHistory([before[1], promotion(before, 2, key(3), base=at_3, epoch=4)])
    digest = sample.STATES[4].digest
    assert not history.strays(NOWHERE, Manifest().digest)
    assert not history.strays(Position(1, 2), sample.STATES[2].digest)
    assert not history.strays(at_3.position, at_3.manifest)
    assert history.strays(Position(1, 3), digest)
    assert history.strays(Position(1, 4), digest)
    assert not history.strays(Position(4, 4), digest)
    assert history.strays(Position(2, 4), digest)
    assert history.strays(Position(5, 5), digest)


def test_what_a_cluster_was_founded_anew_on_is_of_its_history() -> None:
    founded_on = Base(Position(4, 3), sample.STATES[3].digest)
    genesis = replace(cluster(1)[0], epoch=5, base=founded_on)
    history = TrustedHistory([sample.seal_membership(genesis)])
    assert not history.strays(founded_on.position, founded_on.manifest)
    assert not history.strays(Position(2, 2), sample.STATES[2].digest)
    assert history.strays(founded_on.position, sample.STATES[4].digest)
    assert history.strays(Position(4, 4), sample.STATES[4].digest)
    assert not history.strays(Position(5, 4), sample.STATES[4].digest)
