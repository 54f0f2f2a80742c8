"""Gathers the facts about this machine: from files below the root where they exist there, else from
the running system.

A tree that was copied from another node so speaks for that node, as far as it goes. What cannot be
read counts as missing: a node without a route table still renders.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from pmgsync.model.facts import (
    HostFacts,
    first_label,
    parse_ipv4_routes,
    parse_ipv6_routes,
    parse_memory,
    parse_resolv_conf,
    postgres_version,
)

HOSTNAME = "etc/hostname"
RESOLV_CONF = "etc/resolv.conf"
IPV4_ROUTES = "proc/net/route"
IPV6_ROUTES = "proc/net/ipv6_route"
MEMORY = "proc/meminfo"
POSTGRES = "etc/postgresql"
"""Debian keeps the configuration of each PostgreSQL server in VERSION/NAME/ below it."""
POSTGRES_CONF = "main/postgresql.conf"

_SYSTEM = Path("/")


def gather_facts(root: Path) -> HostFacts:
    """The facts of the node at `root`, its address aside: that is another file's or `resolve`'s."""
    domain, servers = parse_resolv_conf(_read(root, RESOLV_CONF))
    return HostFacts(
        hostname=_hostname(root),
        search_domain=domain,
        nameservers=servers,
        routes=(
            *parse_ipv4_routes(_read(root, IPV4_ROUTES)),
            *parse_ipv6_routes(_read(root, IPV6_ROUTES)),
        ),
        memory_mib=parse_memory(_read(root, MEMORY)),
        postgres_version=postgres_version(_postgres_servers(root)),
    )


def resolve(hostname: str) -> str | None:
    """The address that `hostname` stands for; None where it is none, or one of loopback.

    The first answer counts, as for PMG.
    """
    try:
        answers = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    address = str(answers[0][4][0]).partition("%")[0]
    return None if address.startswith("127.") or address == "::1" else address


def _read(root: Path, path: str) -> bytes:
    for base in (root, _SYSTEM):
        try:
            return _regular(base / path).read_bytes()
        except FileNotFoundError:
            continue
        except OSError:
            break
    return b""


def _hostname(root: Path) -> str:
    try:
        text = _regular(root / HOSTNAME).read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        text = ""
    return first_label(text) or first_label(socket.gethostname()) or "localhost"


def _postgres_servers(root: Path) -> dict[str, bytes]:
    """`postgresql.conf` of each server named main, by version; empty where it has no such file."""
    for base in (root, _SYSTEM):
        try:
            versions = os.listdir(base / POSTGRES)
        except FileNotFoundError:
            continue
        except OSError:
            break
        found = [name for name in versions if (base / POSTGRES / name / "main").is_dir()]
        return {name: _content(base / POSTGRES / name / POSTGRES_CONF) for name in found}
    return {}


def _content(path: Path) -> bytes:
    try:
        return _regular(path).read_bytes()
    except OSError:
        return b""


def _regular(path: Path) -> Path:
    """`path`; `OSError` if it is nothing that can be read to an end (not a pipe)."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "is no file", str(path))
    return path
