"""How fast a command starts: what `pmgsync status` loads, and how long it takes."""

import subprocess
import sys
import time
from statistics import median

import pytest

from tests.control.fake_node import Served, command_line, environment

HEAVY = {
    *("asyncio", "concurrent.futures", "cryptography", "email", "grpc", "hashlib", "http.client"),
    *("jinja2", "logging", "multiprocessing", "psycopg", "rich", "sqlite3", "ssl", "subprocess"),
    *("tempfile", "threading", "tomllib", "urllib.request", "watchdog", "difflib"),
}
BUDGET = 0.100  # seconds, from start to exit


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


def test_status_is_fast(served: Served) -> None:
    words = command_line("status", "--root", served.root)
    took = []
    for _ in range(10):
        began = time.perf_counter()
        subprocess.run(words, env=environment(), stdout=subprocess.DEVNULL, check=True)
        took.append(time.perf_counter() - began)
    # The best and the median: a busy machine slows some of the runs, not all.
    assert min(took) < BUDGET, f"best {min(took) * 1000:.0f} ms, median {median(took) * 1000:.0f}"
