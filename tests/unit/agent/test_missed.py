"""Whom the master does not reach, as a node reads it from the master's view."""

import json

from pmgsync.agent.missed import Missed
from pmgsync.model.status import NodeState
from tests.control.fake_node import cluster_status, node_status

STATES = (NodeState.IN_SYNC, NodeState.AWAY, NodeState.NOT_JOINED, NodeState.BEHIND, NodeState.AWAY)


def view(*states: NodeState) -> bytes:
    nodes = (node_status(cid, state) for cid, state in enumerate(states, 1))
    return json.dumps(cluster_status(*nodes).to_json()).encode()


def test_those_that_are_away_by_the_newest_view() -> None:
    missed = Missed()
    assert missed.by(b"") == frozenset()
    assert missed.by(view(*STATES)) == {2, 5}
    assert missed.by(view(*reversed(STATES))) == {1, 4}
    assert missed.by(b"no view") == frozenset()
