"""Names of nodes: one DNS label, as PMG's `pve-node` format wants it."""

from __future__ import annotations

import re

from pmgsync.errors import MalformedError

_NODE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def check_node_name(name: str) -> str:
    """`name`, if it may name a node; `MalformedError` otherwise."""
    if _NODE_NAME.fullmatch(name) is None:
        raise MalformedError("is not a node name (letters, digits, inner hyphens; 63 at most)", where=name[:80])
    return name
