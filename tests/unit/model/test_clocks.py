"""Whose clock is wrong: what most of them agree on is the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.model.clocks import DIFFER_MS, is_off, offsets

YEAR = 365 * 24 * 60 * 60 * 1000
clocks = st.dictionaries(st.integers(1, 9), st.integers(-YEAR, YEAR), min_size=1)


@pytest.mark.parametrize(
    ("ahead", "wrong"),
    [
        ({1: 0}, set()),
        ({1: 0, 2: 3, 3: -DIFFER_MS}, set()),
        ({1: 0, 2: 40, 3: YEAR}, {3}),
        ({1: 0, 2: 40, 3: -YEAR}, {3}),
        ({1: 0, 2: YEAR, 3: YEAR + 7}, {1}),  # the master's own
        ({1: 0, 2: 9, 3: 8, 4: YEAR, 5: -YEAR}, {4, 5}),
        ({1: 0, 2: YEAR}, None),
        ({1: 0, 2: 5, 3: YEAR, 4: YEAR}, None),
        ({1: 0, 2: YEAR, 3: 2 * YEAR}, None),
        ({}, None),
    ],
    ids=repr,
)
def test_who_is_off(ahead: dict[int, int], wrong: set[int] | None) -> None:
    known = offsets(ahead)
    assert (None if known is None else {who for who in known if is_off(known[who])}) == wrong


def test_what_is_not_known_is_not_off() -> None:
    assert not is_off(None)


@given(clocks, st.integers(-YEAR, YEAR))
def test_it_does_not_matter_whose_clock_they_are_compared_with(
    ahead: dict[int, int], other: int
) -> None:
    assert offsets({who: one + other for who, one in ahead.items()}) == offsets(ahead)


@given(clocks)
def test_no_more_than_half_of_them_are_off(ahead: dict[int, int]) -> None:
    known = offsets(ahead)
    off = [who for who in known or () if is_off((known or {})[who])]
    assert 2 * len(off) < len(ahead)


@given(clocks, st.integers(-YEAR, YEAR))
def test_more_than_half_that_agree_are_right(ahead: dict[int, int], right: int) -> None:
    """However the others were chosen."""
    agreeing = {100 + n: right for n in range(len(ahead) + 1)}
    known = offsets({**ahead, **agreeing})
    assert known is not None
    assert all(abs(known[who]) <= DIFFER_MS for who in agreeing)
