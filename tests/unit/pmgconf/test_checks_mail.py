"""The checks of how mail flows: what each finds, and what it leaves alone."""

import pytest

from pmgsync.pmgconf.check import Surroundings
from pmgsync.pmgconf.checks_mail import PUBLIC_RESOLVERS
from pmgsync.pmgconf.configuration import (
    DOMAINS,
    INBOUND_DOMAINS,
    NETWORKS,
    TLS_POLICY,
    TRANSPORTS,
)
from tests.unit.pmgconf.sample import CLUSTER_CONF, PMG_CONF, cluster, conf, found


@pytest.mark.parametrize(
    ("network", "whose"),
    [
        ("0.0.0.0/0", "the whole IPv4 internet"),
        ("1.2.3.4/0", "the whole IPv4 internet"),
        ("::/0", "the whole IPv6 internet"),
        ("0.0.0.0/1", "2,147,483,648 public addresses"),
        ("128.0.0.0/1", "2,147,483,648 public addresses"),
        ("10.0.0.0/7", "33,554,432 public addresses"),
        ("172.0.0.0/8", "16,777,216 public addresses"),
        ("192.0.0.0/12", "1,048,576 public addresses"),
        ("8000::/1", "2^127 public addresses"),
        ("2000::/3", "2^125 public addresses"),
        ("2001:db8::/31", "2^97 public addresses"),
        ("8.0.0.0/08", "16,777,216 public addresses"),
    ],
)
def test_an_open_relay(network: str, whose: str) -> None:
    text = f"192.168.0.0/16 #\n\n{network} #x\n"
    opened = [row for row in found({NETWORKS: text}) if row.startswith("open-relay")]
    what = f"{network} lets {whose} send mail through this gateway: an open relay"
    assert opened == [f"open-relay mynetworks:3 {what}"]


@pytest.mark.parametrize(
    "network",
    [
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
        *("192.0.0.0/16", "203.0.113.7/32", "fc00::/7", "fe80::/10", "2001:db8::/32", "::1/128"),
        *("10.0.0.0/33", "2001:db8::/129"),  # not used at all
    ],
)
def test_no_open_relay(network: str) -> None:
    assert found({NETWORKS: f"{network} #\n"}) == []


def test_a_network_that_names_a_host() -> None:
    rows = found({NETWORKS: "10.1.2.3/8 #\n2001:db8::7/64 #\n10.1.2.3/32 #\n"})
    assert rows == [
        "network-host-bits mynetworks:1 10.1.2.3/8 trusts the whole of 10.0.0.0/8",
        "network-host-bits mynetworks:2 2001:db8::7/64 trusts the whole of 2001:db8::/64",
    ]


@pytest.mark.parametrize(
    ("domains", "key", "is_stray"),
    [
        ("", "example.com", True),
        ("example.com", "example.com", False),
        ("Example.COM", "example.com", False),
        ("example.com", "EXAMPLE.com", False),
        ("example.com", "sub.example.com", False),
        ("sub.example.com", "example.com", True),
        ("example.com", "badexample.com", True),
        ("example.com", ".example.com", False),
        ("sub.example.com", ".example.com", False),
        ("example.org", ".example.com", True),
        ("example.com", "joe@example.com", False),
        ("example.com", "joe@sub.example.com", False),
        ("example.com", "joe@example.org", True),
    ],
)
def test_a_stray_transport(domains: str, key: str, is_stray: bool) -> None:
    files = {DOMAINS: f"{domains} 1\n" if domains else "", TRANSPORTS: f"{key} smtp:h:25\n"}
    what = f"{key} has a transport, but no domain of it is relayed"
    assert found(files) == ([f"stray-transport transport:1 {what}"] if is_stray else [])


