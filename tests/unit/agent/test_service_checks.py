"""Service files are read by their service's own program before they are activated."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pmgsync.agent.service_checks import ServiceChecks
from pmgsync.errors import CheckFailedError, HostError
from pmgsync.host.scratch import laid_out
from pmgsync.model.changeset import Position
from pmgsync.model.report import Outcome
from pmgsync.ports import CommandResult
from pmgsync.render.targets import CHECKS, TARGETS, Service
from tests.sim.host import FakeCommands
from tests.unit.agent.serving import Table
from tests.unit.agent.stage import in_loop
from tests.unit.agent.test_role_services import FIRST, MAIN, OVERRIDE, a_stage, told
from tests.unit.render.nodes import Gateway

ALL = ("postconf", "postmap", "clamd", "freshclam")


def programs(*names: str) -> FakeCommands:
    commands = FakeCommands()
    for name in names:
        commands.answer(name)
    return commands


def check(commands: FakeCommands, table: Table, node: Gateway) -> None:
    ServiceChecks(commands, table.lay_out).check(node.render().values(), node.changes().values())


def test_each_check_is_of_a_service_that_has_files() -> None:
    assert {row.service for row in CHECKS} <= {row.service for row in TARGETS}
    assert all("{folder}" in " ".join(row.argv) for row in CHECKS)


def test_all_files_of_a_service_are_laid_out_where_one_changes() -> None:
    commands, table, node = (
        programs("clamd", "freshclam", "postconf", "postmap"),
        Table(),
        Gateway(),
    )
    node.carry_out()
    node.lies[MAIN] = b"edited"
    check(commands, table, node)
    assert [argv[0] for argv in commands.ran] == ["postconf", "postmap"]
    assert commands.ran[0] == ("postconf", "-c", "/on/the/table", "-n")
    assert commands.ran[1][-1] == "inline:{x=y}"
    assert [set(files) for files in table.seen] == [{"main.cf", "master.cf"}] * 2
    assert table.seen[0]["main.cf"] == node.data(MAIN)


def test_where_nothing_changes_nothing_is_checked() -> None:
    commands, table, node = (
        programs("postconf", "postmap", "clamd", "freshclam"),
        Table(),
        Gateway(),
    )
    node.carry_out()
    check(commands, table, node)
    assert (commands.ran, table.seen) == ([], [])


def test_what_is_not_installed_checks_nothing() -> None:
    commands = programs("clamd")
    check(commands, Table(), Gateway())
    assert [argv[0] for argv in commands.ran] == ["clamd"]
    assert commands.ran[0][1] == "--config-file=/on/the/table/clamd.conf"


def test_a_refusal_is_told_in_the_words_of_the_program_and_the_folder_of_the_service() -> None:
    commands = programs("postmap")
    commands.answer(
        "postconf", 1, "postconf: fatal: /on/the/table/main.cf, line 3:\n missing '='\n"
    )
    with pytest.raises(CheckFailedError) as caught:
        check(commands, Table(), Gateway())
    assert str(caught.value).startswith(
        "etc/postfix: postconf refuses the files of postfix: postconf: fatal:"
        " /etc/postfix/main.cf, line 3: missing '='; mend"
    )


def test_a_refusal_without_words_has_its_status() -> None:
    commands = programs("postmap")
    commands.answer("postconf", 9)
    with pytest.raises(CheckFailedError, match="ended with status 9"):
        check(commands, Table(), Gateway())


def test_a_program_that_takes_too_long_is_trouble_of_the_machine() -> None:
    commands = programs("postmap")

    def slow(argv: object) -> CommandResult:
        raise HostError("took longer than 20 seconds", where="postconf")

    commands.programs["postconf"] = slow
    with pytest.raises(HostError) as caught:
        check(commands, Table(), Gateway())
    assert not isinstance(caught.value, CheckFailedError)


# --- in the agent ---


@in_loop
async def test_a_version_whose_service_files_are_refused_is_refused_there() -> None:
    stage = a_stage()
    stage.commands.answer("postconf")
    async with stage.running():
        await stage.offer(stage.author.version(FIRST))
        before, done = stage.tree.files(leavings=True), told(stage)
        stage.commands.answer("postconf", 1, "bad")
        await stage.offer(stage.author.version({**FIRST, OVERRIDE: b"broken\n"}))
        report = stage.reports[-1]
        assert (report.active, report.outcome) == (Position(1, 1), Outcome.INVALID)
        assert "postconf refuses the files of postfix: bad" in report.detail
        assert (stage.tree.files(leavings=True), told(stage)) == (before, done)


# --- the folder ---


def test_a_folder_of_its_own_with_old_files_for_nobody_else(tmp_path: Path) -> None:
    with laid_out(tmp_path, {"main.cf": b"x = 1\n", "empty": b""}) as folder:
        here = Path(folder)
        assert here.is_absolute()
        assert {path.name: path.read_bytes() for path in here.iterdir()} == {
            "main.cf": b"x = 1\n",
            "empty": b"",
        }
        assert here.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in here.iterdir()} == {0o600}
        assert {path.stat().st_mtime for path in here.iterdir()} == {0}
    assert not here.exists()


def test_the_folder_goes_also_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError), laid_out(tmp_path, {"a": b""}) as folder:
        raise CheckFailedError("no")
    assert not Path(folder).exists()


def test_where_no_folder_can_be_made_is_trouble_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way")
    with pytest.raises(HostError, match="run/pmgsync"), laid_out(tmp_path, {}):
        pass


# --- the real programs ---

FAULTS = [
    ("postconf", Service.POSTFIX, "main.cf", b"no equal sign\n"),
    ("postmap", Service.POSTFIX, "main.cf", b"default_process_limit = abc\n"),
    ("clamd", Service.CLAMD, "clamd.conf", b"NoSuchOption yes\n"),
    ("freshclam", Service.FRESHCLAM, "freshclam.conf", b"NoSuchOption yes\n"),
]


@pytest.mark.parametrize(("program", "service", "name", "fault"), FAULTS)
def test_the_real_program_takes_our_files_and_refuses_a_fault(
    program: str, service: Service, name: str, fault: bytes, tmp_path: Path
) -> None:
    found = shutil.which(program, path="/usr/sbin:/usr/bin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    files = {
        file.path.rpartition("/")[2]: file.data
        for file in Gateway().render().values()
        if file.target.service is service
    }
    (row,) = [row for row in CHECKS if row.argv[0] == program]

    def status(contents: dict[str, bytes]) -> int:
        with laid_out(tmp_path, contents) as folder:
            argv = [found, *(word.format(folder=folder) for word in row.argv[1:])]
            return subprocess.run(argv, capture_output=True, check=False).returncode

    assert status(files) == 0
    assert status({**files, name: files[name] + fault}) != 0
