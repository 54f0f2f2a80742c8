"""Checks of how mail flows: who may send, where it goes, through which port and which resolver."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from pmgsync.model.facts import nameserver_of
from pmgsync.model.scope import PMG_CONF
from pmgsync.pmgconf.check import Check, Remark, Surroundings, option_line
from pmgsync.pmgconf.configuration import (
    DOMAINS,
    INBOUND_DOMAINS,
    NETWORKS,
    TLS_POLICY,
    TRANSPORTS,
    Configuration,
)
from pmgsync.pmgconf.formats import split_list
from pmgsync.pmgconf.lists import shown
from pmgsync.pmgconf.maps import Network, without_ipv6_prefix
from pmgsync.pmgconf.values import Value

RESOLV_CONF = "etc/resolv.conf"
LONGEST_PUBLIC = {4: 16, 6: 32}
"""A public network with a shorter prefix belongs to no single organisation that runs a gateway."""

PUBLIC_RESOLVERS = {
    "AdGuard": "94.140.14.0/24 94.140.15.0/24 2a10:50c0::/32",
    "CleanBrowsing": "185.228.168.0/24 185.228.169.0/24 2a0d:2a00::/32",
    "Cloudflare": "1.1.1.0/24 1.0.0.0/24 2606:4700:4700::/48",
    "Comodo": "8.26.56.0/24 8.20.247.0/24",
    "DNS.WATCH": "84.200.69.80/32 84.200.70.40/32 2001:1608:10:25::/64",
    "DNS4EU": "86.54.11.0/24 2a13:1001::/32",
    "Google": "8.8.8.0/24 8.8.4.0/24 2001:4860:4860::/48",
    "Level 3": "4.2.2.0/29 209.244.0.3/32 209.244.0.4/32",
    "NextDNS": "45.90.28.0/22 2a07:a8c0::/29",
    "OpenDNS": "208.67.220.0/23 208.67.222.0/23 2620:119:35::/48 2620:119:53::/48",
    "Quad9": "9.9.9.0/24 149.112.112.0/24 2620:fe::/48",
    "Verisign": "64.6.64.0/23 2620:74:1b::/48",
    "Yandex": "77.88.8.0/24 2a02:6b8::feed:0/112",
}
"""Resolvers that everybody may ask, and so refused by the operators of DNS blocklists."""

TAKEN_PORTS = {
    10022: "the policy server",
    10023: "the filter for outgoing mail",
    10024: "the filter for incoming mail",
    10025: "mail that comes back from the filter",
    8006: "the web interface",
}
"""Ports that PMG itself listens on."""
TINY = {("mail", "maxsize"): 100_000, ("spam", "maxspamsize"): 10_000}
"""Sizes in bytes below which the admin must have thought of KB or MB."""

_PRIVATE = [
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
        *("169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
]
_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain"})
_WEIGHT = re.compile(r"\*(-?[0-9]{1,9})$")


# --- who may send mail out ----------------------------------------------------------------


def wide_networks(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """`mynetworks` that open the relay to strangers."""
    for entry, network in _usable(configuration):
        if _is_private(network) or network.prefixlen >= LONGEST_PUBLIC[network.version]:
            continue
        whose = f"{_count(network)} public addresses"
        if network.prefixlen == 0:
            whose = f"the whole IPv{network.version} internet"
        what = f"{entry.key} lets {whose} send mail through this gateway: an open relay"
        yield Remark(NETWORKS, entry.line, what, "list only networks of your own")


def host_bits(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """`mynetworks` that name a host, but mean a whole network."""
    for entry, network in _usable(configuration):
        if ip_address(entry.key.partition("/")[0]) != network.network_address:
            what = f"{entry.key} trusts the whole of {network}"
            single = f"{entry.key.partition('/')[0]}/{network.max_prefixlen}"
            yield Remark(NETWORKS, entry.line, what, f"write {network}, or {single} for the host")


def _usable(configuration: Configuration) -> Iterator[tuple[Network, IPv4Network | IPv6Network]]:
    for entry in configuration.networks:
        if entry.is_usable:
            address, _, bits = entry.key.partition("/")
            # `lstrip`: Python refuses to read thousands of digits, also where they are zeros.
            yield entry, ip_network(f"{address}/{bits.lstrip('0') or '0'}", strict=False)


def _is_private(network: IPv4Network | IPv6Network) -> bool:
    return any(
        network.version == private.version and network.subnet_of(private)  # type: ignore[arg-type]
        for private in _PRIVATE
    )


def _count(network: IPv4Network | IPv6Network) -> str:
    bits = network.max_prefixlen - network.prefixlen
    return f"{network.num_addresses:,}" if network.version == 4 else f"2^{bits}"  # noqa: PLR2004  IPv4


# --- where mail goes ----------------------------------------------------------------------


def stray_transports(configuration: Configuration, around: Surroundings) -> Iterator[Remark]:
    """Transports for domains that are not relayed."""
    if DOMAINS in around.unread:
        return
    relayed = {domain.lower() for domain in configuration.domains}
    above = {parent for domain in relayed for parent in _and_parents(domain)}
    for entry in configuration.transports:
        key = entry.key.rpartition("@")[2].lower()
        domain = key.removeprefix(".")
        if relayed.isdisjoint(_and_parents(domain)) and not (key != domain and domain in above):
            what = f"{shown(entry.key)} has a transport, but no domain of it is relayed"
            yield Remark(
                TRANSPORTS, entry.line, what, "add the domain to domains, or remove the transport"
            )


def loops(configuration: Configuration, around: Surroundings) -> Iterator[Remark]:
    """Routes that lead back to this gateway."""
    mail = configuration.options.values(0)["mail"]
    ports = {mail["ext_port"], mail["int_port"]}
    for name, port in (("relay", "relayport"), ("smarthost", "smarthostport")):
        if mail[port] in ports and _is_own(mail[name], configuration, around):
            what = f"mail.{name} {mail[name]} is this gateway itself: its mail goes in a circle"
            line = option_line(configuration, "mail", name)
            yield Remark(PMG_CONF, line, what, "name the next mail server")
    texts = {str(port) for port in ports}
    for entry in configuration.transports:
        if entry.port.lstrip("0") in texts and _is_own(entry.host, configuration, around):
            what = (
                f"{shown(entry.key)} goes to {shown(entry.host)}: this gateway itself, in a circle"
            )
            yield Remark(TRANSPORTS, entry.line, what, "name the next mail server")


def _is_own(host: Value, configuration: Configuration, around: Surroundings) -> bool:
    name = without_ipv6_prefix(str(host or "")).lower().removesuffix(".")
    if name in _LOOPBACK_NAMES or name in around.names:
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    nodes = configuration.nodes.nodes if configuration.nodes else ()
    own = {ip_address(node.ip) for node in nodes if node.name.lower() in around.names}
    return address.is_loopback or address in own


def _and_parents(domain: str) -> Iterator[str]:
    while domain:
        yield domain
        domain = domain.partition(".")[2]


# --- ports, sizes, lists, TLS -------------------------------------------------------------


def equal_ports(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """One port for strangers and for the own servers."""
    mail = configuration.options.values(0)["mail"]
    if mail["ext_port"] == mail["int_port"]:
        what = f"ext_port and int_port are both {mail['ext_port']}"
        line = option_line(configuration, "mail", "int_port", "ext_port")
        mend = "give the trusted port (int_port, usually 26) another number"
        yield Remark(PMG_CONF, line, f"{what}: Postfix listens there only once", mend)


def taken_ports(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """Ports on which another part of PMG listens."""
    mail = configuration.options.values(0)["mail"]
    for name in ("ext_port", "int_port"):
        for port, whose in TAKEN_PORTS.items():
            if mail[name] == port:
                what = f"{name} {port} is taken: there is {whose}"
                line = option_line(configuration, "mail", name)
                yield Remark(PMG_CONF, line, what, "choose another port")


def tiny_sizes(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """Sizes that were meant in other units."""
    values = configuration.options.values(0)
    for (section, name), least in TINY.items():
        size = values[section][name]
        if _number(size) < least:
            what = f"{section}.{name} is {size}, and that is bytes"
            line = option_line(configuration, section, name)
            yield Remark(PMG_CONF, line, what, "write the size in bytes (1 MB is 1048576)")


def unscanned_size(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """Mails that may be larger than what ClamAV looks at."""
    values = configuration.options.values(0)
    most, scanned = values["mail"]["maxsize"], values["clamav"]["maxscansize"]
    if values["admin"]["clamav"] and _number(most) > _number(scanned):
        what = f"mail.maxsize ({most}) is above clamav.maxscansize ({scanned})"
        line = option_line(configuration, "mail", "maxsize")
        line = line or option_line(configuration, "clamav", "maxscansize")
        mend = "raise clamav.maxscansize, or lower mail.maxsize"
        yield Remark(PMG_CONF, line, f"{what}: the rest of a mail is not scanned", mend)


def weak_blocklists(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """A threshold that the lists together cannot reach."""
    mail = configuration.options.values(0)["mail"]
    sites = split_list(str(mail["dnsbl_sites"] or ""))
    weights = [int(found[1]) if (found := _WEIGHT.search(site)) else 1 for site in sites]
    reached = sum(weight for weight in weights if weight > 0)
    threshold = mail["dnsbl_threshold"]
    if sites and _number(threshold) > reached:
        what = f"dnsbl_threshold is {threshold}, but all dnsbl_sites together weigh {reached}"
        line = option_line(configuration, "mail", "dnsbl_threshold", "dnsbl_sites")
        yield Remark(PMG_CONF, line, f"{what}: no client is ever refused", "lower it")


def _number(value: Value) -> float:
    return value if isinstance(value, int | float) else 0.0


def public_resolvers(configuration: Configuration, around: Surroundings) -> Iterator[Remark]:
    """Public resolvers, while DNS blocklists are used."""
    values = configuration.options.values(0)
    if not (values["spam"]["rbl_checks"] or split_list(str(values["mail"]["dnsbl_sites"] or ""))):
        return
    for number, line in enumerate(around.resolv_conf.split(b"\n"), 1):
        server = nameserver_of(line)
        if operator := _operator_of(server):
            what = f"{server} is a public resolver ({operator})"
            why = "DNS blocklists answer nothing, or an error, through it"
            mend = "ask a resolver of your own, unbound on this machine for example"
            yield Remark(RESOLV_CONF, number, f"{what}: {why}", mend)


def _operator_of(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    for operator, networks in PUBLIC_RESOLVERS.items():
        if any(address in ip_network(network) for network in networks.split()):
            return operator
    return ""


def idle_tls(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """TLS policies without TLS."""
    if configuration.options.values(0)["mail"]["tls"]:
        return
    policies = [e for e in configuration.policies if e.policy.split()[:1] != ["none"]]
    for path, entries in (
        (TLS_POLICY, policies),
        (INBOUND_DOMAINS, list(configuration.inbound_domains)),
    ):
        if entries:
            what = "mail.tls is off, so nothing in this file has an effect"
            yield Remark(path, entries[0].line, what, "pmgsync config set mail.tls 1")


CHECKS = (
    Check(
        "open-relay",
        wide_networks,
        "a network in `mynetworks` that is public and wider than /16 (IPv6: /32), `0.0.0.0/0` "
        "above all",
        "Whoever is in `mynetworks` may send mail to anywhere. An open relay is found within "
        "hours and is on every blocklist a day later.",
    ),
    Check(
        "network-host-bits",
        host_bits,
        "an entry of `mynetworks` with host bits, as `10.1.2.3/8`",
        "It trusts the whole network, where often a single host was meant (`/32`).",
    ),
    Check(
        "stray-transport",
        stray_transports,
        "a transport for a domain (or mailbox) that neither itself nor a parent is relayed",
        "Mail for it is refused before the transport is looked up; usually the domain was "
        "forgotten in `domains`, or the transport was left behind.",
    ),
    Check(
        "mail-loop",
        loops,
        "a transport, `mail.relay` or `mail.smarthost` that is this gateway itself, at one of its "
        "own ports",
        "Mail goes round until its Received headers are too many, and bounces.",
    ),
    Check(
        "equal-ports",
        equal_ports,
        "`mail.ext_port` equal to `mail.int_port`",
        "Postfix cannot tell the own servers from strangers then; one of the two services is lost.",
    ),
    Check(
        "taken-port",
        taken_ports,
        "`mail.ext_port` or `mail.int_port` being a port of PMG's own (8006, 10022 to 10025)",
        "One of the two does not start, and which one is a chance.",
    ),
    Check(
        "tiny-size",
        tiny_sizes,
        "`mail.maxsize` below 100,000 or `spam.maxspamsize` below 10,000",
        "Both are bytes. Somebody thought of KB or MB: nearly every mail is refused, or none is "
        "looked at for spam.",
    ),
    Check(
        "unscanned-size",
        unscanned_size,
        "`mail.maxsize` above `clamav.maxscansize` while ClamAV is on",
        "What is beyond the limit of the scan gets through unseen.",
    ),
    Check(
        "weak-blocklists",
        weak_blocklists,
        "`mail.dnsbl_threshold` above the sum of the weights of `mail.dnsbl_sites`",
        "The lists are asked for each client, and never have a consequence.",
    ),
    Check(
        "public-resolver",
        public_resolvers,
        "a well-known public resolver in `/etc/resolv.conf` while DNS blocklists are used "
        "(`spam.rbl_checks`, on by default, or `mail.dnsbl_sites`)",
        "Operators of blocklists refuse queries through resolvers that everybody may use: no "
        "spam is found by them, or all mail is.",
    ),
    Check(
        "idle-tls",
        idle_tls,
        "entries in `tls_policy` (other than `none`) or `tls_inbound_domains` while `mail.tls` is "
        "off",
        "Mail that was meant to be encrypted, or refused, goes in plain text.",
    ),
)
