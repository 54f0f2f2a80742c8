"""`pmg.conf`, row by row as PMG's own reader and writer were seen to behave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.pmgconf.pmg_conf import PmgConf, dump_pmg_conf, parse_pmg_conf
from pmgsync.pmgconf.schema import SECTIONS
from pmgsync.pmgconf.values import MOST_EXACT, perl_number_text

ENOUGH = 8192


def read(text: str | bytes) -> PmgConf:
    return parse_pmg_conf(text.encode() if isinstance(text, str) else text)


def texts(conf: PmgConf) -> dict[str, dict[str, str]]:
    return {s.id: {name: o.value for name, o in s.options.items()} for s in conf.file.sections}


def warnings(conf: PmgConf) -> list[str]:
    return list(conf.warnings(ENOUGH, "pmg.conf"))


def in_mail(lines: str) -> tuple[dict[str, str], list[str]]:
    """What a section `mail` with these lines says, and the reasons of PMG's warnings."""
    conf = read(f"section: mail\n{lines}\n")
    return texts(conf)["mail"], [finding.what for finding in conf.findings]


def refused(key: str, reason: str) -> str:
    return f"unable to parse value of '{key}': {reason}"


# --- one test for each row of what was seen ---


def test_a_comment_is_skipped_also_indented_and_inside_a_section_and_does_not_end_it() -> None:
    lines = "# one\n relay a\n  # two\n\t#three\n tls 1"
    assert in_mail(lines) == ({"relay": "a", "tls": "1"}, [])


def test_a_hash_after_a_value_is_part_of_it() -> None:
    assert in_mail(" banner a # b") == ({"banner": "a # b"}, [])


def test_an_empty_line_ends_the_section_and_an_option_after_it_is_ignored() -> None:
    assert in_mail("\n tls 1") == ({}, ["ignore config line:  tls 1"])


@pytest.mark.parametrize("blank", ["  ", "\t", "\r", "\f", "\v"])
def test_a_line_of_blanks_or_a_lone_cr_does_not_end_the_section(blank: str) -> None:
    assert in_mail(f"{blank}\n tls 1") == ({"tls": "1"}, [f"ignore config line: {blank}"])


def test_a_line_that_is_just_0_ends_the_section() -> None:
    conf = read("section: mail\n tls 1\n0\nsection: admin\n demo 1\n")
    assert (texts(conf), warnings(conf)) == ({"mail": {"tls": "1"}, "admin": {"demo": "1"}}, [])


@pytest.mark.parametrize("line", ["00", " 0", "0 ", "0.0"])
def test_other_spellings_of_0_do_not(line: str) -> None:
    assert in_mail(f"{line}\n tls 1")[0] == {"tls": "1"}


def test_a_header_without_an_empty_line_before_is_ignored_and_its_options_join_the_open_one() -> (
    None
):
    conf = read("section: mail\n tls 1\nsection: admin\n relay a\n")
    assert texts(conf) == {"mail": {"tls": "1", "relay": "a"}}
    assert warnings(conf) == [
        "file pmg.conf line 3 (section 'mail') - ignore config line: section: admin"
    ]


@pytest.mark.parametrize("header", ["section:mail", "section:   mail  ", "section:\tmail\r"])
def test_headers_with_any_blanks_are_fine(header: str) -> None:
    assert texts(read(f"{header}\n tls 1\n")) == {"mail": {"tls": "1"}}


@pytest.mark.parametrize("header", ["Section: mail", " section: mail", "section mail"])
def test_other_headers_are_ignored_with_a_warning(header: str) -> None:
    conf = read(f"{header}\n tls 1\n")
    assert texts(conf) == {}
    assert warnings(conf)[0] == f"file pmg.conf line 1 - ignore config line: {header}"


def test_crlf_values_are_fine_but_only_the_first_section_is_opened() -> None:
    conf = read("section: mail\r\n relay a\r\n\r\nsection: admin\r\n tls 1\r\n")
    assert texts(conf) == {"mail": {"relay": "a", "tls": "1"}}
    assert [finding.line for finding in conf.findings] == [3, 4]


