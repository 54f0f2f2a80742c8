"""The cluster as one value, and what an admin is told to do."""

import json
from dataclasses import replace

import pytest

from pmgsync.errors import ExitCode
from pmgsync.master.attention import Troubles
from pmgsync.master.holds import Hold
from pmgsync.master.publish import Held
from pmgsync.master.roster import Birth, Roster
from pmgsync.master.status import (
    MAX_ATTENTION,
    MAX_VIEW_BYTES,
    cluster_status,
    document_of,
    state_of,
)
from pmgsync.model.changeset import Position
from pmgsync.model.moment import LATEST, shown
from pmgsync.model.report import MAX_NOTES, Outcome, Report
from pmgsync.model.status import ClusterStatus, NodeState, NodeStatus
from pmgsync.model.trust import Head
from pmgsync.survey import Problem
from tests.unit.master.rig import cluster_of
from tests.unit.model import sample

NOW = 1_700_000_100_000
HEAD = Head(Position(1, 4), sample.STATES[4])
QUIET = Troubles()


def head_at(version: int) -> Head:
    return Head(Position(1, version) if version else Head().position, sample.STATES[version])


def roster_with(*versions: int) -> Roster:
    """Nodes 1, 2, ... that run these versions; version N was published N seconds before NOW -
    10.
    """
    roster = Roster()
    for version in range(1, 5):
        roster.published(Birth(version, NOW - 10_000 + version * 1000, float(version)))
    for cid, version in enumerate(versions, 1):
        head = head_at(version)
        roster.came(cid, head.position, head.manifest.digest, NOW - 500)
    return roster


def report_of(
    cid: int, outcome: Outcome, *, active: int = 4, wanted: int = 4, detail: str = ""
) -> Report:
    head = head_at(active)
    return Report(
        sample.CLUSTER,
        cid,
        head.position,
        head.manifest.digest,
        Position(1, wanted),
        outcome,
        detail,
        milliseconds=7,
    )


def status_of(roster: Roster, troubles: Troubles = QUIET) -> ClusterStatus:
    return cluster_status(sample.genesis(), HEAD, roster, troubles, NOW)


def node_of(roster: Roster, cid: int) -> NodeStatus:
    return next(node for node in status_of(roster).nodes if node.cid == cid)


def attention_about(roster: Roster, name: str) -> list[str]:
    return [line for line in status_of(roster).attention if line.startswith(name)]


def test_a_cluster_in_which_all_is_well() -> None:
    members = tuple(m for m in sample.genesis().members if m.keys)
    membership = replace(sample.genesis(), members=members)
    status = cluster_status(membership, HEAD, roster_with(4, 4), QUIET, NOW)
    assert status.exit_code is ExitCode.FINE
    assert status.attention == ()
    assert (status.version, status.epoch, status.files) == (4, 1, len(HEAD.manifest))
    assert (status.published, status.as_of) == (NOW - 6000, NOW)
    assert [(node.role, node.state) for node in status.nodes] == [
        ("master", NodeState.IN_SYNC),
        ("node", NodeState.IN_SYNC),
    ]
    assert all(node.lag_ms == 0 and node.last_contact == NOW - 500 for node in status.nodes)


def test_a_cluster_without_a_version() -> None:
    status = cluster_status(sample.genesis(), Head(), Roster(), QUIET, NOW)
    assert (status.version, status.published, status.files) == (0, None, 0)


def test_a_node_that_is_behind_says_since_when() -> None:
    node = node_of(roster_with(4, 2), 2)
    assert (node.state, node.applied, node.wanted) == (NodeState.BEHIND, 2, 4)
    assert node.lag_ms == 7000  # since version 3
    assert attention_about(roster_with(4, 2), "mx2") == []


def test_the_same_version_with_another_state_is_not_in_sync() -> None:
    roster = roster_with(4, 4)
    roster.came(2, HEAD.position, sample.STATES[1].digest, NOW)
    assert node_of(roster, 2).state is NodeState.BEHIND


def test_a_node_without_a_stream_is_away() -> None:
    roster = roster_with(4, 3)
    roster.went(2, "the connection broke", NOW - 400)
    node = node_of(roster, 2)
    assert (node.state, node.applied, node.last_contact) == (NodeState.AWAY, 3, NOW - 500)
    assert node.lag_ms == 6000
    (line,) = attention_about(roster, "mx2(2)")
    assert "the connection broke" in line
    assert shown(NOW - 400) in line
    assert "pmgsyncd" in line


def test_an_away_node_that_has_everything_does_not_lag() -> None:
    roster = roster_with(4, 4)
    roster.went(2, "left", NOW)
    assert node_of(roster, 2).lag_ms == 0


def test_a_node_that_never_came() -> None:
    node = node_of(roster_with(4), 2)
    assert (node.state, node.applied, node.last_contact) == (NodeState.AWAY, None, None)
    assert "since the master started" in attention_about(roster_with(4), "mx2")[0]


