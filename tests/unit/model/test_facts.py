"""The facts about a machine, and the kernel's and the resolver's files that they are read from."""

import struct
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.errors import MalformedError
from pmgsync.model.canonical import Fields
from pmgsync.model.facts import (
    HostFacts,
    Network,
    first_label,
    local_network,
    parse_ipv4_routes,
    parse_ipv6_routes,
    parse_memory,
    parse_resolv_conf,
    postgres_version,
)

ROUTE_HEAD = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT      \n"
)
MAIL1 = HostFacts(
    hostname="mail1",
    address="192.168.2.127",
    search_domain="example.com",
    nameservers=("192.168.2.1", "2001:db8::53"),
    routes=(ip_network("0.0.0.0/0"), ip_network("192.168.2.0/24"), ip_network("2001:db8::/64")),
    memory_mib=8192,
    postgres_version="17",
)

ipv4_networks = st.builds(
    lambda bits, length: IPv4Network((bits, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
ipv6_networks = st.builds(
    lambda bits, length: IPv6Network((bits, length), strict=False),
    st.integers(0, 2**128 - 1),
    st.integers(0, 128),
)


def ipv4_line(network: IPv4Network) -> str:
    """The line of `/proc/net/route` on a machine whose numbers begin with the lowest byte."""
    numbers = [struct.unpack("<I", a.packed)[0] for a in (network.network_address, network.netmask)]
    return f"eth0\t{numbers[0]:08X}\t010200C0\t0003\t0\t0\t0\t{numbers[1]:08X}\t0\t0\t0     \n"


def ipv6_line(network: IPv6Network) -> str:
    destination = network.network_address.packed.hex()
    rest = f"{'0' * 32} 00 {'0' * 32} 00000100 00000001 00000000 00000001     eth0"
    return f"{destination} {network.prefixlen:02x} {rest}\n"


# --- resolv.conf --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("", None),
        ("nameserver 192.0.2.1\n", None),
        ("search example.com\n", "example.com"),
        ("search example.com other.example\n", "example.com"),
        ("domain example.com", "example.com"),
        ("search a.example\ndomain b.example\n", "b.example"),
        ("domain b.example\nsearch a.example\n", "a.example"),
        ("search\t example.com \n", "example.com"),
        ("search example.com\r\n", "example.com"),
        (" search example.com\n", None),
        ("searching example.com\n", None),
        ("search\n", None),
        ("#search example.com\n", None),
        ("Search example.com\n", None),
    ],
)
def test_the_search_domain_is_the_first_word_of_the_last_line(
    text: str, domain: str | None
) -> None:
    assert parse_resolv_conf(text.encode()) == (domain, parse_resolv_conf(text.encode())[1])


def test_the_name_servers_are_the_first_three() -> None:
    text = (
        b"nameserver 192.0.2.1\n  nameserver\t2001:DB8::1\nnameserver nonsense\n"
        b"nameserver fe80::1%eth0\n#nameserver 192.0.2.9\nnameserver 192.0.2.4\n"
    )
    assert parse_resolv_conf(text) == (None, ("192.0.2.1", "2001:db8::1", "fe80::1"))


def test_a_search_domain_keeps_its_bytes() -> None:
    domain, _ = parse_resolv_conf(b"search \xff\xfe\n")
    assert domain is not None
    assert domain.encode("utf-8", "surrogateescape") == b"\xff\xfe"


@pytest.mark.parametrize(
    ("search", "fqdn"),
    [
        (None, "mail1.localdomain"),
        ("example.com", "mail1.example.com"),
        ("example.com.", "mail1.example.com"),
        ("example.com..", "mail1.example.com."),
    ],
)
def test_the_name_loses_one_dot_at_the_end(search: str | None, fqdn: str) -> None:
    assert HostFacts("mail1", search_domain=search).fqdn == fqdn


# --- routes and memory --------------------------------------------------------------------


def test_ipv4_routes_as_the_kernel_prints_them() -> None:
    text = ROUTE_HEAD + (
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0   \n"
        "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0   \n"
    )
    expected = (IPv4Network("0.0.0.0/0"), IPv4Network("192.168.2.0/24"))
    assert parse_ipv4_routes(text.encode()) == expected


def test_ipv6_routes_as_the_kernel_prints_them() -> None:
    text = (
        "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
        "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n"
    )
    assert parse_ipv6_routes(text.encode()) == (IPv6Network("2001:db8::/64"), IPv6Network("::/0"))


@pytest.mark.parametrize(
    "line",
    [
        "eth0\t0102A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",  # host bits
        "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00FF00FF\t0\t0\t0\n",  # a hole in the mask
        "eth0\t0002A8C0\t00000000\t0001\n",
        "eth0\t0002A8C\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
    ],
)
def test_an_ipv4_line_that_is_no_route_is_skipped(line: str) -> None:
    good = ipv4_line(IPv4Network("10.0.0.0/8"))
    assert parse_ipv4_routes((line + good).encode()) == (IPv4Network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    "line", [f"{'0' * 31}1 40 x\n", f"{'0' * 32} 81 x\n", f"{'0' * 30} 40 x\n", "\n"]
)
def test_an_ipv6_line_that_is_no_route_is_skipped(line: str) -> None:
    good = ipv6_line(IPv6Network("fd00::/8"))
    assert parse_ipv6_routes((line + good).encode()) == (IPv6Network("fd00::/8"),)


@given(st.lists(ipv4_networks))
def test_ipv4_routes_are_read_in_order(networks: list[IPv4Network]) -> None:
    text = ROUTE_HEAD + "".join(map(ipv4_line, networks))
    assert parse_ipv4_routes(text.encode()) == tuple(networks)


@given(st.lists(ipv6_networks))
def test_ipv6_routes_are_read_in_order(networks: list[IPv6Network]) -> None:
    assert parse_ipv6_routes("".join(map(ipv6_line, networks)).encode()) == tuple(networks)


@given(st.integers(0, 2**40), st.sampled_from(["MemTotal:   ", "MemTotal:\t"]))
def test_memory_is_whole_mebibytes(kib: int, name: str) -> None:
    text = f"Foo: 1 kB\n{name}{kib} kB\nMemFree: 5 kB\n"
    assert parse_memory(text.encode()) == kib // 1024


@pytest.mark.parametrize(
    "text", [b"", b"MemTotal: lots kB\n", b"XMemTotal: 5 kB\n", b"MemTotal:\n"]
)
def test_memory_that_is_not_said_is_none(text: bytes) -> None:
    assert parse_memory(text) == 0


@given(st.binary())
def test_no_bytes_make_a_parser_raise(data: bytes) -> None:
    parse_resolv_conf(data)
    parse_ipv4_routes(data)
    parse_ipv6_routes(data)
    parse_memory(data)
    postgres_version({"17": data, "16": b""})


# --- the network of an address ------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "routes", "found"),
    [
        ("192.168.2.127", ["192.168.2.0/24"], "192.168.2.0/24"),
        ("192.168.2.127", ["192.168.0.0/16", "192.168.2.0/24"], "192.168.0.0/16"),
        ("192.168.2.127", ["192.168.2.0/24", "192.168.0.0/16"], "192.168.2.0/24"),
        ("192.168.2.127", ["0.0.0.0/0", "192.168.2.0/24"], "192.168.2.0/24"),
        ("192.168.2.127", ["0.0.0.0/0"], None),
        ("192.168.2.127", ["128.0.0.0/1", "192.0.0.0/7", "192.0.0.0/8"], "192.0.0.0/8"),
        ("192.168.2.127", ["192.168.2.127/32"], "192.168.2.127/32"),
        ("192.168.2.127", ["10.0.0.0/8", "::/0", "2001:db8::/32"], None),
        ("2001:db8::1", ["0.0.0.0/0", "::/0", "2001:db8::/64"], "2001:db8::/64"),
        ("2001:db8::1", ["2000::/3", "2001:db8::/64"], "2000::/3"),
        ("2001:db8::1", ["2001:db8::1/128", "2001:db8::/64"], "2001:db8::1/128"),
        ("2001:db8::1", [], None),
    ],
)
def test_the_local_network_is_the_first_route_that_counts(
    address: str, routes: list[str], found: str | None
) -> None:
    table = tuple(map(ip_network, routes))
    assert local_network(address, table) == (ip_network(found) if found else None)


