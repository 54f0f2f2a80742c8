"""PURE. Promises that members speak of, and how often their word alone begins an epoch.

A member that has signed for an epoch which never began says so when it follows, and takes in
nothing before a newer one begins; so the master begins one. But nobody can check what it says: a
member that lies could make the cluster begin one epoch after another. So each time that it was
acted on a member's word, that member is not listened to for a while, twice as long each time within
a day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

DAY_S = 86400.0


class Hearsay:
    """What each member (by its cid) has said last. `now` is in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._said: dict[int, int] = {}
        self._acted: defaultdict[int, list[float]] = defaultdict(list)

    def heard(self, cid: int, epoch: int) -> None:
        """The member says that it has signed for `epoch`, and that that has not begun; 0: none."""
        self._said[cid] = epoch

    def due(self, epoch: int, members: Collection[int], now: float) -> int | None:
        """One of `members` that has signed for an epoch above `epoch`, if it is to be believed now;
        None if there is none.
        """
        waiting = (cid for cid, said in self._said.items() if said > epoch and cid in members)
        return next((cid for cid in waiting if self._is_believed(cid, now)), None)

    def acted(self, cid: int, now: float) -> None:
        """A newer epoch has begun on that member's word."""
        self._acted[cid].append(now)

    def _is_believed(self, cid: int, now: float) -> bool:
        times = self._acted[cid] = [at for at in self._acted[cid] if now - at < DAY_S]
        return not times or now - times[-1] >= 2 ** len(times)
