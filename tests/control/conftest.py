"""A daemon's local API, served for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.fake_node import Served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Below a short root."""
    server = Served(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def far_away(tmp_path: Path) -> Iterator[Served]:
    """Below a root whose path is longer than a socket's address may be."""
    root = tmp_path / ("a-long-name-" * 10) / ("another-one-" * 10)
    root.mkdir(parents=True)
    server = Served(root)
    yield server
    server.stop()
