"""Who this machine is: its name, and the address by which the other nodes reach it."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

from pmgsync.errors import MalformedError, OperatorError
from pmgsync.model.naming import check_node_name

HOSTNAME = "etc/hostname"


def node_name(root: Path, given: str | None, configured: str) -> str:
    """What was given, else what is configured, else the first label of the host's name below
    `root`.
    """
    name = given or configured or _host_name(root)
    try:
        return check_node_name(name)
    except MalformedError as error:
        raise OperatorError(
            f"{name[:80]!r} {error.what}", where="the node's name", mend="give --name"
        ) from None


def node_address(name: str, given: str | None, configured: str) -> str:
    """What was given, else what is configured, else what the machine's own name stands for (not
    loopback).
    """
    return host_address(given or configured or _resolve(name), mend="give --address IP")


def host_address(text: str, *, mend: str) -> str:
    """`text` as the address of one machine; `mend` is said where it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        raise OperatorError("is not an IP address", where=text[:80], mend=mend) from None
    if address.is_unspecified or address.is_multicast:
        raise OperatorError("is not an address of one machine", where=text, mend=mend)
    return str(address)


def address_towards(peer: str, port: int) -> str:
    """The local address from which this machine talks to `peer`; nothing is sent."""
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer, port))
        except OSError as error:
            raise OperatorError(
                f"no way to it: {error.strerror}", where=peer, mend="check the address"
            ) from None
        return str(probe.getsockname()[0])


def _host_name(root: Path) -> str:
    try:
        text = (root / HOSTNAME).read_text("utf-8", "replace").strip()
    except OSError:
        text = ""
    return (text or socket.gethostname()).partition(".")[0]


def _resolve(name: str) -> str:
    try:
        found = [str(row[4][0]) for row in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except OSError:
        found = []
    usable = [text for text in found if not ip_address(text.partition("%")[0]).is_loopback]
    if not usable:
        raise OperatorError(
            f"cannot tell this node's address: {name!r} stands for no address of its own",
            where="the node's address",
            mend="give --address IP, or set [node] address in etc/pmgsync/pmgsync.toml",
        )
    return usable[0]
