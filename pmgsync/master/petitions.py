"""Who waits to be let in without a token: the admin compares its fingerprint and says so.

A petition lives as long as the call that brought it, half an hour at most, and is kept nowhere
else: who goes away has withdrawn it, and a master that starts again has none. It is checked as a
join with a token is, once when it is filed, so that the node hears at once what cannot be, and
again when it is approved. What is approved is a pair of a name and a fingerprint, the one that the
admin compared; so nobody slips in under a name between the look and the word.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pmgsync.errors import (
    BadSignatureError,
    MalformedError,
    NotAllowedError,
    OperatorError,
    PmgsyncError,
)
from pmgsync.master.entrance import Entrance
from pmgsync.master.limiter import PeerLimiter
from pmgsync.model.envelope import Envelope
from pmgsync.model.fingerprint import fingerprint, is_fingerprint
from pmgsync.model.joining import MAX_REQUEST_BYTES, JoinRequest, Petition
from pmgsync.model.membership import Member, MemberKeys
from pmgsync.ports import Clock

log = logging.getLogger(__name__)

MAX_WAITING = 32
MAX_WAITING_OF_ONE_ADDRESS = 2
WAIT_SECONDS = 30 * 60

_LIST = "`pmgsync approve` lists who waits"


@dataclass(eq=False)
class Waiting:
    """A `join_ports.FiledPetition` from the address `peer`; `since` in milliseconds since 1970."""

    petitions: "Petitions"
    request: JoinRequest
    peer: str
    since: int
    until: float
    identity: bytes
    seconds: int = WAIT_SECONDS
    answer: "asyncio.Future[tuple[bytes, ...]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    async def granted(self) -> tuple[bytes, ...]:
        """See the port."""
        return await asyncio.shield(self.answer)

    def withdraw(self) -> None:
        """See the port."""
        self.petitions.forget(self)


class Petitions:
    """Those who wait, and what the admin may say about them."""

    def __init__(
        self,
        entrance: Entrance,
        own_keys: Callable[[], MemberKeys],
        clock: Clock,
        limiter: PeerLimiter | None = None,
    ) -> None:
        """`own_keys`: what this master is recognised by at that moment."""
        self._entrance = entrance
        self._own_keys = own_keys
        self._clock = clock
        self._limiter = PeerLimiter() if limiter is None else limiter
        self._waiting: list[Waiting] = []

    @property
    def waiting(self) -> Sequence[Waiting]:
        """Those who wait, oldest first."""
        now = self._clock.monotonic()
        return tuple(one for one in self._waiting if now < one.until)

    @property
    def now(self) -> int:
        """What `Waiting.since` counts from, at this moment."""
        return self._clock.now()

    @property
    def own_fingerprint(self) -> str:
        """What the other admin must see."""
        return fingerprint(self._own_keys())

    def file(self, envelope: bytes, peer: str) -> Waiting:
        """See `join_ports.JoinHandler`."""
        self._require_room(peer)
        if len(envelope) > MAX_REQUEST_BYTES:
            raise MalformedError(f"a petition of {len(envelope)} bytes", where=peer)
        petition = Petition.from_envelope(Envelope.from_bytes(envelope))
        if petition.master != self._own_keys().fingerprint:
            log.warning("%s was shown another certificate than this master's", peer)
            raise BadSignatureError(
                "was made for another master: somebody may stand in between",
                where=peer,
                mend="compare the fingerprints, and the network between the two",
            )
        self._entrance.candidate(petition.request, peer)
        now, identity = self._clock.monotonic(), self._own_keys().identity.raw
        filed = Waiting(
            self, petition.request, peer, self._clock.now(), now + WAIT_SECONDS, identity
        )
        self._waiting.append(filed)
        log.info(
            "%s at %s asks to join; `pmgsync approve` shows its fingerprint",
            petition.request.name,
            peer,
        )
        return filed

    def approve(self, name: str, typed: str) -> Member:
        """Let in who waits under `name` with the fingerprint that was `typed`.

        Raises `OperatorError` if there is none, `InvalidError` where it cannot be any more.
        """
        one = self._find(name, typed)
        member = self._entrance.candidate(one.request, one.peer)
        self._entrance.enter(self._entrance.draft(member, one.peer))
        chain = self._entrance.welcome(member, one.peer)
        self.forget(one)
        if not one.answer.done():
            one.answer.set_result(chain)
        return member

    def refuse(self, name: str) -> int:
        """Send away all who wait under `name`; how many. `OperatorError` if there is none."""
        named = self._named(name)
        for one in named:
            self.forget(one)
            if not one.answer.done():
                one.answer.set_exception(_refused())
                one.answer.exception()  # looked at, also if nobody waits for it any more
        log.info("%s is refused", name)
        return len(named)

    def forget(self, one: Waiting) -> None:
        """It waits no longer."""
        if one in self._waiting:
            self._waiting.remove(one)

    def _require_room(self, peer: str) -> None:
        if not self._limiter.allow(peer, self._clock.monotonic()):
            raise NotAllowedError("too many tries", where="join", mend="try again in a minute")
        waiting = self.waiting
        if len(waiting) >= MAX_WAITING or (
            sum(one.peer == peer for one in waiting) >= MAX_WAITING_OF_ONE_ADDRESS
        ):
            raise NotAllowedError(
                "too many wait to join already",
                where="join",
                mend="approve or refuse them on the master first: `pmgsync approve`",
            )

    def _named(self, name: str) -> list[Waiting]:
        found = [one for one in self.waiting if one.request.name.lower() == name.lower()]
        if not found:
            raise OperatorError("nobody waits under that name", where=name[:80], mend=_LIST)
        return found

    def _find(self, name: str, typed: str) -> Waiting:
        found = [one for one in self._named(name) if is_fingerprint(typed, one.request.keys)]
        if not found:
            raise OperatorError(
                "has another fingerprint than that: it is not the node that was looked at",
                where=name[:80],
                mend=f"{_LIST}, with their fingerprints",
            )
        return found[0]


def _refused() -> PmgsyncError:
    return NotAllowedError("the admin of the master has refused it", where="join")