def test_a_byte_order_mark_hides_the_first_header() -> None:
    conf = read("\ufeffsection: mail\n tls 1\n\nsection: admin\n demo 1\n")
    assert texts(conf) == {"admin": {"demo": "1"}}
    assert [finding.line for finding in conf.findings] == [1, 2]


@pytest.mark.parametrize("name", ["m", "1mail", "_mail", "ma.il", "mäil"])
def test_a_section_id_has_a_letter_first_and_two_characters_else_it_is_skipped(name: str) -> None:
    conf = read(f"section: {name}\n tls yes\n\nsection: mail\n tls 1\n")
    assert texts(conf) == {"mail": {"tls": "1"}}
    assert warnings(conf) == [
        f"file pmg.conf line 1 (skip section '{name}'): invalid configuration ID '{name}'"
    ]


@pytest.mark.parametrize("name", ["bogus", "Mail", "MAIL", "mail-2"])
def test_an_unknown_section_is_skipped_with_one_warning(name: str) -> None:
    conf = read(f"section: {name}\n tls yes\n")
    assert texts(conf) == {}
    assert warnings(conf) == [
        f"file pmg.conf line 1 (skip section '{name}'): unsupported type '{name}'"
    ]


def test_of_one_section_given_twice_the_later_replaces_the_earlier_completely() -> None:
    conf = read("section: mail\n relay a\n\nsection: mail\n tls 1\n")
    assert (texts(conf), warnings(conf)) == ({"mail": {"tls": "1"}}, [])


def test_of_one_option_given_twice_the_first_stays() -> None:
    assert in_mail(" relay a\n relay b") == (
        {"relay": "a"},
        [refused("relay", "duplicate attribute")],
    )


def test_an_unknown_option_is_dropped() -> None:
    assert in_mail(" colour red") == ({}, [refused("colour", "unknown property type")])


def test_an_option_of_another_section_is_dropped() -> None:
    assert in_mail(" demo 1") == ({}, [refused("demo", "unexpected property 'demo'")])


def test_a_bad_value_is_dropped_the_default_applies_and_parsing_goes_on() -> None:
    conf = read("section: mail\n relayport 0\n tls 1\n")
    assert texts(conf) == {"mail": {"tls": "1"}}
    assert conf.values(ENOUGH)["mail"]["relayport"] == 25
    assert [f.what for f in conf.findings] == [
        refused("relayport", "value must have a minimum value of 1")
    ]


def test_an_option_without_value_is_1_for_a_boolean_and_dropped_otherwise() -> None:
    assert in_mail(" tls\n relay\n relayport ") == (
        {"tls": "1"},
        [refused("relay", "got undefined value"), refused("relayport", "got undefined value")],
    )


@pytest.mark.parametrize("word", ["yes", "on", "01", "2", "true", "-1"])
def test_booleans_are_only_0_and_1(word: str) -> None:
    reason = f"type check ('boolean') failed - got '{word}'"
    assert in_mail(f" tls {word}") == ({}, [refused("tls", reason)])


@pytest.mark.parametrize("word", ["1e3", "3.0", "0x10", "1 0", "\u0661", "+", "--1"])
def test_what_is_no_integer_is_refused(word: str) -> None:
    reason = f"type check ('integer') failed - got '{word}'"
    assert in_mail(f" dwarning {word}") == ({}, [refused("dwarning", reason)])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ext_port 0", "value must have a minimum value of 1"),
        ("ext_port 65536", "value must have a maximum value of 65535"),
        (f"banner {'x' * 1025}", "value may only be 1024 characters long"),
        (f"banner {'ä' * 513}", "value may only be 1024 characters long"),
    ],
)
def test_limits_refuse_what_is_beyond(line: str, reason: str) -> None:
    assert in_mail(f" {line}") == ({}, [refused(line.split()[0], reason)])


