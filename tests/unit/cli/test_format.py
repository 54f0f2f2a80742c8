"""What people read: golden texts, and no value that the formatter cannot show."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.cli.answers import (
    LAST_KNOWN,
    REFUSED,
    SOURCES,
    UNABLE,
    Arrival,
    LogEntry,
    NodeInfo,
    Release,
    ShownFile,
    ShownVersion,
    StatusAnswer,
)
from pmgsync.cli.format import ago, status_text
from pmgsync.cli.tables import counted
from pmgsync.cli.version_format import log_text, moment, release_text, size, version_text
from pmgsync.model.duration import duration
from pmgsync.model.status import ClusterStatus, NodeState, NodeStatus
from tests.control.fake_node import NOW, cluster_status, node_status, shown_version, status_answer

STRANGER = NodeInfo("mail9", None, "", "0.1.0", 1, 1, None)


def shown(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


# --- small things -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        *((-5, "0 ms"), (0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (42_999, "42 s")),
        *((59_999, "59 s"), (60_000, "1 min"), (3_600_000, "1 h"), (86_400_000 * 400, "400 d")),
    ],
)
def test_duration(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text


def test_ago() -> None:
    assert (ago(-1), ago(999), ago(3_000)) == ("now", "now", "3 s ago")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB")),
        *((64 << 20, "64 MiB"), (5 << 30, "5 GiB")),
    ],
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


def test_counted() -> None:
    assert [counted(n, "file") for n in (0, 1, 12_000)] == ["0 files", "1 file", "12,000 files"]


def test_moment() -> None:
    assert moment(NOW, UTC) == "2026-02-02 02:40:00"
    assert moment(-1, UTC) == "1970-01-01 00:00:00"
    assert moment(2**53, UTC).startswith("9999-12-31")


# --- status -------------------------------------------------------------------------------


def test_status_when_all_is_well_is_only_the_table() -> None:
    answer = status_answer(cluster_status(node_status(1), node_status(2), node_status(3)))
    assert shown(status_text(answer)) == shown("""
cluster 4f1c…  epoch 1  version 14  (137 files, published 3 s ago)

  NODE      ADDRESS    ROLE    STATE    APPLIED  LAG  LAST CONTACT
  mail1(1)  192.0.2.1  master  in sync    14/14    -  now
  mail2(2)  192.0.2.2  node    in sync    14/14    -  now
  mail3(3)  192.0.2.3  node    in sync    14/14    -  now
""")


def test_status_says_what_to_do_about_each_trouble() -> None:
    wanted = {"applied": 12, "lag_ms": 42_000}
    status = cluster_status(
        node_status(1),
        node_status(2, NodeState.AWAY, last_contact=NOW - 42_000, **wanted),
        node_status(3, NodeState.BEHIND, **wanted),
        node_status(4, NodeState.UNABLE, detail="etc/pmg/domains: no space left", **wanted),
        node_status(5, NodeState.INVALID, detail="etc/pmg/pmg.conf:3: no section", **wanted),
        node_status(6, NodeState.NOT_JOINED, applied=None, last_contact=None),
        node_status(7, notes=("etc/pmg/transport was edited here; put back",)),
        attention=("version 15 would delete 80 of 137 files; pmgsync confirm 15",),
    )
    answer = status_answer(status, attention=("the settings are wrong",))
    assert shown(status_text(answer)) == shown("""
cluster 4f1c…  epoch 1  version 14  (137 files, published 3 s ago)

  NODE      ADDRESS    ROLE    STATE       APPLIED   LAG  LAST CONTACT
  mail1(1)  192.0.2.1  master  in sync       14/14     -  now
  mail2(2)  192.0.2.2  node    away          12/14  42 s  42 s ago
  mail3(3)  192.0.2.3  node    behind        12/14  42 s  now
  mail4(4)  192.0.2.4  node    unable        12/14  42 s  now
  mail5(5)  192.0.2.5  node    refused       12/14  42 s  now
  mail6(6)  192.0.2.6  node    not joined     -/14     -  never
  mail7(7)  192.0.2.7  node    in sync       14/14     -  now

mail2(2) is away, last heard of 42 s ago; is it up? ssh 192.0.2.2 systemctl status pmgsyncd
mail3(3) has been behind for 42 s; watch it: pmgsync status --watch
mail4(4) cannot apply version 14: etc/pmg/domains: no space left; it goes on by itself once it can.\
 Its log: ssh 192.0.2.4 journalctl -u pmgsyncd
mail5(5) refused version 14: etc/pmg/pmg.conf:3: no section; look at it: pmgsync show 14 --diff,\
 and mend the file on the master
