"""What a candidate makes of what the others say."""

from dataclasses import replace

import pytest

from pmgsync.agent.campaign import Heard, Survey, Way, believed, is_enough, plan, why_anew
from pmgsync.model.chain_room import ROOM
from pmgsync.model.changeset import Position
from pmgsync.model.membership import Base
from pmgsync.model.peers import Standing
from pmgsync.model.promotion import MOST_BELIEVED, MOST_VOTED, epoch_for
from tests.unit.model.sample import RECOVERY, STATES, key
from tests.unit.model.test_promotion import cluster, promotion


def standing(version: int = 4, **more: object) -> Standing:
    """A member without a master, at that version."""
    said = Standing(
        1, 1, Position(1, version), STATES[4].digest, promised=0, live=False, master=False
    )
    return replace(said, **more)  # type: ignore[arg-type]


def survey(*said: Standing | None, count: int = 0, me: int = 2, **more: object) -> Survey:
    """What member `me` hears of the others, in the order of their cids; None: nothing."""
    membership, _ = cluster(count or len(said) + 1)
    others = [member for member in membership.members if member.cid != me]
    heard = tuple(
        Heard(member, one, "" if one else "connection refused")
        for member, one in zip(others, said, strict=True)
    )
    made = Survey(
        membership=membership,
        me=membership.member(me),
        head=Base(Position(1, 4), STATES[4].digest),
        promised=0,
        heard=heard,
    )
    return replace(made, **more)  # type: ignore[arg-type]


MASTER = standing(live=True, master=True)


def test_a_master_that_answers_hands_over() -> None:
    made = plan(survey(MASTER, standing(live=True)))
    assert (made.way, made.epoch, made.needed, made.hindrance) == (Way.HANDOVER, 2, 2, "")
    assert [member.cid for member in made.ask] == [1, 3]
    assert made.lost is None


def test_a_recovery_key_is_not_needed_then() -> None:
    assert plan(survey(MASTER, standing()), recovery=True).way is Way.HANDOVER


def test_unless_the_master_has_refused_or_is_this_very_node() -> None:
    refused = plan(survey(MASTER, standing()), recovery=True, handover=False)
    assert (refused.way, refused.hindrance) == (Way.RECOVERY, "")
    own = plan(survey(None, standing(), me=1), recovery=True)
    assert (own.way, own.hindrance, own.lost_known) == (Way.RECOVERY, "", True)


def test_a_master_that_is_lost_is_replaced_by_a_majority() -> None:
    made = plan(survey(None, standing()))
    assert (made.way, made.needed, made.hindrance) == (Way.MAJORITY, 2, "")
    assert [member.cid for member in made.ask] == [3]


def test_too_few_are_named_with_their_reasons() -> None:
    made = plan(survey(None, None, standing()))
    assert made.hindrance == (
        "3 of 4 members must sign, and only 2 can: mx1(1): connection refused; "
        "mx3(3): connection refused"
    )
    alone = plan(survey(None))
    assert "2 of 2 members must sign, and only 1 can" in alone.hindrance


@pytest.mark.parametrize(
    ("said", "recovery", "most", "way"),
    [
        (MASTER, False, ROOM.changes, Way.HANDOVER),
        (None, False, ROOM.votes, Way.MAJORITY),
        (MASTER, True, ROOM.reserve, Way.RECOVERY),
        (None, True, ROOM.reserve, Way.RECOVERY),
    ],
)
def test_a_chain_without_room_is_named_beforehand(
    said: Standing | None, recovery: bool, most: int, way: Way
) -> None:
    fits = plan(survey(said, standing(), chain_bytes=most), recovery=recovery)
    full = plan(survey(said, standing(), chain_bytes=most + 1), recovery=recovery)
    assert (fits.way, fits.hindrance, full.way) == (way, "", way)
    assert f"the membership chain would have {most >> 20}.0 MiB; it may" in full.hindrance
    assert "43 by a handover, 48 by votes without the master, 60 by the reco" in full.hindrance


def test_the_recovery_key_decides_at_once_where_a_handover_must_fail() -> None:
    full = plan(survey(MASTER, standing(), chain_bytes=ROOM.changes + 1), recovery=True)
    assert (full.way, full.hindrance) == (Way.RECOVERY, "")


def test_members_that_hear_the_master_are_no_majority_against_it() -> None:
    made = plan(survey(None, standing(live=True)))
    assert "mx3(3): is connected to the master, which does not answer here" in made.hindrance


