"""Whose word makes a master begin a newer epoch, and how often."""

from pmgsync.agent.hearsay import DAY_S, Hearsay

MEMBERS = {1, 2, 3}


def test_a_promise_for_a_newer_epoch_is_acted_upon() -> None:
    hearsay = Hearsay()
    assert hearsay.due(1, MEMBERS, 0) is None
    hearsay.heard(2, 2)
    assert hearsay.due(1, MEMBERS, 0) == 2
    assert hearsay.due(2, MEMBERS, 0) is None
    hearsay.heard(2, 0)
    assert hearsay.due(1, MEMBERS, 0) is None


def test_who_is_no_member_any_more_is_not_listened_to() -> None:
    hearsay = Hearsay()
    hearsay.heard(9, 2)
    assert hearsay.due(1, MEMBERS, 0) is None


def test_a_member_that_says_so_again_and_again_is_believed_less_and_less_often() -> None:
    hearsay, now, epoch, begun = Hearsay(), 0.0, 1, list[float]()
    while now < DAY_S:
        hearsay.heard(2, 2**50)
        if hearsay.due(epoch, MEMBERS, now) is not None:
            hearsay.acted(2, now)
            begun.append(now)
            epoch += 500
        now += 1
    assert begun[:5] == [0, 2, 6, 14, 30]
    assert len(begun) == 16


def test_that_keeps_nobody_else_from_being_heard() -> None:
    hearsay = Hearsay()
    hearsay.heard(2, 2**50)
    hearsay.acted(2, 0)
    assert hearsay.due(1, MEMBERS, 1) is None
    hearsay.heard(3, 2)
    assert hearsay.due(1, MEMBERS, 1) == 3


def test_a_day_later_it_is_believed_as_at_first() -> None:
    hearsay = Hearsay()
    hearsay.heard(2, 2**50)
    for at in range(20):
        hearsay.acted(2, at)
    assert hearsay.due(1, MEMBERS, DAY_S - 1) is None
    assert hearsay.due(1, MEMBERS, DAY_S + 20) == 2