@pytest.mark.parametrize(
    ("route", "is_loop"),
    [
        ("smtp:[127.0.0.1]:25", True),
        ("smtp:[127.0.0.1]:26", True),
        ("smtp:[127.0.0.1]:0025", True),
        ("smtp:[127.0.0.1]:2525", False),
        ("smtp:[ipv6:::1]:25", True),
        ("smtp:localhost:25", True),
        ("smtp:[192.168.2.1]:25", True),
        ("smtp:[192.168.2.2]:25", False),
        ("smtp:MAIL1.example.com:25", True),
        ("smtp:mail2.example.com:25", False),
        ("lmtp:inet:localhost:24", False),
    ],
)
def test_a_transport_in_a_circle(route: str, is_loop: bool) -> None:
    files = {
        DOMAINS: "example.com 1\n",
        TRANSPORTS: f"\nexample.com {route}\n",
        CLUSTER_CONF: cluster("192.168.2.1", "192.168.2.2"),
    }
    rows = found(files)
    assert [row.partition(" example")[0] for row in rows] == (
        ["mail-loop transport:2"] if is_loop else []
    )


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("mail relay 127.0.0.1", 2, "relay"),
        ("mail relayport 26\nmail relay mail1.example.com", 3, "relay"),
        ("mail smarthost 192.168.2.1", 2, "smarthost"),
    ],
)
def test_a_relay_in_a_circle(text: str, line: int, name: str) -> None:
    rows = found({PMG_CONF: conf(text), CLUSTER_CONF: cluster("192.168.2.1")})
    assert len(rows) == 1
    assert rows[0].startswith(f"mail-loop pmg.conf:{line} mail.{name} ")


@pytest.mark.parametrize(
    "text", ["mail relay 127.0.0.1\nmail relayport 10025", "mail relay h.example"]
)
def test_a_relay_elsewhere(text: str) -> None:
    assert found({PMG_CONF: conf(text)}) == []


@pytest.mark.parametrize(
    ("text", "line", "port"),
    [
        ("mail int_port 25", 2, 25),
        ("mail ext_port 26", 2, 26),
        ("mail tls 1\nmail int_port 25", 3, 25),
    ],
)
def test_equal_ports(text: str, line: int, port: int) -> None:
    what = f"ext_port and int_port are both {port}: Postfix listens there only once"
    assert found({PMG_CONF: conf(text)}) == [f"equal-ports pmg.conf:{line} {what}"]


@pytest.mark.parametrize("text", ["mail int_port 25\nmail ext_port 26", "mail int_port 2525"])
def test_ports_that_differ(text: str) -> None:
    assert found({PMG_CONF: conf(text)}) == []


@pytest.mark.parametrize(
    ("text", "line", "whose"),
    [
        ("mail int_port 10025", 2, "int_port 10025 is taken: there is mail that comes back"),
        ("mail ext_port 8006", 2, "ext_port 8006 is taken: there is the web interface"),
        ("mail tls 1\nmail ext_port 10022", 3, "ext_port 10022 is taken: there is the policy"),
    ],
)
def test_a_port_that_is_taken(text: str, line: int, whose: str) -> None:
    (row,) = found({PMG_CONF: conf(text)})
    assert row.startswith(f"taken-port pmg.conf:{line} {whose}")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("mail maxsize 30720", "mail.maxsize is 30720"),
        ("spam maxspamsize 256", "spam.maxspamsize is 256"),
    ],
)
def test_a_size_in_other_units(text: str, size: str) -> None:
    assert found({PMG_CONF: conf(text)}) == [f"tiny-size pmg.conf:2 {size}, and that is bytes"]


def test_a_small_size_that_is_meant() -> None:
    assert found({PMG_CONF: conf("mail maxsize 1048576\nspam maxspamsize 65536")}) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("mail maxsize 100000001", 2),
        ("clamav maxscansize 10485759", 2),
        (f"mail maxsize {10**30}", 2),
    ],
)
def test_mail_that_is_larger_than_what_is_scanned(text: str, line: int) -> None:
    rows = found({PMG_CONF: conf(text)})
    assert [row.partition(" mail.maxsize")[0] for row in rows] == [
        f"unscanned-size pmg.conf:{line}"
    ]
    assert found({PMG_CONF: conf(f"{text}\nadmin clamav 0")}) == []