@pytest.mark.parametrize(
    "line", ["ext_port 1", "ext_port 65535", f"banner {'x' * 1024}", f"banner {'ä' * 512}"]
)
def test_limits_are_inclusive_and_lengths_count_bytes(line: str) -> None:
    assert in_mail(f" {line}")[1] == []


@pytest.mark.parametrize("blank", [" ", "\t", "\f", "\v", "\r", " \t\v\f "])
def test_any_white_space_indents_and_separates(blank: str) -> None:
    assert in_mail(f"{blank}relay{blank}a{blank}") == ({"relay": "a"}, [])


def test_a_no_break_space_is_no_white_space() -> None:
    assert in_mail("\u00a0relay a") == ({}, ["ignore config line: \u00a0relay a"])
    assert in_mail(" banner \u00a0a\u00a0") == ({"banner": "\u00a0a\u00a0"}, [])


def test_inner_blanks_stay_outer_ones_are_cut_and_no_line_is_continued() -> None:
    lines = " banner  a \t b \\\n tls 1"
    assert in_mail(lines) == ({"banner": "a \t b \\", "tls": "1"}, [])


def test_a_carriage_return_inside_a_value_is_refused() -> None:
    assert in_mail(" banner a\rb") == ({}, [refused("banner", "property contains a line feed")])


def test_the_option_type_is_accepted_silently_if_it_says_what_the_header_says() -> None:
    assert in_mail(" type mail\n tls 1") == ({"tls": "1"}, [])
    assert in_mail(" type admin") == ({}, [refused("type", "unexpected property 'type'")])
    assert in_mail(" type mail\n type mail") == ({}, [refused("type", "duplicate attribute")])


def test_no_newline_at_the_end_and_long_lines_are_fine() -> None:
    text = "x" * 60_000
    conf = read(f"section: admin\n consent-text {text}")
    assert texts(conf) == {"admin": {"consent-text": text}}
    assert read(f"section: mail\n #{'x' * 100_000}\n tls").findings == ()


# --- values ---


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("int_port +26", 26),
        ("int_port 0025", 25),
        ("maxsize 99999999999999999999", 1e20),
        (f"maxsize {MOST_EXACT}", MOST_EXACT),
        (f"maxsize {MOST_EXACT + 1}", float(MOST_EXACT + 1)),
        (f"maxsize {'9' * 5000}", float("inf")),
        (f"maxsize {'0' * 5000}1024", 1024),
        ("tls", 1),
        ("tls 0", 0),
        ("relay mx.example", "mx.example"),
        ("verifyreceivers 450", "450"),
    ],
)
def test_a_value_is_what_perl_makes_of_it(line: str, value: object) -> None:
    conf = read(f"section: mail\n {line}\n")
    assert conf.findings == ()
    assert conf.values(ENOUGH)["mail"][line.split()[0]] == value


def test_every_option_has_a_value_or_is_undefined() -> None:
    values = read("").values(ENOUGH)
    assert {section: set(options) for section, options in values.items()} == {
        section: set(settings) for section, settings in SECTIONS.items()
    }
    undefined = {
        f"{s}.{k}" for s, options in values.items() for k, v in options.items() if v is None
    }
    assert undefined == {
        *("admin.dkim_selector", "admin.http_proxy", "mail.dnsbl_sites", "mail.queue-lifetime"),
        *("mail.relay", "mail.smarthost", "mail.verifyreceivers", "spam.wl_bounce_relays"),
        *("spamquar.hostname", "spamquar.mailfrom"),
    }


def test_what_depends_on_memory_does() -> None:
    small, large = read("").values(1024)["mail"], read("").values(ENOUGH)["mail"]
    names = ("max_filters", "max_policy", "max_smtpd_in", "max_smtpd_out")
    assert [small[name] for name in names] == [5, 5, 50, 50]
    assert [large[name] for name in names] == [38, 5, 100, 100]
    assert read("section: mail\n max_filters 7\n").values(1024)["mail"]["max_filters"] == 7


