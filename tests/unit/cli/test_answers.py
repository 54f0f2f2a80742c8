"""The documents of the local API: what one end says, the other reads; what is odd is refused."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.cli.answers import (
    ARRIVED,
    LAST_KNOWN,
    REFUSED,
    ROLLED_BACK,
    UNABLE,
    Arrival,
    LogEntry,
    NodeInfo,
    Release,
    ShownVersion,
    StatusAnswer,
    each,
)
from pmgsync.cli.version_format import release_text
from pmgsync.errors import ExitCode, MalformedError
from pmgsync.model.canonical import Fields
from pmgsync.model.status import NodeState
from tests.control.fake_node import (
    cluster_status,
    log_line,
    node_status,
    shown_version,
    status_answer,
)

STATUS = status_answer(
    cluster_status(node_status(1), node_status(2, NodeState.AWAY, detail="x", notes=("n",))),
    attention=("a",),
)
RELEASE = Release(3, 2, (Arrival(1, "mail1", ARRIVED, 9), Arrival(2, "mail2", UNABLE, 1)), ("m",))
VERSION = shown_version(3, "diff")

READERS: list[tuple[Callable[[object], object], dict[str, Any]]] = [
    (StatusAnswer.from_json, STATUS.to_json()),
    (Release.from_json, RELEASE.to_json()),
    (ShownVersion.from_json, VERSION.to_json()),
    (LogEntry.from_json, log_line(3)),
    (NodeInfo.from_json, asdict(STATUS.node)),
    (Arrival.from_json, asdict(RELEASE.arrived[0])),
]


def over_the_wire(document: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    return json.loads(json.dumps(document))


@pytest.mark.parametrize("value", [STATUS, RELEASE, VERSION], ids=lambda v: type(v).__name__)
def test_what_is_said_is_what_is_read(value: StatusAnswer | Release | ShownVersion) -> None:
    assert type(value).from_json(over_the_wire(value.to_json())) == value


def test_a_daemon_of_the_build_before_knows_of_no_rival() -> None:
    document = over_the_wire(asdict(STATUS.node))
    del document["rival"]
    assert NodeInfo.from_json(document) == STATUS.node


def test_a_node_without_cluster_and_view() -> None:
    answer = status_answer(None, node=NodeInfo("mail9", None, "", "0.1.0", 1, 1, None))
    assert StatusAnswer.from_json(over_the_wire(answer.to_json())) == answer
    assert Release.from_json(over_the_wire(Release(None, 0).to_json())) == Release(None, 0)


@pytest.mark.parametrize(("read", "document"), READERS)
def test_members_of_a_later_release_are_left_alone(
    read: Callable[[object], object], document: dict[str, Any]
) -> None:
    known = over_the_wire(document)
    assert read({**over_the_wire(document), "new": 1}) == read(known)


@pytest.mark.parametrize(("read", "document"), READERS)
def test_missing_and_mistyped_members_are_refused(
    read: Callable[[object], object], document: dict[str, Any]
) -> None:
    may_be_missing = {"status", "cid", "applied", "version", "diff", "parent", "detail", "rival"}
    for name in document.keys() - may_be_missing:
        broken = over_the_wire(document)
        del broken[name]
        with pytest.raises(MalformedError):
            read(broken)
    for name in document:
        with pytest.raises(MalformedError):
            read({**over_the_wire(document), name: 1.5})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(json_values, st.sampled_from(READERS), st.randoms(use_true_random=False))
def test_any_document_is_read_or_refused(
    value: object, reader: tuple[Callable[[object], object], dict[str, Any]], chance: Random
) -> None:
    read, document = reader
    name = chance.choice(sorted(document))
    for odd in (value, {**over_the_wire(document), name: value}):
        try:
            read(odd)
        except MalformedError as error:
            assert str(error)  # noqa: PT017 - either way is right


def test_lists_of_documents() -> None:
    fields = Fields({"versions": [log_line(2), log_line(1)]}, "the log")
    assert [entry.version for entry in each(fields, "versions", LogEntry.from_json)] == [2, 1]
    with pytest.raises(MalformedError):
        each(Fields({"versions": {}}, "the log"), "versions", LogEntry.from_json)


@pytest.mark.parametrize(
    ("outcomes", "missing", "code"),
    [
        ([], (), ExitCode.FINE),
        ([ARRIVED, ARRIVED], (), ExitCode.FINE),
        ([ARRIVED, UNABLE], (), ExitCode.DEGRADED),
        ([ARRIVED], ("mail2",), ExitCode.DEGRADED),
        ([ROLLED_BACK, UNABLE], ("mail2",), ExitCode.ROLLED_BACK),
        ([ROLLED_BACK, REFUSED, UNABLE], ("mail2",), ExitCode.REJECTED),
        (["a word of a later release"], (), ExitCode.DEGRADED),
    ],
)
def test_the_worst_outcome_is_the_exit_code(
    outcomes: list[str], missing: tuple[str, ...], code: ExitCode
) -> None:
    arrived = tuple(Arrival(n, "x", outcome, 1) for n, outcome in enumerate(outcomes))
    assert Release(1, 1, arrived, missing).exit_code == code


def test_the_exit_code_of_status() -> None:
    fine = cluster_status(node_status(1))
    assert status_answer(fine).exit_code == ExitCode.FINE
    assert STATUS.exit_code == ExitCode.DEGRADED
    assert status_answer(fine, source=LAST_KNOWN).exit_code == ExitCode.NO_MASTER
    assert status_answer(None).exit_code == ExitCode.NO_MASTER
    two = replace(status_answer(fine).node, rival="mail2(2)")
    assert status_answer(fine, node=two).exit_code == ExitCode.NO_MASTER
    stranger = NodeInfo("mail9", None, "", "0.1.0", 1, 1, None)
    assert status_answer(None, node=stranger).exit_code == ExitCode.ERROR


def test_a_held_change_is_no_success() -> None:
    held = Release(None, 0, held="version 3 is held, it would delete etc/pmg/pmg.conf")
    assert held.exit_code is ExitCode.REJECTED
    assert Release.from_json(held.to_json()) == held
    assert release_text(held) == held.held
