"""The table of limits says what the code says, and names tests that there are."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([^|`]+) \| ([0-9.]+) \| (?:`([\w.]+)`)? ?\| `(\w+)` \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs/limits.md").read_text())
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def test_the_table_is_read_whole() -> None:
    lines = (ROOT / "docs/limits.md").read_text().splitlines()
    assert len(ROWS) == sum(line.startswith("| ") for line in lines) - 2 > 25


@pytest.mark.parametrize(("what", "value", "constant", "test"), ROWS, ids=[r[0] for r in ROWS])
def test_a_limit_is_that_of_the_code_and_has_a_test(
    what: str, value: str, constant: str, test: str
) -> None:
    assert f"def {test}(" in TESTS, f"{what}: there is no {test}"
    if constant:
        module, _, name = constant.rpartition(".")
        assert getattr(import_module(f"pmgsync.{module}"), name) == float(value)
