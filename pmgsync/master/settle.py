"""PURE. When to look: a burst of events is one look, and a steady stream of them still gets one in
time.
"""

from pmgsync.ports import Look

_TICK_S = 1e-6


class Settler:
    """Collects looks until `quiet_s` seconds went by without one, but at most `most_s` from the
    first.
    """

    def __init__(self, quiet_s: float, most_s: float) -> None:
        self._quiet_s = quiet_s
        self._most_s = most_s
        self._look = Look()
        self._first = 0.0
        self._last = 0.0

    def add(self, look: Look, now: float) -> None:
        """Something moved at `now`. An empty look is nothing."""
        if not look:
            return
        if not self._look:
            self._first = now
        self._look |= look
        self._last = max(self._last, now)

    def due(self, now: float) -> float | None:
        """Seconds until it is time to look (0: it is time); None while nothing moved.

        Adding more can move the moment further away, so whoever slept that long asks again.
        """
        if not self._look:
            return None
        left = min(self._last + self._quiet_s, self._first + self._most_s) - now
        return left if left > _TICK_S else 0.0

    @property
    def look(self) -> Look:
        """What `take` would return."""
        return self._look

    def take(self) -> Look:
        """Everything that moved since the last call; empty if nothing did."""
        look, self._look = self._look, Look()
        return look
