"""PMG's section grammar, row by row as PMG's own reader was seen to behave."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.pmgconf.section import (
    Grammar,
    OptionRule,
    Section,
    SectionFile,
    anything,
    boolean,
    dump,
    integer,
    matching,
    parse,
    section_of,
)

MAIL = {
    "relay": OptionRule(),
    "relayport": OptionRule(integer(1, 65535)),
    "tls": OptionRule(boolean, may_be_bare=True),
    "banner": OptionRule(matching(r".{1,20}")),
}
ADMIN = {"email": OptionRule(), "demo": OptionRule(boolean, may_be_bare=True)}
CONFIG_ID = r"[A-Za-z][A-Za-z0-9_-]+"


def id_fault(name: str) -> str:
    return "" if re.fullmatch(CONFIG_ID, name) else "invalid configuration ID"


GRAMMAR = Grammar(
    re.compile(r"(section):[ \t\r\f\v]*([^ \t\r\f\v]+)[ \t\r\f\v]*"),
    {"section": {**MAIL, **ADMIN}},
    id_fault,
)
TYPED = Grammar(
    re.compile(r"([a-z]+):[ \t\r\f\v]*([a-z0-9]+)[ \t\r\f\v]*"),
    {
        "ldap": {"server1": OptionRule(required=True), "disable": OptionRule(boolean)},
        "oidc": {"issuer": OptionRule(required=True), "key": OptionRule(required=True)},
    },
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
        ("section: m\n", {}, "line 1 (section 'm') - skip section: invalid configuration ID"),
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


@pytest.mark.parametrize("value", ["1e3", "3.0", "0x10", "", "0", "-1", "\u0661"])
def test_what_is_no_port(value: str) -> None:
    assert integer(1, 65535)(value)


@pytest.mark.parametrize("value", ["1", "+1", "0025", "65535"])
def test_limits_are_included(value: str) -> None:
    assert integer(1, 65535)(value) == ""
    assert integer(1)("99999999999999999999") == ""


@pytest.mark.parametrize("value", ["yes", "on", "01", "2", "", "true"])
def test_only_two_words_are_booleans(value: str) -> None:
    assert boolean(value)
    assert boolean("0") == boolean("1") == anything(value) == ""


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
        "unexpected property",
        "unknown property type",
    ]


def test_a_section_that_lacks_what_is_required_is_known_by_its_id_only() -> None:
    file = read("oidc: one\n key k\n\nldap: two\n server1 a\n", TYPED)
    assert [section.id for section in file.sections] == ["two"]
    assert [section.id for section in file.incomplete] == ["one"]
    assert warnings(file) == ["line 1 (section 'one') - skip section: missing issuer"]


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
    assert dump(file.sections) == data


def test_the_form_that_pmg_itself_writes() -> None:
    sections = [
        section_of("section", "mail", {"tls": "1", "relay": "a", "banner": ""}),
        section_of("section", "admin", {}),
    ]
    assert dump(sections) == b"section: mail\n\trelay a\n\ttls 1\n\nsection: admin\n\n"


ids = st.from_regex(CONFIG_ID, fullmatch=True)
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
    file = parse(dump(sections), GRAMMAR)
    assert file.findings == ()
    assert values(file) == values(SectionFile(tuple(sections)))
    assert dump(file.sections) == dump(sections)


LINES = ["section: mail", "section: admin", "0", "", " ", "# c", " relay a", " tls", "\ttls x", "x"]


@given(st.lists(st.sampled_from(LINES)))
def test_reading_what_was_written_changes_nothing_more(lines: list[str]) -> None:
    once = dump(read("\n".join(lines)).sections)
    again = parse(once, GRAMMAR)
    assert (dump(again.sections), again.findings) == (once, ())


@given(st.binary(max_size=400))
def test_nothing_makes_it_raise(data: bytes) -> None:
    parse(data, GRAMMAR)
    parse(b"section: mail\n" + data, GRAMMAR)
