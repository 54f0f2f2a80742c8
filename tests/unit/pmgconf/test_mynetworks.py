"""`mynetworks`, cell by cell as PMG was seen to behave."""

import pytest

from pmgsync.pmgconf.maps import NETWORKS, Network
from tests.unit.pmgconf.reading import read, rewritten, said


@pytest.mark.parametrize(
    ("line", "network"),
    [
        ("10.0.0.0/8", Network("10.0.0.0/8", "", 1)),
        ("10.0.0.0/8 #ours", Network("10.0.0.0/8", "ours", 1)),
        ("10.0.0.0/8#ours", Network("10.0.0.0/8", "ours", 1)),
        ("10.0.0.0/8\t  # ours # all ", Network("10.0.0.0/8", " ours # all ", 1)),
        ("10.0.0.0/8 \r", Network("10.0.0.0/8", "", 1)),
        ("2001:db8::/32 #six", Network("2001:db8::/32", "six", 1)),
        ("::ffff:192.0.2.0/120", Network("::ffff:192.0.2.0/120", "", 1)),
    ],
)
def test_an_address_with_its_length_and_a_comment_beside_it(line: str, network: Network) -> None:
    file = read(line, NETWORKS)
    assert file.entries == {network.key: network}
    assert file.findings == ()


@pytest.mark.parametrize(
    "line",
    [
        "10.0.0.1",
        "# a comment",
        " 10.0.0.0/8",
        "10.0.0.0/8 ours",
        "10.0.0.0/255.0.0.0",
        "10.0.0/8",
        "010.0.0.0/8",
        "256.0.0.0/8",
        "fe80::1%eth0/64",
        "[2001:db8::]/32",
        "2001:db8::/32/64",
        "mail.example.com/32",
        "10.0.0.0/",
        "/8",
    ],
)
def test_anything_else_is_a_parse_error(line: str) -> None:
    file = read(line, NETWORKS)
    assert (dict(file.entries), file.unread) == ({}, (1,))
    assert said(file.findings) == [("error", 1, f"cannot be read: {line}")]
    assert file.findings[0].mend == "write `ADDRESS/BITS #COMMENT`, from the first column"


@pytest.mark.parametrize("cidr", ["10.0.0.0/33", "2001:db8::/129", f"10.0.0.0/{'9' * 5000}"])
def test_the_length_is_not_checked_until_use(cidr: str) -> None:
    file = read(cidr, NETWORKS)
    assert [network.is_usable for network in file.entries.values()] == [False]
    assert [(finding.severity.value, finding.line) for finding in file.findings] == [("error", 1)]
    assert file.findings[0].what.endswith("the prefix is too long, so PMG ignores the network")
    assert file.unread == ()


@pytest.mark.parametrize("cidr", ["10.0.0.0/016", "10.0.0.0/32", "::/0", f"::/{'0' * 5000}128"])
def test_zeros_before_the_length_mean_nothing(cidr: str) -> None:
    assert [network.is_usable for network in read(cidr, NETWORKS).entries.values()] == [True]


def test_of_duplicates_the_last_wins() -> None:
    file = read("10.0.0.0/8 #one\n10.0.0.0/8 #two\n", NETWORKS)
    assert file.entries == {"10.0.0.0/8": Network("10.0.0.0/8", "two", 2)}
    assert said(file.findings) == [
        ("warning", 2, "10.0.0.0/8 already stands in line 1; this one counts")
    ]


def test_other_spellings_of_one_net_stay_separate() -> None:
    file = read("10.0.0.0/8\n10.1.0.0/8\n10.0.0.0/08\n2001:db8::/32\n2001:DB8::/32\n", NETWORKS)
    assert (len(file.entries), file.findings) == (5, ())


def test_networks_are_written_sorted_with_a_hash_each() -> None:
    text = "2001:db8::/32\n192.168.0.0/16 #\n10.0.0.0/8  # ours\n"
    assert rewritten(text, NETWORKS) == ("10.0.0.0/8 # ours\n192.168.0.0/16 #\n2001:db8::/32 #\n")
