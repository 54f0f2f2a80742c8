"""`CommandRunner`: the table and the real programs of this machine."""

import os
from pathlib import Path

import pytest

from pmgsync.errors import HostError
from pmgsync.host.clock import SystemClock
from pmgsync.host.process import MAX_OUTPUT_BYTES, SystemRunner
from pmgsync.ports import CommandResult, CommandRunner
from tests.sim.host import FakeCommands, MemoryTree


@pytest.fixture(params=["fake", "system"])
def runner(request: pytest.FixtureRequest) -> CommandRunner:
    if request.param == "system":
        return SystemRunner()
    commands = FakeCommands()
    commands.answer("true")
    commands.programs["echo"] = lambda argv: CommandResult(0, " ".join(argv[1:]) + "\n")
    commands.answer("false", status=1)
    return commands


def test_what_is_installed_is_available(runner: CommandRunner) -> None:
    assert runner.available("true")
    assert not runner.available("no-such-program")


def test_status_and_output_come_back(runner: CommandRunner) -> None:
    assert runner.run(["true"]) == CommandResult(0, "")
    assert runner.run(["false"]).status == 1
    assert runner.run(["echo", "a b", "$HOME", ";", "ls"]).output == "a b $HOME ; ls\n"


def test_what_is_not_installed_is_named(runner: CommandRunner) -> None:
    with pytest.raises(HostError, match="no-such-program: is not installed"):
        runner.run(["no-such-program", "x"])


# --- real programs -------------------------------------------------------------------------------


def shell(script: str, timeout: float = 10) -> CommandResult:
    return SystemRunner().run(["sh", "-c", script], timeout=timeout)


def test_row_12_no_shell_reads_an_argument(tmp_path: Path) -> None:
    evil = f"$(touch {tmp_path}/a) `touch {tmp_path}/b`; touch {tmp_path}/c | sh #"
    assert SystemRunner().run(["printf", "%s", evil]).output == evil
    assert list(tmp_path.iterdir()) == []


def test_a_program_gets_no_input_and_little_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/secret")
    assert shell("cat").output == ""
    lines = set(shell("env").output.split())
    assert {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"} <= lines
    assert not any("secret" in line for line in lines)
    assert shell("pwd").output == "/\n"


def test_stderr_comes_in_its_place() -> None:
    assert shell("echo one; echo two >&2; echo three").output == "one\ntwo\nthree\n"


def test_output_without_end_is_bounded() -> None:
    result = shell("head -c 3000000 /dev/zero | tr '\\0' x")
    assert result == CommandResult(0, "x" * MAX_OUTPUT_BYTES)
    assert shell("printf '\\377'").output == "\N{REPLACEMENT CHARACTER}"


def test_a_signal_is_a_status_below_zero() -> None:
    assert shell("kill -TERM $$").status == -15


@pytest.mark.parametrize(
    "script",
    [
        "sleep 60",
        "sleep 60 & wait",
        "trap '' TERM; sleep 60; sleep 60",
        "yes",
        "exec >&-; sleep 60",
    ],
)
def test_what_takes_too_long_is_ended_with_all_its_children(script: str) -> None:
    clock = SystemClock()
    before = clock.monotonic()
    with pytest.raises(HostError, match=r"took longer than 0.2 seconds and was ended"):
        shell(f"echo $$; {script}", timeout=0.2)
    assert clock.monotonic() - before < 5
    left = [p for p in Path("/proc").glob("[0-9]*/stat") if _is_ours(p)]
    assert left == []


def _is_ours(path: Path) -> bool:
    """A child of this process, or an orphan of it, that still sleeps for us."""
    try:
        fields = path.read_text().rpartition(")")[2].split()
        command = path.with_name("cmdline").read_bytes()
    except OSError:
        return False
    return fields[1] == str(os.getpid()) and command.startswith((b"sleep\0", b"yes\0", b"sh\0"))


def test_a_service_left_running_neither_blocks_nor_dies(tmp_path: Path) -> None:
    clock = SystemClock()
    before = clock.monotonic()
    file = tmp_path / "pid"
    result = shell(f"sleep 30 & echo $! > {file}; echo started")
    assert result == CommandResult(0, "started\n")
    assert clock.monotonic() - before < 5
    os.kill(int(file.read_text()), 9)  # it lived


def test_nothing_is_left_open() -> None:
    def handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = handles()
    for _ in range(5):
        shell("true")
        with pytest.raises(HostError):
            shell("sleep 9", timeout=0.01)
    assert handles() == before


def test_a_program_that_cannot_be_started_is_named() -> None:
    with pytest.raises(HostError, match="sh: cannot be started"):
        SystemRunner().run(["sh", "-c", "nul \0"])


# --- the double of postmap -----------------------------------------------------------------------


def test_the_fake_postmap_builds_its_map_in_the_tree() -> None:
    tree = MemoryTree()
    commands = FakeCommands(tree)
    tree.put("etc/pmg/domains", b"a OK\n")
    assert commands.run(["postmap", "hash:/etc/pmg/domains"]).status == 0
    first = tree.files(leavings=True)["etc/pmg/domains.db"]
    tree.put("etc/pmg/domains", b"b OK\n")
    commands.run(["postmap", "/etc/pmg/domains"])
    assert tree.files(leavings=True)["etc/pmg/domains.db"] != first
    assert commands.run(["postmap", "/etc/pmg/none"]).status == 1
    tree.put("etc/pmg/domains", b"!\n")
    assert commands.run(["postmap", "/etc/pmg/domains"]).status == 1
