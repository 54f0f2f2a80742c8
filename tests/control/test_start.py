"""What a command loads: `pmgsync status` has 100 ms from start to exit (measured in `bench/`)."""

import subprocess
import sys

import pytest

from tests.control.fake_node import Served, environment

HEAVY = {
    *("asyncio", "concurrent.futures", "cryptography", "email", "grpc", "hashlib", "http.client"),
    *("jinja2", "logging", "multiprocessing", "psycopg", "rich", "sqlite3", "ssl", "subprocess"),
    *("tempfile", "threading", "tomllib", "urllib.request", "watchdog", "difflib"),
}


def loaded_by(*words: str) -> set[str]:
    """The modules that are loaded when the command has ended."""
    program = (
        "import sys; from pmgsync.cli.main import main; code = main(sys.argv[1:]);"
        "print(' '.join(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *words],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stderr.split())


@pytest.mark.parametrize(
    "words", [["status"], ["status", "--json"], ["log"], ["show", "3"], ["run", "true"]]
)
def test_nothing_heavy_is_loaded(served: Served, words: list[str]) -> None:
    loaded = loaded_by(words[0], "--root", str(served.root), *words[1:])
    assert "pmgsync.cli.control_client" in loaded
    assert loaded & HEAVY == set()


def test_each_command_loads_its_own_module_only(served: Served) -> None:
    loaded = loaded_by("status", "--root", str(served.root))
    mine = {name for name in loaded if name.startswith("pmgsync.cli.")}
    assert {name for name in mine if name.endswith("_commands")} == set()
