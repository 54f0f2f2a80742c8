"""What a node had believed of the membership and a promotion has undone is noted down."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pmgsync.agent.undone import MOST, NOTE, UndoneNotes
from pmgsync.model.membership import MemberKeys, admit, remove
from pmgsync.model.rekeying import rekeyed
from pmgsync.model.trust import TrustedHistory
from tests.sim.store import MemoryStore
from tests.unit.model import sample
from tests.unit.model.sample import key
from tests.unit.model.test_promotion import EMPTY, cluster, promotion

BEFORE, FIRST = cluster(5)


def notes_in(store: MemoryStore, cluster: str = sample.CLUSTER) -> UndoneNotes:
    """What a node has after a start."""
    return UndoneNotes(store, cluster)


def having_removed(cid: int = 5) -> TrustedHistory:
    """What the master of five believes, who has removed one."""
    history = TrustedHistory([FIRST])
    history.accept_membership(sample.seal_membership(remove(BEFORE, FIRST, cid)))
    return history


def displaced(history: TrustedHistory, signers: Sequence[int] = (3, 4, 5)) -> TrustedHistory:
    """The others have gone on without it: most of those that are left have signed, too."""
    history.accept_membership(promotion((BEFORE, FIRST), 2, *map(key, signers)))
    return history


def test_a_promotion_that_stands_by_itself_is_no_reason_to_be_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, history = MemoryStore(), displaced(having_removed())
    notes_in(store).take(history)
    # It is there after a restart, too.
    (line,) = notes_in(store.crash()).lines(history.membership)
    assert line.startswith("removed here while another master was made, and a member again: mx5(5)")
    assert line in caplog.text


def test_it_is_written_down_before_the_chain_and_holds_only_with_that() -> None:
    """The power goes between the two."""
    store, before = MemoryStore(), having_removed()
    notes_in(store).take(displaced(having_removed()))
    notes = notes_in(store.crash())
    assert notes.lines(before.membership) == ()
    notes.take(displaced(before))
    assert len(notes.lines(before.membership)) == 1


def test_it_is_forgotten_when_the_member_is_removed_again() -> None:
    store, history = MemoryStore(), displaced(having_removed())
    notes = notes_in(store)
    notes.take(history)
    history.accept_membership(
        sample.seal_membership(remove(history.membership, history.chain[-1], 5), key(2))
    )
    notes.take(history)
    # Whoever joins under its name after that is welcome.
    history.accept_membership(
        sample.seal_membership(
            admit(history.membership, history.chain[-1], sample.member(5)), key(2)
        )
    )
    notes.take(history)
    assert notes.lines(history.membership) == notes_in(store).lines(history.membership) == ()


def test_it_is_forgotten_when_an_admin_says_so() -> None:
    store, history = MemoryStore(), displaced(having_removed())
    notes = notes_in(store)
    notes.take(history)
    assert notes.clear() == 1
    assert notes.clear() == 0
    assert notes_in(store).lines(history.membership) == ()


def test_links_that_were_set_aside_and_came_to_nothing_are_named_too() -> None:
    """This node has signed for epoch 2, which begins before them; its old master never returns."""
    history, notes = TrustedHistory([FIRST]), notes_in(MemoryStore())
    history.promise(2)
    link = sample.seal_membership(remove(BEFORE, FIRST, 5))
    assert not history.accept_memberships([link])
    notes.take(history)
    assert notes.lines(history.membership) == ()
    notes.take(displaced(history))
    assert "a member again: mx5(5)" in "".join(notes.lines(history.membership))


def test_links_that_were_set_aside_and_count_are_not() -> None:
    history, notes = TrustedHistory([FIRST]), notes_in(MemoryStore())
    history.promise(2)
    gone = remove(BEFORE, FIRST, 5)
    link = sample.seal_membership(gone)
    history.accept_memberships([link, promotion((gone, link), 2, key(3), key(4))])
    notes.take(history)
    assert history.membership.master == 2
    assert history.displaced == ()


def test_what_was_undone_in_another_cluster_is_nothing_to_this_one() -> None:
    store, history = MemoryStore(), displaced(having_removed())
    notes_in(store).take(history)
    assert notes_in(store, "another").lines(history.membership) == ()


def test_a_node_does_not_hide_behind_new_keys() -> None:
    """It was removed as it was stolen, say, and whoever has it knows how to rotate its keys."""
    notes, history = notes_in(MemoryStore()), displaced(having_removed())
    notes.take(history)
    new = MemberKeys(key(42).public_key, b"another certificate")
    before = history.membership, history.chain[-1]
    made = rekeyed(*before, 5, new, head=EMPTY, now=7)
    history.accept_membership(sample.seal_membership(made, key(2)))
    notes.take(history)
    assert "a member again: mx5(5)" in "".join(notes.lines(history.membership))


def test_only_so_much_is_remembered() -> None:
    store, history = MemoryStore(), displaced(having_removed())
    gone = history.displaced[0]
    history.displaced = tuple(
        replace(gone, own=replace(gone.own, recovery=key(100 + number).public_key))
        for number in range(MOST + 5)
    )
    notes_in(store).take(history)
    note = store.note(NOTE)
    assert isinstance(note, dict)
    assert len(note["changes"]) == MOST
