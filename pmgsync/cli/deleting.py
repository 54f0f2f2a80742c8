"""Removing a member, as an admin asks for it on the master: `pmgsync delete`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pmgsync.cli.node import Node
from pmgsync.master.spread import spread


async def delete(node: Node, who: str) -> Mapping[str, Any]:
    """Remove the member with that name or cid; what was removed, by which membership, and how far
    that has come.
    """
    master = node.require_master()
    before = master.register.membership
    removed = master.remove(who)
    known = await spread(before, master.register, master.roster, node.parts.clock)
    return {**removed, "known": asdict(known)}
