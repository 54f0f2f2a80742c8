"""What Postfix itself makes of the files, for one `pmg.conf` after the other."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.unit.render.nodes import CONF, FACTS, Gateway, conf

pytestmark = pytest.mark.postfix

Options = Mapping[str, Mapping[str, object]]
POSTCONF = shutil.which("postconf", path="/usr/sbin:/usr/bin") or "postconf"


@dataclass(frozen=True)
class Case:
    """A `pmg.conf`, and what Postfix takes from it: of main.cf by name, of a service by
    `SERVICE/TYPE/NAME`. A value that starts with `~` must be in there, one with `!` must not.
    """

    name: str
    options: Options = field(default_factory=dict)
    main: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    synced: Mapping[str, bytes] = field(default_factory=dict)
    address: str = "192.0.2.1"


IPV6 = "2001:db8::25"

CASES = [
    Case(
        "defaults",
        main={
            "myhostname": "mail1.example.com",
            "mydomain": "example.com",
            "smtpd_banner": "$myhostname ESMTP Proxmox",
            "message_size_limit": "10485760",
            "mailbox_size_limit": "0",
            "delay_warning_time": "4h",
            "relay_domains": "hash:/etc/pmg/domains",
            "transport_maps": "hash:/etc/pmg/transport",
            "relay_transport": "relay",
            "relayhost": "",
            "smtpd_tls_security_level": "none",
            "smtputf8_enable": "yes",
            "smtpd_client_connection_count_limit": "50",
            "smtpd_client_connection_rate_limit": "0",
            "smtpd_client_message_rate_limit": "0",
            "smtpd_helo_restrictions": "",
            "postscreen_dnsbl_sites": "",
            "maximal_queue_lifetime": "5d",
            "smtpd_relay_restrictions": "~reject_unauth_destination",
            "smtpd_recipient_restrictions": "~inet:127.0.0.1:10022",
            "smtpd_sender_restrictions": "!reject_unknown",
            "inet_protocols": "all",
        },
        services={
            "smtpd/pass/content_filter": "scan:127.0.0.1:10024",
            "smtpd/pass/mynetworks": "127.0.0.0/8,[::1]/128,192.0.2.1",
            "26/inet/content_filter": "scan:127.0.0.1:10023",
            "127.0.0.1:10025/inet/content_filter": "",
            "127.0.0.1:10025/inet/smtpd_recipient_restrictions": "permit_mynetworks,reject",
            "127.0.0.1:10025/inet/message_size_limit": "20971520",
            "scan/unix/lmtp_data_done_timeout": "600s",
        },
    ),
    Case(
        "TLS on",
        {"mail": {"tls": 1, "tlslog": 1, "tlsheader": 1}},
        main={
            "smtpd_tls_security_level": "may",
            "smtp_tls_security_level": "may",
            "smtpd_tls_cert_file": "/etc/pmg/pmg-tls.pem",
            "smtpd_tls_key_file": "$smtpd_tls_cert_file",
            "smtp_tls_policy_maps": "hash:/etc/pmg/tls_policy",
            "smtp_dns_support_level": "dnssec",
            "smtpd_tls_loglevel": "1",
            "smtp_tls_loglevel": "1",
            "smtpd_tls_received_header": "yes",
            "smtpd_sender_restrictions": "~hash:/etc/pmg/tls_inbound_domains",
        },
        services={"127.0.0.1:10025/inet/smtpd_tls_security_level": "none"},
    ),
    Case(
        "TLS off",
        {"mail": {"tls": 0, "tlslog": 1}},
        main={
            "smtp_tls_security_level": "none",
            "smtpd_tls_loglevel": "0",
            "smtpd_sender_restrictions": "!tls_inbound_domains",
        },
    ),
    Case(
        "before-queue on",
        {"mail": {"before_queue_filtering": 1, "filter-timeout": 120, "max_filters": 20}},
        services={
            "smtpd/pass/smtpd_proxy_filter": "127.0.0.1:10024",
            "smtpd/pass/smtpd_proxy_timeout": "120s",
            "smtpd/pass/smtpd_client_connection_count_limit": "4",
            "26/inet/smtpd_proxy_filter": "127.0.0.1:10023",
        },
        main={"content_filter": ""},
    ),
    Case(
        "LMTP relay",
        {"mail": {"relay": "store.example.com", "relayprotocol": "lmtp", "relayport": 24}},
        main={"relay_transport": "lmtp:inet:store.example.com:24"},
    ),
    Case(
        "LMTP relay by address",
        {"mail": {"relay": "192.0.2.24", "relayprotocol": "lmtp", "relayport": 24}},
        main={"relay_transport": "lmtp:inet:[192.0.2.24]:24", "mynetworks": "~192.0.2.24/32"},
    ),
    Case(
        "relay by name",
        {"mail": {"relay": "relay.example.com"}},
        main={"relay_transport": "relay:relay.example.com:25"},
    ),
    Case(
        "relay without MX",
        {"mail": {"relay": "relay.example.com", "relaynomx": 1, "relayport": 2525}},
        main={"relay_transport": "relay:[relay.example.com]:2525"},
    ),
    Case(
        "relay by IPv6 address",
        {"mail": {"relay": IPV6}},
        main={"relay_transport": f"relay:[{IPV6}]:25", "mynetworks": f"~[{IPV6}]/128"},
    ),
    Case(
        "smarthost",
        {"mail": {"smarthost": "out.example.com", "smarthostport": 587}},
        main={"relayhost": "out.example.com:587", "relay_transport": "relay"},
    ),
    Case(
        "smarthost by address",
        {"mail": {"smarthost": "198.51.100.7"}},
        main={"relayhost": "[198.51.100.7]:25"},
    ),
    Case(
        "DNSBL",
        {
            "mail": {
                "dnsbl_sites": "bl.example.org*2 dnsbl.example.net=127.0.0.[2..3]",
                "dnsbl_threshold": 2,
            }
        },
        main={
            "postscreen_dnsbl_sites": "bl.example.org*2,dnsbl.example.net=127.0.0.[2..3]",
            "postscreen_dnsbl_threshold": "2",
            "postscreen_dnsbl_action": "enforce",
            "postscreen_greet_action": "enforce",
        },
    ),
    Case(
        "SPF off, greylisting off",
        {"mail": {"spf": 0, "greylist": 0}},
        main={"smtpd_recipient_restrictions": "!check_policy_service"},
    ),
    Case(
        "SPF off, greylisting on",
        {"mail": {"spf": 0, "greylist": 1}},
        main={"smtpd_recipient_restrictions": "~check_policy_service"},
    ),
    Case(
        "IPv6 node",
        main={"mynetworks": f"~[{IPV6}]", "inet_protocols": "all"},
        services={"smtpd/pass/mynetworks": f"127.0.0.0/8,[::1]/128,[{IPV6}]"},
        address=IPV6,
    ),
    Case(
        "demo",
        {"admin": {"demo": 1}, "mail": {"relay": "192.0.2.25", "ext_port": 2500}},
        main={
            "inet_interfaces": "loopback-only",
            "content_filter": "",
            "relay_transport": "relay:[192.0.2.25]:25",
        },
        services={
            "127.0.0.1:2500/inet/smtpd_recipient_restrictions": "permit_mynetworks,reject",
            "127.0.0.1:10025/inet/message_size_limit": "20971520",
        },
    ),
    Case(
        "limits and sizes",
        {
            "mail": {
                "conn_count_limit": 7,
                "conn_rate_limit": 8,
                "message_rate_limit": 9,
                "maxsize": 2048,
                "queue-lifetime": 3,
                "dwarning": 0,
                "banner": "ESMTP gateway",
                "smtputf8": 0,
            }
        },
        main={
            "smtpd_client_connection_count_limit": "7",
            "smtpd_client_connection_rate_limit": "8",
            "smtpd_client_message_rate_limit": "9",
            "message_size_limit": "2048",
            "maximal_queue_lifetime": "3d",
            "bounce_queue_lifetime": "3d",
            "delay_warning_time": "0h",
            "smtpd_banner": "$myhostname ESMTP gateway",
            "smtputf8_enable": "no",
        },
    ),
    Case(
        "strict about strangers",
        {
            "mail": {
                "helotests": 1,
                "rejectunknown": 1,
                "rejectunknownsender": 1,
                "verifyreceivers": 550,
            }
        },
        main={
            "smtpd_helo_required": "yes",
            "smtpd_helo_restrictions": "~reject_non_fqdn_helo_hostname",
            "smtpd_sender_restrictions": "~reject_unknown_client_hostname",
            "smtpd_recipient_restrictions": "~reject_unverified_recipient",
            "unverified_recipient_reject_code": "550",
        },
    ),
    Case(
        "receivers refused for now",
        {"mail": {"verifyreceivers": 450}},
        main={"unverified_recipient_reject_code": "450"},
    ),
    Case(
        "other ports",
        {"mail": {"int_port": 2626, "ext_port": 2525, "max_smtpd_in": 11, "max_smtpd_out": 12}},
        services={"2626/inet/content_filter": "scan:127.0.0.1:10023"},
    ),
    Case(
        "networks and transports",
        main={"mynetworks": "~198.51.100.0/24"},
        synced={
            "etc/pmg/mynetworks": b"198.51.100.0/24 #office\n",
            "etc/pmg/transport": b"example.org smtp:[203.0.113.9]:25\n",
        },
    ),
]


def configured(case: Case, folder: Path) -> Path:
    """Postfix's folder for the case."""
    node = Gateway(
        {CONF: conf(**case.options), **case.synced}, facts=replace(FACTS, address=case.address)
    )
    for path, file in node.render().items():
        if path.startswith("etc/postfix/"):
            written = folder / path.rpartition("/")[2]
            written.write_bytes(file.data)
            os.utime(written, (0, 0))  # Postfix waits before it reads what was written just now
    return folder


