"""Asking to join without a token, from `pmgsync join` to the admin's word on the master.

1. File a petition with new keys; it shows both fingerprints. 2. Somebody at this node confirms the
master's: until then nothing that the other end sends counts. 3. Somebody at the master approves.
4. The chain must be legal, and its master have exactly the keys that were compared. 5. Only then is
anything written down here. The request lives on the connection of the command that made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pmgsync.cli.entering import join_request, require_outsider, split_address, take_up
from pmgsync.cli.machine import address_towards, node_name
from pmgsync.cli.member_answers import FiledAnswer
from pmgsync.cli.node import Node
from pmgsync.errors import NotAllowedError, WrongClusterError
from pmgsync.host.identity import Identity
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.fingerprint import fingerprint, is_fingerprint
from pmgsync.model.joining import JOIN_PETITION_TYPE, Petition
from pmgsync.model.manifest import Digest
from pmgsync.model.trust import TrustedHistory
from pmgsync.wire.petition import FiledPetition, file_petition
from pmgsync.wire.tls import target_of


class Asking:
    """One request to join, and what has become of it."""

    def __init__(
        self, node: Node, filed: FiledPetition, identity: Identity, document: FiledAnswer
    ) -> None:
        self._node = node
        self._filed = filed
        self._identity = identity
        self._document = document
        self._confirmed = asyncio.Event()
        self._work = asyncio.ensure_future(self._join())
        self._work.add_done_callback(_look_at)
        self.connection = 0

    @classmethod
    async def begin(cls, node: Node, address: str, name: str | None, connection: int) -> Asking:
        """File the petition with the master at `address`; it lives on `connection`."""
        require_outsider(node)
        host, port = split_address(address, node.settings.network.join_port)
        own_name = node_name(node.root, name, node.settings.node.name)
        identity = node.new_identity(own_name)
        own_address = node.settings.node.address or address_towards(host, port)
        request = join_request(node, identity, own_name, own_address)

        def make_petition(master: Digest) -> bytes:
            document = Petition(request, master).to_bytes()
            return seal(JOIN_PETITION_TYPE, document, identity.key).to_bytes()

        filed = await file_petition(host, port, make_petition)
        asking = cls(
            node,
            filed,
            identity,
            FiledAnswer(
                name=own_name,
                master=target_of(host, port),
                fingerprint=fingerprint(request.keys),
                master_fingerprint=fingerprint(filed.master),
                seconds=filed.seconds,
            ),
        )
        asking.connection = connection
        return asking

    @property
    def document(self) -> Mapping[str, Any]:
        """What the admin is shown."""
        return self._document.to_json()

    @property
    def over(self) -> bool:
        """Has it come to an end?"""
        return self._work.done()

    async def confirm(self, typed: str) -> Mapping[str, Any]:
        """Somebody has compared the master's fingerprint. Another one withdraws the request."""
        if not is_fingerprint(typed, self._filed.master):
            await self.withdraw()
            raise NotAllowedError(
                "has another fingerprint than that, so the request is withdrawn",
                where=self._document.master,
                mend="check the address; if it is right, somebody may be listening in between",
            )
        self._confirmed.set()
        return {}

    async def outcome(self) -> Mapping[str, Any]:
        """Wait for the end: what the admin is told of the join, or why there is none."""
        return await asyncio.shield(self._work)

    async def withdraw(self) -> None:
        """End it; what has been joined by now stays joined."""
        await self._filed.withdraw()
        if not self._work.done() and not self._node.busy.locked():
            self._work.cancel()

    async def _join(self) -> Mapping[str, Any]:
        links = await self._filed.granted()
        await self._confirmed.wait()
        chain = tuple(Envelope.from_bytes(link) for link in links)
        master = TrustedHistory(chain).membership.master_member
        if master.keys != self._filed.master:
            raise WrongClusterError(
                "hands over a cluster in which another node is the master",
                where=master.label,
                mend="ask that one",
            )
        async with self._node.busy:
            require_outsider(self._node)
            return await take_up(self._node, self._identity, chain)


def _look_at(work: asyncio.Task[Mapping[str, Any]]) -> None:
    """The command may be gone before it hears how it went; asyncio would complain."""
    if not work.cancelled():
        work.exception()
