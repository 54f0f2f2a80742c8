"""What a node that is not the master does not carry in memory."""

import subprocess
import sys

import pytest

from tests.architecture.source import ROOT

# Up to some megabytes each, with what it brings along; loaded where it is used: by the master,
# while founding and joining, with the first service file that is rendered, or by nobody.
NOT_ON_A_NODE = (
    "_strptime",
    "cryptography.x509",
    "difflib",
    "email",
    "http.server",
    "jinja2",
    "pmgsync.agent.candidate",
    "pmgsync.agent.services",
    "pmgsync.cli.version_format",
    "pmgsync.master.role",
    "pmgsync.pmgconf",
    "pmgsync.render.plan",
    "psycopg",
    "shutil",
    "stringprep",
    "tempfile",
    "regex",
    "watchdog",
)


@pytest.fixture(scope="module")
def loaded() -> frozenset[str]:
    """The modules of a daemon before it takes up a role."""
    program = "import sys, pmgsync.cli.daemon; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return frozenset(run.stdout.split())


@pytest.mark.parametrize("module", NOT_ON_A_NODE)
def test_a_node_does_not_carry(module: str, loaded: frozenset[str]) -> None:
    assert {name for name in loaded if f"{name}.".startswith(f"{module}.")} == set()
