"""`pmgsync templates`, as a process, on roots of their own."""

import json
from pathlib import Path

import pytest

from pmgsync.cli.rendering import OURS
from tests.services.machine import Machine

MAIN, MASTER, CLAMD = "etc/postfix/main.cf", "etc/postfix/master.cf", "etc/clamav/clamd.conf"
OVERRIDES = "etc/pmg/templates"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One on which nothing was rendered yet."""
    made = Machine(tmp_path)
    made.write("etc/pmg/pmg.conf", "section: mail\n\trelay 192.0.2.25\n")
    return made


def templates(machine: Machine, *words: str) -> dict[str, dict[str, object]]:
    document = json.loads(machine.pmgsync("templates", "--json", *words).stdout)
    return {row["path"]: row for row in document["files"]}


def ours(name: str) -> bytes:
    return (OURS / name).read_bytes()


def test_templates_says_where_each_file_comes_from(machine: Machine) -> None:
    machine.write(f"{OVERRIDES}/main.cf.in", "# [% dns.fqdn %] [% pmg.mail.relay %]\n")
    machine.write("var/lib/pmg/templates/main.cf.in", "# PMG's\n")
    machine.write("var/lib/pmg/templates/clamd.conf.in", "# PMG's\n")
    rows = templates(machine)
    assert (rows[MAIN]["from"], rows[MAIN]["hides"]) == ("override", "pmg")
    assert rows[MAIN]["variables"] == ["dns.fqdn", "pmg.admin.demo", "pmg.mail.relay"]
    assert (rows[CLAMD]["from"], rows[CLAMD]["hides"]) == ("pmg", None)
    assert rows[MASTER]["from"] == "pmgsync"
    assert rows["root/.forward"]["template"] is None
    assert rows[MAIN]["without"] == {"main.cf.in": "different"}
    assert "-# PMG's" in str(rows[MAIN]["diff"])


def test_an_override_that_equals_what_it_hides_can_go(machine: Machine) -> None:
    machine.write(f"{OVERRIDES}/clamd.conf.in", ours("clamd.conf.in"))
    row = templates(machine)[CLAMD]
    assert (row["redundant"], row["diff"]) == (True, "")
    assert row["without"] == {"clamd.conf.in": "the same"}
    assert "equals ours; it can be removed" in machine.pmgsync("templates").stdout


def test_an_override_that_differs_only_in_comments_changes_nothing(machine: Machine) -> None:
    machine.write(f"{OVERRIDES}/clamd.conf.in", b"[%# mine %]" + ours("clamd.conf.in"))
    row = templates(machine)[CLAMD]
    assert (row["redundant"], row["without"]) == (False, {"clamd.conf.in": "the same"})


def test_an_included_override_counts_for_the_files_that_include_it(machine: Machine) -> None:
    machine.write("var/lib/pmg/templates/clamd.conf.in", "[% INCLUDE limits.inc %]\n")
    machine.write("var/lib/pmg/templates/limits.inc", "few")
    machine.write(f"{OVERRIDES}/limits.inc", "many")
    rows = templates(machine)
    assert rows[CLAMD]["from"] == "pmg"
    assert rows[CLAMD]["overrides"] == ["limits.inc"]
    assert rows[CLAMD]["without"] == {"limits.inc": "different"}
    assert rows[MAIN]["overrides"] == []
    assert list(templates(machine, "limits.inc")) == [CLAMD]


def test_each_override_is_judged_alone(machine: Machine) -> None:
    machine.write("var/lib/pmg/templates/clamd.conf.in", "packaged\n")
    machine.write("var/lib/pmg/templates/limits.inc", "few\n")
    machine.write(f"{OVERRIDES}/clamd.conf.in", "[% INCLUDE limits.inc %][% INCLUDE same.inc %]")
    machine.write(f"{OVERRIDES}/limits.inc", "many\n")
    machine.write(f"{OVERRIDES}/same.inc", "")
    rows = templates(machine)
    without = rows[CLAMD]["without"]
    assert isinstance(without, dict)
    assert (without["clamd.conf.in"], without["limits.inc"]) == ("different", "different")
    assert "same.inc" in without["same.inc"], "nobody else brings it"
    assert rows[MAIN]["without"] == {}


def test_without_the_override_there_would_be_an_error(machine: Machine) -> None:
    machine.write("var/lib/pmg/templates/clamd.conf.in", "[% IF %]")
    machine.write(f"{OVERRIDES}/clamd.conf.in", "mended\n")
    assert "clamd.conf.in line 1" in str(templates(machine)[CLAMD]["without"])


@pytest.mark.parametrize("name", ["main.cf.in", "main.cf", MAIN, f"/{MAIN}"])
def test_one_template_or_file_may_be_asked_for(machine: Machine, name: str) -> None:
    assert list(templates(machine, name)) == [MAIN]


def test_the_text_shows_diff_and_variables(machine: Machine) -> None:
    machine.write(f"{OVERRIDES}/razor-agent.conf.in", ours("razor-agent.conf.in") + b"more = 1\n")
    out = machine.pmgsync("templates", "razor-agent.conf.in", "--diff", "--variables").stdout
    assert "+more = 1" in out
    assert "reads pmg.admin.demo" in out
    assert "without razor-agent.conf.in the file changes" in out


def test_a_name_that_is_none_is_said(machine: Machine) -> None:
    done = machine.pmgsync("templates", "main.cff", code=3)
    assert done.stderr.startswith("pmgsync: main.cff: no file of this name is made here")
