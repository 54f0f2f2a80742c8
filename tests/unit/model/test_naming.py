"""Names and addresses of nodes, which end up in cluster.conf and on terminals."""

import pytest

from pmgsync.errors import MalformedError
from pmgsync.model.naming import check_address, check_node_name


@pytest.mark.parametrize("name", ["a", "mx1", "MX-1", "0", "a" * 63, "a--b"])
def test_a_dns_label_names_a_node(name: str) -> None:
    assert check_node_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-a",
        "a-",
        "a.b",
        "a b",
        "a_b",
        "a\n",
        "\na",
        "a" * 64,
        "é",
        "\u0661",
        "a\0",
        "../a",
        "a/b",
        "*",
    ],
)
def test_anything_else_does_not(name: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check_node_name(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::1", "::ffff:192.0.2.1"])
def test_an_ip_address_is_one(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        *("", "mx1", "192.0.2", "192.0.2.256", "192.0.2.01", "192.0.2.1/32", "192.0.2.1\n", " ::1"),
        *("[::1]", "١٩٢.0.2.1", "fe80::1%eth0", "fe80::1%a\nmaster: 9", "1", "0x7f000001"),
    ],
)
def test_a_name_a_zone_or_anything_else_is_no_address(address: str) -> None:
    with pytest.raises(MalformedError, match="is not an IP address") as caught:
        check_address(address)
    assert str(caught.value).isprintable()
