"""The variables of every template: PMG's options, and what PMG computes from them, its other files
and the facts about the machine.

Computed once, a function of `Sources` and `HostFacts`. The names, and the order of `dump_lines`,
are those of `pmgconfig dump`. An option that has no value is None; a variable that is not there at
all (`proxy` without a proxy, `postfix.dnsbl_sites` without a list) is not in the tree.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pmgsync.model.facts import HostFacts, local_network
from pmgsync.model.scope import PMG, PMG_CONF
from pmgsync.pmgconf.formats import BLANKS, split_list
from pmgsync.pmgconf.lists import parse
from pmgsync.pmgconf.maps import NETWORKS, TRANSPORTS, is_transport_key, without_ipv6_prefix
from pmgsync.pmgconf.networks import bracketed, in_full, masked, single
from pmgsync.pmgconf.pmg_conf import PmgConf, parse_pmg_conf
from pmgsync.pmgconf.proxy import proxy_of
from pmgsync.pmgconf.values import Value, perl_number_text

Section = Mapping[str, Value]
Variables = dict[str, dict[str, Value | Section]]
"""By realm (`pmg`, `postfix`, ...), then by section or key."""

TRANSPORT = f"{PMG}/transport"
MYNETWORKS = f"{PMG}/mynetworks"
_ROUTE = re.compile(rf"[^{BLANKS}]+[{BLANKS}]+(?:lmtp:inet|smtp):[^{BLANKS}]+:[0-9]+[{BLANKS}]*")

LOOPBACK = "127.0.0.1"
LOOPBACK_NETWORKS = ("127.0.0.0/8", "[::1]/128")


@dataclass(frozen=True, slots=True)
class Sources:
    """The files that the variables are computed from.

    `hosts` are those of `transport`, as written but for brackets; `networks` the `ADDRESS/BITS` of
    `mynetworks`; `dropped` what PMG says about their lines that it cannot read.
    """

    pmg: PmgConf
    hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @classmethod
    def read(cls, content: Callable[[str], bytes]) -> "Sources":
        """Out of the files whose bytes `content` gives by their path; a missing file has none."""
        transports, networks = content(TRANSPORT), content(MYNETWORKS)
        to, of = parse(transports, TRANSPORTS), parse(networks, NETWORKS)
        return cls(
            parse_pmg_conf(content(PMG_CONF)),
            tuple(entry.host for entry in to.entries.values()),
            tuple(of.entries),
            (
                *_parse_errors(TRANSPORT, transports, to.unread),
                *_parse_errors(MYNETWORKS, networks, of.unread),
            ),
        )


def variables(sources: Sources, facts: HostFacts) -> Variables:
    """All of them."""
    pmg = sources.pmg.values(facts.memory_mib)
    tree: Variables = {
        "pmg": dict(pmg),
        "dns": {"hostname": facts.hostname, "domain": facts.domain, "fqdn": facts.fqdn},
        "ipconfig": {"int_ip": facts.address},
        "postfix": _postfix(sources, facts, pmg["mail"]),
        "composed": {"wl_bounce_relays": _bounce_relays(pmg["spam"]["wl_bounce_relays"], facts)},
        "postgres": {"version": facts.postgres_version},
    }
    proxy = proxy_of(pmg["admin"]["http_proxy"])
    return {**tree, "proxy": {**proxy}} if proxy else tree


def warnings(sources: Sources, facts: HostFacts) -> Iterator[str]:
    """What PMG prints to stderr while it reads the files and computes the variables."""
    yield from sources.pmg.warnings(facts.memory_mib)
    yield from sources.dropped
    for network in sorted(sources.networks):
        if not masked(network):
            yield f"failed to parse mynetworks entry '{network}', ignoring"
    if facts.address is None:
        yield f"could not get node IP, falling back to loopback '{LOOPBACK}'"
    if facts.postgres_version is None:
        yield "Unable to determine currently running Postgresql server version"


def dump_lines(tree: Variables) -> Iterator[str]:
    """`realm.section.key = value` or `realm.key = value`, sorted by bytes at each level."""
    for realm, sections in sorted(tree.items()):
        for section, value in sorted(sections.items()):
            if isinstance(value, Mapping):
                for key, inner in sorted(value.items()):
                    yield f"{realm}.{section}.{key} = {text_of(inner)}"
            else:
                yield f"{realm}.{section} = {text_of(value)}"


def text_of(value: Value) -> str:
    """`value` as Perl prints it; nothing where it is undefined."""
    if value is None:
        return ""
    return value if isinstance(value, str) else perl_number_text(value)


def _postfix(sources: Sources, facts: HostFacts, mail: Section) -> dict[str, Value | Section]:
    values: dict[str, Value | Section] = {
        "dnsbl_threshold": mail["dnsbl_threshold"],
        "int_ip": LOOPBACK if facts.address is None else bracketed(facts.address),
        "mynetworks": _joined(_trusted(sources, facts, mail["relay"])),
        "transportnets": _joined(map(_single_host, sources.hosts)),
        "usepolicy": int(any(mail[name] for name in ("greylist", "greylist6", "spf"))),
    }
    sites = split_list(text_of(mail["dnsbl_sites"]))
    return {**values, "dnsbl_sites": ",".join(sites)} if sites else values


def _trusted(sources: Sources, facts: HostFacts, relay: Value) -> Iterator[str]:
    """The networks that may send mail out through this machine; empty texts among them."""
    yield from LOOPBACK_NETWORKS
    yield from map(_single_host, sources.hosts)
    if facts.address is not None:
        network = local_network(facts.address, facts.routes)
        yield single(facts.address) if network is None else in_full(network)
    yield from map(masked, sources.networks)
    yield single(text_of(relay))


def _single_host(host: str) -> str:
    return single(host) or single(without_ipv6_prefix(host))


def _joined(networks: Iterable[str]) -> str:
    return " ".join(sorted({network for network in networks if network}))


def _bounce_relays(relays: Value, facts: HostFacts) -> str:
    return " ".join([facts.fqdn, *split_list(text_of(relays))])


def _parse_errors(path: str, data: bytes, unread: tuple[int, ...]) -> Iterator[str]:
    """PMG's words for the lines with these numbers."""
    lines = data.split(b"\n") if unread else []
    for number in unread:
        line = lines[number - 1].decode("utf-8", "surrogateescape")
        cause = f" - {_transport_fault(line)}" if path == TRANSPORT else ""
        yield f"parse error in '/{path}': {line}{cause}"


def _transport_fault(line: str) -> str:
    if _ROUTE.fullmatch(line) is None:
        return "wrong format"
    if not is_transport_key(re.split(f"[{BLANKS}]", line, maxsplit=1)[0]):
        return "value does not look like a valid transport domain or email address"
    return "value does not look like a valid address"
