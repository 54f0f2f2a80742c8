"""One option changed, everything else kept: comments, bytes; and what is not edited at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.errors import InvalidError
from pmgsync.pmgconf.pmg_conf import GRAMMAR, parse_pmg_conf
from pmgsync.pmgconf.section_edit import Place, with_option


def edited(text: str, key: str, value: str | None) -> str:
    """`text` with `SECTION.OPTION` changed."""
    section, _, name = key.partition(".")
    return with_option(
        text.encode(), GRAMMAR, Place("pmg.conf", section, section, name), value
    ).decode()


def refusal(text: str, key: str = "mail.tls", value: str | None = "1") -> str:
    with pytest.raises(InvalidError) as caught:
        edited(text, key, value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "key", "value", "after"),
    [
        ("", "mail.tls", "1", "section: mail\n\ttls 1\n\n"),
        ("section: mail\n", "mail.tls", "1", "section: mail\n\ttls 1\n\n"),
        ("section: mail\n tls 0\n", "mail.tls", "1", "section: mail\n\ttls 1\n\n"),
        ("section:mail\n tls\n", "mail.relay", "a", "section: mail\n\trelay a\n\ttls 1\n\n"),
        ("section: mail\n tls 1\n", "mail.tls", None, "section: mail\n\n"),
        (
            "section: mail\n tls 1\n\nsection: admin\n demo 0\n",
            "admin.avast",
            "1",
            "section: mail\n\ttls 1\n\nsection: admin\n\tavast 1\n\tdemo 0\n\n",
        ),
        (
            "section: mail\n int_port +26\n ext_port 0025",
            "mail.tls",
            "1",
            "section: mail\n\text_port 25\n\tint_port 26\n\ttls 1\n\n",
        ),
        ("section: mail\n type mail\n0\n\n \n", "mail.tls", "0", "section: mail\n\ttls 0\n\n"),
    ],
)
def test_the_new_file_is_in_pmgs_own_form(
    before: str, key: str, value: str | None, after: str
) -> None:
    assert edited(before, key, value) == after


COMMENTED = """\
# The gateway of example.com
# (c) us

# who is told
section: admin
\t# the team
\temail team@example.com
# last words

