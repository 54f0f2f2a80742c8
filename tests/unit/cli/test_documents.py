"""What the documents say about the commands is what the commands say."""

import re
import subprocess
import sys
from pathlib import Path

from pmgsync.cli.main import COMMANDS, GENERAL_OPTIONS
from pmgsync.errors import EXIT_CODE_MEANINGS
from tests.control.fake_node import environment

DOCS = Path(__file__).parents[3] / "docs"


def test_the_exit_codes_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", (DOCS / "exit-codes.md").read_text(), re.MULTILINE)
    assert rows == [(str(int(code)), meaning) for code, meaning in EXIT_CODE_MEANINGS.items()]


def test_the_manual_page_is_what_the_commands_say() -> None:
    program = (
        f"import runpy; print(runpy.run_path({str(DOCS / 'man/generate.py')!r})['page'](), end='')"
    )
    written = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (DOCS / "man/pmgsync.1").read_text() == written, "run: python docs/man/generate.py"
    for name in COMMANDS:
        troff = name.replace("-", "\\-")
        assert f"\n.SS {troff} [options]" in written
    assert "\n.SS kept [options] [NUMBER]\n" in written
    assert "\n.SS show [options] VERSION\n" in written
    for option in GENERAL_OPTIONS:
        assert f"\n.B {option.replace('-', chr(92) + '-')}\n" in written