@given(
    st.one_of(ipv4_networks, ipv6_networks).flatmap(
        lambda network: st.tuples(
            st.just(network), st.integers(0, min(network.num_addresses - 1, 2**32))
        )
    ),
    st.lists(st.one_of(ipv4_networks, ipv6_networks)),
)
def test_a_found_network_holds_the_address(
    place: tuple[Network, int], others: list[Network]
) -> None:
    network, offset = place
    address = (
        str(ip_address(int(network.network_address) + offset))
        if network.version == 4
        else str(network.network_address + offset)
    )
    found = local_network(address, (*others, network))
    assert found is None or ip_address(address) in found
    assert found is not None or network.prefixlen < 8


# --- PostgreSQL ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "version"),
    [
        ({}, None),
        ({"17": b""}, "17"),
        ({"15": b"port = 5433\n"}, "15"),
        ({"15": b"port = 5432\n", "17": b"port = 5433\n"}, "15"),
        ({"15": b"port = 5433\n", "17": b"port = 5432 # x\n"}, "17"),
        ({"9.6": b"", "17": b""}, "17"),
        ({"15": b"#port = 5433\n", "17": b"port 5433\n"}, "15"),
        ({"15": b"port = 5433\nport='5432'\n", "17": b"port = 5434\n"}, "15"),
        ({"15": b"port = 5433\n", "17": b"port = 5434\n"}, None),
        ({"conf.d": b"", "17": b"port = 5432"}, "17"),
    ],
)
def test_the_server_is_the_only_one_or_the_one_at_the_standard_port(
    servers: dict[str, bytes], version: str | None
) -> None:
    assert postgres_version(servers) == version


