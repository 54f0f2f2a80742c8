"""A cluster for each test, and one for those that leave it as they found it."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """The logs of all daemons beside the failure; those of a whole module's cluster end later."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for value in getattr(item, "funcargs", {}).values():
        cluster = getattr(value, "cluster", value)
        if isinstance(cluster, Cluster):
            report.sections += [(node.name, node.tail()) for node in cluster.nodes]
