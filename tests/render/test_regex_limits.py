"""Regular expressions that never end, that want much memory, and those that are refused."""

from __future__ import annotations

import time

import pytest

from pmgsync.render.compile import Templates
from pmgsync.render.errors import LimitError, TemplateError
from pmgsync.render.perl.budget import Budget, Limits
from pmgsync.render.perl.faults import Exhausted
from pmgsync.render.perl.operators import PerlDie
from pmgsync.render.perl.regex import MOST_PATTERN, MOST_TEXT, compiled
from pmgsync.render.perl.text_methods import replace

SOON = Limits(seconds=0.05)


def render(template: str, limits: Limits = Limits(), **variables: object) -> bytes:  # noqa: B008
    lookup = {"t": template.encode("latin-1")}.get
    return Templates(limits=limits).render("t", variables, lookup, time.monotonic)


def budget(limits: Limits = Limits()) -> Budget:  # noqa: B008
    return Budget(limits, lambda: 0.0)


ENDLESS = [
    ("(a|a)+$", "a" * 60 + "!"),
    ("[ab]*[ab]*[ab]*[ab]*[cd]", "ab" * 5000),
    ("(?=(a*a*a*a*[bc]))", "a" * 10_000),
    ("(?:a|(b))*[cd]", "a" * 100_000),
    ("(x|(?:x|x))+[yz]", "x" * 50),
    (r"(\w|\w\w|\w)+[:;]", "a" * 60),
]


@pytest.mark.parametrize(("pattern", "string"), ENDLESS)
def test_what_tries_without_end_is_ended(pattern: str, string: str) -> None:
    with pytest.raises(LimitError, match=r"^t line 2: takes longer than 0.05 seconds: \[% "):
        render("[% TRY %]\n[% s.match(p) %][% CATCH %][% END %]", SOON, s=string, p=pattern)


@pytest.mark.parametrize(
    "use",
    [
        "s.search(p)",
        "s.replace(p, '')",
        "s.remove(p)",
        "s.split(p)",
        "l.grep(p).size",
        "s | replace(p)",
        "s | remove(p)",
    ],
)
def test_so_it_is_wherever_a_pattern_is_taken(use: str) -> None:
    pattern, string = ENDLESS[0]
    with pytest.raises(LimitError, match="longer than"):
        render(f"[% {use} %]", SOON, s=string, l=["b", string], p=pattern)


def test_a_search_may_take_what_the_others_left() -> None:
    """Many short searches add up."""
    template = "[% FOREACH i IN [1..100000]; s.search(p); END %]"
    with pytest.raises(LimitError, match="longer than"):
        render(template, SOON, s="a" * 18 + "!", p="(a|a)+$")


def test_what_was_refused_for_its_form_works_now() -> None:
    for pattern in ("(a+)+$", "(a*)*b", "((ab?)+)*!!", "(x+x+)+y", "a*a*a*a*b"):
        assert render("[% s.replace(p, '') %]", s="a" * 500 + "!", p=pattern) == b"a" * 500 + b"!"


@pytest.mark.parametrize(("groups", "most"), [(0, MOST_TEXT), (1, MOST_TEXT // 4)])
def test_the_text_is_bounded_by_what_the_pattern_keeps(groups: int, most: int) -> None:
    pattern = compiled(["[ax]{9}", "(?:(a)|x){9}"][groups], budget())
    assert pattern.search("x" * most) is not None
    with pytest.raises(PerlDie, match="KiB at most"):
        pattern.search("x" * (most + MOST_TEXT // 8))


def test_a_word_is_found_in_a_text_of_any_length() -> None:
    text = "x" * MOST_TEXT * 2 + ","
    assert replace(budget(), text, ",", " ") == "x" * MOST_TEXT * 2 + " "


def test_a_result_is_bounded_before_it_is_made() -> None:
    many, long = "x" * 20_000, "$1" * 10_000
    with pytest.raises(Exhausted, match="16 MiB of text"):
        replace(budget(), many, "x", "y" * 1000)
    with pytest.raises(Exhausted, match="16 MiB of text"):
        replace(budget(), many, "(x+)", long)
    with pytest.raises(LimitError, match="list of more than 1000 items"):
        render("[% s.split('').size %]", Limits(items=1000), s=many)
    with pytest.raises(LimitError, match="list of more than 1000 items"):
        render("[% s.match('(x)', 1).size %]", Limits(items=1000), s=many)


def test_a_long_replacement_of_a_long_text_is_no_matter_of_steps() -> None:
    assert len(replace(budget(), "x" * 100_000, "[x]", "yy")) == 200_000


@pytest.mark.parametrize(
    "pattern",
    [
        "a{65534}" * 2 + "{2}",
        "(?:a{60000}){60000}",
        "(?:(?:a{250,}){250,}){2}",
        "(" * 60 + "a" + ")" * 60,
        "a" * (MOST_PATTERN + 1),
    ],
)
def test_a_pattern_that_unfolds_is_refused(pattern: str) -> None:
    with pytest.raises(PerlDie):
        compiled(pattern, budget())


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"\p{L}", "Unicode properties"),
        (r"\N{U+41}", "left brace"),
        (r"\x{100}", "beyond 255"),
        (r"\G", r"\\G is not supported"),
        (r"\b{wb}", r"\\b{...} is not supported"),
        ("(?u)a", "other rules for bytes"),
        ("(a(?1)?b)", "recursion is not supported"),
        ("(?<x>a(?&x)?)", "recursion is not supported"),
        ("a(*SKIP)b", r"\(\*SKIP...\) is not supported"),
        (r"(a\1?)", "refers to itself"),
        ("(?:a(b)?)*", "an optional group.* in a repeated group"),
        ("(?:(?=(a))a)*", "one in a look-around.* in a repeated group"),
        ("(?:a*){2,3}", "may be empty"),
        ("(?<=(a|bc))d", "lookbehind of several lengths"),
        ("(?<=a++)b", "Lookbehind longer"),
        ("(?<=(?>a))b", "gives nothing back"),
        ("(?(?=(a))b|c)", "a group in a condition"),
        ("(?{ 1 })", "Eval-group not allowed"),
        ("a**", "Nested quantifiers"),
        ("(a", r"Unmatched \("),
        ("[z-a]", "Invalid"),
        ("[[:foo:]]", "unknown"),
    ],
)
def test_what_is_refused_is_named(pattern: str, said: str) -> None:
    with pytest.raises(TemplateError, match=rf"t line 1: undef error - .*{said}.* in regex: "):
        render("[% s.match(p) %]", s="abc", p=pattern)
