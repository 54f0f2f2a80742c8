"""One cluster of four for all scenarios: in network namespaces, or in the containers of
docker-compose.yml where `PMGSYNC_COMPOSE` names the profile (`make failover` sets it).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.containers import Containers
from tests.compose.machines import NAMES, Gateways, Machines
from tests.compose.namespaces import Namespaces

MEASURED: dict[str, float] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What took how long, for those who read it; no test depends on it."""
    for what, seconds in MEASURED.items():
        terminalreporter.write_line(f"measured: {seconds:6.2f} s  {what}")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    """Founded and level; a scenario leaves all of them up."""
    machines = _machines(tmp_path_factory.mktemp("machines"))
    gateways = Gateways(machines, measured=MEASURED)
    try:
        machines.start()
        yield gateways.found()
    finally:
        for name in NAMES:
            print(f"--- {name}\n{machines.log(name)[-4000:]}")  # noqa: T201 - shown on failure
        machines.end()


def _machines(folder: Path) -> Machines:
    profile = os.environ.get("PMGSYNC_COMPOSE", "")
    return Containers(profile) if profile else Namespaces(folder)