def test_an_expected_member_has_not_joined() -> None:
    assert node_of(roster_with(4, 4), 3).state is NodeState.NOT_JOINED
    assert "`pmgsync join-cmd`" in attention_about(roster_with(4, 4), "mx3")[0]
    assert status_of(roster_with(4, 4)).exit_code is ExitCode.FINE


@pytest.mark.parametrize(
    ("outcome", "state", "code"),
    [
        (Outcome.INVALID, NodeState.INVALID, ExitCode.REJECTED),
        (Outcome.UNABLE, NodeState.UNABLE, ExitCode.DEGRADED),
    ],
)
def test_a_node_that_says_no(outcome: Outcome, state: NodeState, code: ExitCode) -> None:
    roster = roster_with(4, 3)
    roster.reported(2, report_of(2, outcome, active=3, detail="disk full"), 5.0)
    assert node_of(roster, 2).state is state
    assert status_of(roster).exit_code is code
    (line,) = attention_about(roster, "mx2")
    assert "disk full" in line
    assert "version 4" in line


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ("disk full", "disk full; it tries again by itself"),
        ("postmap: no; it is tried again by itself", "postmap: no; it is tried again by itself"),
    ],
)
def test_that_it_is_tried_again_is_said_once(detail: str, told: str) -> None:
    roster = roster_with(4, 3)
    roster.reported(2, report_of(2, Outcome.UNABLE, active=3, detail=detail), 5.0)
    assert attention_about(roster, "mx2") == [f"mx2(2) cannot apply version 4: {told}"]


def test_a_word_about_an_older_version_is_no_word_about_the_newest() -> None:
    roster = roster_with(4, 2)
    roster.reported(2, report_of(2, Outcome.INVALID, active=2, wanted=3), 5.0)
    assert node_of(roster, 2).state is NodeState.BEHIND


def test_a_report_of_success() -> None:
    roster = roster_with(4, 2)
    roster.reported(2, report_of(2, Outcome.ACTIVATED), 5.0)
    node = node_of(roster, 2)
    assert (node.state, node.applied, node.took_ms) == (NodeState.IN_SYNC, 4, 7)


def test_notes_of_nodes_need_attention() -> None:
    roster = roster_with(4, 2)
    noted = replace(report_of(2, Outcome.ACTIVATED), notes=("etc/pmg/domains: put back",))
    roster.reported(2, noted, 5.0)
    assert node_of(roster, 2).notes == noted.notes
    assert attention_about(roster, "mx2") == ["mx2(2): etc/pmg/domains: put back"]


def test_why_a_node_cannot_be_served() -> None:
    roster = roster_with(4, 2)
    roster.cannot_serve(2, "is ahead of this master: it runs version 1.9")
    assert attention_about(roster, "mx2") == ["mx2(2) is ahead of this master: it runs version 1.9"]
    roster.cannot_serve(2, "")
    assert attention_about(roster, "mx2") == []


def test_what_the_master_cannot_settle_by_itself() -> None:
    troubles = Troubles(
        held=Held(5, "delete etc/pmg/pmg.conf"),
        holds=[
            Hold(1, "root", NOW, "migration", durable=True),
            Hold(2, "pmgsync run", NOW),
        ],
        problems=[Problem("etc/pmg/domains", "is a symbolic link", "replace it")],
        failure="database: disk full; free some space",
    )
    lines = status_of(roster_with(4, 4), troubles).attention
    assert "disk full" in lines[0]
    assert "`pmgsync confirm 5`" in lines[1]
    assert "etc/pmg/pmg.conf" in lines[1]
    assert "root" in lines[2]
    assert "migration" in lines[2]
    assert "`pmgsync release`" in lines[2]
    assert "release" not in lines[3]
    assert lines[4] == "mx1(1): etc/pmg/domains: is a symbolic link; replace it"
    assert all("\n" not in line for line in lines)


def test_a_flood_of_lines_is_cut_short() -> None:
    problems = [Problem(f"etc/pmg/acme/{n}", "is a link", "replace it") for n in range(500)]
    lines = status_of(roster_with(4, 4), Troubles(problems=problems)).attention
    assert len(lines) == MAX_ATTENTION + 1
    assert lines[-1] == "and 301 more"


def test_the_document_is_the_status() -> None:
    status = status_of(roster_with(4, 3))
    assert ClusterStatus.from_json(json.loads(document_of(status))) == status


def test_a_document_that_would_be_too_large_leaves_the_notes_out() -> None:
    membership = cluster_of(200)
    roster = roster_with()
    notes = tuple("n" * 490 for _ in range(MAX_NOTES))
    for cid in range(1, 201):
        roster.came(cid, HEAD.position, HEAD.manifest.digest, NOW)
        roster.reported(cid, replace(report_of(cid, Outcome.ACTIVATED), notes=notes), 1.0)
    document = document_of(cluster_status(membership, HEAD, roster, QUIET, NOW))
    assert len(document) <= MAX_VIEW_BYTES
    status = ClusterStatus.from_json(json.loads(document))
    assert len(status.nodes) == 200
    assert {node.state for node in status.nodes} == {NodeState.IN_SYNC}


