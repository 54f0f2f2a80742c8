"""The `Peering` of a real node: its member port over gRPC, and what of it must be free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmgsync.cli.peering import Peering
from pmgsync.cli.peering_ports import PeeringParts
from pmgsync.cli.settings import HERE
from pmgsync.model.validity import renewal_objection
from pmgsync.wire.certificates import check_proven
from pmgsync.wire.peers import GrpcPeers
from pmgsync.wire.server import Listen, MemberServer, probe

if TYPE_CHECKING:
    from pmgsync.cli.node import Node
    from pmgsync.errors import PmgsyncError
    from pmgsync.model.membership import Member, Membership


TURN_SECONDS = 3.0
"""So long each pair is shown: for a round of questions from whoever is up."""


def join_port(node: Node, me: Member) -> Listen:
    """Where `me` listens for nodes that join, as master."""
    return Listen(me.address, node.settings.network.join_port, "[network] join_port")


def over_grpc(node: Node, cid: int, cluster: str) -> Peering:
    """The one of member `cid` of `cluster`."""
    own = node.parts
    parts = PeeringParts(
        cid=cid,
        cluster=cluster,
        store=own.store,
        signer=own.keyring,
        own_keys=lambda: tuple(pair.key for pair in own.keyring.pairs),
        clock=own.clock,
        peers=GrpcPeers(own.all_tls),
        write_chain=lambda chain: node.parts.identity.write_chain(chain),
        check_key=check_proven,
        objection=renewal_objection,
        only_here=lambda: node.settings.promotion.hand_over == HERE,
        require_ports=lambda: probe(join_port(node, node.me)),
    )
    return Peering(node, parts, lambda peering: _GrpcPort(node, peering))


class _GrpcPort:
    """A `MemberPort`."""

    def __init__(self, node: Node, peering: Peering) -> None:
        self._node = node
        self._server = MemberServer(
            node.parts.tls,
            lookup=lambda fingerprint: peering.history().known_membership.holder_of(fingerprint),
            follow=peering,
            requests=peering,
            peers=peering,
        )

    @property
    def is_open(self) -> bool:
        """See `MemberPort`."""
        return bool(self._server.member_port)

    async def open(self, me: Member) -> None:
        """See `MemberPort`."""
        port = self._node.settings.network.member_port
        await self._server.start(Listen(me.address, port, "[network] member_port"))

    def trust(self, membership: Membership) -> None:
        """See `MemberPort`."""
        self._server.show(self._node.parts.tls)
        keys = [member.keys for member in membership.members]
        self._server.trust(known.certificate for known in keys if known is not None)

    def take_turns(self) -> None:
        """See `MemberPort`."""
        node = self._node
        alone = node.master is None and (node.agent is None or not node.agent.link.up)
        turn = int(node.parts.clock.monotonic() / TURN_SECONDS) if alone else 0
        self._server.show(node.parts.face(turn))

    def end_streams(self, error: PmgsyncError) -> None:
        """See `MemberPort`."""
        self._server.end_streams(error)

    async def stop(self) -> None:
        """See `MemberPort`."""
        await self._server.stop()
