"""The answer of an admin's own check, line by line as PMG's reader takes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.pmgconf.custom_check import Verdict, lines_of, verdict_of

CLEAN = "takes the mail for clean, as far as this check goes"
ERROR = "logs an error and takes the mail as not checked"


@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        (b"v1\nOK\n", Verdict()),
        (b"v1\nOK", Verdict()),
        (b"v1\r\nOK\r\n", Verdict()),
        (b"v1\rOK\r", Verdict()),
        (b"v1\nVIRUS: Eicar-Test\n", Verdict(virus="Eicar-Test")),
        (b"v1\nVIRUS: two words \n", Verdict(virus="two words ")),
        (b"v1\nSCORE: 3\n", Verdict(score=3.0)),
        (b"v1\nSCORE: -3\n", Verdict(score=-3.0)),
        (b"v1\nSCORE: 1.5\n", Verdict(score=1.5)),
        (b"v1\nSCORE: .5\n", Verdict(score=0.5)),
        (b"v1\nSCORE: +5\n", Verdict(score=5.0)),
        (b"v1\nSCORE: 0\n", Verdict(score=0.0)),
        (b"v1\nSCORE: x5\n", Verdict(score=0.0)),
        (b"v1\nSCORE: 1x5\n", Verdict(score=1.0)),
        (b"SCORE: 3\nv1\nOK\n", Verdict(score=3.0)),
        (b"v1\nOK\n0", Verdict()),
    ],
)
def test_a_good_answer(output: bytes, verdict: Verdict) -> None:
    assert verdict_of(output, 0) == verdict


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        (b"", "no version"),
        (b"v1\n", "no result after the version"),
        (b"OK\n", "no version"),
        (b"OK\nv1\n", "no result after the version"),
        (b"v2\nOK\n", "the version is v2, not v1"),
        (b"v1\nv1\nOK\n", "the version stands twice"),
        (b"v1\nOK\nOK\n", "more than one result"),
        (b"v1\nOK\nVIRUS: x\n", "more than one result"),
        (b"v1\nok\n", "unexpected line: 'ok'"),
        (b"v1\nOK \n", "unexpected line: 'OK '"),
        (b"v1\n\nOK\n", "unexpected line: ''"),
        (b"v1\nOK\n\n", "unexpected line: ''"),
        (b"v1\nVIRUS:\n", "unexpected line: 'VIRUS:'"),
        (b"v1\nVIRUS: \n", "unexpected line: 'VIRUS: '"),
        (b"v1\nSCORE: -1.5\n", "unexpected line: 'SCORE: -1.5'"),
        (b"v1\nSCORE: many\n", "unexpected line: 'SCORE: many'"),
        (b"checking...\nv1\nOK\n", "unexpected line: 'checking...'"),
        (b"v11\nOK\n", "unexpected line: 'v11'"),
    ],
)
def test_a_spoilt_answer(output: bytes, fault: str) -> None:
    verdict = verdict_of(output, 0)
    assert (verdict.fault, verdict.virus, str(verdict)) == (fault, "", ERROR)
    assert verdict.mend


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (1, "it ended with exit code 1"),
        (255, "it ended with exit code 255"),
        (-9, "signal 9 ended it"),
        (None, "it did not end in time"),
    ],
)
def test_how_it_ends_spoils_the_answer(status: int | None, fault: str) -> None:
    assert verdict_of(b"v1\nVIRUS: x\n", status).fault == fault
    assert verdict_of(b"v1\nVIRUS: x\n", status).virus == ""


def test_a_line_that_is_wrong_comes_before_how_it_ended() -> None:
    assert verdict_of(b"nonsense\n", 1).fault == "unexpected line: 'nonsense'"


@pytest.mark.parametrize(
    ("output", "status"), [(b"v1\nSCORE: 5\n", 1), (b"v1\nOK\nSCORE: 5\n", 0), (b"SCORE: 5\n", 0)]
)
def test_a_score_counts_even_where_the_answer_is_spoilt(output: bytes, status: int) -> None:
    verdict = verdict_of(output, status)
    assert (verdict.score, bool(verdict.fault)) == (5.0, True)
    assert str(verdict) == f"{ERROR}; the score 5 counts all the same"


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict(), CLEAN),
        (Verdict(virus="a\x1b[1m"), "takes the mail for infected with a\\x1b[1m"),
        (Verdict(score=1.5), "adds 1.5 to the spam score"),
        (Verdict(score=0.0), "adds 0 to the spam score"),
    ],
)
def test_in_words(verdict: Verdict, words: str) -> None:
    assert str(verdict) == words


def test_lines_end_as_for_pmg() -> None:
    assert list(lines_of(b"a\nb\r\nc\rd\x08\x08e\n\nf")) == ["a", "b", "c", "d", "e", "", "f"]
    assert list(lines_of(b"a\n")) == ["a"]


@given(st.binary(), st.one_of(st.none(), st.integers(-64, 255)))
def test_no_answer_makes_it_raise(output: bytes, status: int | None) -> None:
    verdict = verdict_of(output, status)
    assert not (verdict.fault and verdict.virus)
    assert str(verdict)
