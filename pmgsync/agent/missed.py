"""PURE. Whom the master does not reach, by the view that it gives its nodes."""

from __future__ import annotations

from collections.abc import Collection

from pmgsync.errors import MalformedError
from pmgsync.model.status import ClusterStatus, NodeState


class Missed:
    """Reads each view once: it is long in a large cluster, and asked for every second."""

    def __init__(self) -> None:
        self._view = b""
        self._cids: frozenset[int] = frozenset()

    def by(self, view: bytes) -> Collection[int]:
        """The cids of those that are away by `view`; none where it cannot be read."""
        if view is not self._view:
            self._view, self._cids = view, _away(view)
        return self._cids


def _away(view: bytes) -> frozenset[int]:
    try:
        nodes = ClusterStatus.from_bytes(view).nodes
    except MalformedError:
        return frozenset()
    return frozenset(node.cid for node in nodes if node.state is NodeState.AWAY)
