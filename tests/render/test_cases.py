"""Every written case gives what Template Toolkit gave; and what is written is what it gives now."""

from collections.abc import Callable, Iterator

import pytest

from tests.render import (
    cases_arithmetic,
    cases_comparisons,
    cases_directives,
    cases_dumper,
    cases_filters,
    cases_format,
    cases_hunted,
    cases_methods,
    cases_operators,
    cases_patterns,
    cases_ranges,
    cases_regex,
    cases_values,
)
from tests.render.oracle import Answer, Case, TemplateToolkit, ours
from tests.render.written import FILES, VARIABLES

TABLES = {
    "values": cases_values.CASES,
    "arithmetic": cases_arithmetic.CASES,
    "comparisons": cases_comparisons.CASES,
    "operators": cases_operators.CASES,
    "ranges": cases_ranges.CASES,
    "regex": cases_regex.CASES,
    "patterns": cases_patterns.CASES,
    "directives": cases_directives.CASES,
    "methods": cases_methods.CASES,
    "filters": cases_filters.CASES,
    "format": cases_format.CASES,
    "hunted": cases_hunted.CASES,
    "dumper": cases_dumper.CASES,
}


def as_case(template: str) -> Case:
    return Case(template.encode().decode("latin-1"), VARIABLES, FILES)


def as_bytes(output: str | None) -> str | None:
    return None if output is None else output.encode("utf-8", "surrogateescape").decode("latin-1")


def differences(table: str, ask: Callable[[Case], Answer]) -> dict[str, tuple[str | None, Answer]]:
    """The templates that give something else than what is written."""
    asked = (
        (template, as_bytes(output), ask(as_case(template))) for template, output in TABLES[table]
    )
    return {
        template: (output, answer) for template, output, answer in asked if answer.output != output
    }


@pytest.mark.parametrize("table", TABLES)
def test_every_case_gives_what_is_written(table: str) -> None:
    assert differences(table, ours) == {}


@pytest.fixture(scope="module")
def toolkit() -> Iterator[TemplateToolkit]:
    with TemplateToolkit() as process:
        yield process


@pytest.mark.toolkit
@pytest.mark.parametrize("table", TABLES)
def test_what_is_written_is_what_template_toolkit_gives(
    table: str, toolkit: TemplateToolkit
) -> None:
    assert differences(table, toolkit.ask) == {}