def test_half_is_enough_for_a_handover_and_less_is_not() -> None:
    assert plan(survey(MASTER, None, None)).hindrance == ""
    few = plan(survey(MASTER, None, None, None, None, None))
    assert "4 of 7 members must sign, and only 2 can" in few.hindrance


def test_the_recovery_key_asks_for_nobodys_leave() -> None:
    made = plan(survey(None), recovery=True)
    assert (made.way, made.hindrance) == (Way.RECOVERY, "")


def test_who_has_more_is_asked_for_it_first() -> None:
    made = plan(survey(None, standing(5), standing(7), standing(2)))
    assert made.source is not None
    assert (made.source.cid, made.until) == (4, Position(1, 7))
    assert plan(survey(None, standing(4), standing(3))).source is None


def test_what_another_master_has_published_is_nothing_to_catch_up_with() -> None:
    """Its epoch is no link of the chain that this candidate goes on from."""
    said = survey(None, standing(5), standing(7), standing(2))
    strays = replace(said, heard=(*said.heard[:2], replace(said.heard[2], strays=True)))
    made = plan(strays)
    assert made.source is not None
    assert (made.source.cid, made.until) == (3, Position(1, 5))
    newer = replace(said.membership, epoch=2, base=Base(Position(1, 4), STATES[4].digest))
    other = standing(0, head=Position(3, 9))
    alone = Heard(said.membership.member(1), other, strays=True)
    by_key = plan(replace(said, membership=newer, heard=(alone,)), recovery=True)
    assert (by_key.source, by_key.hindrance) == (None, "")


def test_the_epoch_is_above_all_that_anybody_has_signed_for() -> None:
    assert plan(survey(None, standing(promised=6))).epoch == 102
    assert plan(survey(None, standing(), promised=102)).epoch == 202


@pytest.mark.parametrize("lie", [10**6, 2**52])
def test_what_a_member_says_of_its_promise_moves_the_epoch_a_little_at_most(lie: int) -> None:
    made = plan(survey(None, standing(promised=lie), standing()))
    assert made.epoch == 2 + MOST_BELIEVED
    # So little that all others sign for it.
    assert made.epoch <= 1 + MOST_VOTED
    assert plan(survey(None, standing(promised=lie), promised=lie)).epoch == epoch_for(2, lie)
    # Not even after tries on which this node's own promise has gone there.
    tried = survey(None, standing(promised=lie), promised=made.epoch)
    assert believed(tried.heard[1], tried) < made.epoch
    with_key = plan(survey(None, standing(promised=lie)), recovery=True)
    assert with_key.epoch == made.epoch


def test_what_a_member_shows_counts_step_by_step() -> None:
    """Those who sign for each step come along, so nobody is asked for what is too far for it."""
    far, own, steps = 4 * MOST_BELIEVED, 0, 0
    while own < far:
        asked = survey(None, standing(promised=far), standing(), promised=own)
        heard = tuple(replace(heard, shown=True) for heard in asked.heard)
        made = plan(replace(asked, heard=heard))
        assert made.epoch <= max(own, 1) + MOST_VOTED
        own, steps = made.epoch, steps + 1
    assert steps == 4


@pytest.mark.parametrize(
    ("announced", "lost"),
    [
        (None, None),
        (Position(1, 4), None),
        (Position(3, 4), None),  # a heartbeat before the first version of an epoch
        (Position(1, 5), (Position(1, 5), Position(1, 5))),
        (Position(1, 9), (Position(1, 5), Position(1, 9))),
    ],
)
def test_what_the_old_master_spoke_of_and_nobody_has_is_lost(
    announced: Position | None, lost: tuple[Position, Position] | None
) -> None:
    made = plan(survey(None, standing(3), announced=announced))
    # Only the master could say that there is no more.
    assert (made.lost, made.lost_known) == (lost, False)
    assert plan(survey(MASTER, standing(3), announced=announced)).lost_known


def test_a_master_may_ask_for_a_newer_epoch_of_its_own() -> None:
    made = plan(survey(standing(live=True, promised=2), standing(live=True), me=1))
    assert (made.way, made.epoch, made.hindrance) == (Way.MAJORITY, 101, "")


