"""Leaving a cluster, as an admin asks for it on the node: `pmgsync leave`.

1. The roles end: nothing is synced any more. 2. The master is told, if it can be reached; it cuts
this node out of the membership. 3. The chain goes first: from that moment on this node belongs to
no cluster, whatever happens then. 4. Its keys go, and its history. The configuration stays as it
is, and so does what was kept aside.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pmgsync.cli.database import BEGUN
from pmgsync.cli.node import Node
from pmgsync.errors import InvalidError, NotMemberError, PmgsyncError, RemovedError
from pmgsync.host.keyring import Keyring
from pmgsync.model.trust import TrustedHistory

log = logging.getLogger(__name__)


async def leave(node: Node) -> Mapping[str, Any]:
    """Take `node` out of its cluster. The master cannot leave."""
    async with node.busy:
        chain = node.parts.identity.read_chain()
        if not chain:
            raise NotMemberError("this node belongs to no cluster, so there is nothing to leave")
        membership = TrustedHistory(chain).membership
        me = node.agent and membership.member(node.cid)
        if node.master is not None:
            raise InvalidError(
                "is the master, and a cluster is never without one",
                where=membership.master_member.label,
                mend="promote another node first: `pmgsync promote` on it",
            )
        await node.end_roles()
        untold = "" if node.removed is not None else await _tell_master(node)
        forget_cluster(node)
        log.info("left cluster %s", membership.cluster)
        return {
            "cluster": membership.cluster,
            "name": me.name if me else "",
            "cid": me.cid if me else None,
            "master": membership.master_member.label,
            "untold": untold,
        }


async def _tell_master(node: Node) -> str:
    """Announce it; why that could not be done, empty if it was."""
    from pmgsync.wire.register_call import ask_leave

    membership = TrustedHistory(node.parts.identity.read_chain()).membership
    try:
        await ask_leave(node.parts.tls, membership.master_member)
    except RemovedError:
        pass  # it knows already
    except PmgsyncError as error:
        log.warning("the master could not be told: %s", error)
        return str(error)
    return ""


def forget_cluster(node: Node) -> None:
    """Make `node`, whose roles have ended, one that has never been in a cluster."""
    identity = node.new_identity(node.own_name)
    identity.replace_files()
    node.parts = replace(node.parts, keyring=Keyring(identity))
    node.parts.store.forget_history()
    (node.root / BEGUN).unlink(missing_ok=True)
    node.removed = None
    node.on_status(node.status_line)
