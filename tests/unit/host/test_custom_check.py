"""Real programs, run as PMG's filter runs an admin's own check."""

import os
import time
from pathlib import Path

import pytest

from pmgsync.errors import HostError
from pmgsync.host.custom_check import MAX_OUTPUT_BYTES, CheckRun, run_check


def script(folder: Path, text: str, *, head: str = "#!/bin/sh\n") -> str:
    path = folder / "check"
    path.write_text(head + text)
    path.chmod(0o755)
    return str(path)


def run(folder: Path, text: str, *arguments: str, timeout: float = 30.0) -> CheckRun:
    return run_check(script(folder, text), *arguments, timeout=timeout)


def test_streams_are_kept_apart(tmp_path: Path) -> None:
    found = run(tmp_path, 'echo v1; echo "log $2" >&2; echo "$1"', "v1", "/tmp/mail")
    assert (found.status, bytes(found.output), bytes(found.errors)) == (
        0,
        b"v1\nv1\n",
        b"log /tmp/mail\n",
    )


@pytest.mark.parametrize(("text", "status"), [("exit 3", 3), ("kill -9 $$", -9)])
def test_how_it_ended(tmp_path: Path, text: str, status: int) -> None:
    assert run(tmp_path, text).status == status


def test_it_is_ended_when_its_time_is_up_with_all_that_it_started(tmp_path: Path) -> None:
    found = run(tmp_path, "echo v1; sleep 600 & echo $!; sleep 600", timeout=0.5)
    assert found.status is None
    version, child = found.output.decode().split()
    assert version == "v1"
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}/stat").exists() and time.monotonic() < deadline:
        if " Z " in Path(f"/proc/{child}/stat").read_text():
            break  # ended; nobody has collected it yet
    else:
        assert not Path(f"/proc/{child}").exists()


def test_what_holds_its_output_uses_up_its_time(tmp_path: Path) -> None:
    found = run(tmp_path, "echo v1; sleep 600 & exit 0", timeout=0.5)
    assert (found.status, bytes(found.output)) == (None, b"v1\n")


def test_what_lets_go_of_its_output_does_not(tmp_path: Path) -> None:
    found = run(tmp_path, "sleep 600 >/dev/null 2>&1 & echo $!; exit 0")
    assert found.status == 0
    os.kill(int(found.output), 9)


def test_output_without_end_is_bounded_in_memory_and_time(tmp_path: Path) -> None:
    found = run(tmp_path, "exec yes", timeout=0.5)
    assert found.status is None
    assert len(found.output) == MAX_OUTPUT_BYTES


def test_a_script_without_its_first_line_is_the_shells(tmp_path: Path) -> None:
    found = run_check(script(tmp_path, "echo v1\n", head=""), timeout=30.0)
    assert (found.status, bytes(found.output)) == (0, b"v1\n")


def test_it_gets_no_input_and_none_of_our_environment(tmp_path: Path) -> None:
    found = run(tmp_path, "cat; env | sort")
    names = {line.split("=")[0] for line in found.output.decode().splitlines()}
    assert names <= {"LC_ALL", "PATH", "PWD", "_", "SHLVL", "OLDPWD"}


def test_what_cannot_be_started(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("echo v1\n")
    cases = {
        str(tmp_path / "nothing"): "does not exist",
        str(plain): "is not executable",
        str(tmp_path): "cannot be started: permission denied",
        script(tmp_path, "", head="#!/bin/sh\r\n"): "its interpreter does not exist",
        script(tmp_path, "", head="#!/no/such/shell\n"): "its interpreter does not exist",
    }
    for program, what in cases.items():
        with pytest.raises(HostError) as refused:
            run_check(program, timeout=30.0)
        assert refused.value.what == what
        assert refused.value.mend
