"""HostFacts: what the templates need to know about the machine they are rendered on.

The same files rendered on two nodes differ by these facts and nothing else. They are gathered once
(`host/facts.py`) and then are a value; its JSON form is what `pmgsync facts --json` prints and
`--facts` reads. The parsers of what the kernel and the resolver keep (`/proc/net/route`,
`resolv.conf`, ...) read these files as PMG does, skip what is no such line and never raise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pmgsync.errors import MalformedError
from pmgsync.model.canonical import Fields, Json
from pmgsync.model.naming import check_address
from pmgsync.model.paths import printable

Network = IPv4Network | IPv6Network

LOCAL_DOMAIN = "localdomain"
MAX_NAMESERVERS = 3
"""The resolver asks no more of them."""

POSTGRES_PORT = 5432

_SHORTEST_IPV4 = 8
_IPV6_BITS = 128

_PORT = re.compile(rb"^[ \t]*port[ \t]*=?[ \t]*'?([0-9]{1,5})", re.MULTILINE)
_WORD = re.compile(r"[^ \t\n\r\f\v]+")
_POSTGRES_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_SEARCH = re.compile(rb"(?:search|domain)[ \t\r\f\v]+([^ \t\r\f\v]+)")
_NAMESERVER = re.compile(rb"[ \t\r\f\v]*nameserver[ \t\r\f\v]+([0-9A-Fa-f:.]+)")
_MEMORY = re.compile(rb"^MemTotal:[ \t]*([0-9]{1,18})[ \t]*kB", re.MULTILINE)
_IPV4_ROUTE = re.compile(
    rb"[^ \t]+[ \t]+([0-9A-Fa-f]{8})[ \t]+[0-9A-Fa-f]{8}(?:[ \t]+[0-9A-Fa-f]+){4}"
    rb"[ \t]+([0-9A-Fa-f]{8})(?:[ \t]|$)"
)
_IPV6_ROUTE = re.compile(rb"([0-9A-Fa-f]{32})[ \t]+([0-9A-Fa-f]{2})[ \t]")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """One machine. `hostname` is its first label; `address` is None where it has none of its own.

    `routes` are the destinations of the routing tables in their order, IPv4 first, default routes
    included; `nameservers` those that the resolver asks; `postgres_version` the major version
    (`17`) of the server that PMG's database is in, None where there is none.
    """

    hostname: str
    address: str | None = None
    search_domain: str | None = None
    nameservers: tuple[str, ...] = ()
    routes: tuple[Network, ...] = ()
    memory_mib: int = 0
    postgres_version: str | None = None

    @property
    def domain(self) -> str:
        """The search domain without one dot at its end; `localdomain` where there is none."""
        return LOCAL_DOMAIN if self.search_domain is None else self.search_domain.removesuffix(".")

    @property
    def fqdn(self) -> str:
        """`hostname.domain`."""
        return f"{self.hostname}.{self.domain}"

    def to_json(self) -> dict[str, Json]:
        """The form that `from_json` reads."""
        return {
            "hostname": self.hostname,
            "address": self.address,
            "search_domain": self.search_domain,
            "nameservers": list(self.nameservers),
            "routes": [str(route) for route in self.routes],
            "memory_mib": self.memory_mib,
            "postgres_version": self.postgres_version,
        }

    @classmethod
    def from_json(cls, fields: Fields) -> HostFacts:
        """The facts in `fields`, all of them; null says that there is none.

        `MalformedError` names the first member that is missing, unknown or not of its form.
        """
        facts = cls(
            hostname=_hostname(fields.take("hostname", str)),
            address=_address(fields.optional("address", str)),
            search_domain=_word("search_domain", fields.optional("search_domain", str)),
            nameservers=tuple(_checked("nameservers", row) for row in fields.texts("nameservers")),
            routes=tuple(_route(row) for row in fields.texts("routes")),
            memory_mib=fields.count("memory_mib"),
            postgres_version=_postgres_version(fields.optional("postgres_version", str)),
        )
        fields.done()
        return facts

    def overlaid(self, given: Mapping[str, object], what: str) -> HostFacts:
        """These facts with the members of `given`, any subset of the JSON form, in their place.

        `MalformedError` naming `what` and the member that is unknown or not of its form.
        """
        members: dict[str, object] = {**self.to_json(), **given}
        for name in ("nameservers", "routes"):
            members[name] = [] if members[name] is None else members[name]
        return HostFacts.from_json(Fields(members, what))


def local_network(address: str, routes: tuple[Network, ...]) -> Network | None:
    """The network that PMG takes for that of `address`: the first route that leads to it.

    First in the table, not longest. Default routes do not count, and of IPv4 no network shorter
    than /8 (PMG knows no such mask).
    """
    own = ip_address(address)
    for route in routes:
        if _counts(route) and route.version == own.version and own in route:
            return route
    return None


def _counts(route: Network) -> bool:
    return route.prefixlen >= (_SHORTEST_IPV4 if isinstance(route, IPv4Network) else 1)


def first_label(name: str) -> str:
    """The name of a node, of the name of its machine (`mail1` of `mail1.example.com`)."""
    return name.strip().partition(".")[0]


def parse_resolv_conf(data: bytes) -> tuple[str | None, tuple[str, ...]]:
    """Search domain and name servers. Of several domains the last line counts, its first word."""
    domain: str | None = None
    servers: list[str] = []
    for line in data.split(b"\n"):
        if match := _SEARCH.match(line):
            domain = match[1].decode("utf-8", "surrogateescape")
        else:
            servers += _addresses(nameserver_of(line))
    return domain, tuple(servers[:MAX_NAMESERVERS])


def nameserver_of(line: bytes) -> str:
    """What a line of `resolv.conf` names as a resolver; empty where it names none."""
    match = _NAMESERVER.match(line)
    return match[1].decode("ascii") if match else ""


def _addresses(text: str) -> Iterator[str]:
    try:
        yield str(ip_address(text))
    except ValueError:
        return


def parse_ipv4_routes(data: bytes) -> tuple[IPv4Network, ...]:
    """The destinations in `/proc/net/route`, in its order.

    A destination that is no network (host bits, a mask with holes) is left out.
    """
    found: list[IPv4Network] = []
    for line in data.split(b"\n"):
        if match := _IPV4_ROUTE.match(line):
            # The kernel prints the bytes of the network as a number of this machine.
            destination, mask = (
                int.from_bytes(bytes.fromhex(word.decode("ascii")), "little")
                for word in match.groups()
            )
            found += _ipv4_network(destination, mask)
    return tuple(found)


def _ipv4_network(destination: int, mask: int) -> Iterator[IPv4Network]:
    hosts = mask ^ 0xFFFFFFFF
    if not hosts & (hosts + 1) and not destination & hosts:
        yield IPv4Network((IPv4Address(destination), mask.bit_count()))


def parse_ipv6_routes(data: bytes) -> tuple[IPv6Network, ...]:
    """The destinations in `/proc/net/ipv6_route`, in its order; what is no network is left out."""
    found: list[IPv6Network] = []
    for line in data.split(b"\n"):
        if match := _IPV6_ROUTE.match(line):
            destination, length = int(match[1], 16), int(match[2], 16)
            hosts = _IPV6_BITS - length
            if hosts >= 0 and not destination & ((1 << hosts) - 1):
                found.append(IPv6Network((IPv6Address(destination), length)))
    return tuple(found)


def parse_memory(data: bytes) -> int:
    """The whole MiB of `MemTotal` in `/proc/meminfo`; 0 where it does not say."""
    match = _MEMORY.search(data)
    return int(match[1]) // 1024 if match else 0


def postgres_version(servers: Mapping[str, bytes]) -> str | None:
    """Which of the servers (`postgresql.conf` by version) `psql` talks to on Debian.

    The only one; of several the one at the standard port, the newest of those.
    """
    versions = sorted(filter(_POSTGRES_VERSION.fullmatch, servers), key=_by_number)
    standard = [version for version in versions if _port(servers[version]) == POSTGRES_PORT]
    if standard:
        return standard[-1]
    return versions[0] if len(versions) == 1 else None


def _by_number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _port(conf: bytes) -> int:
    ports = _PORT.findall(conf)
    return int(ports[-1]) if ports else POSTGRES_PORT


def _hostname(name: str) -> str:
    label = first_label(name)
    if _WORD.fullmatch(label) is None:
        raise _refused("hostname", name, "a name")
    return label


def _word(member: str, text: str | None) -> str | None:
    if text is not None and _WORD.fullmatch(text) is None:
        raise _refused(member, text, "one word")
    return text


def _address(text: str | None) -> str | None:
    return None if text is None else _checked("address", text)


def _checked(member: str, text: str) -> str:
    try:
        return check_address(text)
    except MalformedError:
        raise _refused(member, text, "an IP address") from None


def _route(text: str) -> Network:
    try:
        if "%" in text or "/" not in text:
            raise ValueError
        return ip_network(text)
    except ValueError:
        raise _refused("routes", text, "a network as 192.0.2.0/24 (no host bits set)") from None


def _postgres_version(text: str | None) -> str | None:
    if text is not None and _POSTGRES_VERSION.fullmatch(text) is None:
        raise _refused("postgres_version", text, "a version as 17")
    return text


def _refused(member: str, value: str, wanted: str) -> MalformedError:
    return MalformedError(f"'{member}' is not {wanted}: '{printable(value[:80])}'")
