"""Names and addresses of nodes, as PMG's formats `pve-node` and `ip` want them.

Both are written into `cluster.conf` and shown to people, so neither may hold a character that means
something there.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from pmgsync.errors import MalformedError
from pmgsync.model.paths import printable

_NODE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def check_node_name(name: str) -> str:
    """`name`, if it may name a node; `MalformedError` otherwise."""
    if _NODE_NAME.fullmatch(name) is None:
        raise MalformedError(
            "is not a node name (letters, digits, inner hyphens; 63 at most)",
            where=printable(name[:80]),
        )
    return name


def check_address(address: str) -> str:
    """`address`, if it is an IP address without a zone; `MalformedError` otherwise."""
    try:
        # Behind `%` ipaddress takes anything for a zone, line breaks included.
        if "%" in address:
            raise ValueError
        ip_address(address)
    except ValueError:
        raise MalformedError("is not an IP address", where=printable(address[:80])) from None
    return address