@pytest.mark.parametrize(
    ("memory", "warning"),
    [
        (1024, "system memory size of 1.0 GiB is below the minimum 2+ GiB limit!"),
        (1900, "system memory size of 1.9 GiB is below the minimum 2+ GiB limit!"),
        (1901, "system memory size of 1.9 GiB is below the recommended 4+ GiB limit!"),
        (3839, "system memory size of 3.7 GiB is below the recommended 4+ GiB limit!"),
        (3840, ""),
    ],
)
def test_little_memory_is_warned_about_before_the_file(memory: int, warning: str) -> None:
    conf = read("x\n")
    expected = [warning] if warning else []
    assert list(conf.warnings(memory)) == [
        *expected,
        "file /etc/pmg/pmg.conf line 1 - ignore config line: x",
    ]


# --- writing ---


def test_the_form_that_pmg_itself_writes() -> None:
    conf = read(
        "# ours\nsection:mail\n\n\nsection: admin\n  statlifetime 7\n email a@b\n dailyreport\n\n"
    )
    assert dump_pmg_conf(conf) == (
        b"section: mail\n\nsection: admin\n\tdailyreport 1\n\temail a@b\n\tstatlifetime 7\n\n"
    )


def test_bytes_that_are_not_utf_8_survive() -> None:
    data = b"section: mail\n\tbanner \xff\xfe\xe4 \xc3\xa4\n\n"
    assert dump_pmg_conf(read(data)) == data


TEXTS = {
    "banner": st.text("ab \xe4#:%", min_size=1, max_size=9).map(str.strip).filter(bool),
    "relay": st.sampled_from(["a", "192.0.2.1", "2001:db8::1", "mx.example"]),
    "int_port": st.integers(1, 65535).map(str),
    "maxsize": st.integers(1024, MOST_EXACT).map(str),
    "tls": st.sampled_from(["0", "1"]),
    "dnsbl_sites": st.sampled_from(["a.example*2 b.example=127.0.0.[2..9]*-3", "a,b;c"]),
}


@given(st.fixed_dictionaries({}, optional=TEXTS), st.booleans())
def test_what_is_written_is_read_back_and_written_the_same(
    options: dict[str, str], admin: bool
) -> None:
    lines = "".join(f" {name}\t {text} \n" for name, text in options.items())
    conf = read(f"section: mail\n{lines}\n" + "section: admin\n" * admin)
    assert conf.findings == ()
    written = dump_pmg_conf(conf)
    again = read(written)
    assert (again.findings, again.values(ENOUGH)) == ((), conf.values(ENOUGH))
    assert dump_pmg_conf(again) == written


PIECES = [
    *(
        "section: mail\n",
        "section: admin\n",
        "section: bogus\n",
        "\n",
        "0\n",
        " \n",
        "\r\n",
        "# c\n",
    ),
    *(
        " tls\n",
        " tls x\n",
        "\trelay a\n",
        " relay b\n",
        " maxsize 9999\n",
        "\ufeff",
        " type mail\n",
    ),
]


@given(st.lists(st.sampled_from(PIECES).map(str.encode) | st.binary(max_size=9)))
def test_whatever_is_read_is_written_in_a_form_that_stays(pieces: list[bytes]) -> None:
    conf = read(b"".join(pieces))
    written = dump_pmg_conf(conf)
    again = read(written)
    assert (texts(again), again.findings) == (texts(conf), ())
    assert dump_pmg_conf(again) == written


@given(st.integers(-(10**25), 10**25))
def test_a_number_has_one_text(number: int) -> None:
    conf = read(f"section: mail\n maxsize {number}\n")
    value = conf.values(ENOUGH)["mail"]["maxsize"]
    assert isinstance(value, int | float)
    assert perl_number_text(value) == perl_number_text(float(value)) or abs(number) < 2**64
