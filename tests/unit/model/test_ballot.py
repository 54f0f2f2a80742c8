"""When a member signs for a candidate, and when it does not."""

from dataclasses import replace

import pytest

from pmgsync.errors import MalformedError
from pmgsync.model.ballot import (
    NO_BALLOT,
    Ballot,
    Proposal,
    Refused,
    Voter,
    decide,
    shows_promise,
    sign,
    with_signatures,
)
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Manifest
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, MemberKeys, admit
from pmgsync.model.promotion import MOST_VOTED, Ground, grounds_of
from pmgsync.model.rekeying import rekeyed
from tests.unit.model import sample
from tests.unit.model.sample import ENVELOPES, STATES, key
from tests.unit.model.test_promotion import EMPTY, cluster, promotion


def at(version: int) -> Base:
    """Where a log stands after so many versions of the sample's history."""
    if not version:
        return EMPTY
    return Base(Position(1, version), STATES[version].digest)


def proof(version: int) -> Envelope | None:
    return ENVELOPES[version - 1] if version else None


def proposal(
    candidate: int = 2, *, version: int = 3, epoch: int = 2, signer: int | None = None
) -> Proposal:
    """What `candidate` asks for, at that version; signed by `signer` as well."""
    more = [key(signer)] if signer else []
    document = promotion(cluster(3), candidate, *more, epoch=epoch, base=at(version))
    return Proposal(document, proof(version))


def voter(cid: int = 3, *, version: int = 3, live: bool = False, **more: object) -> Voter:
    membership, envelope = cluster(3)
    made = Voter(cid, [envelope], membership, at(version), NO_BALLOT, live)
    return replace(made, **more)  # type: ignore[arg-type]


def why(refused: Ballot | Refused) -> str:
    assert isinstance(refused, Refused)
    return refused.why


def test_a_member_without_a_master_signs_for_who_is_not_behind() -> None:
    for version in (3, 2, 0):
        asked = proposal()
        given = decide(asked, voter(version=version))
        assert given == Ballot(2, asked.document.digest, 2)


def test_a_member_that_has_more_says_how_much() -> None:
    refused = decide(proposal(version=2), voter(version=3))
    assert refused == Refused("is behind: it has version 1.2, here is 1.3", Position(1, 3))


def test_two_states_of_one_version_are_not_one_history() -> None:
    other = replace(voter(), head=Base(Position(1, 3), Manifest().digest))
    assert "another state as version 1.3" in why(decide(proposal(), other))


def test_a_member_that_hears_the_master_does_not_sign() -> None:
    refused = why(decide(proposal(), voter(live=True)))
    assert refused == "is connected to the master, mx1(1), which has not agreed"


def test_unless_the_master_has_signed() -> None:
    assert isinstance(decide(proposal(signer=1), voter(live=True)), Ballot)


def test_or_the_candidate_is_the_master_itself() -> None:
    """Which wants a newer epoch, as somebody was signed for who never began."""
    assert isinstance(decide(proposal(1), voter(live=True)), Ballot)


def test_a_master_signs_for_another_only_when_it_has_stopped() -> None:
    refused = decide(proposal(), voter(1, live=True))
    assert why(refused) == "is the master, and has not been asked to hand over"
    assert isinstance(decide(proposal(), voter(1, live=True, yields_to=2)), Ballot)
    behind = decide(proposal(version=2), voter(1, live=True, yields_to=2))
    assert "is behind" in why(behind)


def test_and_only_for_whom_it_has_stopped() -> None:
    refused = decide(proposal(3), voter(1, live=True, yields_to=2))
    assert why(refused) == "is the master, and has not been asked to hand over"


def test_not_for_an_epoch_far_above_all_that_it_knows_of() -> None:
    assert isinstance(decide(proposal(epoch=1 + MOST_VOTED), voter()), Ballot)
    refused = decide(proposal(epoch=2 + MOST_VOTED), voter())
    assert why(refused) == "signs for epoch 100001 at most, and epoch 100002 is asked for"
    # What it has signed for it knows of.
    signed = voter(ballot=Ballot(2, Manifest().digest, 1))
    assert isinstance(decide(proposal(epoch=2 + MOST_VOTED), signed), Ballot)


def test_unless_the_recovery_key_has_signed() -> None:
    document = promotion(cluster(3), 2, sample.RECOVERY, epoch=10**6, base=at(3))
    assert isinstance(decide(Proposal(document, proof(3)), voter()), Ballot)


def test_not_while_a_version_is_being_written_down() -> None:
    refused = decide(proposal(), voter(unfinished=Position(1, 4)))
    assert why(refused) == "is writing down version 1.4 at this moment; ask again"


def test_once_in_an_epoch() -> None:
    first = decide(proposal(2), voter())
    assert isinstance(first, Ballot)
    signed = voter(ballot=first)
    assert decide(proposal(2), signed) == first  # the very same document: asked again
    assert why(decide(proposal(1), signed)) == "has signed for mx2(2) in epoch 2"
    assert isinstance(decide(proposal(1, epoch=3), signed), Ballot)


def test_a_master_hands_over_once_until_a_newer_epoch_has_begun() -> None:
    first = decide(proposal(2), voter(1, live=True, yields_to=2))
    assert isinstance(first, Ballot)
    signed = voter(1, live=True, yields_to=2, ballot=first)
    assert decide(proposal(2), signed) == first
    refused = why(decide(proposal(3, epoch=3), signed))
    assert refused == "has handed over to mx2(2) in epoch 2, which has not begun"
    # It may begin one itself: that takes a majority.
    assert isinstance(decide(proposal(1, epoch=3), signed), Ballot)