@pytest.mark.parametrize("recovery", [True, False])
def test_nobody_goes_on_from_before_what_the_epoch_began_on(recovery: bool) -> None:
    """So the answer is `--force-new-cluster`, and the recovery key is none."""
    asked = survey(None, standing(3))
    began = replace(asked.membership, epoch=2, base=Base(Position(1, 5), asked.head.manifest))
    made = plan(replace(asked, membership=began), recovery=recovery)
    assert made.hindrance == (
        "the newest version of those who answer is 1.4, and epoch 2 began on 1.5, which nobody of "
        "them has"
    )
    assert made.mend.startswith("start a node that has it; where that cannot be, `pmgsync promote ")
    rekeyed = replace(began, epoch=1)  # the master's word on its own epoch binds nobody
    assert not plan(replace(asked, membership=rekeyed), recovery=recovery).hindrance


def test_a_new_cluster_is_the_way_where_no_other_is_or_it_was_tried() -> None:
    few, enough, led = (survey(None, None), survey(None, standing()), survey(MASTER, standing()))
    assert why_anew(plan(few), "")[0].startswith("2 of 3 members must sign")
    assert why_anew(plan(enough), "too few signed") == (
        "a promotion was tried, and too few signed",
        "",
    )
    why, mend = why_anew(plan(enough), "")
    assert (why, "if that comes to nothing" in mend) == ("", True)
    assert why_anew(plan(led), "it refused")[0] == ""


def test_what_is_enough_depends_on_the_way() -> None:
    before = cluster(5)
    membership = before[0]
    two, three = promotion(before, 2, key(1)), promotion(before, 2, key(3), key(4))
    handed_over = promotion(before, 2, key(1), key(4))
    with_key = promotion(before, 2, RECOVERY)
    enough = {
        way: [is_enough(way, membership, one) for one in (two, three, handed_over, with_key)]
        for way in Way
    }
    assert enough == {
        Way.HANDOVER: [False, False, True, False],
        Way.MAJORITY: [False, True, True, False],
        Way.RECOVERY: [False, False, False, True],
    }


def test_what_is_not_shown_is_nothing_and_what_does_not_come_is_lost() -> None:
    asked = survey(None, standing(5), standing(999))
    liar = replace(asked.heard[2], doubt="says so", is_signed=False)
    passed_over = plan(replace(asked, heard=(*asked.heard[:2], liar)))
    assert passed_over.source is not None
    assert (passed_over.source.cid, passed_over.until) == (3, Position(1, 5))
    assert (passed_over.lost, passed_over.needed, len(passed_over.ask)) == (None, 3, 2)
    silent = asked.without(asked.heard[2].member, "said nothing for 3 s")
    assert silent.heard[2].doubt == "has version 1.999, which did not come: said nothing for 3 s"
    made = plan(silent)
    assert made.source is not None
    assert (made.source.cid, made.lost) == (3, (Position(1, 6), Position(1, 999)))


def test_who_is_fenced_gains_nothing_that_others_have() -> None:
    """Whatever the way; and it is said beforehand."""
    fenced = survey(None, standing(6), standing(4), promised=3)
    for recovery in (False, True):
        made = plan(fenced, recovery=recovery)
        assert (made.source, made.lost) == (None, (Position(1, 5), Position(1, 6)))
        assert made.hindrance == (
            "mx3(3) has version 1.6, and this node takes in nothing before epoch 3, for which it "
            "has signed"
        )
        assert "`--without 1.6` here goes on without it" in made.mend
        assert not plan(fenced, recovery=recovery, without=Position(1, 6)).hindrance
    handed_over = plan(survey(standing(5, live=True, master=True), standing(4), promised=3))
    assert handed_over.way is Way.HANDOVER
    assert handed_over.mend == "try again in a moment: mx1(1) begins one by itself"
    assert not plan(survey(MASTER, standing(4), promised=3)).hindrance


def test_the_recovery_key_is_advised_only_where_signatures_are_missing() -> None:
    assert "--recovery-key FILE" in plan(survey(None, None, standing())).mend
    assert "--recovery-key FILE" in plan(survey(None, None, standing(), shut_out=True)).mend
    assert "`pmgsync leave` here" not in plan(survey(None, None, standing())).mend
    assert plan(survey(None, None)).mend.endswith("`pmgsync leave` here, and join again")
    nobody = plan(survey(None, None, shut_out=True)).mend
    assert nobody.startswith("was this node removed (`pmgsync members` on another one)? `pmgsync l")
    full = plan(survey(None, standing(), chain_bytes=ROOM.reserve + 1))
    assert "--recovery-key" not in full.hindrance + full.mend
