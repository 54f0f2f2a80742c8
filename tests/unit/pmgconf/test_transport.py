"""`transport`, cell by cell as PMG was seen to behave."""

import pytest

from pmgsync.pmgconf.maps import TRANSPORTS, Transport
from tests.unit.pmgconf.reading import read, rewritten, said


def only(line: str) -> Transport:
    file = read(line, TRANSPORTS)
    assert file.unread == ()
    (entry,) = file.entries.values()
    return entry


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.example smtp:mx.example:25", ("smtp", "mx.example", "25", True)),
        ("a.example\t smtp:mx.example:25 \t", ("smtp", "mx.example", "25", True)),
        ("a.example smtp:mx.example:25\r", ("smtp", "mx.example", "25", True)),
        ("a.example smtp:[mx.example]:25", ("smtp", "mx.example", "25", False)),
        ("a.example smtp:192.0.2.1:25", ("smtp", "192.0.2.1", "25", False)),
        ("a.example smtp:[192.0.2.1]:25", ("smtp", "192.0.2.1", "25", False)),
        ("a.example smtp:[2001:db8::1]:25", ("smtp", "2001:db8::1", "25", False)),
        ("a.example smtp:2001:db8::1:25", ("smtp", "2001:db8::1", "25", False)),
        ("a.example smtp:[ipv6:2001:db8::1]:25", ("smtp", "ipv6:2001:db8::1", "25", False)),
        ("a.example smtp:IPV6:2001:db8::1:25", ("smtp", "IPV6:2001:db8::1", "25", False)),
        ("a.example lmtp:inet:mx.example:24", ("lmtp", "mx.example", "24", False)),
        ("a.example lmtp:inet:[mx.example]:24", ("lmtp", "mx.example", "24", False)),
        ("a.example lmtp:inet:192.0.2.1:24", ("lmtp", "192.0.2.1", "24", False)),
        ("a.example smtp:mx.example:0025", ("smtp", "mx.example", "0025", True)),
    ],
)
def test_brackets_addresses_and_lmtp_mean_no_mx_lookup(
    line: str, expected: tuple[str, str, str, bool]
) -> None:
    entry = only(line)
    assert (entry.protocol, entry.host, entry.port, entry.use_mx) == expected


@pytest.mark.parametrize(
    "key", ["a.example", ".a.example", "ann@a.example", "\u00e4nn+x@a.example"]
)
def test_the_key_is_a_domain_or_a_mailbox(key: str) -> None:
    assert only(f"{key} smtp:mx.example:25").key == key


@pytest.mark.parametrize(
    "line",
    [
        " a.example smtp:mx.example:25",
        "*.example smtp:mx.example:25",
        "* smtp:mx.example:25",
        "a_b.example smtp:mx.example:25",
        "@a.example smtp:mx.example:25",
        "ann@b@a.example smtp:mx.example:25",
        "ann@.a.example smtp:mx.example:25",
        "a/b@a.example smtp:mx.example:25",
        "a.example smtp:mx_1.example:25",
        "a.example smtp:[]:25",
        "a.example smtp:[[mx.example]]:25",
        "a.example smtp:fe80::1%eth0:25",
        "a.example smtp:mx.example",
        "a.example smtp:mx.example:smtp",
        "a.example smtp:mx.example:+25",
        "a.example smtp::25",
        "a.example lmtp:mx.example:24",
        "a.example lmtp:unix:/run/lmtp",
        "a.example SMTP:mx.example:25",
        "a.example relay:mx.example:25",
        "a.example smtp:mx.example:25 extra",
        "a.example",
    ],
)
def test_what_is_a_parse_error(line: str) -> None:
    file = read(line, TRANSPORTS)
    assert (dict(file.entries), file.unread) == ({}, (1,))
    assert said(file.findings) == [("error", 1, f"cannot be read: {line}")]


def test_the_mend_says_which_part_is_wrong() -> None:
    lines = "a_b smtp:h.example:25\na.example smtp:h_x:25\na.example error:5.1.1\n"
    assert [finding.mend for finding in read(lines, TRANSPORTS).findings] == [
        "write a domain or an e-mail address first",
        "write a host name or an address as the host",
        "write `DOMAIN smtp:HOST:PORT` or `DOMAIN lmtp:inet:HOST:PORT`, from the first column",
    ]


@pytest.mark.parametrize("port", ["0", "65536", "9" * 5000])
def test_the_port_has_no_range_but_a_doubt(port: str) -> None:
    file = read(f"a.example smtp:mx.example:{port}", TRANSPORTS)
    assert [entry.port for entry in file.entries.values()] == [port]
    assert [(finding.severity.value, finding.line) for finding in file.findings] == [("warning", 1)]
    assert "is no port; mail to a.example will wait" in file.findings[0].what


def test_a_comment_goes_with_the_entry_and_is_lost_at_a_parse_error() -> None:
    file = read(
        "#one\n\na.example smtp:mx.example:25\n#two\nbroken\nb.example smtp:mx.example:25\n",
        TRANSPORTS,
    )
    assert [entry.comment for entry in file.entries.values()] == ["one", ""]
    assert (file.unread, file.unkept) == ((5,), (4,))


def test_of_duplicates_the_last_wins() -> None:
    file = read("a.example smtp:one.example:25\na.example smtp:two.example:25\n", TRANSPORTS)
    assert [entry.host for entry in file.entries.values()] == ["two.example"]
    assert said(file.findings) == [
        (
            "error",
            1,
            "a.example stands in line 2, too, and differently: PMG takes that one, "
            "Postfix this one",
        )
    ]


def test_a_line_said_again_in_another_form_is_no_contradiction() -> None:
    file = read("a.example smtp:192.0.2.1:25\n#x\na.example smtp:[192.0.2.1]:25\n", TRANSPORTS)
    assert said(file.findings) == [
        ("warning", 3, "a.example already stands in line 1; this one counts")
    ]
    assert (file.unread, file.unkept) == ((), (1,))


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("a.example smtp:192.0.2.1:25", "a.example smtp:[192.0.2.1]:25"),
        ("a.example smtp:2001:db8::1:25", "a.example smtp:[2001:db8::1]:25"),
        ("a.example smtp:ipv6:2001:db8::1:25", "a.example smtp:[ipv6:2001:db8::1]:25"),
        ("a.example lmtp:inet:192.0.2.1:24", "a.example lmtp:inet:[192.0.2.1]:24"),
        ("a.example lmtp:inet:[mx.example]:24", "a.example lmtp:inet:mx.example:24"),
        ("a.example  smtp:[mx.example]:25 ", "a.example smtp:[mx.example]:25"),
        ("a.example\tsmtp:mx.example:25", "a.example smtp:mx.example:25"),
    ],
)
def test_addresses_are_written_in_brackets_and_names_only_without_mx_lookup(
    line: str, written: str
) -> None:
    assert rewritten(line, TRANSPORTS) == f"{written}\n"


def test_transports_are_written_sorted_each_with_its_comment() -> None:
    text = "#why\nb.example smtp:mx.example:25\n#\n.a.example smtp:mx.example:25\n"
    assert rewritten(text, TRANSPORTS) == (
        ".a.example smtp:mx.example:25\n#why\nb.example smtp:mx.example:25\n"
    )