def test_mail_that_is_scanned_whole() -> None:
    assert found({PMG_CONF: conf("mail maxsize 100000000")}) == []


@pytest.mark.parametrize(
    ("sites", "threshold", "reached"),
    [("a.example", 2, 1), ("a.example*2 b.example", 4, 3), ("a.example*3 w.example*-5", 4, 3)],
)
def test_blocklists_that_never_block(sites: str, threshold: int, reached: int) -> None:
    text = conf(f"mail dnsbl_sites {sites}\nmail dnsbl_threshold {threshold}")
    what = f"dnsbl_threshold is {threshold}, but all dnsbl_sites together weigh {reached}"
    rows = [f"weak-blocklists pmg.conf:3 {what}: no client is ever refused"]
    assert found({PMG_CONF: text}) == rows


@pytest.mark.parametrize(
    "text",
    [
        "mail dnsbl_threshold 5",
        "mail dnsbl_sites a.example*2 b.example\nmail dnsbl_threshold 3",
        "mail dnsbl_sites a.example=127.0.0.[2..11]*2\nmail dnsbl_threshold 2",
    ],
)
def test_blocklists_that_block(text: str) -> None:
    assert found({PMG_CONF: conf(text)}) == []


RESOLVERS = b"search x\nnameserver 192.168.2.1\n nameserver 8.8.4.4\n#nameserver 1.1.1.1\n"


def test_a_public_resolver_while_blocklists_are_used() -> None:
    around = Surroundings(resolv_conf=RESOLVERS)
    what = "8.8.4.4 is a public resolver (Google): DNS blocklists answer nothing, or an error"
    row = f"public-resolver resolv.conf:3 {what}, through it"
    assert found({}, around) == [row]
    assert found({PMG_CONF: conf("spam rbl_checks 0\nmail dnsbl_sites a.example")}, around) == [row]


def test_a_public_resolver_while_none_are_used() -> None:
    around = Surroundings(resolv_conf=RESOLVERS)
    assert found({PMG_CONF: conf("spam rbl_checks 0")}, around) == []


@pytest.mark.parametrize(
    ("address", "operator"),
    [
        *(("1.1.1.1", "Cloudflare"), ("9.9.9.9", "Quad9"), ("208.67.222.222", "OpenDNS")),
        *(("2001:4860:4860::8888", "Google"), ("2606:4700:4700::1001", "Cloudflare")),
        *(("4.2.2.1", "Level 3"), ("2620:fe::9", "Quad9"), ("94.140.14.14", "AdGuard")),
        *(("192.0.2.53", ""), ("127.0.0.53", ""), ("2001:db8::53", ""), ("8.9.8.8", "")),
    ],
)
def test_who_is_a_public_resolver(address: str, operator: str) -> None:
    rows = found({}, Surroundings(resolv_conf=f"nameserver {address}\n".encode()))
    assert [operator] == [row.partition("(")[2].partition(")")[0] for row in rows] or not operator
    assert bool(rows) is bool(operator)
    assert operator in {"", *PUBLIC_RESOLVERS}


def test_tls_policies_without_tls() -> None:
    files = {
        TLS_POLICY: "a.example none\nb.example encrypt\n",
        INBOUND_DOMAINS: "#\nexample.org reject_plaintext_session\n",
    }
    what = "mail.tls is off, so nothing in this file has an effect"
    rows = [f"idle-tls tls_policy:2 {what}", f"idle-tls tls_inbound_domains:2 {what}"]
    assert found(files) == rows
    assert found({**files, PMG_CONF: conf("mail tls 1")}) == []
    assert found({TLS_POLICY: "a.example none\n"}) == []