def test_never_for_an_epoch_below_the_last_one() -> None:
    signed = voter(ballot=Ballot(5, Manifest().digest, 9))
    assert why(decide(proposal(epoch=4), signed)) == "has signed for another in epoch 5"


def test_a_candidate_shows_the_version_that_it_says_it_has() -> None:
    asked = proposal(version=3)
    shown_nothing = replace(asked, proof=None)
    assert "does not show the version" in why(decide(shown_nothing, voter(version=0)))
    shown_another = replace(asked, proof=ENVELOPES[0])
    assert "shows another version" in why(decide(shown_another, voter(version=0)))
    forged = sample.seal_version(sample.HISTORY[2], key(2))
    assert "no valid signature" in why(decide(replace(asked, proof=forged), voter(version=0)))


@pytest.mark.parametrize(("version", "counts"), [(2, True), (3, True), (4, False)])
def test_a_dead_key_of_the_master_proves_what_it_signed_before_it_was_replaced(
    version: int, counts: bool
) -> None:
    genesis, first = cluster(3)
    keys = MemberKeys(key(41).public_key, b"another certificate")
    made = rekeyed(genesis, first, 1, keys, head=at(3), now=7)
    link = seal(MEMBERSHIP_TYPE, made.to_bytes(), key(1), key(41))
    document = promotion((made, link), 2, base=at(version))
    knows = voter(version=2, chain=[first, link], membership=made)
    given = decide(Proposal(document, proof(version)), knows)
    assert isinstance(given, Ballot) is counts


def test_a_version_of_another_cluster_is_no_proof() -> None:
    strange = sample.seal_version(replace(sample.HISTORY[2], cluster="another"))
    refused = decide(replace(proposal(), proof=strange), voter(version=0))
    assert "of another cluster" in why(refused)


def test_a_version_of_an_epoch_that_there_was_not_is_no_proof() -> None:
    document = promotion(cluster(3), 2, base=Base(Position(0, 3), STATES[3].digest))
    version = sample.seal_version(replace(sample.HISTORY[2], position=Position(0, 3)))
    assert "of epoch 0" in why(decide(Proposal(document, version), voter(version=0)))


def test_a_candidate_that_knows_another_membership_is_refused() -> None:
    membership, envelope = cluster(3)
    grown = admit(membership, envelope, sample.member(4))
    newer = sample.seal_membership(grown)
    knows_more = voter(chain=[envelope, newer], membership=grown)
    assert "another predecessor" in why(decide(proposal(), knows_more))


def test_what_the_candidate_has_not_signed_is_refused() -> None:
    document = promotion(cluster(3), 2, key(3), base=at(3), by=key(3))
    assert "no valid signature" in why(decide(Proposal(document, proof(3)), voter()))


def test_votes_become_the_signatures_of_the_next_link() -> None:
    membership, _ = cluster(3)
    document = proposal().document
    assert grounds_of(membership, document) == set()
    signed = with_signatures(document, sign(document, key(3)), sign(document, key(3)))
    assert len(signed.signatures) == 2
    assert grounds_of(membership, signed) == {Ground.MAJORITY}


@pytest.mark.parametrize("ballot", [NO_BALLOT, Ballot(7, Manifest().digest, 3)])
def test_a_ballot_is_read_back_as_it_was(ballot: Ballot) -> None:
    assert Ballot.from_json(ballot.to_json()) == ballot


@pytest.mark.parametrize(
    "value", [None, [], {}, {"epoch": -1, "candidate": 1}, {"epoch": 1, "document": "x"}]
)
def test_what_is_no_ballot_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        Ballot.from_json(value)


def test_a_cluster_without_a_version_has_nothing_to_show() -> None:
    asked = proposal(version=0)
    assert asked.proof is None
    assert isinstance(decide(asked, voter(version=0)), Ballot)
    assert Base(NOWHERE, Manifest().digest) == EMPTY


# --- what shows that somebody has signed ---

FAR = 777_702


def test_the_proposal_of_another_member_shows_a_promise_and_nothing_else_does() -> None:
    membership, _ = cluster(3)
    two, three = (membership.member(cid) for cid in (2, 3))
    shown = promotion(cluster(3), 2, epoch=FAR, base=at(3))
    promise = shown.to_bytes()
    assert shows_promise(promise, three, FAR, membership)
    assert not shows_promise(promise, two, FAR, membership)  # it could make one for any epoch
    assert not shows_promise(promise, three, FAR + 100, membership)
    assert not shows_promise(promise, three, FAR, replace(membership, cluster="another"))
    alone = replace(membership, members=tuple(m for m in membership.members if m.cid != 2))
    assert not shows_promise(promise, three, FAR, alone)
    for document in (
        with_only(shown, key(3)),
        Envelope("another type", shown.payload, shown.signatures),
        seal("another type", shown.payload, key(2)),
    ):
        assert not shows_promise(document.to_bytes(), three, FAR, membership)
    for data in (b"", b"{}", promise[:-1], seal(MEMBERSHIP_TYPE, b"{}", key(2)).to_bytes()):
        assert not shows_promise(data, three, FAR, membership)


def with_only(document: Envelope, signer: SigningKey) -> Envelope:
    """`document`, signed by that key and no other."""
    return seal(document.payload_type, document.payload, signer)
