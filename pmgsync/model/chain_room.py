"""How long a membership chain may get, and for what.

Every link is kept for ever, and a chain is read back, and taken in by who joins, up to 64 MiB. So
it is filled in steps: what a member may have done at will ends first, and what is needed against
such a member, or when nothing else helps, has room left after that. These limits are for who writes
a link; one that is written is believed as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1 << 20
KEY_CHANGES_BYTES: Final = 24 * MIB
"""Changes of keys that members ask for."""
CHANGES_BYTES: Final = 43 * MIB
"""Joins, edits of `cluster.conf`, the master's keys, the recovery key; and handovers, for which
any member may ask."""
VOTES_BYTES: Final = 48 * MIB
"""Promotions by the votes of a majority, which takes a master that is lost."""
RESERVE_BYTES: Final = 60 * MIB
"""Removals, and promotions with the recovery key: both are an admin's, and help when nothing else
does. Nobody can be removed more often than he joins, so they leave each other room."""


@dataclass(frozen=True, slots=True)
class Room:
    """The limits, in bytes of the whole chain."""

    key_changes: int = KEY_CHANGES_BYTES
    changes: int = CHANGES_BYTES
    votes: int = VOTES_BYTES
    reserve: int = RESERVE_BYTES


ROOM: Final = Room()
