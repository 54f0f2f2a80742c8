"""The completion of bash, in a real bash: what it offers, and what a Tab makes of a line."""

import os
import select
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pmgsync.cli.main import COMMANDS, every_command
from pmgsync.pmgconf.schema import SECTIONS, keys
from tests.control.fake_node import environment

REPOSITORY = Path(__file__).parents[3]
SCRIPT = REPOSITORY / "completions/pmgsync.bash"
DEADLINE_S = 20


def generated(path: str, function: str) -> str:
    """What that function of a script that writes documents returns, in a process of its own."""
    program = (
        f"import runpy; print(runpy.run_path({str(REPOSITORY / path)!r})[{function!r}](), end='')"
    )
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=True
    ).stdout


def offered(*words: str) -> list[str]:
    """What bash offers for the last of these words, the first being `pmgsync`."""
    line = " ".join(map(shlex.quote, words))
    program = (
        f"source {shlex.quote(str(SCRIPT))}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
        r"_pmgsync; printf '%s\n' ${COMPREPLY[@]+\"${COMPREPLY[@]}\"}"
    ).replace('\\"', '"')
    done = subprocess.run(
        ["bash", "--norc", "-euc", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_the_script_is_what_the_commands_and_the_schema_say() -> None:
    written = generated("completions/generate.py", "script")
    assert SCRIPT.read_text() == written, "run: python completions/generate.py"


def test_the_page_of_options_is_what_the_schema_says() -> None:
    written = generated("docs/generate_options.py", "page")
    page = (REPOSITORY / "docs/options.md").read_text()
    assert page == written, "run: python docs/generate_options.py"
    for settings in SECTIONS.values():
        for setting in settings.values():
            assert f"| `{setting.name}` | {setting.rule.type.value} |" in page
            assert setting.meaning.replace("|", "&#124;") in page


def test_commands_are_offered() -> None:
    assert set(offered("pmgsync", "")) == {*COMMANDS, "--help", "--root", "--version"}
    assert offered("pmgsync", "conf") == ["confirm", "config"]
    assert offered("pmgsync", "--root", "/x", "stat") == ["status"]
    assert offered("pmgsync", "--v") == ["--version"]


@pytest.mark.parametrize("name", [name for name, command in every_command() if command.verbs])
def test_the_verbs_of_a_command_are_offered(name: str) -> None:
    verbs = next(command.verbs for known, command in every_command() if known == name)
    assert set(verbs) < set(offered("pmgsync", name, ""))
    assert set(verbs) < set(offered("pmgsync", name, "--root", "/", ""))


@pytest.mark.parametrize("name", [name for name, command in every_command() if not command.verbs])
def test_every_command_offers_its_options(name: str) -> None:
    options = offered("pmgsync", *name.split(), "--")
    assert {"--help", "--root"} <= set(options)
    assert all(option.startswith("--") for option in options)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["config", "get", "mail.relay"], ["mail.relay", "mail.relaynomx", "mail.relayport"]),
        (["config", "set", "spamquar.auth"], ["spamquar.authmode"]),
        (["config", "set", "spamquar.authmode", ""], ["ticket", "ldap", "ldapticket"]),
        (["config", "set", "spamquar.authmode", "ldap"], ["ldap", "ldapticket"]),
        (["config", "set", "--json", "mail.tls", ""], ["0", "1"]),
        (["config", "set", "--root", "/x", "mail.tls", ""], ["0", "1"]),
        (["config", "set", "mail.relay", ""], []),
        (["config", "set", "mail.tls", "1", ""], []),
        (["config", "list", "spam"], ["spam", "spamquar"]),
        (["config", "list", "mail", ""], []),
        (["config", "describe", "mail.tls", "admin.e"], ["admin.email"]),
        (["config", "get", "mail.tls", ""], []),
        (["config", "get", "--root", ""], []),
        (["log", "--before", ""], []),
        (["log", "--bef"], ["--before"]),
        (["frobnicate", ""], []),
    ],
)
def test_what_is_offered_where(words: list[str], expected: list[str]) -> None:
    found = offered("pmgsync", *words)
    if words[:2] == ["config", "get"] and words[-1].startswith("mail.relay"):
        expected = [key for key in keys() if key.startswith("mail.relay")]
    assert found == expected


def test_every_key_is_offered() -> None:
    assert offered("pmgsync", "config", "unset", "") == list(keys())


def typed(line: str, folder: Path) -> str:
    """What an interactive bash with the script hands to `pmgsync` when this is typed."""
    here, there = os.openpty()
    quiet = {"PS1": "", "TERM": "dumb", "INPUTRC": "/dev/null", "HISTFILE": ""}
    command = ["bash", "--norc", "--noprofile", "-i"]
    bash = subprocess.Popen(
        command, stdin=there, stdout=there, stderr=there, cwd=folder, env=environment(**quiet)
    )
    os.close(there)
    try:
        os.write(here, f"source {shlex.quote(str(SCRIPT))}; stty -echo\n".encode())
        os.write(here, b"pmgsync() { printf '<%s>' \"$@\"; echo '<end>'; }\n")
        os.write(here, line.encode() + b"\n")
        seen = b""
        while b"<end>\r\n" not in seen:
            assert select.select([here], [], [], DEADLINE_S)[0], seen
            seen += os.read(here, 4096)
    finally:
        bash.kill()
        bash.wait()
        os.close(here)
    return seen.rpartition(b"<end>\r\n")[0].rpartition(b"\n")[2].decode()


def test_a_tab_completes_a_line_in_a_real_terminal(tmp_path: Path) -> None:
    handed = typed("pmgsync config g\tmail.queue-l\t", tmp_path)
    assert handed.endswith("<config><get><mail.queue-lifetime>")


def test_where_nothing_is_known_files_are_offered(tmp_path: Path) -> None:
    (tmp_path / "facts-of-mail1.json").touch()
    handed = typed("pmgsync dump --facts facts-\t", tmp_path)
    assert handed.endswith("<dump><--facts><facts-of-mail1.json>")
