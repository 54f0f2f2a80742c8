"""PURE. How often strangers may try: a token bucket for each address, and one for all of them."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


TRIES_AT_ONCE = 20
TRIES_PER_S = 0.5
ALL_TIMES = 10
MOST_PEERS = 1024


class PeerLimiter:
    """At most `burst` tries at once from one peer and `per_s` a second after that, `all_times` that
    in all.

    The table holds `most_peers`; the one that tried longest ago makes room. The bucket for all
    bounds what somebody with many addresses can do.
    """

    def __init__(
        self,
        per_s: float = TRIES_PER_S,
        burst: float = TRIES_AT_ONCE,
        *,
        all_times: float = ALL_TIMES,
        most_peers: int = MOST_PEERS,
    ) -> None:
        self._per_s = per_s
        self._burst = burst
        self._all_times = all_times
        self._most_peers = most_peers
        self._peers: OrderedDict[str, _Bucket] = OrderedDict()
        self._all: _Bucket | None = None

    def allow(self, peer: str, now: float) -> bool:
        """May `peer` try at `now` (seconds)? A try that is refused costs nothing."""
        bucket = self._peers.pop(peer, None) or _Bucket(self._burst, now)
        self._peers[peer] = bucket
        while len(self._peers) > self._most_peers:
            self._peers.popitem(last=False)
        if self._all is None:
            self._all = _Bucket(self._burst * self._all_times, now)
        self._fill(bucket, 1, now)
        self._fill(self._all, self._all_times, now)
        if bucket.level < 1 or self._all.level < 1:
            return False
        bucket.level -= 1
        self._all.level -= 1
        return True

    def __len__(self) -> int:
        return len(self._peers)

    def _fill(self, bucket: _Bucket, times: float, now: float) -> None:
        gained = max(0.0, now - bucket.at) * self._per_s * times
        bucket.level = min(self._burst * times, bucket.level + gained)
        bucket.at = now
