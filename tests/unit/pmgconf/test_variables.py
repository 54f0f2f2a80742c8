"""The variables of the templates: what PMG computes from its files and the machine, row by row."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.model.facts import HostFacts
from pmgsync.pmgconf.variables import (
    MYNETWORKS,
    TRANSPORT,
    Sources,
    dump_lines,
    variables,
    warnings,
)

MAIL1 = HostFacts(
    hostname="mail1",
    address="192.168.2.127",
    search_domain="example.com",
    routes=(ip_network("0.0.0.0/0"), ip_network("192.168.2.0/24")),
    memory_mib=8192,
    postgres_version="17",
)
OWN = "127.0.0.0/8 192.168.2.0/24"


def sources(conf: str = "", transport: str = "", mynetworks: str = "") -> Sources:
    """`conf` as `SECTION.KEY VALUE` lines, the other files as they are."""
    rows = [line.partition(" ") for line in conf.splitlines()]
    sections = [(*name.split("."), value) for name, _, value in rows]
    named = dict.fromkeys(section for section, _, _ in sections)
    text = "".join(
        f"section: {section}\n"
        + "".join(f"\t{key} {value}\n" for s, key, value in sections if s == section)
        + "\n"
        for section in named
    )
    files = {"etc/pmg/pmg.conf": text, TRANSPORT: transport, MYNETWORKS: mynetworks}
    return Sources.read(lambda path: files[path].encode("utf-8", "surrogateescape"))


def dumped(found: Sources, facts: HostFacts = MAIL1) -> dict[str, str]:
    rows = [line.partition(" = ") for line in dump_lines(variables(found, facts))]
    return {name: value for name, _, value in rows}


def facts(**changes: object) -> HostFacts:
    return MAIL1.overlaid(changes, "facts")


# --- dns, ipconfig, composed, postgres ----------------------------------------------------


@pytest.mark.parametrize(
    ("search", "domain"),
    [(None, "localdomain"), ("example.com", "example.com"), ("example.com.", "example.com")],
)
def test_dns_domain(search: str | None, domain: str) -> None:
    values = dumped(sources(), facts(search_domain=search))
    assert values["dns.domain"] == domain
    assert values["dns.fqdn"] == f"mail1.{domain}"
    assert values["dns.hostname"] == "mail1"


def test_ipconfig_int_ip() -> None:
    assert dumped(sources())["ipconfig.int_ip"] == "192.168.2.127"
    assert dumped(sources(), facts(address="2001:db8::1"))["ipconfig.int_ip"] == "2001:db8::1"


def test_a_node_without_an_address_is_127_0_0_1_to_postfix() -> None:
    bare = facts(address=None)
    values = dumped(sources(), bare)
    assert values["ipconfig.int_ip"] == ""
    assert values["postfix.int_ip"] == "127.0.0.1"
    assert values["postfix.mynetworks"] == "127.0.0.0/8 [::1]/128"
    assert list(warnings(sources(), bare)) == [
        "could not get node IP, falling back to loopback '127.0.0.1'"
    ]


@pytest.mark.parametrize(
    ("relays", "composed"),
    [
        ("", "mail1.example.com"),
        ("b.example a.example", "mail1.example.com b.example a.example"),
        ("b.example,a.example;c.example", "mail1.example.com b.example a.example c.example"),
        (" , b.example ,, ;", "mail1.example.com b.example"),
    ],
)
def test_composed_wl_bounce_relays(relays: str, composed: str) -> None:
    conf = f"spam.wl_bounce_relays {relays}" if relays else ""
    assert dumped(sources(conf))["composed.wl_bounce_relays"] == composed


def test_postgres_version() -> None:
    assert dumped(sources())["postgres.version"] == "17"
    none = facts(postgres_version=None)
    assert dumped(sources(), none)["postgres.version"] == ""
    assert "Unable to determine" in next(warnings(sources(), none))


# --- postfix ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("greylist", "greylist6", "spf", "used"),
    [(0, 0, 0, "0"), (1, 0, 0, "1"), (0, 1, 0, "1"), (0, 0, 1, "1"), (1, 1, 1, "1")],
)
def test_postfix_usepolicy(greylist: int, greylist6: int, spf: int, used: str) -> None:
    conf = f"mail.greylist {greylist}\nmail.greylist6 {greylist6}\nmail.spf {spf}"
    assert dumped(sources(conf))["postfix.usepolicy"] == used


def test_postfix_int_ip_is_bracketed_where_it_is_ipv6() -> None:
    assert dumped(sources())["postfix.int_ip"] == "192.168.2.127"
    assert dumped(sources(), facts(address="2001:db8::1"))["postfix.int_ip"] == "[2001:db8::1]"


@pytest.mark.parametrize(
    ("sites", "joined"),
    [
        ("zen.example", "zen.example"),
        ("zen.example, b.example*2;c.example", "zen.example,b.example*2,c.example"),
    ],
)
def test_postfix_dnsbl_sites(sites: str, joined: str) -> None:
    values = dumped(sources(f"mail.dnsbl_sites {sites}\nmail.dnsbl_threshold 3"))
    assert values["postfix.dnsbl_sites"] == joined
    assert values["postfix.dnsbl_threshold"] == "3"


@pytest.mark.parametrize("conf", ["", "mail.dnsbl_sites ,;"])
def test_postfix_dnsbl_sites_is_missing_where_the_list_is_empty(conf: str) -> None:
    assert "postfix.dnsbl_sites" not in dumped(sources(conf))


def test_postfix_transportnets() -> None:
    transport = (
        "b.example smtp:10.2.2.2:25\n"
        "a.example smtp:[10.10.1.1]:25\n"
        "c.example smtp:[ipv6:2001:DB8::5]:25\n"
        "d.example lmtp:inet:2001:db8::6:24\n"
        "e.example smtp:mail.example:25\n"
        "f.example smtp:10.2.2.2:26\n"
    )
    values = dumped(sources(transport=transport))
    nets = "10.10.1.1/32 10.2.2.2/32 [2001:DB8::5]/128 [2001:db8::6]/128"
    assert values["postfix.transportnets"] == nets
    assert values["postfix.mynetworks"] == (
        "10.10.1.1/32 10.2.2.2/32 127.0.0.0/8 192.168.2.0/24 "
        "[2001:DB8::5]/128 [2001:db8::6]/128 [::1]/128"
    )


def test_postfix_transportnets_without_a_transport_is_empty() -> None:
    assert dumped(sources())["postfix.transportnets"] == ""


def test_postfix_mynetworks_by_default() -> None:
    assert dumped(sources())["postfix.mynetworks"] == f"{OWN} [::1]/128"


@pytest.mark.parametrize(
    ("routes", "own"),
    [
        (["192.168.0.0/16", "192.168.2.0/24"], "192.168.0.0/16"),
        (["0.0.0.0/0"], "192.168.2.127/32"),
        (["192.0.0.0/7"], "192.168.2.127/32"),
        ([], "192.168.2.127/32"),
    ],
)
def test_postfix_mynetworks_holds_the_network_of_the_address(routes: list[str], own: str) -> None:
    expected = f"127.0.0.0/8 {own} [::1]/128"
    assert dumped(sources(), facts(routes=routes))["postfix.mynetworks"] == expected


@pytest.mark.parametrize(
    ("routes", "own"),
    [
        (["2001:db8::/64"], "[2001:0db8:0000:0000:0000:0000:0000:0000]/64"),
        (["::/0"], "[2001:db8::1]/128"),
    ],
)
def test_postfix_mynetworks_with_an_ipv6_address(routes: list[str], own: str) -> None:
    values = dumped(sources(), facts(address="2001:db8::1", routes=routes))
    assert values["postfix.mynetworks"] == f"127.0.0.0/8 {own} [::1]/128"


def test_postfix_mynetworks_takes_the_file_with_host_bits_cut() -> None:
    networks = "10.1.2.3/8 #a\n2001:DB8:0:0::1/64 #\n10.9.9.9/8\n172.16.0.0/016 #\n"
    assert dumped(sources(mynetworks=networks))["postfix.mynetworks"] == (
        "10.0.0.0/8 127.0.0.0/8 172.16.0.0/16 192.168.2.0/24 [2001:db8::]/64 [::1]/128"
    )


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "2001:db8::/129"])
def test_postfix_mynetworks_leaves_out_what_is_too_long(entry: str) -> None:
    found = sources(mynetworks=f"{entry} #\n")
    assert dumped(found)["postfix.mynetworks"] == f"{OWN} [::1]/128"
    expected = f"failed to parse mynetworks entry '{entry}', ignoring"
    assert list(warnings(found, MAIL1)) == [expected]


@pytest.mark.parametrize(
    ("relay", "added"),
    [
        ("10.0.0.5", "10.0.0.5/32 127.0.0.0/8 192.168.2.0/24 [::1]/128"),
        ("2001:DB8::5", "127.0.0.0/8 192.168.2.0/24 [2001:DB8::5]/128 [::1]/128"),
        ("mail.example", "127.0.0.0/8 192.168.2.0/24 [::1]/128"),
    ],
)
def test_postfix_mynetworks_holds_a_relay_that_is_an_address(relay: str, added: str) -> None:
    assert dumped(sources(f"mail.relay {relay}"))["postfix.mynetworks"] == added


def test_postfix_mynetworks_names_each_network_once() -> None:
    found = sources("mail.relay 10.0.0.5", "a.example smtp:10.0.0.5:25\n", "10.0.0.5/32 #\n")
    assert dumped(found)["postfix.mynetworks"].count("10.0.0.5") == 1


# --- proxy --------------------------------------------------------------------------------


def test_proxy_with_everything() -> None:
    values = dumped(sources("admin.http_proxy http://u:p@Proxy:3128/"))
    assert {name: value for name, value in values.items() if name.startswith("proxy.")} == {
        "proxy.host": "Proxy",
        "proxy.password": "p",
        "proxy.port": "3128",
        "proxy.username": "u",
    }


@pytest.mark.parametrize("conf", ["", "admin.http_proxy http://"])
def test_proxy_is_missing_where_there_is_no_host(conf: str) -> None:
    assert [name for name in dumped(sources(conf)) if name.startswith("proxy")] == []


# --- pmg, and the form of the dump --------------------------------------------------------


def test_pmg_has_every_option_set_or_not() -> None:
    values = dumped(sources("mail.relay 10.0.0.5"))
    assert len([name for name in values if name.startswith("pmg.")]) == 87
    assert values["pmg.mail.relay"] == "10.0.0.5"
    assert values["pmg.mail.smarthost"] == ""
    assert values["pmg.mail.int_port"] == "26"


@pytest.mark.parametrize(
    ("memory", "filters", "smtpd", "policy"),
    [(400, 3, 25, 2), (1024, 5, 50, 5), (2048, 8, 100, 5), (3840, 11, 100, 5), (8192, 38, 100, 5)],
)
def test_pmg_defaults_depend_on_memory(memory: int, filters: int, smtpd: int, policy: int) -> None:
    values = dumped(sources(), facts(memory_mib=memory))
    assert values["pmg.mail.max_filters"] == str(filters)
    assert values["pmg.mail.max_smtpd_in"] == values["pmg.mail.max_smtpd_out"] == str(smtpd)
    assert values["pmg.mail.max_policy"] == str(policy)


@pytest.mark.parametrize(
    ("conf", "name", "shown"),
    [
        ("mail.int_port +26", "pmg.mail.int_port", "26"),
        ("mail.int_port 0025", "pmg.mail.int_port", "25"),
        ("mail.maxsize 99999999999999999999", "pmg.mail.maxsize", "1e+20"),
        ("mail.maxsize 18446744073709551615", "pmg.mail.maxsize", "18446744073709551615"),
        ("mail.banner  a  b", "pmg.mail.banner", "a  b"),
        ("mail.banner \udcff", "pmg.mail.banner", "\udcff"),
    ],
)
def test_numbers_are_numbers_and_text_is_bytes(conf: str, name: str, shown: str) -> None:
    assert dumped(sources(conf))[name] == shown


def test_lines_are_sorted_by_bytes_at_each_level() -> None:
    names = [line.partition(" = ")[0] for line in dump_lines(variables(sources(), MAIL1))]
    assert names == sorted(names, key=lambda name: [part.encode() for part in name.split(".")])
    assert names.index("pmg.admin.dkim-use-domain") < names.index("pmg.admin.dkim_selector")
    assert names.index("pmg.mail.log-headers") < names.index("pmg.mail.max_filters")


def test_no_section_has_a_key_called_type() -> None:
    found = sources("mail.type section\nmail.relay a.example")
    assert not any(name.endswith(".type") for name in dumped(found))


# --- warnings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "warning"),
    [
        (1024, ["system memory size of 1.0 GiB is below the minimum 2+ GiB limit!"]),
        (3839, ["system memory size of 3.7 GiB is below the recommended 4+ GiB limit!"]),
        (3840, []),
    ],
)
def test_little_memory_is_warned_about(memory: int, warning: list[str]) -> None:
    assert list(warnings(sources(), facts(memory_mib=memory))) == warning


def test_warnings_name_file_line_section_and_key() -> None:
    found = sources("mail.relay 10.0.0.5\nmail.tls yes")
    assert list(warnings(found, MAIL1)) == [
        "file /etc/pmg/pmg.conf line 3 (section 'mail') - unable to parse value of 'tls': "
        "type check ('boolean') failed - got 'yes'"
    ]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("nonsense", "wrong format"),
        (" a.example smtp:h:25", "wrong format"),
        ("a.example smtp:h", "wrong format"),
        (
            "a_b.example smtp:h:25",
            "value does not look like a valid transport domain or email address",
        ),
        ("a.example smtp:h_x:25", "value does not look like a valid address"),
    ],
)
def test_a_transport_that_is_dropped_is_named(line: str, cause: str) -> None:
    found = sources(transport=f"x.example smtp:10.0.0.5:25\n{line}\n")
    expected = f"parse error in '/etc/pmg/transport': {line} - {cause}"
    assert list(warnings(found, MAIL1)) == [expected]
    assert dumped(found)["postfix.transportnets"] == "10.0.0.5/32"


@pytest.mark.parametrize("line", ["10.0.0.1", "# a comment", " 10.0.0.0/8"])
def test_a_network_that_is_dropped_is_named(line: str) -> None:
    found = sources(mynetworks=f"{line}\n")
    assert list(warnings(found, MAIL1)) == [f"parse error in '/etc/pmg/mynetworks': {line}"]


@given(st.binary(), st.binary(), st.binary())
def test_row_16_no_bytes_make_it_raise(conf: bytes, transport: bytes, mynetworks: bytes) -> None:
    files = {TRANSPORT: transport, MYNETWORKS: mynetworks}
    found = Sources.read(lambda path: files.get(path, conf))
    assert len(list(dump_lines(variables(found, MAIL1)))) >= 98
    list(warnings(found, MAIL1))
