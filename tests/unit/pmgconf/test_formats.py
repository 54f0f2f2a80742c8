"""The formats of PMG's options, as its own checks were seen to decide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.pmgconf.formats import (
    ADDRESS,
    ATTRIBUTE_LIST,
    DNS_NAME,
    DNSBL_LIST,
    EMAIL,
    IP,
    Format,
    decode_comment,
    encode_comment,
    is_config_id,
    split_list,
)

LONG = "a" * 300

ACCEPTED = {
    EMAIL: ["a@b", "a.b+c-d~e_f@mx-1.example.com", "admin@domain.tld", "1@2", "a@-b-"],
    DNS_NAME: ["a", "a.b", "a-b.c9", "1", "127.0.0.1", "999.1.1.1", f"{LONG}.{LONG}"],
    ADDRESS: ["192.0.2.1", "2001:db8::1", "::", "::ffff:192.0.2.1", "mx.example", "999.9.9.9"],
    IP: ["192.0.2.1", "2001:DB8::1", "::1"],
    DNSBL_LIST: [
        *("zen.example", "a.b,c.d;e.f g", "a=127.0.0.2", "a=127.0.0.[2..9]*3", "a*-2", "", " , ;"),
        *("a=[1..2].[3..4].5.6", "a\tb\nc", "a\0b", "a*007"),
    ],
    ATTRIBUTE_LIST: ["mail", "sAMAccountName, uid", "a;b c", ""],
}
REFUSED = {
    EMAIL: [
        *("", "a", "@b", "a@", "a@b@c", ".a@b", "a.@b", "a..b@c", "a b@c", "a@b c", "a@b.", "a@.b"),
        *("ä@b", "a@bücher.example", "a@[192.0.2.1]", '"a"@b', "a@b_c", "a/b@c", "a@b\n"),
    ],
    DNS_NAME: ["", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a.-b", "ä", "a b", "a\n", "*.a"],
    ADDRESS: ["", "[2001:db8::1]", "fe80::1%eth0", "2001:db8:::1", "a_b", "mx.example:25", "::\n"],
    IP: ["", "mx", "192.0.2", "192.0.2.01", "192.0.2.256", "::1%1", "[::1]", "\u0661.2.3.4"],
    DNSBL_LIST: [
        *("a_b", "a=127.0.0", "a=127.0.0.2.3", "a=1.2.3.[4]", "a=1.2.3.[4..]", "a*", "a*x", "a*+1"),
        *("a=1.2.3.4*", "=1.2.3.4", "a.", "a b_c", "a=1.2.3.[4;6]"),
    ],
    ATTRIBUTE_LIST: ["a-b", "a_b", "a, b.c", "ä"],
}


@pytest.mark.parametrize(("form", "text"), [(f, t) for f, all_ in ACCEPTED.items() for t in all_])
def test_what_pmg_accepts(form: Format, text: str) -> None:
    assert form.fits(text)


@pytest.mark.parametrize(("form", "text"), [(f, t) for f, all_ in REFUSED.items() for t in all_])
def test_what_pmg_refuses(form: Format, text: str) -> None:
    assert not form.fits(text)


@given(st.text())
def test_every_text_is_decided(text: str) -> None:
    for form in ACCEPTED:
        assert form.fits(text) in (True, False)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a b", ["a", "b"]),
        (" a,;, b\t\n;c ", ["a", "b", "c"]),
        ("", []),
        (" , ", []),
        ("a b\0c,d\0", ["a b", "c,d"]),
        ("a\u00a0b", ["a\u00a0b"]),
    ],
)
def test_lists_are_split_at_blanks_commas_semicolons_or_nul(text: str, items: list[str]) -> None:
    assert split_list(text) == items


@pytest.mark.parametrize(
    ("name", "fits"), [("ab", True), ("A-_9", True), ("a", False), ("1a", False)]
)
def test_a_configuration_id_begins_with_a_letter(name: str, fits: bool) -> None:
    assert is_config_id(name) is fits


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain text, (ok) & 'so' on!", "plain text, (ok) & 'so' on!"),
        ("100% a:b", "100%25 a%3Ab"),
        ("ä\n\x7f", "%C3%A4%0A%7F"),
        ("\udcff", "%FF"),
        ("  a b ", "%20%20a b%20"),
        (" ", "%20"),
        ("", ""),
    ],
)
def test_comments_are_escaped_as_in_section_files(text: str, escaped: str) -> None:
    assert encode_comment(text) == escaped
    assert decode_comment(escaped) == text


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_a_comment_comes_back(text: str) -> None:
    assert decode_comment(encode_comment(text)) == text
