"""`tls_policy`, cell by cell as PMG was seen to behave."""

import pytest

from pmgsync.pmgconf.maps import POLICIES, TLS_LEVELS, Policy
from tests.unit.pmgconf.reading import read, rewritten, said


@pytest.mark.parametrize(
    "destination",
    [
        "a.example",
        ".a.example",
        "192.0.2.1",
        "2001:db8::1",
        "ipv6:2001:db8::1",
        "[mx.example]",
        "[192.0.2.1]",
        "[2001:db8::1]",
        "[ipv6:2001:db8::1]",
    ],
)
def test_a_destination_is_a_domain_an_address_or_a_host_in_brackets(destination: str) -> None:
    assert read(f"{destination} may", POLICIES).entries == {
        destination: Policy(destination, "may", 1)
    }


@pytest.mark.parametrize(
    "destination",
    [
        *("a.example:25", "[mx.example]:25", "192.0.2.1:25", "[192.0.2.1]:25", "[.a.example]"),
        *("ann@a.example", "a_b.example", "*", "[]", "[mx.example", "[[mx.example]]"),
    ],
)
def test_any_port_and_any_other_form_is_refused(destination: str) -> None:
    file = read(f"{destination} may", POLICIES)
    assert (dict(file.entries), file.unread) == ({}, (1,))
    assert file.findings[0].mend == "write a domain, an address or `[HOST]` first, without a port"


@pytest.mark.parametrize("level", TLS_LEVELS)
def test_every_level_is_a_policy(level: str) -> None:
    file = read(f"a.example {level}", POLICIES)
    assert (list(file.entries), file.findings) == (["a.example"], ())


def test_attributes_of_a_policy_are_not_checked() -> None:
    policy = "secure match=.example.com ciphers=whatever"
    assert read(f"a.example   {policy}", POLICIES).entries["a.example"].policy == policy


def test_a_policy_need_only_start_with_a_level_and_is_doubted() -> None:
    file = read("a.example encrypt-x\nb.example may!\n", POLICIES)
    assert [entry.policy for entry in file.entries.values()] == ["encrypt-x", "may!"]
    assert said(file.findings) == [
        ("warning", 1, "Postfix knows no policy encrypt-x"),
        ("warning", 2, "Postfix knows no policy may!"),
    ]


@pytest.mark.parametrize("policy", ["encryptx", "encrypt_x", "Encrypt", "on", "1", "x may"])
def test_a_longer_word_is_no_level(policy: str) -> None:
    file = read(f"a.example {policy}", POLICIES)
    assert (dict(file.entries), file.unread) == ({}, (1,))
    assert file.findings[0].mend.startswith("write one of none, may, encrypt, dane, dane-only,")


@pytest.mark.parametrize("line", ["a.example", "a.example ", " a.example may"])
def test_a_line_without_both_parts_is_a_parse_error(line: str) -> None:
    assert read(line, POLICIES).unread == (1,)


@pytest.mark.parametrize("end", [" ", "\t", "\r"])
def test_trailing_blanks_are_kept_and_doubted(end: str) -> None:
    file = read(f"a.example may{end}\n", POLICIES)
    assert file.entries["a.example"].policy == f"may{end}"
    assert ("warning", 1, "blanks follow the policy of a.example") in said(file.findings)


def test_comments_are_dropped() -> None:
    file = read("# mine\na.example may\n", POLICIES)
    assert (file.unkept, file.entries["a.example"].comment) == ((1,), "")


def test_of_duplicates_the_last_wins() -> None:
    file = read("a.example may\na.example none\n", POLICIES)
    assert [entry.policy for entry in file.entries.values()] == ["none"]
    assert said(file.findings) == [
        (
            "error",
            1,
            "a.example stands in line 2, too, and differently: PMG takes that one, "
            "Postfix this one",
        )
    ]


def test_policies_are_written_sorted() -> None:
    text = "#c\nb.example  secure match=x\n[a.example] may\n"
    assert rewritten(text, POLICIES) == "[a.example] may\nb.example secure match=x\n"
