"""PURE. What a vanished folder looks like is not published without the admin's word."""

from collections import deque

from pmgsync.model.manifest import Manifest
from pmgsync.model.scope import PMG_CONF

LATELY_S = 10.0
FEWEST_DELETIONS = 2
"""So few files may be more than half of a tiny state; to delete a single one is an edit like any
other.
"""


def objection(current: Manifest, target: Manifest) -> str | None:
    """Why the step from `current` to `target` needs confirmation, as the end of `it would ...`; or
    None.

    It does if it deletes `pmg.conf`, or more than half of the synced files and at least two.
    """
    gone = current.keys() - target.keys()
    half_gone = len(gone) >= FEWEST_DELETIONS and 2 * len(gone) > len(current)
    if half_gone:
        also = f", {PMG_CONF} too" if PMG_CONF in gone else ""
        return f"delete {len(gone)} of the {len(current)} synced files{also}"
    return f"delete {PMG_CONF}" if PMG_CONF in gone else None


class Lately:
    """The states that were the newest within the last `LATELY_S` seconds.

    A folder that is emptied file by file is many small versions, each of which deletes little; so a
    state is compared with these as well as with the newest.
    """

    def __init__(self) -> None:
        self._until: deque[tuple[float, Manifest]] = deque()
        self._holding = False

    def replaced(self, manifest: Manifest, now: float) -> None:
        """`manifest` was the newest state until `now`. One for each second is enough."""
        if not self._until or self._until[-1][0] < now - 1:
            self._until.append((now, manifest))

    def forget(self) -> None:
        """What is gone by now was meant: the admin has confirmed it."""
        self._until.clear()
        self._holding = False

    def objection(self, current: Manifest, target: Manifest, now: float) -> str | None:
        """As `objection`, against `current` and against what was there lately."""
        while not self._holding and self._until and self._until[0][0] < now - LATELY_S:
            self._until.popleft()
        reason = self._reason(current, target)
        # What is held stays held until it is confirmed or undone, however long that takes.
        self._holding = reason is not None
        return reason

    def _reason(self, current: Manifest, target: Manifest) -> str | None:
        reason = objection(current, target)
        if reason is None and self._until and current.keys() - target.keys():
            reason = objection(self._until[0][1], target)
            return f"{reason}, counting the last {LATELY_S:g} s" if reason else None
        return reason