#section: spam
section: mail
\tzzz
# at the end
"""


def test_comments_stay_where_they_were() -> None:
    text = COMMENTED.replace("\tzzz\n", "  # relay of old\n\trelay a\n # more\n  tls 1\n")
    assert edited(text, "mail.relay", "b") == (
        "# The gateway of example.com\n# (c) us\n\n# who is told\n"
        "section: admin\n\t# the team\n\temail team@example.com\n# last words\n\n"
        "#section: spam\n"
        "section: mail\n  # relay of old\n\trelay b\n # more\n\ttls 1\n# at the end\n\n"
    )


def test_the_comment_of_an_option_that_is_taken_away_stays() -> None:
    text = "section: mail\n banner x\n# the old relay\n relay a\n tls 1\n"
    assert edited(text, "mail.relay", None) == (
        "section: mail\n\tbanner x\n# the old relay\n\ttls 1\n\n"
    )


def test_comments_after_the_last_section_stay_there() -> None:
    text = "section: mail\n tls 1\n\n# one\n\n\n# two\n\n"
    assert edited(text, "mail.tls", "0") == "section: mail\n\ttls 0\n\n# one\n\n# two\n\n"
    assert edited("# only\n", "mail.tls", "0") == "section: mail\n\ttls 0\n\n# only\n\n"


def test_a_comment_above_the_line_type_goes_on_to_the_next_option() -> None:
    text = "section: mail\n# c\n type mail\n tls 1\n"
    assert edited(text, "mail.tls", "0") == "section: mail\n# c\n\ttls 0\n\n"


def test_the_carriage_return_of_a_comment_goes_and_its_bytes_stay() -> None:
    place = Place("pmg.conf", "mail", "mail", "tls")
    data = b"#\xff\xc3\xa4 \r\nsection: mail\n\tbanner \xe4\n"
    assert with_option(data, GRAMMAR, place, "1") == (
        b"#\xff\xc3\xa4 \nsection: mail\n\tbanner \xe4\n\ttls 1\n\n"
    )


@pytest.mark.parametrize("value", ["1", None])
def test_where_all_is_as_wanted_the_file_comes_back_as_it_is(value: str | None) -> None:
    text = "garbage\nsection:mail\n   tls 1\n" if value else "garbage\nsection:mail\n"
    assert edited(text, "mail.tls", value) == text


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("x\nsection: mail\n", "pmg.conf:1", "ignore config line: x"),
        ("section: bogus\n", "pmg.conf:1", "the section 'bogus' is skipped: unsupported type"),
        ("section: mail\n relay\n", "pmg.conf:2", "got undefined value"),
        ("section: mail\n\n\n relay a\n", "pmg.conf:4", "ignore config line:  relay a"),
        ("section: mail\n int_port 0\n", "pmg.conf:2", "minimum value of 1"),
        ("section: mail\n relay a\n relay b\n", "pmg.conf:3", "duplicate attribute"),
        ("section: mail\nsection: admin\n", "pmg.conf:2", "put an empty line before it"),
        ("section: mail\r\n tls 0\r\n\r\nsection: admin\r\n", "pmg.conf:4", "without CR"),
        ("\ufeffsection: mail\n", "pmg.conf:1", "remove the byte order mark"),
        ("section: mail\n tls yes\n\nsection: admin\n demo x\n", "pmg.conf:5", "got 'x'"),
        ("section: mail\n relay a\n\nsection: mail\n", "pmg.conf:1", "a later one replaces it"),
        ("section: mail\n maxsize 1" + "0" * 30, "pmg.conf:2", "PMG would write"),
        ("\x1b[31mred\n", "pmg.conf:1", r"\x1b[31mred"),
    ],
)
def test_a_file_with_lines_that_would_be_lost_is_not_edited(
    text: str, place: str, why: str
) -> None:
    line = refusal(text)
    assert line.startswith(f"{place}: ")
    assert why in line


def test_what_is_ignored_is_shown_in_part_only() -> None:
    assert len(refusal("x" * 100_000)) < 400


@pytest.mark.parametrize("line", [" tls yes", " tls 0\n tls 1", " tls"])
def test_a_bad_line_of_the_option_itself_is_mended(line: str) -> None:
    assert edited(f"section: mail\n{line}\n", "mail.tls", "0") == "section: mail\n\ttls 0\n\n"
    assert edited(f"section: mail\n{line}\n", "mail.tls", None) == "section: mail\n\n"


PIECES = [
    *("section: mail\n", "section: admin\n", "\n", "0\n", " \n", "# c\n", "  # d\n", " tls\n"),
    *(" tls x\n", "\trelay a\n", " maxsize 9999\n", " type mail\n", " demo 1\n", "#\u00e4\r\n"),
]


@given(st.lists(st.sampled_from(PIECES)), st.sampled_from(["0", "1", None]))
def test_an_edit_changes_one_value_keeps_every_comment_and_is_done_once(
    pieces: list[str], value: str | None
) -> None:
    before = "".join(pieces)
    try:
        after = edited(before, "mail.tls", value)
    except InvalidError:
        return
    old, new = parse_pmg_conf(before.encode()), parse_pmg_conf(after.encode())
    assert new.text("mail", "tls") == value
    if after == before:
        return
    assert new.findings == ()
    values, wanted = new.values(8192), {**old.values(8192)}
    wanted["mail"] = {**wanted["mail"], "tls": values["mail"]["tls"]}
    assert values == wanted
    comments = [line.rstrip("\r") for line in before.split("\n") if "#" in line]
    assert sorted(line for line in after.split("\n") if "#" in line) == sorted(comments)
    again = edited(after, "mail.relay", "b")
    assert edited(again, "mail.relay", "c") == again.replace("relay b", "relay c")


@given(st.binary(max_size=200), st.sampled_from(["", "section: mail\n tls 0\n", "#\n"]))
def test_no_bytes_make_an_edit_do_anything_but_edit_or_refuse(data: bytes, before: str) -> None:
    place = Place("pmg.conf", "mail", "mail", "tls")
    try:
        new = with_option(before.encode() + data, GRAMMAR, place, "1")
    except InvalidError:
        return
    assert parse_pmg_conf(new).text("mail", "tls") == "1"
    assert with_option(new, GRAMMAR, place, "1") == new
