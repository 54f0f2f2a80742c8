"""What the documents say about the commands is what the commands say."""

import re
import subprocess
import sys
from pathlib import Path

from pmgsync.cli import api
from pmgsync.cli.main import GENERAL_OPTIONS, every_command
from pmgsync.errors import EXIT_CODE_MEANINGS
from pmgsync.model.manifest import MAX_FILE_BYTES
from pmgsync.model.scope import SCOPE, is_leaving, rule_for
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
    for name, command in every_command():
        troff = name.replace("-", "\\-")
        assert f"\n.SS {troff} {'VERB' if command.verbs else '[options]'}" in written
    assert "\n.SS kept [options] [NUMBER]\n" in written
    assert "\n.SS show [options] VERSION\n" in written
    for option in GENERAL_OPTIONS:
        assert f"\n.B {option.replace('-', chr(92) + '-')}\n" in written


def test_the_table_of_synced_files_is_that_of_the_code() -> None:
    rows = re.findall(
        r"^\| `/(\S+)` \| `(\d+)` \| `(\S+)` \| (yes|no) \| (yes|no) \| \S.* \|$",
        (DOCS / "synced-files.md").read_text(),
        re.MULTILINE,
    )
    words = {True: "yes", False: "no"}
    assert rows == [
        (rule.pattern, f"{rule.mode:04o}", rule.ownership, words[rule.secret], words[rule.postmap])
        for rule in SCOPE
    ]


def test_what_is_said_never_to_travel_does_not() -> None:
    never = (DOCS / "synced-files.md").read_text().partition("## What never is")[2]
    listed = never.partition("By name:")[2].partition(".\n")[0]
    patterns = re.findall(r"`([^`]+)`", listed)
    assert len(patterns) == 14
    assert all(is_leaving(pattern.replace("*", "x")) for pattern in patterns)
    machines = re.findall(r"`([\w-]+\.pem)`", never)
    assert machines
    assert [name for name in machines if rule_for(f"etc/pmg/{name}")] == []
    assert f"more than {MAX_FILE_BYTES >> 20} MiB" in never


def test_every_call_of_the_local_api_is_described() -> None:
    text = (DOCS / "operations.md").read_text().partition("## The local API")[2]
    source = Path(api.__file__).read_text()
    routes = re.findall(r'\("(GET|POST)", re\.compile\(r"(/v1/[a-z/]+)', source)
    assert len(routes) > 10
    assert [path for _, path in routes if f"`{path.rstrip('/')}" not in text] == []
    posts = [path for verb, path in routes if verb == "POST"]
    assert sorted(posts) == sorted(re.findall(r"^\| `(/v1/[a-z/]+)` \| `\{", text, re.MULTILINE))
