"""Who a machine is: what was given, what is configured, what it says itself."""

import socket
from pathlib import Path

import pytest

from pmgsync.cli.machine import HOSTNAME, address_towards, node_address, node_name
from pmgsync.errors import OperatorError


def a_root(path: Path, hostname: str) -> Path:
    (path / HOSTNAME).parent.mkdir(parents=True)
    (path / HOSTNAME).write_text(hostname)
    return path


@pytest.mark.parametrize(
    ("given", "configured", "hostname", "name"),
    [
        ("given", "configured", "host.example.com\n", "given"),
        (None, "configured", "host.example.com\n", "configured"),
        ("", "", "host.example.com\n", "host"),
        (None, "", "mail1\n", "mail1"),
        (None, "", "  mail-2.example.com  \n\n", "mail-2"),
    ],
)
def test_a_name_is_given_configured_or_the_hosts_own(
    tmp_path: Path, given: str | None, configured: str, hostname: str, name: str
) -> None:
    assert node_name(a_root(tmp_path, hostname), given, configured) == name


def test_without_a_file_the_kernel_knows_the_name(tmp_path: Path) -> None:
    own = socket.gethostname().partition(".")[0]
    assert node_name(tmp_path, None, "") == own
    assert node_name(a_root(tmp_path, "\n"), None, "") == own


@pytest.mark.parametrize("bad", ["two words", "ümlaut", "-x", "a" * 64, "x\ny", "../etc"])
def test_what_is_no_name_is_refused_in_one_line(tmp_path: Path, bad: str) -> None:
    with pytest.raises(OperatorError) as caught:
        node_name(tmp_path, bad, "")
    assert str(caught.value).startswith("the node's name: ")
    assert "\n" not in str(caught.value)
    assert caught.value.mend == "give --name"


@pytest.mark.parametrize(
    ("given", "configured", "address"),
    [
        ("192.0.2.1", "192.0.2.2", "192.0.2.1"),
        (None, "192.0.2.2", "192.0.2.2"),
        ("127.0.0.2", "", "127.0.0.2"),
        ("2001:DB8:0::1", "", "2001:db8::1"),
    ],
)
def test_an_address_is_given_or_configured(
    given: str | None, configured: str, address: str
) -> None:
    assert node_address("mail1", given, configured) == address


@pytest.mark.parametrize("bad", ["mail1", "192.0.2", "0.0.0.0", "::", "224.0.0.1", "ff02::1"])  # noqa: S104
def test_what_is_no_address_of_one_machine_is_refused(bad: str) -> None:
    with pytest.raises(OperatorError) as caught:
        node_address("mail1", bad, "")
    assert caught.value.where == bad
    assert "--address" in caught.value.mend


def test_a_name_that_stands_for_loopback_only_or_for_nothing_is_no_address() -> None:
    for name in ("localhost", "no-such-host.invalid"):
        with pytest.raises(OperatorError, match="stands for no address of its own") as caught:
            node_address(name, None, "")
        assert "[node] address" in caught.value.mend


def test_the_way_to_a_peer_tells_the_own_address() -> None:
    assert address_towards("127.0.0.9", 7644) == "127.0.0.1"


def test_no_way_to_a_peer_is_said() -> None:
    with pytest.raises(OperatorError, match="no way to it") as caught:
        address_towards("255.255.255.255", 7644)
    assert caught.value.where == "255.255.255.255"
