"""Service files are read by their service's own program before they are activated."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pmgsync.agent.service_checks import ServiceChecks, Warned
from pmgsync.errors import CheckFailedError, HostError
from pmgsync.host.process import SystemRunner
from pmgsync.host.scratch import laid_out
from pmgsync.model.changeset import Position
from pmgsync.model.report import Outcome
from pmgsync.model.scope import SPAMASSASSIN
from pmgsync.ports import CommandResult
from pmgsync.render.plan import Change, ChangeKind
from pmgsync.render.targets import CHECKS, TARGETS, Service
from tests.e2e.privileges import lacking
from tests.sim.host import FakeCommands
from tests.unit.agent.serving import Table
from tests.unit.agent.stage import in_loop
from tests.unit.agent.test_role_services import FIRST, MAIN, OVERRIDE, a_stage, told
from tests.unit.render.nodes import Gateway

POSTGRES = "/usr/lib/postgresql/15/bin/postgres"


def programs(*names: str) -> FakeCommands:
    commands = FakeCommands()
    for name in names:
        commands.answer(name)
    return commands


def check(commands: FakeCommands, table: Table, node: Gateway) -> Warned:
    files, found = node.render().values(), node.changes().values()
    return ServiceChecks(commands, table.lay_out).check(files, found, postgres="15")


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


# --- warnings ---


def test_what_a_program_warns_of_is_said_once_and_refuses_nothing() -> None:
    commands = programs()
    words = "warning: /on/the/table/main.cf: unused parameter: no_such=1"
    commands.answer("postconf", 0, f"postconf: {words}\nbanner = warning: no\n")
    commands.answer("postmap", 0, f"postmap: {words}\ny\n")
    warned = check(commands, Table(), Gateway())
    said = "warns: /etc/postfix/main.cf: unused parameter: no_such=********"
    assert warned[Service.POSTFIX] == (
        f"etc/postfix: postconf {said}",
        f"etc/postfix: postmap {said}",
    )


def test_a_program_that_was_killed_refuses_nothing_and_is_asked_again() -> None:
    commands = programs("postmap")
    commands.answer("postconf", -9)
    with pytest.raises(HostError, match="was ended by signal 9") as caught:
        check(commands, Table(), Gateway())
    assert not isinstance(caught.value, CheckFailedError)


LINT = "Nov 26 12:31:27.686 [21987] warn: config: failed to parse line in"
ISSUES = "Nov 26 12:31:28.137 [21987] warn: lint: {} issues detected, please rerun\n"


def spamassassin(*contents: tuple[str, str]) -> FakeCommands:
    """One that says the first output of the files to be, the second one of those that lie there."""
    commands, answers = programs(), iter(contents)
    commands.programs["spamassassin"] = lambda _argv: CommandResult(1, "".join(next(answers)))
    return commands


def test_of_spamassassin_what_the_files_that_lie_there_cause_as_well_is_a_warning() -> None:
    old = f"{LINT} /on/the/table/custom.cf (line 3): foo\n"
    commands, table = spamassassin((old, ISSUES.format(1)), (old, ISSUES.format(2))), Table()
    warned = check(commands, table, Gateway())
    assert "custom.cf (line 3): foo" in warned[Service.SPAMASSASSIN][0]
    assert [set(files) > {"local.cf"} for files in table.seen] == [True, False]
    assert table.beside == [SPAMASSASSIN] * 2


def test_of_spamassassin_a_new_complaint_refuses_with_the_line_of_the_template() -> None:
    old = f"{LINT} /on/the/table/custom.cf (line 3): foo\n"
    new = f"{LINT} /on/the/table/local.cf (line 2): bad line\n"
    node = Gateway()
    node.override("local.cf.in", "[% IF 1 -%]\nfine\n[%- END %]\nbad line\n")
    with pytest.raises(CheckFailedError) as caught:
        check(spamassassin((old, new), (old, "")), Table(), node)
    assert "local.cf (line 2): bad ******** (local.cf.in line 4: bad)" in caught.value.what
    assert "custom.cf" not in caught.value.what
    assert "Nov 26" not in caught.value.what


def test_postgres_is_asked_in_the_version_that_is_here_and_reads_what_is_included() -> None:
    commands, table = programs(POSTGRES), Table()
    check(commands, table, Gateway())
    (argv,) = commands.ran
    assert argv[1:5] == ("-C", "shared_buffers", "-D", "/on/the/table")
    assert table.seen[0]["postgresql.auto.conf"] == b""
    assert argv[-1] == "config_file=/on/the/table/postgresql.conf"
    assert table.beside == ["etc/postgresql/15/main"]


@in_loop
async def test_warnings_are_in_the_report_until_they_are_mended() -> None:
    stage = a_stage()
    stage.commands.answer("postconf", 0, "postconf: warning: unused parameter: x=1\n")
    async with stage.running():
        await stage.offer(stage.author.version(FIRST))
        (said,) = stage.reports[-1].notes
        assert said == "etc/postfix: postconf warns: unused parameter: x=********"
        await stage.look(everywhere=True)
        assert len(stage.reports[-1].notes) == 1
        stage.commands.answer("postconf")
        await stage.offer(stage.author.version({**FIRST, OVERRIDE: b"mended\n"}))
        assert not stage.reports[-1].notes


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


def test_other_files_of_the_folder_lie_there_by_links(tmp_path: Path) -> None:
    usual = tmp_path / "etc/x"
    usual.mkdir(parents=True)
    for name in ("a.cf", "more.cf", ".hidden"):
        (usual / name).write_text("old")
    with laid_out(tmp_path, {"a.cf": b"new"}, "etc/x") as folder:
        found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        assert found == {"a.cf": b"new", "more.cf": b"old"}
    assert (usual / "more.cf").read_text() == "old"
    with laid_out(tmp_path, {}, "etc/nowhere") as folder:
        assert list(Path(folder).iterdir()) == []


# --- the real programs ---

FAULTS = [
    ("postconf", Service.POSTFIX, "main.cf", b"no hunter\n"),
    ("postmap", Service.POSTFIX, "main.cf", b"default_process_limit = abc\n"),
    ("clamd", Service.CLAMD, "clamd.conf", b"NoSuchOption hunter\n"),
    ("freshclam", Service.FRESHCLAM, "freshclam.conf", b"NoSuchOption hunter\n"),
    ("spamassassin", Service.SPAMASSASSIN, "local.cf", b"no_such_option hunter\n"),
    (POSTGRES, Service.POSTGRES, "postgresql.conf", b"no_such_option = hunter\n"),
]


@pytest.mark.parametrize(("program", "service", "name", "fault"), FAULTS)
def test_the_real_program_takes_our_files_and_refuses_a_fault(
    program: str, service: Service, name: str, fault: bytes, tmp_path: Path
) -> None:
    runner = SystemRunner()
    if not runner.available(program):
        lacking(f"{program} is not installed")
    file = next(f for f in Gateway().render().values() if f.path.endswith(f"/{name}"))
    assert file.target.service is service
    lay_out = partial(laid_out, tmp_path)

    def check(extra: bytes) -> None:
        files = [
            replace(made, data=made.data + (extra if made.path == file.path else b""))
            for made in Gateway().render().values()
            if made.target.service is service
        ]
        found = [Change(ChangeKind.NEW, file.path, service, None, file.data)]
        ServiceChecks(runner, lay_out).check(files, found, postgres="15")

    check(b"")
    with pytest.raises(CheckFailedError, match=f"{Path(program).name} refuses") as caught:
        check(fault)
    assert "hunter" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert list((tmp_path / "run/pmgsync").iterdir()) == []


def postgres_reads(text: bytes, folder: Path) -> Warned:
    """PostgreSQL reads a `postgresql.conf`."""
    runner = SystemRunner()
    if not runner.available(POSTGRES):
        lacking("PostgreSQL is not installed")
    (file,) = (f for f in Gateway().render().values() if f.path.endswith("/postgresql.conf"))
    found = [Change(ChangeKind.NEW, file.path, Service.POSTGRES, None, text)]
    checks = ServiceChecks(runner, partial(laid_out, folder))
    return checks.check([replace(file, data=text)], found, postgres="15")


def test_postgres_need_not_be_told_where_its_data_are(tmp_path: Path) -> None:
    """Debian says so on the command line."""
    assert postgres_reads(b"port = 5432\n", tmp_path) == {Service.POSTGRES: ()}


def test_what_postgres_cannot_read_is_refused_without_the_value(tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError) as caught:
        postgres_reads(b"port = 5432\nfoo = bar hunter2\n", tmp_path)
    assert 'postgresql.conf" line 2, near token ********' in str(caught.value)
    assert "hunter" not in str(caught.value)
    assert "auto.conf" not in str(caught.value)


def test_spamassassin_reads_the_synced_rules_as_they_will_be(tmp_path: Path) -> None:
    """A version brings rules and a template that needs them; neither lies in the tree yet."""
    runner = SystemRunner()
    if not runner.available("spamassassin"):
        lacking("spamassassin is not installed")
    files = [
        replace(
            made, data=made.data + b"shortcircuit BAYES_99 spam\n" * made.path.endswith("/local.cf")
        )
        for made in Gateway().render().values()
        if made.target.service is Service.SPAMASSASSIN
    ]
    found = [Change(ChangeKind.NEW, files[0].path, Service.SPAMASSASSIN, None, b"")]
    checks = ServiceChecks(runner, partial(laid_out, tmp_path))
    with pytest.raises(CheckFailedError, match="shortcircuit"):
        checks.check(files, found)
    brought = {
        "etc/mail/spamassassin/custom.cf": b"loadplugin Mail::SpamAssassin::Plugin::Shortcircuit\n"
    }
    checks.check(files, found, synced=brought.get)


def test_a_program_that_takes_too_long_is_named_in_the_same_words_each_time() -> None:
    """The folder has another name each time; with it, each try would look like another cause."""

    class Slow(FakeCommands):
        def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> CommandResult:
            raise HostError("took longer than 20 seconds", where=" ".join(argv))

    commands = Slow()
    commands.answer("clamd")
    with pytest.raises(HostError) as caught:
        check(commands, Table(), Gateway())
    assert caught.value.where == "clamd"
