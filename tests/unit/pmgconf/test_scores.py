"""`pmg-scores.cf`, cell by cell as PMG was seen to behave."""

import pytest

from pmgsync.pmgconf.maps import SCORES, Score
from tests.unit.pmgconf.reading import read, rewritten, said


@pytest.mark.parametrize("line", ["score RULE 5", "score\tRULE  5 ", "score RULE 5\r"])
def test_a_line_is_the_word_score_a_rule_and_a_number(line: str) -> None:
    assert read(line, SCORES).entries == {"RULE": Score("RULE", "5", "", 1)}


@pytest.mark.parametrize(
    "line",
    [
        "score RULE",
        "score RULE 1 2 3 4",
        " score RULE 5",
        "SCORE RULE 5",
        "scoreRULE 5",
        "body A /x/",
    ],
)
def test_anything_else_is_a_parse_error(line: str) -> None:
    file = read(line, SCORES)
    assert (dict(file.entries), file.unread) == ({}, (1,))
    assert file.findings[0].mend == "write `score RULE NUMBER`"


def test_of_the_comment_one_blank_is_cut() -> None:
    text = "# two words\nscore A 1\n#bare\nscore B 1\n#  two blanks\nscore C 1\n"
    assert [entry.comment for entry in read(text, SCORES).entries.values()] == [
        "two words",
        "bare",
        " two blanks",
    ]


def test_the_last_comment_before_an_entry_counts() -> None:
    file = read("# one\n# two\n\nscore A 1\nscore B 1\n", SCORES)
    assert [entry.comment for entry in file.entries.values()] == ["two", ""]
    assert file.unkept == (1,)


def test_of_duplicates_the_last_wins_and_case_matters() -> None:
    file = read("score A 1\nscore A 2\nscore a 3\n", SCORES)
    assert {entry.key: entry.score for entry in file.entries.values()} == {"A": "2", "a": "3"}
    assert said(file.findings) == [("warning", 2, "A already stands in line 1; this one counts")]


@pytest.mark.parametrize(
    ("score", "written"),
    [
        *(("5", "5.000"), ("-0.5", "-0.500"), ("1.23456", "1.235"), ("007", "7.000")),
        *(("+2", "2.000"), (".5", "0.500"), ("5.", "5.000"), ("1e3", "1000.000")),
        *(("abc", "0.000"), ("5apples", "5.000"), ("0x10", "0.000"), ("1_000", "1.000")),
        *(("inf", "Inf"), ("-Infinity", "-Inf"), ("nan", "NaN"), ("1e999", "Inf")),
        *(("-", "0.000"), ("e5", "0.000"), ("\u0665", "0.000")),
    ],
)
def test_three_decimals_are_written_and_text_is_nothing(score: str, written: str) -> None:
    assert rewritten(f"score RULE {score}", SCORES) == f"score RULE {written}\n"


@pytest.mark.parametrize("score", ["abc", "5apples", "1e3", "+2", ".5", "nan"])
def test_a_score_that_is_no_number_to_spamassassin_is_doubted(score: str) -> None:
    (finding,) = read(f"score RULE {score}", SCORES).findings
    assert (finding.severity.value, finding.line) == ("warning", 1)
    assert finding.what == f"the score {score} of RULE is no number to SpamAssassin"


def test_scores_are_written_sorted_with_a_blank_before_the_comment() -> None:
    text = "#why\nscore B 1\n#\nscore A 2\n"
    assert rewritten(text, SCORES) == "score A 2.000\n# why\nscore B 1.000\n"
