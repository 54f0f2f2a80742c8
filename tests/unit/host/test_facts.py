"""Facts gathered below a root, and from the running system where the root says nothing."""

import os
import socket
from ipaddress import ip_network
from pathlib import Path

import pytest

from pmgsync.host.facts import gather_facts, resolve
from pmgsync.model.facts import HostFacts

ROUTE = "Iface\tDestination\n" + "\t".join(
    ["eth0", "0002A8C0", "00000000", "0001", "0", "0", "0", "00FFFFFF", "0", "0", "0\n"]
)
ROUTE6 = (
    f"20010db8{'0' * 24} 40 {'0' * 32} 00 {'0' * 32} 00000100 00000001 00000000 00000001 eth0\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The tree of a node called mail1."""
    files = {
        "etc/hostname": "mail1.example.com\n",
        "etc/resolv.conf": "search example.com\nnameserver 192.168.2.1\n",
        "proc/net/route": ROUTE,
        "proc/net/ipv6_route": ROUTE6,
        "proc/meminfo": "MemTotal:        8388608 kB\nMemFree: 1 kB\n",
        "etc/postgresql/17/main/postgresql.conf": "port = 5432\n",
        "etc/postgresql/15/main/postgresql.conf": "port = 5433\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_a_root_speaks_for_its_own_node(root: Path) -> None:
    assert gather_facts(root) == HostFacts(
        hostname="mail1",
        search_domain="example.com",
        nameservers=("192.168.2.1",),
        routes=(ip_network("192.168.2.0/24"), ip_network("2001:db8::/64")),
        memory_mib=8192,
        postgres_version="17",
    )


def test_the_running_system_speaks_where_the_root_says_nothing(tmp_path: Path) -> None:
    facts = gather_facts(tmp_path)
    assert facts.hostname == socket.gethostname().partition(".")[0]
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    assert facts.memory_mib == page * pages // 2**20
    assert facts == gather_facts(Path("/")) or Path("/etc/hostname").exists()


def test_each_file_counts_alone(root: Path) -> None:
    (root / "proc/meminfo").unlink()
    facts = gather_facts(root)
    assert facts.hostname == "mail1"
    assert facts.memory_mib == gather_facts(Path("/")).memory_mib


def test_an_empty_file_is_there(root: Path) -> None:
    (root / "etc/resolv.conf").write_text("")
    (root / "proc/net/route").write_text("")
    facts = gather_facts(root)
    assert (facts.search_domain, facts.nameservers) == (None, ())
    assert facts.routes == (ip_network("2001:db8::/64"),)


def test_what_cannot_be_read_counts_as_empty(root: Path) -> None:
    for path in ("etc/hostname", "etc/resolv.conf", "proc/net/route", "proc/meminfo"):
        (root / path).unlink()
        (root / path).mkdir()
    (root / "proc/net/ipv6_route").unlink()
    os.mkfifo(root / "proc/net/ipv6_route")
    facts = gather_facts(root)
    assert facts.hostname == socket.gethostname().partition(".")[0]
    assert (facts.search_domain, facts.routes, facts.memory_mib) == (None, (), 0)


def test_a_server_without_its_file_is_at_the_standard_port(root: Path) -> None:
    (root / "etc/postgresql/17/main/postgresql.conf").unlink()
    assert gather_facts(root).postgres_version == "17"


def test_only_a_server_called_main_counts(root: Path) -> None:
    (root / "etc/postgresql/17/main").rename(root / "etc/postgresql/17/test")
    assert gather_facts(root).postgres_version == "15"


def test_a_name_that_stands_for_loopback_has_no_address() -> None:
    assert resolve("localhost") is None
    assert resolve("127.0.0.1") is None


@pytest.mark.parametrize("name", ["a" * 300, "a..b", "\udc80", ""])
def test_a_name_that_stands_for_nothing_has_no_address(name: str) -> None:
    assert resolve(name) is None


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_an_address_stands_for_itself(address: str) -> None:
    assert resolve(address) == address
