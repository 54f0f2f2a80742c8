"""Each fact about Template Toolkit, by name: ours has it, and the real one has it."""

from collections.abc import Iterator

import pytest

from tests.render.facts import FACTS
from tests.render.oracle import Answer, Case, TemplateToolkit, ours
from tests.render.written import FILES, VARIABLES


def case(template: str, **options: int) -> Case:
    return Case(template.encode().decode("latin-1"), VARIABLES, FILES, dict(options))


def expected(output: str | None) -> str | None:
    return None if output is None else output.encode().decode("latin-1")


@pytest.mark.parametrize("name", FACTS)
def test_fact(name: str) -> None:
    template, output = FACTS[name]
    answer = ours(case(template))
    assert answer.output == expected(output), answer.error


@pytest.fixture(scope="module")
def toolkit() -> Iterator[TemplateToolkit]:
    process = TemplateToolkit()
    yield process
    process.close()


@pytest.mark.toolkit
@pytest.mark.parametrize("name", FACTS)
def test_the_real_one_says_so(name: str, toolkit: TemplateToolkit) -> None:
    template, output = FACTS[name]
    assert toolkit.ask(case(template)).output == expected(output)


CHOMPED = "a \n  [% 1 %]  \n b \n"


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({}, "a \n  1  \n b \n"),
        ({"PRE_CHOMP": 1}, "a 1  \n b \n"),
        ({"POST_CHOMP": 1}, "a \n  1 b \n"),
        ({"PRE_CHOMP": 1, "POST_CHOMP": 1}, "a 1 b \n"),
        ({"PRE_CHOMP": 2, "POST_CHOMP": 2}, "a 1 b \n"),
        ({"PRE_CHOMP": 3, "POST_CHOMP": 3}, "a1b \n"),
        ({"TRIM": 1}, "a \n  1  \n b"),
        ({"PRE_CHOMP": 3, "POST_CHOMP": 3, "TRIM": 1}, "a1b"),
    ],
)
def test_chomp_options(options: dict[str, int], output: str) -> None:
    assert ours(case(CHOMPED, **options)) == Answer(output)


def message(template: str) -> str:
    answer = ours(case(template))
    assert answer.output is None
    return answer.error or ""


def test_a_parse_error_names_the_line_and_the_token() -> None:
    assert message("a\n[% s s %]") == "t line 2: parse error: unexpected token (s): [% s s %]"


def test_a_missing_file_is_named() -> None:
    assert "missing: not found" in message("\n[% INCLUDE missing %]")


def test_a_run_time_error_is_an_undef_error() -> None:
    said = message("\n\n[% 1 / 0 %]")
    assert said == "t line 3: undef error - Illegal division by zero: [% 1 / 0 %]"


def test_an_error_leaves_no_output() -> None:
    assert ours(case("much text [% THROW a 'b' %]")).output is None