def test_states_do_not_depend_on_the_order_of_words() -> None:
    member = sample.member(2)
    for words in ((4, None), (3, Outcome.ACTIVATED), (2, Outcome.ACTIVATED)):
        roster = roster_with(4, words[0])
        if words[1]:
            roster.reported(2, report_of(2, words[1]), 1.0)
        assert state_of(member, roster.contact(2), HEAD) is NodeState.IN_SYNC


# --- clocks ---

MINUTE = 60_000


def three_clocks(second: int, third: int) -> Roster:
    """Three nodes, the first beside the master; the others are so far ahead of the master's."""
    roster = roster_with(4, 4, 4)
    for cid, ahead in ((1, 3), (2, second), (3, third)):
        roster.said_clock(cid, ahead)
    return roster


def joined_status(roster: Roster) -> ClusterStatus:
    members = tuple(sample.member(cid) for cid in (1, 2, 3))
    membership = replace(sample.genesis(), members=members)
    return cluster_status(membership, HEAD, roster, QUIET, NOW)


def test_clocks_that_agree_need_no_line() -> None:
    status = joined_status(three_clocks(4 * MINUTE, 200))
    assert status.attention == ()
    assert [node.clock_off_ms for node in status.nodes] == [-200, 4 * MINUTE - 200, 0]


def test_a_node_whose_clock_is_off_is_named_with_what_to_do() -> None:
    status = joined_status(three_clocks(-400 * 24 * 60 * MINUTE, 0))
    (line,) = status.attention
    assert line.startswith("mx2(2): its clock is 400 d behind those of most members")
    assert shown(NOW) in line
    assert "timedatectl" in line
    assert status.exit_code is ExitCode.FINE  # nothing that is synced depends on it


def test_the_master_whose_clock_is_off_is_named_by_the_others() -> None:
    (line,) = joined_status(three_clocks(6 * MINUTE, 6 * MINUTE)).attention
    assert line.startswith(f"{sample.member(1).label}: its clock is 6 min behind")
    assert shown(NOW + 6 * MINUTE) in line


@pytest.mark.parametrize("clock", [LATEST, 2**53, -(2**53)])
def test_most_of_the_clocks_may_say_what_no_calendar_has(clock: int) -> None:
    (line,) = joined_status(three_clocks(clock - NOW, clock - NOW)).attention
    assert f"by which it is {shown(clock)}: set it" in line


def test_of_two_clocks_nobody_knows_which_one_is_wrong() -> None:
    roster = three_clocks(20 * MINUTE, 0)
    roster.went(3, "left", NOW)
    status = joined_status(roster)
    assert [node.clock_off_ms for node in status.nodes] == [None, None, None]
    line = next(line for line in status.attention if "clocks" in line)
    assert "mx1(1) and mx2(2) are up to 20 min apart" in line


def test_a_clock_counts_on_the_stream_on_which_it_was_said() -> None:
    roster = three_clocks(20 * MINUTE, 0)
    roster.came(2, HEAD.position, HEAD.manifest.digest, NOW)
    assert joined_status(roster).attention == ()


# --- the roster itself ---------------------------------------------------------------------------


def test_members_that_left_are_forgotten() -> None:
    roster = roster_with(4, 4)
    roster.keep({1})
    assert roster.connected == {1}
    assert roster.contact(2).last_contact is None


def test_births_are_found_by_version() -> None:
    roster = roster_with()
    assert roster.birth(3) == Birth(3, NOW - 7000, 3.0)
    assert roster.birth(0) is None
    assert roster.birth(5) is None
    assert Roster().birth(1) is None
    assert Roster().behind_since(0) is None
    assert roster.behind_since(4) is None


def test_a_version_before_all_that_is_remembered() -> None:
    roster = Roster()
    roster.published(Birth(9, NOW, 1.0))
    assert roster.behind_since(2) == NOW


def test_a_reconnect_forgets_the_old_report() -> None:
    roster = roster_with(4, 3)
    roster.reported(2, report_of(2, Outcome.UNABLE, active=3), 1.0)
    roster.came(2, Position(1, 3), sample.STATES[3].digest, NOW)
    assert node_of(roster, 2).state is NodeState.BEHIND


def test_who_listens_hears_until_it_stops() -> None:
    roster, heard = roster_with(4, 4), list[int]()
    stop = roster.listen(heard.append)
    roster.reported(2, report_of(2, Outcome.ACTIVATED), 1.0)
    roster.went(1, "left", NOW)
    roster.heard(1, NOW)
    stop()
    roster.went(2, "left", NOW)
    assert heard == [2, 1]
