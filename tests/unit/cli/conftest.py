"""A gateway for the tests of commands that read and change its files."""

from pathlib import Path

import pytest

from tests.unit.cli.gateway import Gateway


@pytest.fixture
def gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gateway:
    return Gateway(tmp_path / "root", capsys)
