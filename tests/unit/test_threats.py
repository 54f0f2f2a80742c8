"""The table of threats names tests that there are, and each has one that bears its number."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (\d\d) \|.*\| ([^|]+) \|$", (ROOT / "docs/threats.md").read_text(), re.MULTILINE
)
NAMED = {
    (row, path.relative_to(ROOT / "tests"))
    for path in (ROOT / "tests").rglob("test_*.py")
    for row in re.findall(r"^def test_row_(\d\d)_", path.read_text(), re.MULTILINE)
}


def test_the_table_is_read_whole() -> None:
    assert [row for row, _ in ROWS] == [f"{number:02}" for number in range(1, 18)]
    assert {row for row, _ in NAMED} <= {row for row, _ in ROWS}


@pytest.mark.parametrize(("row", "places"), ROWS, ids=[row for row, _ in ROWS])
def test_a_threat_is_tried_where_the_table_says(row: str, places: str) -> None:
    named = re.findall(r"`([^`]+)`", places)
    assert all((ROOT / "tests" / place).exists() for place in named)
    tried = {path for number, path in NAMED if number == row}
    assert any(path.is_relative_to(place) for path in tried for place in named)


def test_no_name_has_its_row_in_another_form() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        assert not re.findall(r"^def (test_row_\d_\w*)", path.read_text(), re.MULTILINE)
