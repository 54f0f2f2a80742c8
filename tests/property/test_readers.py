"""Random bytes, and good files with random edits, for everything that reads a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.kinds import CHECKS, SAMPLES

EDGES = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"0\n",
    b" ",
    b"\t",
    b"#",
    b":",
    b"/",
    b"\xff",
    b"\xc3\xa9",
]
"""What means something to one reader or another."""

edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 12),
        st.one_of(st.binary(max_size=6), st.sampled_from(EDGES)),
    ),
    min_size=1,
    max_size=6,
)


def edited(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """`data` after some changes: at that part of it, so many bytes make way for others."""
    for place, length, new in changes:
        at = int(place * len(data))
        data = data[:at] + new + data[at + length :]
    return data


@pytest.mark.parametrize("name", CHECKS)
@given(data=st.binary(max_size=300))
def test_row_16_no_bytes_make_it_raise(name: str, data: bytes) -> None:
    CHECKS[name](data)


@pytest.mark.parametrize("name", CHECKS)
@given(changes=edits)
def test_no_edit_of_a_good_file_makes_it_raise(
    name: str, changes: list[tuple[float, int, bytes]]
) -> None:
    CHECKS[name](edited(SAMPLES[name], changes))


@pytest.mark.parametrize("name", CHECKS)
@given(data=st.data())
def test_no_order_of_its_lines_makes_it_raise(name: str, data: st.DataObject) -> None:
    lines = SAMPLES[name].splitlines(keepends=True)
    chosen = data.draw(st.lists(st.sampled_from(lines), max_size=12))
    CHECKS[name](b"".join(chosen))
