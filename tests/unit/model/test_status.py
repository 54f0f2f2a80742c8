"""The status of a cluster: one value, to and from JSON, and its exit code."""

import json
from dataclasses import replace

import pytest

from pmgsync.errors import ExitCode, MalformedError
from pmgsync.model.status import MAX_TEXT, ClusterStatus, NodeState, NodeStatus

NODE = NodeStatus(
    cid=2,
    name="mx2",
    address="192.0.2.2",
    role="node",
    state=NodeState.IN_SYNC,
    applied=7,
    wanted=7,
    lag_ms=0,
    last_contact=1_700_000_000_000,
    took_ms=4,
    detail="",
    notes=("etc/pmg/domains: put back",),
    clock_off_ms=-300,
)
STATUS = ClusterStatus(
    cluster="a1b2c3",
    epoch=1,
    version=7,
    manifest="0" * 64,
    files=12,
    published=1_700_000_000_000,
    as_of=1_700_000_000_500,
    nodes=(NODE, replace(NODE, cid=3, name="mx3", applied=None, last_contact=None, took_ms=None)),
    attention=("mx3: is away",),
)


def with_states(*states: NodeState) -> ClusterStatus:
    return replace(STATUS, nodes=tuple(replace(NODE, state=state) for state in states))


def form(**members: object) -> dict[str, object]:
    return {**json.loads(json.dumps(STATUS.to_json())), **members}


def node_form(**members: object) -> dict[str, object]:
    written = json.loads(json.dumps(STATUS.to_json()))
    written["nodes"][0] |= members
    return dict(written)


def test_a_status_survives_its_bytes() -> None:
    assert ClusterStatus.from_bytes(json.dumps(STATUS.to_json()).encode()) == STATUS


@pytest.mark.parametrize("document", [b"", b"\xff", b"[1]", b"[" * 100_000, b'{"cluster": 1}'])
def test_what_is_no_status_is_malformed(document: bytes) -> None:
    with pytest.raises(MalformedError):
        ClusterStatus.from_bytes(document)


def test_a_status_survives_json() -> None:
    assert ClusterStatus.from_json(form()) == STATUS
    never = replace(STATUS, published=None, nodes=(), attention=())
    assert ClusterStatus.from_json(json.loads(json.dumps(never.to_json()))) == never


@pytest.mark.parametrize("state", NodeState)
def test_every_state_survives_json(state: NodeState) -> None:
    status = with_states(state)
    assert ClusterStatus.from_json(json.loads(json.dumps(status.to_json()))) == status


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((), ExitCode.FINE),
        ((NodeState.IN_SYNC, NodeState.NOT_JOINED), ExitCode.FINE),
        ((NodeState.IN_SYNC, NodeState.BEHIND), ExitCode.DEGRADED),
        ((NodeState.AWAY,), ExitCode.DEGRADED),
        ((NodeState.UNABLE,), ExitCode.DEGRADED),
        ((NodeState.AWAY, NodeState.INVALID), ExitCode.REJECTED),
    ],
)
def test_the_worst_node_decides_the_exit_code(
    states: tuple[NodeState, ...], code: ExitCode
) -> None:
    assert with_states(*states).exit_code is code


@pytest.mark.parametrize(
    "members",
    [
        {"cluster": 1},
        {"epoch": -1},
        {"version": True},
        {"files": "12"},
        {"published": -1},
        {"published": 2**60},
        {"published": "now"},
        {"as_of": None},
        {"nodes": {}},
        {"nodes": [1]},
        {"attention": [1]},
        {"attention": "text"},
    ],
    ids=repr,
)
def test_a_status_of_another_form_is_malformed(members: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        ClusterStatus.from_json(form(**members))


@pytest.mark.parametrize(
    "members",
    [
        {"cid": -2},
        {"state": "fine"},
        {"state": None},
        {"applied": -1},
        {"applied": True},
        {"wanted": None},
        {"lag_ms": -5},
        {"last_contact": -1},
        {"took_ms": 1.5},
        {"notes": [None]},
        {"notes": "text"},
        {"clock_off_ms": "much"},
    ],
    ids=repr,
)
def test_a_node_of_another_form_is_malformed(members: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        ClusterStatus.from_json(node_form(**members))


@pytest.mark.parametrize("value", [None, [], "status", 1])
def test_a_status_is_an_object(value: object) -> None:
    with pytest.raises(MalformedError):
        ClusterStatus.from_json(value)


def test_long_texts_are_cut() -> None:
    long = "x" * (MAX_TEXT + 1)
    read = ClusterStatus.from_json({**node_form(detail=long, notes=[long]), "attention": [long]})
    assert {
        len(text) for text in (read.nodes[0].detail, *read.nodes[0].notes, *read.attention)
    } == {MAX_TEXT}


def test_what_a_neighbouring_release_says_more_is_passed_over() -> None:
    assert ClusterStatus.from_json(form(surplus=1)) == ClusterStatus.from_json(form())
    assert ClusterStatus.from_json(node_form(surplus=1)) == ClusterStatus.from_json(node_form())


# --- service files ---


def test_the_service_files_of_a_node_survive_json() -> None:
    rendered = (("etc/clamav/clamd.conf", "a" * 64), ("etc/postfix/main.cf", "b" * 64))
    status = replace(STATUS, nodes=(replace(NODE, rendered=rendered),))
    written = json.loads(json.dumps(status.to_json()))
    assert written["nodes"][0]["rendered"] == dict(rendered)
    assert ClusterStatus.from_json(written) == status


def test_a_master_of_a_release_before_says_nothing_of_service_files() -> None:
    written = node_form()
    nodes = written["nodes"]
    assert isinstance(nodes, list)
    for node in nodes:
        del node["rendered"]
    assert ClusterStatus.from_json(written) == STATUS
