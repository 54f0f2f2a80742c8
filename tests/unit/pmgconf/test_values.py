"""What an option may hold, and what it is worth."""

import pytest

from pmgsync.pmgconf.formats import EMAIL
from pmgsync.pmgconf.values import OptionRule, ValueType, perl_number, perl_number_text

WHOLE = OptionRule(type=ValueType.INTEGER, least=1, most=10)
FLAG = OptionRule(type=ValueType.BOOLEAN)
CHOICE = OptionRule(choices=("smtp", "lmtp"))
TEXT = OptionRule(most_bytes=4)


@pytest.mark.parametrize(
    ("rule", "good", "bad", "fault"),
    [
        (WHOLE, "1", "0", "value must have a minimum value of 1"),
        (WHOLE, "+010", "11", "value must have a maximum value of 10"),
        (WHOLE, "5", "9" * 5000, "value must have a maximum value of 10"),
        (WHOLE, "5", "", "type check ('integer') failed - got ''"),
        (FLAG, "0", "yes", "type check ('boolean') failed - got 'yes'"),
        (FLAG, "1", "1\n", "property contains a line feed"),
        (
            CHOICE,
            "lmtp",
            "SMTP",
            "value 'SMTP' does not have a value in the enumeration 'smtp, lmtp'",
        ),
        (TEXT, "abcd", "äää", "value may only be 4 characters long"),
        (TEXT, "ab", "a\rb", "property contains a line feed"),
        (
            OptionRule(format=EMAIL),
            "a@b",
            "a",
            "invalid format - value does not look like a valid email address",
        ),
        (OptionRule(pattern="a+"), "aaa", "aaab", "value does not match the regex pattern"),
        (OptionRule(), "", "\n", "property contains a line feed"),
    ],
)
def test_a_fault_is_said_in_pmgs_words(rule: OptionRule, good: str, bad: str, fault: str) -> None:
    assert rule.fault(good) == ""
    assert rule.fault(bad) == fault


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (FLAG, "0 or 1"),
        (WHOLE, "a whole number from 1 to 10"),
        (OptionRule(type=ValueType.INTEGER, least=0), "a whole number from 0"),
        (OptionRule(type=ValueType.INTEGER, most=9), "a whole number up to 9"),
        (OptionRule(type=ValueType.INTEGER), "a whole number"),
        (CHOICE, "one of smtp, lmtp"),
        (OptionRule(format=EMAIL), "an email address"),
        (OptionRule(pattern="a+", words="some a"), "some a"),
        (TEXT, "any text, at most 4 bytes"),
        (OptionRule(), "any text"),
    ],
)
def test_what_is_allowed_is_said_in_words(rule: OptionRule, words: str) -> None:
    assert rule.allowed == words


@pytest.mark.parametrize(
    ("text", "number", "printed"),
    [
        ("0", 0, "0"),
        ("-0", 0, "0"),
        ("+26", 26, "26"),
        ("0025", 25, "25"),
        ("-9223372036854775808", -(2**63), "-9223372036854775808"),
        ("-9223372036854775809", -float(2**63), "-9.22337203685478e+18"),
        ("18446744073709551615", 2**64 - 1, "18446744073709551615"),
        ("18446744073709551616", float(2**64), "1.84467440737096e+19"),
        ("99999999999999999999", 1e20, "1e+20"),
        ("9" * 400, float("inf"), "Inf"),
        ("-" + "9" * 400, float("-inf"), "-Inf"),
    ],
)
def test_numbers_are_perls(text: str, number: float, printed: str) -> None:
    assert perl_number(text) == number
    assert type(perl_number(text)) is type(number)
    assert perl_number_text(perl_number(text)) == printed


def test_other_numbers_print_with_15_digits() -> None:
    shown = [perl_number_text(number) for number in (0.1 + 0.2, 1 / 3, 3.5, 1e-05, float("nan"))]
    assert shown == ["0.3", "0.333333333333333", "3.5", "1e-05", "NaN"]


def test_text_stays_text() -> None:
    assert (OptionRule().value("007"), OptionRule().written("007")) == ("007", "007")
    assert (WHOLE.value("007"), WHOLE.written("+7")) == (7, "7")
    assert (FLAG.value("1"), FLAG.written("0")) == (1, "0")
