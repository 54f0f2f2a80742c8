"""What a `Peering` stands on: the node behind it, its member port, and what it is built of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from pmgsync.agent.peers import Peers
    from pmgsync.agent.role import AgentRole
    from pmgsync.errors import PmgsyncError
    from pmgsync.master.feed import Feeds
    from pmgsync.master.register import Register
    from pmgsync.master.requests import CheckKey, Objection
    from pmgsync.master.role import MasterRole
    from pmgsync.master.roster import Roster
    from pmgsync.model.envelope import Envelope
    from pmgsync.model.keys import OwnKeys, Signer
    from pmgsync.model.membership import Member, Membership
    from pmgsync.model.trust import TrustedHistory
    from pmgsync.ports import Clock, Store


class Mastership(Protocol):
    """What a master is to the others."""

    @property
    def feeds(self) -> Feeds: ...
    @property
    def history(self) -> TrustedHistory: ...
    @property
    def role(self) -> MasterRole: ...
    @property
    def register(self) -> Register: ...
    @property
    def roster(self) -> Roster: ...


class PeeringNode(Protocol):
    """The node behind a `Peering`: its roles of this moment."""

    @property
    def agent(self) -> AgentRole | None: ...
    @property
    def master(self) -> Mastership | None: ...
    @property
    def busy(self) -> asyncio.Lock: ...
    @property
    def me(self) -> Member: ...

    def require_agent(self) -> AgentRole:
        """The agent, or an error."""

    async def roles_changed(self) -> None:
        """Return when the roles are those of the newest epoch."""


class MemberPort(Protocol):
    """Where members are listened to (`wire.server.MemberServer`)."""

    @property
    def is_open(self) -> bool: ...

    async def open(self, me: Member) -> None:
        """Listen; `OperatorError` if that cannot be."""

    def trust(self, membership: Membership) -> None:
        """Let in these members, and cut off who is none any more."""

    def take_turns(self) -> None:
        """Without a master, show each pair of keys that may have come to count, one after the
        other: who knows only that one can tell this node so. Called once a second.
        """

    def end_streams(self, error: PmgsyncError) -> None:
        """End all follow streams."""

    async def stop(self) -> None:
        """Stop listening."""


@dataclass(frozen=True, slots=True)
class PeeringParts:
    """What a node has for it, whatever its roles."""

    cid: int
    cluster: str
    store: Store
    signer: Signer
    own_keys: OwnKeys
    clock: Clock
    peers: Peers
    write_chain: Callable[[tuple[Envelope, ...]], None]
    """On disk when it returns."""
    check_key: CheckKey = lambda _certificate, _proof, _message: None
    """Has somebody the key of that certificate? Raises if not."""
    objection: Objection = lambda _before, _after, _moments, _now: ""
    """Why a certificate must not replace another one."""
    only_here: Callable[[], bool] = lambda: False
    """Does the master hand over only to whom an admin names on it?"""
    require_ports: Callable[[], None] = lambda: None
    """Raises `OperatorError` where a port is taken that only a master listens at."""
