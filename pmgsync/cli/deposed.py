"""A master that has heard of a newer epoch and cannot write that down, as its disk is full: its
roles cannot change yet, and it must be no master to anybody all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pmgsync.cli.peering_ports import PeeringNode
    from pmgsync.errors import HostError
    from pmgsync.model.membership import Membership


class Deposed:
    """Read from what the roles of `node` believe. `end_streams` is told why."""

    def __init__(self, node: PeeringNode, end_streams: Callable[[str], None]) -> None:
        self._node = node
        self._end_streams = end_streams
        self._epoch, self._why = 0, ""

    @property
    def by(self) -> Membership | None:
        """The newer epoch that is not written down; None where there is none."""
        agent, master = self._node.agent, self._node.master
        if agent is None or master is None:
            return None
        newest = agent.history.membership
        return newest if newest.epoch > master.history.membership.epoch else None

    def because(self, error: HostError) -> None:
        """Writing it down has failed. From the first time on: publish nothing, let nobody in or
        out, and end the streams.
        """
        master, rival = self._node.master, self.by
        if master is None or rival is None:
            return
        if self._epoch != rival.epoch:
            master.register.close()
            master.role.hold(f"epoch {rival.epoch}", durable=False)
            self._end_streams("is not the master any more")
        self._epoch, self._why = rival.epoch, str(error)

    @property
    def attention(self) -> str:
        """What an admin should know of it; empty where there is nothing."""
        rival = self.by
        if rival is None or rival.epoch != self._epoch:
            return ""
        return (
            f"{rival.master_member.label} is the master of epoch {rival.epoch}, and this node none "
            "any more: it publishes nothing, lets nobody in, and becomes a node as soon as it can "
            f"write that down: {self._why}"
        )
