"""A vote is on disk before anybody hears of it, and is kept."""

from collections.abc import Callable

import pytest

from pmgsync.agent.voting import MOST_SHOWN_BYTES, NOTE, SHOWN, Voting, VotingParts, ballot_in
from pmgsync.errors import MalformedError, StoreError
from pmgsync.model.ballot import NO_BALLOT, Ballot, Refused, shows_promise, with_signatures
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope, Signature
from pmgsync.model.membership import Base, MemberKeys
from pmgsync.model.peers import Propose, Refusal, Vote
from pmgsync.model.promotion import MOST_BELIEVED, signed_by
from pmgsync.model.rekeying import rekeyed
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import LogRecord
from tests.sim.killing import Steps
from tests.sim.store import MemoryStore
from tests.unit.model import sample
from tests.unit.model.sample import ENVELOPES, HISTORY, STATES, key
from tests.unit.model.test_promotion import EMPTY, cluster, promotion


class Booth:
    """Member 3 of three, without a master."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        promised = ballot_in(self.store, sample.CLUSTER).epoch
        self.history = TrustedHistory([cluster(3)[1]], promised=promised)
        self.keys = [key(3)]
        self.live = False
        self.yields_to = 0
        self.unfinished: Position | None = None
        self.on_promise: Callable[[int], None] = self.history.promise
        self.voting = Voting(
            VotingParts(
                cid=3,
                cluster=sample.CLUSTER,
                store=self.store,
                own_keys=lambda: self.keys,
                history=lambda: self.history,
                live=lambda: self.live,
                yields_to=lambda: self.yields_to,
                unfinished=lambda: self.unfinished,
                promised=lambda epoch: self.on_promise(epoch),
            )
        )

    def has(self, versions: int) -> None:
        """Its log has so many versions of the sample's history."""
        for number in range(versions):
            record = LogRecord(ENVELOPES[number], HISTORY[number].change)
            self.store.append(record, {})


def asked(candidate: int = 2, *, version: int = 0, epoch: int = 2) -> Propose:
    base = Base(Position(1, version), STATES[version].digest) if version else EMPTY
    document = promotion(cluster(3), candidate, epoch=epoch, base=base)
    return Propose(document.to_bytes(), ENVELOPES[version - 1].to_bytes() if version else b"")


def test_a_vote_is_a_signature_of_this_very_document() -> None:
    booth = Booth()
    vote = booth.voting.answer(asked())
    assert isinstance(vote, Vote)
    document = promotion(cluster(3), 2)
    assert key(3).public_key.verifies(vote.signature, document.signed_bytes())
    assert vote.key_id == key(3).public_key.key_id


def test_it_is_written_down_and_survives() -> None:
    booth = Booth()
    booth.voting.answer(asked())
    again = Booth(booth.store.crash())
    assert again.voting.ballot == booth.voting.ballot
    assert again.history.promised == 2
    refused = again.voting.answer(asked(1))
    assert refused == Refusal("has signed for mx2(2) in epoch 2")
    assert isinstance(again.voting.answer(asked()), Vote)


def test_a_promise_that_would_not_be_believed_can_be_shown_also_after_a_restart() -> None:
    booth = Booth()
    booth.voting.answer(asked(epoch=102))
    assert booth.voting.shown == b""
    booth.voting.answer(asked(epoch=MOST_BELIEVED + 102))
    for _ in range(2):
        voting = booth.voting
        document = Envelope.from_bytes(voting.shown)
        assert document.digest == voting.ballot.document
        assert shows_promise(voting.shown, sample.member(3), voting.ballot.epoch, cluster(3)[0])
        booth = Booth(booth.store.crash())


def test_what_is_too_large_to_be_shown_is_not() -> None:
    booth = Booth()
    booth.voting.answer(asked(epoch=MOST_BELIEVED + 102))
    booth.store.write_note(SHOWN, "x" * MOST_SHOWN_BYTES)
    assert len(booth.voting.shown) == MOST_SHOWN_BYTES
    booth.store.write_note(SHOWN, "x" * (MOST_SHOWN_BYTES + 1))
    assert booth.voting.shown == b""


