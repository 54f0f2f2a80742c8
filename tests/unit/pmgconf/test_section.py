"""PMG's section grammar, row by row as PMG's own reader was seen to behave."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.pmgconf.findings import MOST_FINDINGS
from pmgsync.pmgconf.formats import is_config_id
from pmgsync.pmgconf.section import (
    Grammar,
    Section,
    SectionFile,
    dump,
    headed_by,
    parse,
    section_of,
    typed_header,
)
from pmgsync.pmgconf.values import OptionRule, ValueType

FLAG = OptionRule(type=ValueType.BOOLEAN)
PORT = OptionRule(type=ValueType.INTEGER, least=1, most=65535)
NEEDED = OptionRule(required=True)
MAIL = {"relay": OptionRule(), "relayport": PORT, "tls": FLAG, "banner": OptionRule(most_bytes=20)}
ADMIN = {"email": OptionRule(), "demo": FLAG}


def id_fault(name: str) -> str:
    return "" if is_config_id(name) else "invalid configuration ID"


GRAMMAR = Grammar(headed_by("section"), {"section": {**MAIL, **ADMIN}}, id_fault)
TYPED = Grammar(
    typed_header,
    {
        "ldap": {
            "server1": NEEDED,
            "disable": FLAG,
            "comment": OptionRule(),
            "bindpw": OptionRule(),
        },
        "oidc": {"issuer": NEEDED, "key": NEEDED},
    },
    is_secret=True,
)


def read(text: str, grammar: Grammar = GRAMMAR) -> SectionFile:
    return parse(text.encode(), grammar)


def values(file: SectionFile) -> dict[str, dict[str, str]]:
    return {s.id: {name: o.value for name, o in s.options.items()} for s in file.sections}


def warnings(file: SectionFile) -> list[str]:
    return [str(finding) for finding in file.findings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("section: mail\n\trelay a\n", {"mail": {"relay": "a"}}),
        ("section: mail\n\trelay a", {"mail": {"relay": "a"}}),
        ("section:mail\n relay a\n", {"mail": {"relay": "a"}}),
        ("section:   mail  \n relay a\n", {"mail": {"relay": "a"}}),
        ("section: mail\n\v\frelay\t \ta  b \t\n", {"mail": {"relay": "a  b"}}),
        ("section: mail\n# c\n relay a\n  # d\n tls 1\n", {"mail": {"relay": "a", "tls": "1"}}),
        ("section: mail\n relay a # b\n", {"mail": {"relay": "a # b"}}),
        ("section: mail\n tls\n", {"mail": {"tls": "1"}}),
        ("section: mail\n relay a\\\n", {"mail": {"relay": "a\\"}}),
        ("section: mail\n relay a\r\n tls 1\r\n", {"mail": {"relay": "a", "tls": "1"}}),
        ("section: mail\n relayport +26\n", {"mail": {"relayport": "+26"}}),
        ("section: mail\n type section\n relay a\n", {"mail": {"relay": "a"}}),
        ("section: mail\n relay \u00a0a\n", {"mail": {"relay": "\u00a0a"}}),
        ("section: mail\n\nsection: admin\n", {"mail": {}, "admin": {}}),
        ("section: mail\n0\nsection: admin\n", {"mail": {}, "admin": {}}),
        ("", {}),
        ("\n\n# only a comment\n", {}),
    ],
)
def test_what_is_read_without_a_word(text: str, expected: dict[str, dict[str, str]]) -> None:
    file = read(text)
    assert (values(file), warnings(file)) == (expected, [])


@pytest.mark.parametrize(
    ("text", "expected", "warning"),
    [
        (" section: mail\n", {}, "line 1 - ignore config line:  section: mail"),
        ("Section: mail\n", {}, "line 1 - ignore config line: Section: mail"),
        ("section mail\n", {}, "line 1 - ignore config line: section mail"),
        ("\ufeffsection: mail\n", {}, "line 1 - ignore config line: \ufeffsection: mail"),
        ("section: m\n", {}, "line 1 (skip section 'm'): invalid configuration ID"),
        ("\n relay a\n", {}, "line 2 - ignore config line:  relay a"),
        (
            "section: mail\n\n relay a\n",
            {"mail": {}},
            "line 3 - ignore config line:  relay a",
        ),
        (
            "section: mail\n relay a\n  \n tls 1\n",
            {"mail": {"relay": "a", "tls": "1"}},
            "line 3 (section 'mail') - ignore config line:   ",
        ),
        (
            "section: mail\nsection: admin\n email a@b\n",
            {"mail": {"email": "a@b"}},
            "line 2 (section 'mail') - ignore config line: section: admin",
        ),
        (
            "section: mail\n relay a\n relay b\n",
            {"mail": {"relay": "a"}},
            "line 3 (section 'mail') - unable to parse value of 'relay': duplicate attribute",
        ),
        (
            "section: mail\n colour red\n",
            {"mail": {}},
            "line 2 (section 'mail') - unable to parse value of 'colour': unknown property type",
        ),
        (
            "section: mail\n relay\n",
            {"mail": {}},
            "line 2 (section 'mail') - unable to parse value of 'relay': got undefined value",
        ),
        (
            "section: mail\n tls yes\n",
            {"mail": {}},
            "line 2 (section 'mail') - unable to parse value of 'tls': "
            "type check ('boolean') failed - got 'yes'",
        ),
        (
            "section: mail\n relayport 65536\n",
            {"mail": {}},
            "line 2 (section 'mail') - unable to parse value of 'relayport': "
            "value must have a maximum value of 65535",
        ),
    ],
)
def test_what_is_left_out_with_one_warning(
    text: str, expected: dict[str, dict[str, str]], warning: str
) -> None:
    file = read(text)
    assert (values(file), warnings(file)) == (expected, [warning])


def test_a_repeated_section_replaces_the_earlier_one_completely_and_takes_the_later_place() -> None:
    file = read("section: mail\n relay a\n\nsection: admin\n\nsection: mail\n tls 1\n")
    assert values(file) == {"admin": {}, "mail": {"tls": "1"}}
    assert [section.id for section in file.sections] == ["admin", "mail"]
    assert file.findings == ()


def test_a_bad_value_leaves_room_for_a_later_good_one() -> None:
    file = read("section: mail\n tls yes\n tls 0\n")
    assert values(file) == {"mail": {"tls": "0"}}


def test_a_crlf_file_has_one_section_only() -> None:
    file = read("section: mail\r\n relay a\r\n\r\nsection: admin\r\n email x\r\n")
    assert values(file) == {"mail": {"relay": "a", "email": "x"}}
    assert [finding.line for finding in file.findings] == [3, 4]


def test_an_option_of_another_type_is_told_from_an_unknown_one() -> None:
    file = read("ldap: one\n server1 a\n issuer b\n colour c\n", TYPED)
    assert [finding.what.rpartition(": ")[2] for finding in file.findings] == [
        "unexpected property 'issuer'",
        "unknown property type",
    ]


def test_a_section_that_lacks_what_is_required_is_known_by_its_id_only() -> None:
    file = read("oidc: one\n key k\n\nldap: two\n server1 a\n", TYPED)
    assert [section.id for section in file.sections] == ["two"]
    assert [section.id for section in file.incomplete] == ["one"]
    assert warnings(file) == [
        "line 2 (skip section 'one'): missing value for required option 'issuer'"
    ]


def test_an_unknown_type_is_skipped_with_everything_in_it() -> None:
    file = read("bogus: one\n server1 a\n what ever\n\nldap: two\n server1 a\n", TYPED)
    assert [section.id for section in file.sections] == ["two"]
    assert len(file.findings) == 1


def test_lines_are_known() -> None:
    (section,) = read("# c\n\nsection: mail\n# d\n relay a\n").sections
    assert (section.line, section.options["relay"].line) == (3, 5)
    assert (section.get("relay"), section.get("tls")) == ("a", None)


def test_bytes_that_are_not_utf_8_survive() -> None:
    data = b"section: mail\n\trelay \xff\xfe\xe4\n\n"
    file = parse(data, GRAMMAR)
    assert dump(file.sections, GRAMMAR) == data


def test_the_form_that_pmg_itself_writes() -> None:
    sections = [
        section_of("section", "mail", {"tls": "1", "relay": "a", "banner": ""}),
        section_of("section", "admin", {}),
    ]
    assert dump(sections, GRAMMAR) == b"section: mail\n\trelay a\n\ttls 1\n\nsection: admin\n\n"


ids = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]+", fullmatch=True)
words = st.text(min_size=1).filter(lambda text: re.fullmatch(r"[^ \t\r\f\v\n\ud800-\udfff]+", text))
options = st.fixed_dictionaries(
    {}, optional={"relay": words, "email": words, "tls": st.sampled_from(["0", "1"])}
)


@st.composite
def files(draw: st.DrawFn) -> list[Section]:
    names = draw(st.lists(ids, unique=True, max_size=5))
    return [section_of("section", name, draw(options)) for name in names]


@given(files())
def test_what_is_written_is_read_back(sections: list[Section]) -> None:
    file = parse(dump(sections, GRAMMAR), GRAMMAR)
    assert file.findings == ()
    assert values(file) == values(SectionFile(tuple(sections)))
    assert dump(file.sections, GRAMMAR) == dump(sections, GRAMMAR)


LINES = ["section: mail", "section: admin", "0", "", " ", "# c", " relay a", " tls", "\ttls x", "x"]


@given(st.lists(st.sampled_from(LINES)))
def test_reading_what_was_written_changes_nothing_more(lines: list[str]) -> None:
    once = dump(read("\n".join(lines)).sections, GRAMMAR)
    again = parse(once, GRAMMAR)
    assert (dump(again.sections, GRAMMAR), again.findings) == (once, ())


@given(st.binary(max_size=400))
def test_nothing_makes_it_raise(data: bytes) -> None:
    parse(data, GRAMMAR)
    parse(b"section: mail\n" + data, GRAMMAR)


def test_what_is_replaced_is_named_though_pmg_says_nothing() -> None:
    file = read("section: mail\n relay a\n\nsection: mail\n tls 1\n")
    assert [(section.line, section.get("relay")) for section in file.replaced] == [(1, "a")]
    assert file.findings == ()


def test_several_missing_options_are_named_at_the_last_line_that_was_read() -> None:
    file = read("oidc: one\n# c\n colour red\n\n", TYPED)
    assert warnings(file)[1:] == [
        "line 3 (skip section 'one'): missing value for required option 'issuer', 'key'"
    ]


def test_a_section_that_lacks_something_takes_the_place_of_a_whole_one() -> None:
    file = read("ldap: two\n server1 a\n\nldap: two\n disable\n", TYPED)
    assert file.sections == ()
    assert [(s.id, s.line) for s in file.incomplete] == [("two", 4)]


def test_the_writer_puts_comment_and_disable_first_and_then_what_is_required() -> None:
    options = {"bindpw": "cHc=", "server1": "a", "disable": "1", "comment": "c"}
    assert dump([section_of("ldap", "one", options)], TYPED) == (
        b"ldap: one\n\tcomment c\n\tdisable\n\tserver1 a\n\tbindpw cHc=\n\n"
    )
    quiet = {"server1": "a", "disable": "0", "comment": "0", "bindpw": ""}
    assert dump([section_of("ldap", "one", quiet)], TYPED) == b"ldap: one\n\tserver1 a\n\n"


def test_numbers_are_written_as_perl_prints_them() -> None:
    file = read("section: mail\n relayport +0025\n tls\n")
    assert dump(file.sections, GRAMMAR) == b"section: mail\n\trelayport 25\n\ttls 1\n\n"


def test_no_line_of_a_secret_file_is_shown() -> None:
    file = read("ldap: one\n server1 a\nbindpw hunter2\n", TYPED)
    assert warnings(file) == ["line 3 (section 'one') - ignore config line: (not shown)"]


def test_a_password_in_an_address_is_never_shown() -> None:
    file = read("section: admin\nhttp_proxy http://me:hunter2@proxy:3128/\n")
    assert "hunter2" not in warnings(file)[0]
    assert "ignore config line: http_proxy http://" in warnings(file)[0]


def test_a_warning_is_the_line_that_pmg_prints() -> None:
    (finding,) = read("section: mail\n tls yes\n").findings
    assert finding.warning("/etc/pmg/pmg.conf") == (
        "file /etc/pmg/pmg.conf line 2 (section 'mail') - unable to parse value of 'tls': "
        "type check ('boolean') failed - got 'yes'"
    )
    assert (finding.key, finding.mend) == ("tls", "allowed is 0 or 1")


def test_of_very_many_findings_the_first_are_kept_and_the_rest_counted() -> None:
    file = parse(b"x\n" * (MOST_FINDINGS + 7), GRAMMAR)
    assert len(file.findings) == MOST_FINDINGS + 1
    assert file.findings[-1].what == "7 more findings are not listed"
