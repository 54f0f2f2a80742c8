"""A cluster for each test, and one for those that leave it as they found it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, a_cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Empty; the test founds it."""
    with a_cluster(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes for all tests of a module that leave them level."""
    with a_cluster(tmp_path_factory.mktemp("three")) as made:
        yield made.found(3)