mail6(6) has not joined yet; type `pmgsync join-cmd` on the master, and the line that it prints on\
 mail6
mail7(7): etc/pmg/transport was edited here; put back
version 15 would delete 80 of 137 files; pmgsync confirm 15
the settings are wrong
""")


def test_what_the_master_says_about_a_node_is_not_said_twice() -> None:
    away = node_status(2, NodeState.AWAY, last_contact=NOW - 42_000)
    status = cluster_status(node_status(1), away, attention=("mail2(2) is away since noon",))
    lines = shown(status_text(status_answer(status)))
    assert [line for line in lines if "is away" in line] == ["mail2(2) is away since noon"]


def test_that_a_node_goes_on_by_itself_is_said_once() -> None:
    unable = node_status(2, NodeState.UNABLE, detail="in the way; it is tried again by itself")
    last = shown(status_text(status_answer(cluster_status(node_status(1), unable))))[-1]
    assert last.count("by itself") == 1


def test_a_node_that_is_behind_for_a_moment_needs_no_action() -> None:
    behind = node_status(2, NodeState.BEHIND, lag_ms=300, applied=13)
    text = status_text(status_answer(cluster_status(node_status(1), behind)))
    assert shown(text)[-1].startswith("  mail2(2)")


def test_the_last_known_view_is_marked_with_its_age() -> None:
    status = cluster_status(node_status(1), node_status(2))
    text = status_text(status_answer(status, source=LAST_KNOWN, age_ms=42_000))
    first, blank, header, *_ = text.splitlines()
    assert first == "as of 42 s ago: the master mail1 (192.0.2.1) is away"
    assert blank == ""
    assert "published 45 s ago" in header
    assert "42 s ago" in text.splitlines()[-1]


def test_ages_grow_with_the_age_of_the_view() -> None:
    status = cluster_status(node_status(1), published=NOW - 500)
    assert "published just now" in status_text(status_answer(status))
    assert "published 9 s ago" in status_text(status_answer(status, age_ms=9_000))
    unpublished = cluster_status(node_status(1), published=None)
    assert "(137 files)" in status_text(status_answer(unpublished))


def test_a_node_without_cluster_is_told_how_to_go_on() -> None:
    text = status_text(status_answer(None, node=STRANGER, attention=("port 7643 is taken",)))
    assert shown(text) == shown("""
mail9 belongs to no cluster yet.

To found one with this node as its master:
    pmgsync create
To join one: type `pmgsync join-cmd` on its master, and the line that it prints here.
port 7643 is taken
""")


def test_a_member_that_has_seen_nothing_yet() -> None:
    node = NodeInfo("mail2", 2, "node", "0.1.0", 1, 1, None)
    assert shown(status_text(status_answer(None, node=node)))[0] == (
        "mail2(2) has not heard of its master yet; it runs version -."
    )


def test_colour_changes_nothing_but_colours() -> None:
    status = cluster_status(*(node_status(n, state) for n, state in enumerate(NodeState, 1)))
    coloured = status_text(status_answer(status), colour=True)
    assert coloured.count("\x1b[0m") == 1 + len(NodeState)
    plain = coloured
    for code in ("0", "1", "2", "31", "32", "33"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == status_text(status_answer(status))


anything = st.text(max_size=30)
numbers = st.integers(-(2**60), 2**60)
maybe = st.none() | numbers
nodes = st.builds(
    NodeStatus,
    cid=numbers,
    name=anything,
    address=anything,
    role=anything,
    state=st.sampled_from(NodeState),
    applied=maybe,
    wanted=numbers,
    lag_ms=numbers,
    last_contact=maybe,
    took_ms=maybe,
    detail=anything,
    notes=st.lists(anything, max_size=3).map(tuple),
)
statuses = st.builds(
    ClusterStatus,
    cluster=anything,
    epoch=numbers,
    version=numbers,
    manifest=anything,
    files=numbers,
    published=maybe,
    as_of=numbers,
    nodes=st.lists(nodes, max_size=4).map(tuple),
    attention=st.lists(anything, max_size=2).map(tuple),
)
answers = st.builds(
    StatusAnswer,
    status=st.none() | statuses,
    source=st.sampled_from(SOURCES),
    age_ms=numbers,
    node=st.builds(NodeInfo, anything, maybe, anything, anything, numbers, numbers, applied=maybe),
    attention=st.lists(anything, max_size=2).map(tuple),
)


def is_tame(text: str) -> bool:
    """Are there only characters that do nothing to a terminal?"""
    return all(line.isprintable() for line in text.split("\n"))


@given(answers)
def test_no_status_makes_the_formatter_raise_or_the_terminal_jump(answer: StatusAnswer) -> None:
    assert is_tame(status_text(answer))
    assert answer.exit_code in (0, 1, 3, 5, 6)
    assert status_text(answer, colour=True).count("\x1b[0m") <= 6


# --- versions -----------------------------------------------------------------------------


def test_log() -> None:
    entries = [
        LogEntry(12, 1, NOW, "new relay", 3, 1, 2048),
        LogEntry(11, 1, NOW - 60_000, "", 0, 2, 0),
        LogEntry(1, 1, NOW - 3_600_000, "founded", 137, 0, 5 << 20),
    ]
    assert shown(log_text(entries, UTC)) == shown("""
