"""Whom the master does not reach, as a node reads it from the master's view."""

import json
from dataclasses import replace

from pmgsync.agent.missed import Missed
from pmgsync.model.status import ClusterStatus, NodeState, NodeStatus

NODE = NodeStatus(
    cid=1,
    name="mail1",
    address="192.0.2.1",
    role="node",
    state=NodeState.IN_SYNC,
    applied=1,
    wanted=1,
    lag_ms=0,
    last_contact=None,
)
STATES = (NodeState.IN_SYNC, NodeState.AWAY, NodeState.NOT_JOINED, NodeState.BEHIND, NodeState.AWAY)


def view(*states: NodeState) -> bytes:
    nodes = tuple(replace(NODE, cid=cid, state=state) for cid, state in enumerate(states, 1))
    status = ClusterStatus("c" * 32, 1, 1, "d" * 64, 1, None, 0, nodes)
    return json.dumps(status.to_json()).encode()


def test_those_that_are_away_by_the_newest_view() -> None:
    missed = Missed()
    assert missed.by(b"") == frozenset()
    assert missed.by(view(*STATES)) == {2, 5}
    assert missed.by(view(*reversed(STATES))) == {1, 4}
    assert missed.by(b"no view") == frozenset()
