"""`run`, `hold`, `release` and `confirm` as processes: one version, whatever becomes of the
command.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pmgsync.cli.answers import REFUSED, ROLLED_BACK, Arrival, Release
from tests.control.fake_node import (
    DEADLINE,
    Served,
    command_line,
    environment,
    on_a_terminal,
    outcome,
)


def test_run_holds_runs_and_releases_on_one_connection(served: Served) -> None:
    script = "cat; echo out; echo err >&2"
    words = ("run", "-m", "why", "--root", served.root, "--", "sh", "-c", script)
    code, out, err = outcome(*words, stdin="in\n")
    assert (code, out) == (0, "in\nout\n")
    assert err == "err\nversion 15: 3 files, on 3 of 3 nodes after 12 ms\n"
    hold, release = served.node.calls
    assert (hold[1], hold[3]) == ("/v1/hold", {"message": "why", "session": True})
    assert (release[1], release[3]) == ("/v1/release", {"message": "why", "failed": False})
    assert hold[4] == release[4]


def test_run_names_the_program_but_not_its_arguments(served: Served) -> None:
    assert outcome("run", "--root", served.root, "--", "/bin/echo", "hunter2")[0] == 0
    assert served.node.calls[1][3]["message"] == "run echo"


def test_run_passes_options_of_the_command_through(served: Served) -> None:
    words = ("run", "--root", served.root, "--", "echo", "--json", "-m", "x", "--root", "y")
    assert outcome(*words)[1] == "--json -m x --root y\n"
    assert outcome("run", "--root", served.root, "echo", "-m", "x")[1] == "-m x\n"


def test_run_of_a_failing_command_publishes_and_says_so(served: Served) -> None:
    code, _, err = outcome("run", "--root", served.root, "--", "sh", "-c", "exit 7")
    assert code == 7
    assert "sh ended with 7; what it had changed is published:\nversion 15: 3 files" in err
    assert served.node.calls[1][3]["failed"] is True


def test_run_of_what_changes_nothing(served: Served) -> None:
    served.node.release = Release(None, 0)
    assert outcome("run", "--root", served.root, "--", "true") == (0, "", "nothing changed\n")
    code, _, err = outcome("run", "--root", served.root, "--", "false")
    assert (code, err) == (1, "")


def test_run_of_what_does_not_exist(served: Served, tmp_path: Path) -> None:
    served.node.release = Release(None, 0)
    code, _, err = outcome("run", "--root", served.root, "--", "no-such-program")
    assert (code, err) == (127, "pmgsync: no-such-program: command not found\n")
    assert served.node.hold is None
    (tmp_path / "plain").write_text("")
    code, _, err = outcome("run", "--root", served.root, "--", str(tmp_path / "plain"))
    assert (code, "cannot be run: Permission denied" in err) == (126, True)


def test_run_of_what_a_signal_ends(served: Served) -> None:
    assert outcome("run", "--root", served.root, "--", "sh", "-c", "kill -KILL $$")[0] == 137


@pytest.mark.parametrize(
    ("outcomes", "missing", "code"),
    [
        (["activated", "activated"], (), 0),
        (["activated", REFUSED], (), 3),
        (["activated", ROLLED_BACK], (), 4),
        (["activated", "unable"], (), 5),
        (["activated"], ("mail3",), 5),
    ],
)
def test_run_ends_with_what_became_of_the_version(
    served: Served, outcomes: list[str], missing: tuple[str, ...], code: int
) -> None:
    arrived = tuple(Arrival(n, f"mail{n}", what, 9, "no") for n, what in enumerate(outcomes, 1))
    served.node.release = Release(15, 1, arrived, missing)
    assert outcome("run", "--root", served.root, "--", "true")[0] == code


@pytest.mark.parametrize("comes", [True, False])
def test_a_timeout_waits_for_slow_nodes(served: Served, comes: bool) -> None:
    late = Release(15, 3, served.node.release.arrived[:2], ("mail3",))
    served.node.waited = served.node.release if comes else late
    served.node.release = late
    code, _, err = outcome("run", "--timeout", "2", "--root", served.root, "--", "true")
    assert code == (0 if comes else 124)
    assert ("on 3 of 3 nodes" if comes else "mail3: has not answered yet") in err
    assert served.node.calls[2][2] == {"version": "15", "timeout_ms": "2000"}


def wait_for(path: Path) -> None:
    end = time.monotonic() + DEADLINE
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.005)


def test_a_killed_run_lets_go_of_the_hold(served: Served, tmp_path: Path) -> None:
    script = f"touch {tmp_path}/began; exec sleep 30"
    words = command_line("run", "--root", served.root, "--", "sh", "-c", script)
    with subprocess.Popen(words, env=environment(), start_new_session=True) as run:
        wait_for(tmp_path / "began")
        assert served.node.hold is not None
        run.kill()
        served.wait_released()
        os.killpg(run.pid, signal.SIGKILL)
    assert served.node.hold is None
    assert [call[1] for call in served.node.calls] == ["/v1/hold"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_for_us_alone_are_handed_on(
    served: Served, tmp_path: Path, number: signal.Signals
) -> None:
    script = f"trap 'exit 9' TERM HUP; touch {tmp_path}/began; while :; do sleep 0.02; done"
    words = command_line("run", "--root", served.root, "--", "sh", "-c", script)
    with subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE) as run:
        wait_for(tmp_path / "began")
        run.send_signal(number)
        assert run.wait(DEADLINE) == 9
    assert served.node.calls[-1][1] == "/v1/release"


def test_a_signal_that_comes_as_soon_as_the_command_runs_is_handed_on(served: Served) -> None:
    script = "trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.02; done"
    for _ in range(5):
        assert outcome("run", "--root", served.root, "--", "sh", "-c", script)[0] == 9


def test_ctrl_c_ends_the_command_and_its_edits_are_published(served: Served) -> None:
    words = command_line(
        "run", "--root", served.root, "--", "sh", "-c", "echo began; exec sleep 30"
    )
    code, output = on_a_terminal(words, until=b"began")
    assert code == 130
    assert b"sleep ended with 130" not in output
    assert b"sh ended with 130; what it had changed is published" in output
    assert [call[1] for call in served.node.calls] == ["/v1/hold", "/v1/release"]


def test_run_when_the_daemon_goes_away_meanwhile(served: Served, tmp_path: Path) -> None:
    script = f"touch {tmp_path}/began; while [ ! -e {tmp_path}/end ]; do sleep 0.02; done"
    words = command_line("run", "--root", served.root, "--", "sh", "-c", script)
    with subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE, text=True) as run:
        wait_for(tmp_path / "began")
        served.stop()
        (tmp_path / "end").touch()
        assert run.wait(DEADLINE) == 1
        assert run.stderr is not None
        assert "the connection to pmgsyncd broke" in run.stderr.read()


def test_hold_and_release(served: Served) -> None:
    code, out, err = outcome("hold", "-m", "why", "--root", served.root)
    assert (code, out, err) == (
        *(0, ""),
        "held by pmgsync hold; edits wait for: pmgsync release\n",
    )
    assert served.node.calls[0][3] == {"message": "why", "session": False}
    code, _, err = outcome("hold", "--root", served.root)
    assert (code, err) == (1, "pmgsync: pmgsync run: is held already\n")
    assert outcome("release", "--root", served.root) == (
        *(0, "version 15: 3 files, on 3 of 3 nodes after 12 ms\n"),
        "",
    )
    code, _, err = outcome("release", "--root", served.root)
    assert (code, err) == (1, "pmgsync: nothing is on hold\n")


def test_confirm(served: Served) -> None:
    assert outcome("confirm", "15", "--root", served.root)[0] == 0
    assert served.node.calls[0][3] == {"version": 15}
    out = outcome("confirm", "15", "--json", "--root", served.root)[1]
    assert json.loads(out) == json.loads(json.dumps(served.node.release.to_json()))
