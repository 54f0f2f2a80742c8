"""The master's side of a node: the role, its server, and what admins may ask of it, as the local
API wants it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pmgsync.cli.answers import Arrival, Release
from pmgsync.cli.member_answers import RequestLine, RequestsAnswer, TokenLine
from pmgsync.errors import OperatorError, PmgsyncError
from pmgsync.master.feed import Feeds
from pmgsync.master.holds import Hold
from pmgsync.master.petitions import Petitions
from pmgsync.master.publish import Published
from pmgsync.master.register import Register
from pmgsync.master.role import MasterRole
from pmgsync.master.roster import Roster
from pmgsync.master.settled import Settled
from pmgsync.master.tokens import IssuedToken, Tokens
from pmgsync.model.fingerprint import fingerprint
from pmgsync.model.membership import MemberKeys
from pmgsync.model.status import ClusterStatus
from pmgsync.model.trust import Head, TrustedHistory
from pmgsync.ports import History
from pmgsync.wire.server import Listen, MemberServer
from pmgsync.wire.tls import target_of

log = logging.getLogger(__name__)

DEFAULT_JOIN_PORT = 7644


@dataclass
class MasterSide:
    """One master, from `start` to `stop`."""

    role: MasterRole
    feeds: Feeds
    history: TrustedHistory
    store: History
    tokens: Tokens
    register: Register
    petitions: Petitions
    roster: Roster
    server: MemberServer
    """Of the join port; the member port belongs to every node (`peering.py`)."""
    keys: Callable[[], MemberKeys]
    """What this master is recognised by at this moment."""
    strangers: Listen
    _sessions: dict[int, Hold] = field(default_factory=dict)
    _closing: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Listen for nodes that join; `OperatorError` if the port is taken."""
        await self.server.start(None, self.strangers)

    async def stop(self) -> None:
        """End what is going on there, then stop listening."""
        await self.server.stop()

    def status(self) -> ClusterStatus:
        """The cluster at this moment."""
        return self.role.status()

    async def first_version(self) -> Head:
        """Publish the first version now; where the log stands then."""
        await self.role.publish_now("the cluster is founded")
        return self.history.head

    def step_down(self) -> None:
        """Another node is the master: nobody is let in or removed here any more, or follows."""
        self.register.close()
        self.feeds.end("is not the master any more")
        self._closing = asyncio.ensure_future(self.server.stop())

    async def last_version(self) -> None:
        """What was edited here and is not published becomes a version that nobody hears of: another
        master went on, so it is orphaned, and not lost. Drift keeps what cannot be had so.

        After `step_down`.
        """
        await self.server.stop()
        try:
            await self.role.publish_now("edited while another node was the master")
        except PmgsyncError as error:
            log.info("nothing more is published here: %s", error)

    def new_token(self) -> Mapping[str, Any]:
        """A new join token, and the line that uses it."""
        token = self.tokens.issue(self.keys().fingerprint)
        issued = self.tokens.good(token.token_id)
        address = self.strangers.address
        if self.strangers.port != DEFAULT_JOIN_PORT:
            address = target_of(address, self.strangers.port)
        text = token.to_text()
        return {
            "command": f"pmgsync join {address} --token {text}",
            "address": address,
            "token": text,
            "expires": issued.expires if issued else 0,
        }

    def remove(self, who: str) -> Mapping[str, Any]:
        """Remove the member with that name or cid; what was removed, and by which membership."""
        member = self.register.find(who)
        connected = member.cid in self.feeds.connected
        self.register.remove(member)
        membership = self.register.membership
        return {
            "cid": member.cid,
            "name": member.name,
            "epoch": membership.epoch,
            "serial": membership.serial,
            "joined": member.keys is not None,
            "connected": connected,
        }

    def requests(self) -> Mapping[str, Any]:
        """Who waits to be let in, and what the other side must see of this master."""
        now = self.petitions.now
        return RequestsAnswer(
            master=self.register.membership.master_member.label,
            fingerprint=self.petitions.own_fingerprint,
            requests=tuple(
                RequestLine(
                    name=one.request.name,
                    address=one.request.address,
                    peer=one.peer,
                    waits_ms=max(0, now - one.since),
                    fingerprint=fingerprint(one.request.keys),
                )
                for one in self.petitions.waiting
            ),
        ).to_json()

    def approve(self, name: str, typed: str) -> Mapping[str, Any]:
        """Let in who waits under `name` with the fingerprint that was typed."""
        member = self.petitions.approve(name, typed)
        return {"cid": member.cid, "name": member.name, "address": member.address}

    def refuse(self, name: str) -> Mapping[str, Any]:
        """Send away who waits under `name`."""
        return {"name": name, "refused": self.petitions.refuse(name)}

    @property
    def attention(self) -> tuple[str, ...]:
        """What the admin should know of those who wait."""
        return tuple(
            f"{one.request.name} at {one.peer} asks to join; `pmgsync approve` shows its "
            "fingerprint"
            for one in self.petitions.waiting
        )

    def list_tokens(self) -> Mapping[str, Any]:
        """The tokens that have not run out, without their secrets."""
        return {"tokens": [_token_line(token).to_json() for token in self.tokens.alive]}

    def revoke_token(self, start: str) -> Mapping[str, Any]:
        """Make the token worthless whose name begins with `start`; the token as listed."""
        return _token_line(self.tokens.revoke(start)).to_json()

    def hold(self, message: str, session: int | None) -> str:
        """Hold, durably or for as long as the connection `session` lives; the holder's name."""
        if session is None:
            return self.role.hold("`pmgsync hold`", message, durable=True).who
        if session in self._sessions:
            raise OperatorError("this connection holds already", where="hold")
        self._sessions[session] = self.role.hold("`pmgsync run`", message, durable=False)
        return self._sessions[session].who

    async def release(self, message: str, connection: int, timeout_s: float) -> Release:
        """End the hold of this connection, else all durable ones; publish, wait for the nodes."""
        hold = self._sessions.pop(connection, None)
        if hold is not None:
            return await self._arrival(await self.role.end_hold(hold, message), timeout_s)
        if not any(hold.durable for hold in self.role.holds):
            raise OperatorError("nothing is on hold", mend="`pmgsync status` shows what is")
        return await self._arrival(await self.role.release(message), timeout_s)

    async def confirm(self, version: int, timeout_s: float) -> Release:
        """Publish the held change, and wait for the nodes."""
        return await self._arrival(await self.role.confirm(version), timeout_s)

    async def wait(self, version: int, timeout_s: float) -> Release:
        """Wait for the nodes to say how they stand to `version`."""
        if version > self.history.head.position.version:
            raise OperatorError(
                "is not published yet", where=f"version {version}", mend="see `pmgsync log`"
            )
        settled = await self.role.wait_settled(version, timeout_s)
        record = self.store.record(version)
        return _release(settled, len(record.change.paths) if record else 0)

    async def connection_closed(self, connection: int) -> None:
        """The hold that lived on this connection, if there was one, ends."""
        hold = self._sessions.pop(connection, None)
        if hold is not None:
            self.role.abandon_hold(hold)

    def _why_held(self) -> str:
        """Why what was edited is not published, or not all of it; empty if it is."""
        if self.role.held is not None:
            return str(self.role.held)
        if any(hold.durable for hold in self.role.holds):
            return "on hold; `pmgsync release` publishes it"
        return "\n".join(str(problem) for problem in self.role.unfinished)

    async def _arrival(self, published: Published | None, timeout_s: float) -> Release:
        if published is None:
            return Release(None, 0, held=self._why_held())
        change = published.verified.change_set.change
        settled = await self.role.wait_settled(published.position.version, timeout_s)
        return replace(_release(settled, len(change.paths)), held=self._why_held())


def _token_line(token: IssuedToken) -> TokenLine:
    return TokenLine(token.token_id, token.state.value, token.expires, token.wrong_proofs)


AWAY = "away"
"""What is said of a node that is not connected: it is not waited for, so it is no timeout."""


def _release(settled: Settled, files: int) -> Release:
    return Release(
        version=settled.version,
        files=files,
        arrived=(
            *(
                Arrival(
                    cid=one.member.cid,
                    name=one.member.name,
                    outcome=one.outcome.value,
                    ms=one.milliseconds,
                    detail=one.detail,
                )
                for one in settled.arrived
            ),
            *(Arrival(m.cid, m.name, AWAY, 0, "it catches up by itself") for m in settled.away),
        ),
        missing=tuple(member.name for member in settled.missing),
    )
