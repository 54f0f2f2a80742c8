"""What Python itself refuses is an error of the template, with its name, and ends nothing."""

import time

import pytest

from pmgsync.cli.rendering import template_runner
from pmgsync.render.compile import Templates
from pmgsync.render.errors import TemplateError
from pmgsync.render.lookup import Lookup, Origin, Template
from pmgsync.render.source_bounds import MOST_SOURCE

DIGITS = "1" * 5000


@pytest.mark.parametrize(
    "source",
    [
        f"[% x | format('%{DIGITS}d') %]",
        f"[% l.{DIGITS} %]",
        f"[% 0{'7' * 5000} %]",
        f"[% USE Math; Math.srand('{DIGITS}') %]",
        "x" * (MOST_SOURCE + 1),
    ],
)
def test_numbers_and_sources_without_end_are_refused(source: str) -> None:
    with pytest.raises(TemplateError):
        Templates().render("t", {"x": "1", "l": [1]}, {"t": source.encode()}.get, time.monotonic)


def test_a_long_word_that_begins_like_a_number_costs_no_time() -> None:
    source = b"[% x == 1 %][% x + 1 %]"
    made = Templates().render("t", {"x": "1" * 400_000 + "z"}, {"t": source}.get, lambda: 0.0)
    assert made == b"Inf"


def test_whatever_else_is_raised_is_the_templates_error_too() -> None:
    """A fault of ours refuses one version, and does not end the daemon."""

    def broken(_name: str) -> bytes:
        raise OSError("of a kind that nobody thought of")

    run, lookup = template_runner(), Lookup(broken, broken, broken)
    template = Template("t", Origin.OVERRIDE, b"[% INCLUDE other %]")
    with pytest.raises(TemplateError, match=r"^t: cannot be rendered: OSError: of a kind"):
        run(template, lookup, {})
