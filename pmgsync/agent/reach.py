"""PURE. Whom this node reaches of those whom it asks: who does not let it in, who says that it is
the master, and whether anybody answers at all.

A member that ends the connection again and again knows none of the certificates that this node had:
it was away while all whom it knew went, or this node was removed. One round proves nothing, as a
daemon that stops ends connections, too; and one that has new keys shows them in turn.
"""

from __future__ import annotations

from collections.abc import Collection

from pmgsync.errors import NotAllowedError, NotLetInError, PmgsyncError

ROUNDS = 5
"""So many rounds make it certain enough to be told."""
ALONE = (
    "none of the members that this node knows answers it; if all of them were removed while it was "
    "away (`pmgsync members` on another node says so), nobody can tell it: `pmgsync leave` here, "
    "and join again"
)


class Reach:
    """Counts rounds; members by their cids."""

    def __init__(self) -> None:
        self._shut_out: dict[int, int] = {}
        self._leads: dict[int, int] = {}
        self._silent = 0
        self._asked: frozenset[int] = frozenset()
        self._heard: set[int] = set()

    def ask(self, cids: Collection[int]) -> None:
        """A round begins, in which these are asked."""
        self._silent = 0 if self._heard or not cids else self._silent + bool(self._asked)
        self._asked, self._heard = frozenset(cids), set()

    def forget_others(self, cids: Collection[int]) -> None:
        """Nobody else has to be asked any more."""
        self._shut_out = {cid: n for cid, n in self._shut_out.items() if cid in cids}
        self._leads = {cid: n for cid, n in self._leads.items() if cid in cids}

    def answered(self, cid: int, *, leads: bool = False) -> None:
        """It has, and says whether it is the master."""
        if cid not in self._heard or not leads:
            self._leads[cid] = self._leads.get(cid, 0) + 1 if leads else 0
        self._heard.add(cid)
        self._shut_out.pop(cid, None)

    def failed(self, cid: int, error: PmgsyncError) -> None:
        """It has not, for that reason; or what it said is of no use."""
        if cid in self._heard:
            return
        self._leads.pop(cid, None)
        shut = isinstance(error, NotLetInError | NotAllowedError)
        count = self._shut_out.get(cid, 0) + (1 if shut else -1)
        self._shut_out[cid] = min(max(count, 0), 2 * ROUNDS)

    @property
    def shut_out_by(self) -> frozenset[int]:
        """Who is there and does not let this node in."""
        return frozenset(cid for cid, count in self._shut_out.items() if count >= ROUNDS)

    @property
    def leaders(self) -> frozenset[int]:
        """Who has said for some rounds that it is the master."""
        return frozenset(cid for cid, count in self._leads.items() if count >= ROUNDS)

    @property
    def is_alone(self) -> bool:
        """Did nobody answer of all that were asked for some rounds?"""
        return self._silent >= ROUNDS