def postconf(folder: Path, *words: str) -> list[str]:
    """What it prints; it must not warn of anything, as it would of a parameter that is none."""
    done = subprocess.run(
        [POSTCONF, "-c", str(folder), *words], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def fits(value: str, wanted: str) -> bool:
    sign, rest = wanted[:1], wanted[1:]
    if sign == "~":
        return rest in value
    return rest not in value if sign == "!" else value == wanted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_postfix_takes_the_settings(case: Case, tmp_path: Path) -> None:
    folder = configured(case, tmp_path)
    postconf(folder, "-n")
    postconf(folder, "-M")
    values = (
        dict(zip(case.main, postconf(folder, "-h", *case.main), strict=True)) if case.main else {}
    )
    assert {k: v for k, v in values.items() if not fits(v, case.main[k])} == {}
    for name, wanted in case.services.items():
        (line,) = postconf(folder, "-P", name)
        assert line.partition("=")[2].strip() == wanted, name


def test_the_ports_are_those_of_the_options(tmp_path: Path) -> None:
    (case,) = (case for case in CASES if case.name == "other ports")
    rows = [line.split() for line in postconf(configured(case, tmp_path), "-M")]
    inet = {row[0]: (row[6], row[7]) for row in rows if row[1] == "inet"}
    assert inet == {
        "2525": ("1", "postscreen"),
        "2626": ("12", "smtpd"),
        "127.0.0.1:10025": ("-", "smtpd"),
    }
    assert [row[6] for row in rows if row[:2] == ["smtpd", "pass"]] == ["11"]


def test_in_demo_mode_nothing_listens_but_on_loopback(tmp_path: Path) -> None:
    (case,) = (case for case in CASES if case.name == "demo")
    rows = [line.split() for line in postconf(configured(case, tmp_path), "-M")]
    assert {row[0].partition(":")[0] for row in rows if row[1] == "inet"} == {"127.0.0.1"}
    assert not [row for row in rows if row[7] in ("postscreen", "lmtp") and row[0] == "scan"]


def test_one_port_for_both_kinds_of_mail_is_one_service(tmp_path: Path) -> None:
    case = Case("one port", {"mail": {"int_port": 25, "ext_port": 25}})
    rows = [line.split() for line in postconf(configured(case, tmp_path), "-M")]
    assert [row[0] for row in rows if row[1] == "inet"] == ["25", "127.0.0.1:10025"]


def test_no_line_of_any_template_is_left_half_filled(tmp_path: Path) -> None:
    for case in CASES:
        folder = configured(case, tmp_path)
        for file in ("main.cf", "master.cf"):
            text = (folder / file).read_text()
            assert "[%" not in text
            assert "\n\n\n" not in text, f"{case.name}: {file}"


HOSTILE = """x `touch PWNED` ; touch PWNED | sh && "y" 'z' # relayhost = evil \\"""


def test_row_12_a_value_stays_in_its_place(tmp_path: Path) -> None:
    """Whatever stands in it, it is the value of its own option, and nobody's command."""
    folders = [tmp_path / name for name in ("good", "evil")]
    for folder, banner in zip(folders, ("x", HOSTILE), strict=True):
        folder.mkdir()
        configured(Case("a banner", {"mail": {"banner": banner}}), folder)
    good, evil = (dict(line.split(" =", 1) for line in postconf(f, "-n")) for f in folders)
    changed = {name for name in good if good[name] != evil[name]}
    assert changed == {"smtpd_banner", "config_directory"}
    assert good.keys() == evil.keys()
    assert postconf(folders[1], "-h", "smtpd_banner") == [f"$myhostname {HOSTILE}"]
    assert not list(tmp_path.rglob("PWNED"))
