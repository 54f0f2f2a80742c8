"""Every transcript in this folder comes out as it is written.

SCENARIOS_REWRITE=1 pytest tests/scenarios      writes down what comes out; read the difference
"""

import logging
import os
from pathlib import Path

import pytest

from tests.sim.script import play

SCENARIOS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_it_comes_out_as_it_is_written(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    written = path.read_text("utf-8")
    came = play(written)
    if os.environ.get("SCENARIOS_REWRITE"):
        path.write_text(came, "utf-8")
    assert came == written or os.environ.get("SCENARIOS_REWRITE")


def test_the_same_lines_have_the_same_outcome() -> None:
    text = SCENARIOS[0].read_text("utf-8")
    assert play(text) == play(text)
