"""Views that fit a terminal, however small."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.cli.fitting import broken, cut, fitted
from pmgsync.cli.format import StatusView, status_view
from pmgsync.model.status import NodeState
from tests.control.fake_node import cluster_status, node_status, status_answer

VIEW = StatusView(
    ["the top", "", "  NODE"], [f"  mail{n}" for n in range(1, 11)], ["", "mail3 is away"]
)


def test_what_fits_is_as_it_is() -> None:
    assert fitted(VIEW, 80, 16) == [*VIEW.top, *VIEW.rows, *VIEW.below]


def test_rows_make_room_for_what_needs_action() -> None:
    assert fitted(VIEW, 80, 12) == [
        *VIEW.top,
        *VIEW.rows[:5],
        "… 5 more lines",
        "",
        "mail3 is away",
    ]


def test_so_much_to_do_that_it_must_be_cut_as_well() -> None:
    view = VIEW._replace(below=["", *(f"mail{n} is away" for n in range(1, 11))])
    assert fitted(view, 80, 12) == [
        *VIEW.top,
        *VIEW.rows[:2],
        "… 8 more lines",
        *view.below[:4],
        "… 7 more lines",
    ]


@pytest.mark.parametrize("lines", range(5))
def test_the_top_is_what_stays(lines: int) -> None:
    assert fitted(VIEW, 80, lines) == list(VIEW.top)[: max(lines - 1, 1)]


def test_sentences_are_broken_at_words_and_rows_are_cut() -> None:
    assert broken(["a sentence of a few words", "short"], 14) == [
        "a sentence of",
        "  a few words",
        "short",
    ]
    assert cut("  mail1(1)  192.0.2.1", 12) == "  mail1(1) …"
    assert cut("\x1b[1mmail1\x1b[0m", 5) == "\x1b[1mmail1\x1b[0m"
    assert cut("\x1b[1mmail12\x1b[0m", 5) == "mail…"


@given(st.integers(1, 200), st.integers(0, 60), st.integers(0, 40), st.booleans())
def test_any_terminal_is_not_overrun(columns: int, lines: int, away: int, colour: bool) -> None:
    nodes = [node_status(1), *(node_status(n, NodeState.AWAY) for n in range(2, away + 2))]
    view = status_view(status_answer(cluster_status(*nodes)), colour=colour)
    shown = fitted(view, columns, lines)
    assert 1 <= len(shown) <= max(lines - 1, 1)
    plain = [re.sub(r"\x1b\[\d+m", "", line) for line in shown if "more lines" not in line]
    assert all(len(line) <= max(columns, 4) for line in plain)
