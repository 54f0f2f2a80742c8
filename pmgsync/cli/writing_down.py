"""A chain that counts is written down before this node acts on it. Where the disk does not take
it, the node says so and follows nobody, and it is tried again every second (`chores.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from pmgsync.errors import HostError
from pmgsync.model.membership import Membership

if TYPE_CHECKING:
    from pmgsync.host.identity import Identity
    from pmgsync.model.envelope import Envelope

log = logging.getLogger(__name__)


class WritingDown:
    """Of one node, which has the files of `identity()`."""

    def __init__(self, identity: Callable[[], Identity]) -> None:
        self._identity = identity
        self.trouble = ""
        """Why the newest membership is not on disk; empty where it is."""
        self.newest: Envelope | None = None
        """The last link that is known to be on disk."""

    def write(self, chain: tuple[Envelope, ...], note: Callable[[], None]) -> None:
        """`note` down what `chain` undoes, and then the chain, unless it is on disk already: links
        may have been set aside only. Raises what either raises.
        """
        try:
            note()
            if chain[-1] != self.newest:
                self._identity().write_chain(chain)
        except HostError as error:
            line = _cannot(Membership.from_bytes(chain[-1].payload), error)
            if line != self.trouble:
                log.error("%s", line)
            self.trouble = line
            raise
        self.trouble, self.newest = "", chain[-1]


def _cannot(newest: Membership, error: HostError) -> str:
    return (
        f"membership {newest.epoch}.{newest.serial} counts, by which {newest.master_member.label} "
        f"is the master, but cannot be written down here, so this node follows nobody: {error}; it "
        "is tried again every second"
    )