VERSION  PUBLISHED            FILES              SIZE  MESSAGE
     12  2026-02-02 02:40:00  3 put, 1 deleted  2 KiB  new relay
     11  2026-02-02 02:39:00  2 deleted           0 B
      1  2026-02-02 01:40:00  137 put           5 MiB  founded
""")
    assert log_text([]) == "no versions yet"
    narrow = log_text(entries, UTC, columns=60).splitlines()
    assert narrow[1] == "     12  2026-02-02 02:40:00  3 put, 1 deleted  2 KiB  new …"
    assert max(map(len, narrow)) == 60


def test_show() -> None:
    text = version_text(shown_version(12, "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n"), UTC)
    lines = text.splitlines()
    assert lines[:3] == [
        "version 12  epoch 1  published 2026-02-02 02:40:00  signed by mail1(1)",
        "message: new relay",
        f"state:   {'ef' * 8}…  (before: {'cd' * 8}…)",
    ]
    assert " ".join(lines[4].split()) == ("changed etc/pmg/domains 2 KiB → 2 KiB 0644 root:root")
    assert lines[-5:] == ["--- a/x", "+++ b/x", "@@ -1 +1 @@", "-old", "+new"]


diffs = st.none() | st.text(max_size=60)
versions = st.builds(
    ShownVersion,
    version=numbers,
    epoch=numbers,
    created=numbers,
    message=anything,
    signer=anything,
    parent=st.just("ab" * 32),
    result=st.just("cd" * 32),
    files=st.lists(
        st.builds(
            ShownFile,
            anything,
            st.sampled_from(["added", "changed", "deleted"]),
            st.integers(0, 2**53),
            st.integers(0, 2**53),
            st.integers(0, 0o777),
            anything,
            st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
)


@given(versions)
def test_every_version_can_be_shown(version: ShownVersion) -> None:
    assert is_tame(version_text(version))


@given(st.builds(LogEntry, numbers, numbers, numbers, anything, numbers, numbers, numbers))
def test_every_log_entry_can_be_shown(entry: LogEntry) -> None:
    assert is_tame(log_text([entry]))


# --- one change ---------------------------------------------------------------------------


def arrival(cid: int, outcome: str = "activated", ms: int = 9, detail: str = "") -> Arrival:
    return Arrival(cid, f"mail{cid}", outcome, ms, detail)


def test_a_release_is_one_line_when_all_is_well() -> None:
    release = Release(12, 3, (arrival(1, ms=5), arrival(2, ms=14), arrival(3, ms=9)))
    assert release_text(release) == "version 12: 3 files, on 3 of 3 nodes after 14 ms"
    assert release_text(Release(None, 0)) == "nothing changed"


def test_a_release_names_the_nodes_where_it_does_not_run() -> None:
    arrived = (arrival(1), arrival(2, REFUSED, 9, "no section"), arrival(3, UNABLE))
    assert release_text(Release(12, 1, arrived, ("mail4",))).splitlines() == [
        "version 12: 1 file, on 1 of 4 nodes after 9 ms",
        "mail2(2): refused version 12: no section",
        "mail3(3): cannot apply version 12",
        "mail4: has not answered yet; see `pmgsync status`",
    ]


def test_a_release_that_arrived_nowhere() -> None:
    assert release_text(Release(12, 1, (), ("mail2",))).startswith(
        "version 12: 1 file, on 0 of 1 node\n"
    )


@given(
    st.builds(
        Release,
        version=maybe,
        files=numbers,
        arrived=st.lists(
            st.builds(Arrival, numbers, anything, anything, numbers, anything), max_size=3
        ).map(tuple),
        missing=st.lists(anything, max_size=2).map(tuple),
    )
)
def test_every_release_can_be_shown(release: Release) -> None:
    assert is_tame(release_text(release))
    assert release.exit_code in (0, 3, 4, 5)