def test_what_cannot_be_written_down_is_not_signed() -> None:
    booth = Booth()
    booth.store.full = True
    with pytest.raises(StoreError):
        booth.voting.answer(asked())
    assert booth.voting.ballot == NO_BALLOT
    assert booth.history.promised == 0
    booth.store.full = False
    assert isinstance(booth.voting.answer(asked(1, epoch=2)), Vote)


def test_a_crash_before_it_is_on_disk_is_no_vote() -> None:
    steps = Steps()
    booth = Booth(MemoryStore(steps))
    booth.voting.answer(asked())
    assert ballot_in(booth.store, sample.CLUSTER) == booth.voting.ballot != NO_BALLOT
    # In another cluster, it has promised nothing.
    assert ballot_in(booth.store, "another") == NO_BALLOT
    assert ballot_in(MemoryStore(), sample.CLUSTER) == NO_BALLOT


def test_the_promise_is_told_after_it_is_on_disk() -> None:
    booth = Booth()
    told: list[tuple[int, Ballot]] = []
    booth.on_promise = lambda epoch: told.append((epoch, ballot_in(booth.store, sample.CLUSTER)))
    booth.voting.answer(asked())
    assert [(epoch, ballot.epoch) for epoch, ballot in told] == [(2, 2)]


def test_a_refusal_tells_what_is_newer_here() -> None:
    booth = Booth()
    booth.has(3)
    assert booth.voting.head == Base(Position(1, 3), STATES[3].digest)
    refused = booth.voting.answer(asked(version=2))
    assert isinstance(refused, Refusal)
    assert refused.behind == Position(1, 3)
    assert booth.voting.ballot == NO_BALLOT
    assert isinstance(booth.voting.answer(asked(version=4)), Vote)


def test_a_member_that_hears_the_master_does_not_sign() -> None:
    booth = Booth()
    booth.live = True
    refused = booth.voting.answer(asked())
    assert isinstance(refused, Refusal)
    assert "is connected to the master" in refused.why
    assert booth.voting.live


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff" * 40])
def test_bytes_that_are_no_proposal(junk: bytes) -> None:
    booth = Booth()
    with pytest.raises(MalformedError):
        booth.voting.answer(Propose(junk, b""))
    assert booth.voting.ballot == NO_BALLOT


def test_a_note_that_was_altered_is_no_ballot() -> None:
    store = MemoryStore()
    store.write_note(NOTE, {"epoch": "two"})
    with pytest.raises(MalformedError):
        ballot_in(store, sample.CLUSTER)


def test_nothing_is_cast_for_an_epoch_that_was_signed_for() -> None:
    """Not by the recovery key's way either, which does not ask whether this node would sign."""
    booth = Booth()
    assert isinstance(booth.voting.answer(asked(epoch=3)), Vote)
    signed = booth.voting.ballot
    for epoch in (2, 3):
        document = promotion(cluster(3), 3, epoch=epoch)
        refused = booth.voting.cast(document, Ballot(epoch, document.digest, 3))
        assert refused == Refused("has signed for another in epoch 3 meanwhile")
    assert booth.voting.ballot == signed == ballot_in(booth.store, sample.CLUSTER)
    same = promotion(cluster(3), 2, epoch=3)
    assert isinstance(booth.voting.cast(same, signed), Signature)


def test_a_vote_is_signed_with_the_key_that_the_judged_membership_names() -> None:
    """Member 3 has new keys by a link that it has set aside."""
    booth = Booth()
    booth.history.promise(2)
    before, link = cluster(3)
    new = MemberKeys(key(43).public_key, b"another certificate")
    made = rekeyed(before, link, 3, new, head=EMPTY, now=7)
    aside = sample.seal_membership(made)
    assert not booth.history.accept_memberships([aside])
    document = promotion((made, aside), 2, epoch=3)
    asking = Propose(document.to_bytes(), b"")
    refusal = booth.voting.answer(asking)
    assert refusal == Refusal("has not the key that the membership names for it", None)
    assert booth.voting.ballot == NO_BALLOT
    booth.keys = [key(3), key(43)]
    vote = booth.voting.answer(asking)
    assert isinstance(vote, Vote)
    signed = with_signatures(document, Signature(vote.key_id, vote.signature))
    assert signed_by(made, signed) == (made.member(2), made.member(3))
