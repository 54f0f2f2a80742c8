"""A command that edits a synced file is killed: the file is whole, and the next edit goes on."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pmgsync.cli.editing import edit_synced_file
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import is_leaving
from tests.control.fake_node import environment

DOMAINS = ManagedPath("etc/pmg/domains")
LINES = 20_000
EDIT_FOR_EVER = f"""
import itertools, sys
from pathlib import Path
from pmgsync.cli.editing import edit_synced_file
from pmgsync.model.paths import ManagedPath
for n in itertools.count(1):
    content = (b"%08d.example 1\\n" % n) * {LINES}
    edit_synced_file(Path(sys.argv[1]), ManagedPath("{DOMAINS}"), lambda _old: content)
    print(n, flush=True)
"""


@pytest.mark.parametrize("with_pmg", [False, True])
def test_whenever_it_is_killed_the_file_is_the_old_or_the_new_one(
    tmp_path: Path, with_pmg: bool
) -> None:
    (tmp_path / "etc/pmg").mkdir(parents=True)
    if with_pmg:
        (tmp_path / "var/lock").mkdir(parents=True)
    for edits in range(1, 12):
        program = [sys.executable, "-c", EDIT_FOR_EVER, str(tmp_path)]
        with subprocess.Popen(program, env=environment(), stdout=subprocess.PIPE) as editor:
            assert editor.stdout is not None
            told = [int(editor.stdout.readline()) for _ in range(edits)]
            editor.kill()
        assert told == list(range(1, edits + 1))
        lines = (tmp_path / DOMAINS).read_bytes().splitlines()
        assert len(lines) == LINES
        assert len(set(lines)) == 1
        assert int(lines[0][:8]) >= edits
        assert stat.S_IMODE((tmp_path / DOMAINS).stat().st_mode) == 0o644
        left = {path.name for path in (tmp_path / "etc/pmg").iterdir()} - {"domains"}
        assert all(map(is_leaving, left))
    # Its lock died with it.
    assert edit_synced_file(tmp_path, DOMAINS, lambda _old: b"a 1\n")
