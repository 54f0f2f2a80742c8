"""Founding and joining: addresses as people type them, and what PMG's cluster.conf is told."""

import base64
import hashlib
import ssl
from pathlib import Path

import pytest

from pmgsync.cli.entering import split_address
from pmgsync.cli.pmg_keys import API_CERTIFICATE, HOST_KEY, ROOT_KEY, gather_pmg_keys
from pmgsync.errors import OperatorError
from pmgsync.wire.certificates import make_certificate, to_der

NOW = 1_700_000_000_000
RSA = "AAAAB3NzaC1yc2EAAAADAQABAAAAgQ"


@pytest.mark.parametrize(
    ("typed", "host", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 7644),
        (" 192.0.2.1 ", "192.0.2.1", 7644),
        ("192.0.2.1:17", "192.0.2.1", 17),
        ("2001:db8::1", "2001:db8::1", 7644),
        ("[2001:db8::1]", "2001:db8::1", 7644),
        ("[2001:db8::1]:17", "2001:db8::1", 17),
    ],
)
def test_an_address_comes_with_or_without_a_port(typed: str, host: str, port: int) -> None:
    assert split_address(typed, 7644) == (host, port)


@pytest.mark.parametrize(
    "typed",
    ["", ":7644", "mail1", "mail1:7644", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "[::1",
     "192.0.2.1:port", "192.0.2.1:٣", "[]:1", "192.0.2.1:999999999999", "192.0.2.1:01234567"],
)  # fmt: skip
def test_what_is_no_address_is_named(typed: str) -> None:
    with pytest.raises(OperatorError, match=r"is not (an IP address|a port)") as caught:
        split_address(typed, 7644)
    assert caught.value.mend


@pytest.mark.parametrize("typed", ["nonexist.example", "mail1:7644", "0.0.0.0", "224.0.0.1"])  # noqa: S104
def test_the_mend_of_a_wrong_address_is_one_that_join_knows(typed: str) -> None:
    with pytest.raises(OperatorError) as caught:
        split_address(typed, 7644)
    assert caught.value.mend == "give the master's IP, as `pmgsync join-cmd` printed it"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_keys_of_a_pmg_machine_are_its_own(tmp_path: Path) -> None:
    key, certificate = make_certificate("mail1", NOW)
    write(tmp_path / API_CERTIFICATE, key.decode() + certificate.decode())
    write(tmp_path / HOST_KEY, f"ssh-rsa {RSA}host root@mail1\n")
    write(tmp_path / ROOT_KEY, f"ssh-rsa {RSA}root\n")
    keys = gather_pmg_keys(tmp_path, b"not this one")
    wanted = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.decode())).hexdigest().upper()
    assert keys.fingerprint.replace(":", "") == wanted
    assert (keys.host_rsa, keys.root_rsa) == (f"{RSA}host", f"{RSA}root")


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nnothing", "é"])
def test_where_pmg_has_no_certificate_ours_stands_in(tmp_path: Path, text: str) -> None:
    _, certificate = make_certificate("mail1", NOW)
    if text:
        write(tmp_path / API_CERTIFICATE, text)
    keys = gather_pmg_keys(tmp_path, to_der(certificate))
    wanted = hashlib.sha256(to_der(certificate)).hexdigest().upper()
    assert keys.fingerprint.replace(":", "") == wanted
    assert keys.fingerprint.count(":") == 31


@pytest.mark.parametrize("text", ["", "ssh-ed25519 AAAA root@mail1\n", "ssh-rsa\n"])
def test_where_ssh_has_no_rsa_key_a_well_formed_one_that_opens_nothing_stands_in(
    tmp_path: Path, text: str
) -> None:
    write(tmp_path / HOST_KEY, text)
    keys = gather_pmg_keys(tmp_path, b"certificate")
    for key in (keys.host_rsa, keys.root_rsa):
        assert base64.b64decode(key)[4:11] == b"ssh-rsa"
    assert keys.host_rsa == keys.root_rsa  # one is made, and thrown away
