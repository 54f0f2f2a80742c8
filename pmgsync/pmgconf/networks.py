"""Networks as PMG writes them for Postfix: host bits cut, IPv6 shortened and in brackets.

PMG lets Perl's Net::IP do it, whose short form of an IPv6 address is not RFC 5952's: of two runs of
zeros it takes the one with more characters, and the colons beside a run are among them.
"""

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from pmgsync.pmgconf.formats import is_ipv4, is_ipv6

_ZEROS = re.compile(r"(?:^|:)0(?::0)+(?::|$)")
_IPV4_BITS = 32
_IPV6_BITS = 128
_GROUPS = 8


def bracketed(address: str) -> str:
    """An address as a host in Postfix's files: IPv6 in brackets."""
    return f"[{address}]" if is_ipv6(address) else address


def single(address: str) -> str:
    """The network of this one address, spelled as it is given; empty where it is none."""
    if is_ipv4(address):
        return f"{address}/32"
    return f"[{address}]/128" if is_ipv6(address) else ""


def masked(network: str) -> str:
    """`ADDRESS/BITS` with its host bits cut; empty where PMG cannot make use of it."""
    address, _, bits = network.partition("/")
    length = _length(bits)
    if is_ipv4(address) and length <= _IPV4_BITS:
        return str(IPv4Network((address, length), strict=False))
    if is_ipv6(address) and length <= _IPV6_BITS and not _is_full(address):
        cut = IPv6Network((address, length), strict=False)
        return f"[{short(cut.network_address)}]/{length}"
    return ""


def in_full(network: IPv4Network | IPv6Network) -> str:
    """A network as PMG reads it from the routing table: IPv6 with all its zeros, in brackets."""
    if isinstance(network, IPv4Network):
        return str(network)
    return f"[{network.network_address.exploded}]/{network.prefixlen}"


def short(address: IPv6Address) -> str:
    """Net::IP's short form."""
    text = ":".join(format(int(group, 16), "x") for group in address.exploded.split(":"))
    longest = max(_ZEROS.finditer(text), key=lambda match: len(match[0]), default=None)
    return text if longest is None else f"{text[: longest.start()]}::{text[longest.end() :]}"


def _length(bits: str) -> int:
    digits = bits.lstrip("0") or bits[-1:]
    fits = digits.isascii() and digits.isdigit() and len(digits) <= len(str(_IPV6_BITS))
    return int(digits) if fits else _IPV6_BITS + 1


def _is_full(address: str) -> bool:
    """Does `::` at an end of it stand for one group? Net::IP takes it for none, and gives up."""
    if not (address.startswith("::") or address.endswith("::")):
        return False
    groups = len(address.strip(":").split(":")) + ("." in address)
    return groups == _GROUPS - 1