# --- JSON ---------------------------------------------------------------------------------


def test_json_and_back() -> None:
    assert HostFacts.from_json(Fields(MAIL1.to_json(), "facts")) == MAIL1
    assert HostFacts.from_json(Fields(HostFacts("m").to_json(), "facts")) == HostFacts("m")


def test_nothing_given_changes_nothing() -> None:
    assert MAIL1.overlaid({}, "facts") == MAIL1


def test_null_says_that_there_is_none() -> None:
    names = ("address", "search_domain", "nameservers", "routes", "postgres_version")
    bare = MAIL1.overlaid(dict.fromkeys(names), "facts")
    assert bare == HostFacts("mail1", memory_mib=8192)


def test_what_is_given_counts() -> None:
    given_facts = {"hostname": "mail2.example.net", "memory_mib": 400, "routes": ["10.0.0.0/8"]}
    facts = MAIL1.overlaid(given_facts, "facts")
    assert (facts.hostname, facts.memory_mib) == ("mail2", 400)
    assert facts.routes == (IPv4Network("10.0.0.0/8"),)
    assert facts.address == MAIL1.address


@pytest.mark.parametrize(
    ("member", "value", "complaint"),
    [
        ("hostname", None, "'hostname' is not str"),
        ("hostname", 5, "'hostname' is not str"),
        ("hostname", "", "'hostname' is not a name: ''"),
        ("hostname", ".example.com", "'hostname' is not a name: '.example.com'"),
        ("hostname", "a b", "'hostname' is not a name: 'a b'"),
        ("address", "192.168.2", "'address' is not an IP address: '192.168.2'"),
        ("address", "fe80::1%eth0", "'address' is not an IP address"),
        ("search_domain", "a b", "'search_domain' is not one word"),
        ("search_domain", "", "'search_domain' is not one word"),
        ("nameservers", "192.0.2.1", "'nameservers' is not list"),
        ("nameservers", [5], "'nameservers' is not a list of strings"),
        ("nameservers", ["dns"], "'nameservers' is not an IP address: 'dns'"),
        ("routes", ["10.0.0.1/8"], "'routes' is not a network as 192.0.2.0/24"),
        ("routes", ["10.0.0.1"], "'routes' is not a network as 192.0.2.0/24"),
        ("memory_mib", None, "'memory_mib' is not int"),
        ("memory_mib", True, "'memory_mib' is not int"),
        ("memory_mib", 1.5, "'memory_mib' is not int"),
        ("memory_mib", -1, "'memory_mib' is not within"),
        ("postgres_version", 17, "'postgres_version' is not str"),
        ("postgres_version", "../17", "'postgres_version' is not a version as 17: '../17'"),
        ("colour", "red", "unknown 'colour'"),
    ],
)
def test_what_is_not_of_its_form_is_refused(member: str, value: object, complaint: str) -> None:
    with pytest.raises(MalformedError) as refused:
        MAIL1.overlaid({member: value}, "facts")
    assert complaint in str(refused.value)


@given(
    st.builds(
        HostFacts,
        hostname=st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,20}\Z"),
        address=st.one_of(st.none(), st.ip_addresses().map(str)),
        search_domain=st.one_of(st.none(), st.from_regex(r"\A[^ \t\n\r\f\v]{1,20}\Z")),
        nameservers=st.lists(st.ip_addresses().map(str), max_size=3).map(tuple),
        routes=st.lists(st.one_of(ipv4_networks, ipv6_networks)).map(tuple),
        memory_mib=st.integers(0, 2**30),
        postgres_version=st.one_of(st.none(), st.sampled_from(["17", "15", "9.6"])),
    )
)
def test_any_facts_survive_their_json(facts: HostFacts) -> None:
    assert HostFacts("other", memory_mib=1).overlaid(facts.to_json(), "facts") == facts


@pytest.mark.parametrize(
    ("name", "label"), [("mail1", "mail1"), ("mail1.example.com\n", "mail1"), ("", ""), (".a", "")]
)
def test_first_label(name: str, label: str) -> None:
    assert first_label(name) == label
