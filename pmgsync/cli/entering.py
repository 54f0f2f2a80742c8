"""Founding and joining a cluster, as an admin asks for it: `pmgsync create` and `pmgsync join`.

Both leave the node as it was where something stands in the way: the membership chain is written
down only when everything that could refuse has been asked.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from pmgsync.cli.database import BEGUN, DATABASE
from pmgsync.cli.leaving import forget_cluster
from pmgsync.cli.machine import address_towards, host_address, node_address, node_name
from pmgsync.cli.node import Node
from pmgsync.cli.pmg_keys import gather_pmg_keys
from pmgsync.errors import OperatorError, PmgsyncError, WrongClusterError
from pmgsync.host.identity import Identity
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.joining import JOIN_REQUEST_TYPE, JoinRequest, Token
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import MAX_FILE_BYTES
from pmgsync.model.membership import MAX_PORT
from pmgsync.model.scope import CLUSTER_CONF, PMG
from pmgsync.model.trust import TrustedHistory
from pmgsync.wire.certificates import to_der
from pmgsync.wire.join import join_exchange

FIRST_VERSION_SECONDS = 60.0


async def create(node: Node, name: str | None, address: str | None) -> Mapping[str, Any]:
    """Found a cluster with `node` as its master, from what lies in its tree."""
    # Who joins need not read a `cluster.conf`, nor carry what does from then on.
    from pmgsync.master.founding import Founder, found_cluster

    async with node.busy:
        require_outsider(node)
        if node.removed is not None:
            forget_cluster(node)
        parts, settings = node.parts, node.settings
        own_name = node_name(node.root, name, settings.node.name)
        own_address = node_address(own_name, address, settings.node.address)
        certificate = to_der(parts.identity.tls_certificate)
        founder = Founder(
            name=own_name,
            address=own_address,
            port=settings.network.member_port,
            pmg=gather_pmg_keys(node.root, certificate),
            identity=parts.identity.key,
            certificate=certificate,
        )
        existing = _existing_cluster_conf(node)
        founding = found_cluster(
            founder, secrets.token_hex(16), SigningKey.generate(), existing, now=parts.clock.now()
        )
        await node.begin((founding.envelope,), durable=False)
        late = await _publish_first(node)
        head = node.require_master().history.head
        me = founding.membership.master_member
        return {
            "cluster": founding.membership.cluster,
            "cid": me.cid,
            "name": me.name,
            "address": me.address,
            "recovery_key": founding.recovery,
            "version": head.position.version,
            "files": len(head.manifest),
            "adopted": [m.label for m in founding.membership.members if m.keys is None],
            "late": late,
        }


async def _publish_first(node: Node) -> str:
    """Publish the first version; why that cannot be done yet, if it cannot.

    The cluster is founded by now, and its recovery key must be shown whatever happens here; the
    version comes by itself once it can.
    """
    try:
        await node.require_master().first_version()
        (node.root / BEGUN).touch(mode=0o600)
    except (PmgsyncError, OSError) as error:
        return str(error)
    return ""


async def join(node: Node, address: str, token_text: str, name: str | None) -> Mapping[str, Any]:
    """Join the cluster whose master is at `address` (`IP` or `IP:PORT` of its join port) with a
    token.
    """
    async with node.busy:
        require_outsider(node)
        settings = node.settings
        token = Token.from_text(token_text)
        host, port = split_address(address, settings.network.join_port)
        own_name = node_name(node.root, name, settings.node.name)
        own_address = settings.node.address or address_towards(host, port)
        # New keys for each join: whoever copied the old ones has nothing, and those that were
        # removed from a cluster are dead.
        identity = node.new_identity(own_name)
        request = join_request(node, identity, own_name, own_address)
        envelope = seal(JOIN_REQUEST_TYPE, request.to_bytes(), identity.key).to_bytes()
        links = await join_exchange(host, port, token, lambda: envelope)
        chain = tuple(Envelope.from_bytes(link) for link in links)
        _require_master_of(token, chain)
        return await take_up(node, identity, chain)


def join_request(node: Node, identity: Identity, name: str, address: str) -> JoinRequest:
    """Who wants in: this node, with the keys of `identity`."""
    certificate = to_der(identity.tls_certificate)
    return JoinRequest(
        name=name,
        address=node_address(name, address, ""),
        port=node.settings.network.member_port,
        identity=identity.key.public_key,
        certificate=certificate,
        pmg=gather_pmg_keys(node.root, certificate),
    )


async def take_up(node: Node, identity: Identity, chain: tuple[Envelope, ...]) -> Mapping[str, Any]:
    """Become the member that `chain` makes of the holder of `identity`; what the admin is told."""
    before = _newest_keepsake(node)
    await node.begin_anew(identity, chain)
    return await _joined(node, before)


def _require_master_of(token: Token, chain: tuple[Envelope, ...]) -> None:
    """The chain must be legal, and its master the one whose certificate the token names."""
    master = TrustedHistory(chain).membership.master_member
    if master.keys is None or master.keys.fingerprint != token.certificate:
        raise WrongClusterError(
            "hands over a cluster in which another node is the master",
            where=master.label,
            mend="run `pmgsync join-cmd` on that one",
        )


def _newest_keepsake(node: Node) -> int:
    """Its number; 0 where nothing is kept."""
    return max((kept.number for kept in node.parts.store.keepsakes(most=1)), default=0)


async def _joined(node: Node, before: int) -> Mapping[str, Any]:
    agent = node.require_agent()
    late = await _first_version_is_late(node)
    membership = agent.history.membership
    me = next(m for m in membership.members if m.cid == node.cid)
    kept = [one for one in node.parts.store.keepsakes(most=100_000) if one.number > before]
    return {
        "cluster": membership.cluster,
        "cid": me.cid,
        "name": me.name,
        "master": membership.master_member.label,
        "kept": len(kept),
        "kept_where": f"{node.root / DATABASE}; `pmgsync kept` lists and shows them",
        "version": None if late else agent.active.position.version,
    }


async def _first_version_is_late(node: Node) -> bool:
    """Wait for the first version to be activated; the node is a member either way."""
    agent = node.require_agent()
    try:
        async with asyncio.timeout(FIRST_VERSION_SECONDS):
            # Once in the life of a node: an event of its own would be more than it is worth.
            while agent.active.position == NOWHERE and not agent.trouble:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        return True
    return agent.active.position == NOWHERE


def require_outsider(node: Node) -> None:
    """`OperatorError` where `node` belongs to a cluster."""
    if node.agent is not None:
        membership = node.agent.history.membership
        raise OperatorError(
            f"this node belongs to cluster {membership.cluster[:8]} already, whose master is "
            f"{membership.master_member.label}",
            mend="`pmgsync status` shows it",
        )


def _existing_cluster_conf(node: Node) -> bytes | None:
    if node.parts.tree.stat(PMG) is None:
        raise OperatorError(
            "there is no such folder",
            where=f"{node.root}/{PMG}",
            mend="create founds a cluster from what lies in it",
        )
    if node.parts.tree.stat(CLUSTER_CONF) is None:
        return None
    return node.parts.tree.read(CLUSTER_CONF, limit=MAX_FILE_BYTES)[0]


def split_address(address: str, port: int) -> tuple[str, int]:
    """`IP`, `IP:PORT`, `[IP6]`, `[IP6]:PORT` or a bare IPv6 address."""
    host, colon, tail = address.strip().rpartition(":")
    if address.count(":") > 1 and not address.startswith("["):
        host, colon, tail = address, "", ""
    elif not colon or address.endswith("]"):
        host, colon, tail = address.strip(), "", ""
    if colon and not (
        tail.isascii()
        and tail.isdecimal()
        and len(tail) <= len(str(MAX_PORT))
        and 1 <= int(tail) <= MAX_PORT
    ):
        raise OperatorError("is not a port", where=address[:80], mend="give IP or IP:PORT")
    mend = "give the master's IP, as `pmgsync join-cmd` printed it"
    return host_address(host.strip("[]"), mend=mend), int(tail) if colon else port
