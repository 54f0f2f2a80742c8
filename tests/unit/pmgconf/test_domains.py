"""`domains`, `dkim/domains` and `tls_inbound_domains`, cell by cell as PMG was seen to behave."""

import pytest

from pmgsync.pmgconf.lists import encoded
from pmgsync.pmgconf.maps import DOMAINS, INBOUND_DOMAINS, Domain, InboundDomain
from tests.unit.pmgconf.reading import read, rewritten, said

# --- domains, dkim/domains ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "example.com 1",
        "example.com\t1",
        "example.com ",
        "example.com  OK and more",
        "example.com\r",
    ],
)
def test_a_line_is_a_domain_a_blank_and_anything(line: str) -> None:
    assert list(read(line, DOMAINS).entries) == ["example.com"]


def test_a_lone_name_is_a_parse_error() -> None:
    file = read("a.example 1\nb.example\nc.example 1\n", DOMAINS)
    assert list(file.entries) == ["a.example", "c.example"]
    assert said(file.findings) == [("error", 2, "cannot be read: b.example")]
    assert file.findings[0].mend == "write `DOMAIN 1`, from the first column"
    assert file.unread == (2,)


def test_a_leading_blank_is_a_parse_error() -> None:
    file = read(" a.example 1\n # comment\n", DOMAINS)
    assert (dict(file.entries), file.unread) == ({}, (1, 2))


def test_the_comment_is_the_last_hash_line_before_the_entry() -> None:
    file = read("# head\n#of the file\na.example 1\nb.example 1\n", DOMAINS)
    assert [entry.comment for entry in file.entries.values()] == ["of the file", ""]
    assert file.unkept == (1,)


def test_a_comment_is_kept_across_blank_lines() -> None:
    assert read("#why\n\n \t\na.example 1\n", DOMAINS).entries["a.example"].comment == "why"


def test_a_comment_keeps_its_blanks() -> None:
    assert read("#  why \na.example 1\n", DOMAINS).entries["a.example"].comment == "  why "


def test_a_line_that_cannot_be_read_loses_the_comment_above_it() -> None:
    file = read("#why\nbroken\na.example 1\n#the end\n", DOMAINS)
    assert file.entries["a.example"].comment == ""
    assert file.unkept == (1, 4)


def test_names_are_not_checked_but_doubted() -> None:
    file = read("*.example.com 1\nex_ample.com 1\nb\u00fccher.example 1\n.example.com 1\n", DOMAINS)
    assert len(file.entries) == 4
    assert said(file.findings) == [
        ("warning", 1, "*.example.com is no domain name; no mail will match it"),
        ("warning", 2, "ex_ample.com is no domain name; no mail will match it"),
    ]


def test_bytes_that_are_no_utf8_are_kept() -> None:
    data = b"#\xe9\xff\nb\xfccher.example 1\n"
    assert read(data, DOMAINS).findings == ()
    assert encoded(rewritten(data, DOMAINS)) == data


def test_of_duplicates_the_last_wins() -> None:
    file = read("#one\na.example 1\n#two\na.example 1\n", DOMAINS)
    assert file.entries == {"a.example": Domain("a.example", "two", 4)}
    assert said(file.findings) == [
        ("warning", 4, "a.example already stands in line 2; this one counts")
    ]


def test_names_that_differ_in_case_are_two_to_pmg_and_one_to_postfix() -> None:
    file = read("a.example 1\nA.example 1\n", DOMAINS)
    assert list(file.entries) == ["a.example", "A.example"]
    assert said(file.findings) == [
        (
            "warning",
            2,
            "A.example differs only in case from line 1; Postfix finds only one of them",
        )
    ]


def test_domains_are_written_sorted_by_bytes_each_with_its_comment() -> None:
    text = "b.example x\n#\n#why\n\u00e9.example 1\n#  \nB.example 1\n\U0001f4e7.example 1\n"
    assert rewritten(text, DOMAINS) == (
        "B.example 1\nb.example 1\n#why\n\u00e9.example 1\n\U0001f4e7.example 1\n"
    )


def test_bytes_that_are_no_utf8_are_sorted_as_bytes() -> None:
    written = rewritten(b"\xff.example 1\n\xee\x80\x80.example 1\n", DOMAINS)
    assert encoded(written) == b"\xee\x80\x80.example 1\n\xff.example 1\n"


def test_windows_line_ends_are_read_and_doubted_once() -> None:
    file = read("a.example 1\nb.example 1\r\nc.example 1\r\n", DOMAINS)
    assert len(file.entries) == 3
    assert said(file.findings) == [("warning", 2, "lines end with CR LF")]


def test_an_empty_file_has_no_domain() -> None:
    assert read("", DOMAINS) == read("\n\n", DOMAINS)
    assert rewritten("", DOMAINS) == ""


# --- tls_inbound_domains -----------------------------------------------------------------------


def test_an_inbound_domain_is_read() -> None:
    file = read("a.example reject_plaintext_session\n", INBOUND_DOMAINS)
    assert file.entries == {"a.example": InboundDomain("a.example", 1)}
    assert file.findings == ()


@pytest.mark.parametrize(
    "line",
    [
        "a.example  reject_plaintext_session",
        "a.example\treject_plaintext_session",
        "a.example reject_plaintext_session ",
        "a.example reject_plaintext_session\r",
        " a.example reject_plaintext_session",
        "a.example reject",
        "a.example",
        "ann@a.example reject_plaintext_session",
        "a_b.example reject_plaintext_session",
        "*.example reject_plaintext_session",
    ],
)
def test_exactly_one_blank_nothing_after_and_no_mailbox(line: str) -> None:
    file = read(line, INBOUND_DOMAINS)
    assert (dict(file.entries), file.unread) == ({}, (1,))
    assert file.findings[0].mend == (
        "write `DOMAIN reject_plaintext_session`, with one blank between and nothing after"
    )


def test_an_inbound_domain_may_start_with_a_dot() -> None:
    assert ".a.example" in read(".a.example reject_plaintext_session", INBOUND_DOMAINS).entries


def test_comments_of_inbound_domains_are_dropped() -> None:
    text = "# mine\nb.example reject_plaintext_session\n#x\na.example reject_plaintext_session\n"
    assert read(text, INBOUND_DOMAINS).unkept == (1, 3)
    assert rewritten(text, INBOUND_DOMAINS) == (
        "a.example reject_plaintext_session\nb.example reject_plaintext_session\n"
    )


def test_an_inbound_domain_given_twice_is_one() -> None:
    line = "a.example reject_plaintext_session\n"
    file = read(line * 2, INBOUND_DOMAINS)
    assert (len(file.entries), len(file.findings)) == (1, 1)
