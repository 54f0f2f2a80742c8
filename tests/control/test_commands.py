"""The commands as processes, talking to the real local API: what they print, ask and end with."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pmgsync.cli.answers import ASKED, LAST_KNOWN, NodeInfo
from pmgsync.cli.main import COMMANDS, GENERAL_OPTIONS, every_command, main
from pmgsync.errors import DeadlineError, InvalidError
from pmgsync.model.status import NodeState
from tests.control.fake_node import (
    DEADLINE,
    Served,
    cluster_status,
    command_line,
    environment,
    node_status,
    on_a_terminal,
    outcome,
    status_answer,
)

STRANGER = NodeInfo("mail9", None, "", "0.1.0", 1, 1, None)


# --- help and usage -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, _ in every_command()])
def test_help_has_examples_and_exit_codes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"usage: pmgsync {name}")
    examples = out.partition("examples:\n")[2]
    # what a person would type
    assert f"pmgsync {name}" in examples or name == "daemon"
    assert "exit codes:\n    0  fine\n" in out
    assert "--root DIR" in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--root", "/", "--help"]])
def test_the_overview_names_every_command(words: list[str]) -> None:
    code, out, _ = outcome(*words)
    assert code == 0
    for name, entry in COMMANDS.items():
        assert f"  {name} " in out
        assert entry.summary in out
    for option, meaning in GENERAL_OPTIONS.items():
        assert f"  {option} " in out
        assert meaning in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "say which command; see `pmgsync --help`"),
        (["statsu"], "unknown command 'statsu'; did you mean `pmgsync status`?"),
        (["fly"], "unknown command 'fly'; see `pmgsync --help`"),
        (["--loud", "status"], "unknown option --loud; see `pmgsync --help`"),
        (["status", "--loud"], "unrecognized arguments: --loud; see `pmgsync status --help`"),
        (["show"], "required: VERSION; see `pmgsync show --help`"),
        (["show", "x"], "'x' is not a number above zero"),
        (["show", "0"], "'0' is not a number above zero"),
        (["show", "1" * 5000], "is not a number above zero"),
        (["log", "-n", "-3"], "'-3' is not a number above zero"),
        (["kept", "1", "--clear"], "argument --clear: not allowed with argument NUMBER"),
        (["kept", "--clear", "1"], "argument NUMBER: not allowed with argument --clear"),
        (["run"], "say which command to run; pmgsync run -- COMMAND ..."),
        (["run", "--"], "say which command to run"),
        (["join"], "required: ADDRESS"),
        (["status", "--root", "/nowhere/at/all"], "--root /nowhere/at/all: is not a folder"),
        (["--root"], "say which command"),
        (["config"], "say which command; see `pmgsync config --help`"),
        (["config", "sett"], "`pmgsync config` has no 'sett'; did you mean `pmgsync config set`?"),
        (["config", "--loud"], "unknown option --loud; see `pmgsync config --help`"),
        (["config", "get", "mail.realy"], "mail.realy: there is no such option; did you mean"),
        (["config", "get", "filter-timeout"], "did you mean mail.filter-timeout?"),
        (["config", "get", "lifetime"], "did you mean spamquar.lifetime or virusquar.lifetime?"),
        (["config", "get", "x\ny"], "x\\ny: there is no such option; see `pmgsync config list`"),
        (["config", "list", "mial"], "argument SECTION: invalid choice: 'mial'"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(words: list[str], line: str) -> None:
    code, out, err = outcome(*words)
    assert (code, out) == (2, "")
    assert err.startswith("pmgsync: ")
    assert line in err
    assert err.count("\n") == 1


def test_version() -> None:
    assert outcome("--version") == (0, "pmgsync 0.1.0\n", "")


# --- where there is nobody to talk to -----------------------------------------------------


def test_no_daemon_says_how_to_start_it(tmp_path: Path) -> None:
    code, out, err = outcome("status", "--root", tmp_path)
    assert (code, out) == (1, "")
    assert err == (
        f"pmgsync: {tmp_path}/run/pmgsync/control.sock: pmgsyncd is not running on this node; "
        "start it: systemctl start pmgsyncd (or `pmgsync daemon`)\n"
    )


def test_a_socket_that_nobody_answers_is_no_daemon(served: Served) -> None:
    path = served.socket
    served.stop()
    program = f"import socket; socket.socket(socket.AF_UNIX).bind({str(path)!r})"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert "pmgsyncd is not running on this node" in outcome("status", "--root", served.root)[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_another_users_daemon(served: Served) -> None:
    for folder in (served.root, *served.root.parents):
        if folder != Path("/"):
            folder.chmod(0o755)
    program = (
        "import os, sys; os.setgid(65534); os.setuid(65534);"
        "from pmgsync.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "status", "--root", str(served.root)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "pmgsyncd runs as another user" in ended.stderr
    assert "type it as root, or with sudo" in ended.stderr


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 70000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_a_daemon_that_talks_nonsense_gets_one_line(tmp_path: Path, answer: bytes) -> None:
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen();"
        "print(flush=True); c, _ = s.accept(); c.recv(9999);"
        f"c.sendall({answer!r}); c.close()"
    )
    path = tmp_path / "run/pmgsync/control.sock"
    path.parent.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE
    ) as liar:
        assert liar.stdout is not None
        liar.stdout.readline()
        code, out, err = outcome("status", "--root", tmp_path)
        liar.kill()
    assert (code, out) == (1, "")
    assert err.startswith("pmgsync: ")
    assert err.count("\n") == 1


# --- status -------------------------------------------------------------------------------


def test_status(served: Served) -> None:
    code, out, err = outcome("status", "--root", served.root)
    assert (code, err) == (0, "")
    assert out.startswith("cluster 4f1c…  epoch 1  version 14  (137 files, published 3 s ago)\n")
    assert "mail3(3)  192.0.2.3  node    in sync    14/14" in out
    assert "\x1b" not in out


def test_status_below_a_long_root(far_away: Served) -> None:
    assert outcome("status", "--root", far_away.root)[0] == 0
    assert outcome("--root", far_away.root, "status")[0] == 0
    assert outcome(f"--root={far_away.root}", "status")[0] == 0


def test_status_json_is_the_answer_as_it_is(served: Served) -> None:
    code, out, _ = outcome("status", "--json", "--root", served.root)
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(served.node.answer.to_json()))


@pytest.mark.parametrize(
    ("state", "code"),
    [(NodeState.IN_SYNC, 0), (NodeState.INVALID, 3), (NodeState.AWAY, 5), (NodeState.BEHIND, 5)],
)
def test_status_ends_with_what_the_cluster_is(served: Served, state: NodeState, code: int) -> None:
    served.node.answer = status_answer(
        cluster_status(node_status(1), node_status(2, state)), source=ASKED
    )
    assert outcome("status", "--root", served.root)[0] == code


def test_status_while_the_master_is_away(served: Served) -> None:
    served.node.answer = status_answer(
        cluster_status(node_status(1), node_status(2)), source=LAST_KNOWN, age_ms=42_000
    )
    code, out, _ = outcome("status", "--root", served.root)
    assert code == 6
    assert out.startswith("as of 42 s ago: the master mail1 (192.0.2.1) is away\n")


def test_status_of_a_node_without_cluster(served: Served) -> None:
    served.node.answer = status_answer(None, node=STRANGER)
    code, out, _ = outcome("status", "--root", served.root)
    assert code == 1
    assert "mail9 belongs to no cluster yet" in out
    assert "pmgsync create" in out
    assert "pmgsync join-cmd" in out


def test_status_has_colours_on_a_terminal_unless_unwanted(served: Served) -> None:
    words = command_line("status", "--root", served.root)
    coloured = on_a_terminal(words, until=b"never", TERM="xterm")
    assert b"\x1b[32min sync\x1b[0m" in coloured[1]
    for term, no_colour in (("dumb", ""), ("xterm", "1")):
        plain = on_a_terminal(words, until=b"never", TERM=term, NO_COLOR=no_colour)
        assert b"\x1b" not in plain[1]


def test_watch_redraws_until_ctrl_c_and_ends_as_the_last_view(served: Served) -> None:
    served.node.answer = status_answer(
        cluster_status(node_status(1), node_status(2, NodeState.AWAY))
    )
    words = command_line("status", "--watch", "--root", served.root)
    code, output = on_a_terminal(words, until=b"mail2(2)", TERM="xterm")
    assert code == 5
    assert output.startswith(b"\x1b[?1049h\x1b[?25l\x1b[H")
    assert b"\x1b[?25h\x1b[?1049l" in output
    assert output.rstrip().endswith(b"systemctl status pmgsyncd")


def test_watch_in_a_small_terminal_shows_the_top_and_what_to_do(served: Served) -> None:
    nodes = [node_status(1), node_status(2, NodeState.AWAY), *map(node_status, range(3, 30))]
    served.node.answer = status_answer(cluster_status(*nodes), source=LAST_KNOWN, age_ms=42_000)
    words = command_line("status", "--watch", "--root", served.root)
    output = on_a_terminal(words, until=b"is it up?", TERM="xterm", size=(80, 16))[1].decode()
    lines = output.partition("\x1b[H")[2].partition("\x1b[J")[0].splitlines()
    lines = [line.removesuffix("\x1b[K") for line in lines]
    assert len(lines) <= 15
    assert lines[0] == "as of 42 s ago: the master mail1 (192.0.2.1) is away"
    assert sum("more lines" in line for line in lines) == 1
    assert any("is it up?" in line for line in lines)
    assert "mail29(29)" in output.partition("\x1b[?1049l")[2]


def test_watch_goes_on_while_the_daemon_is_away(tmp_path: Path) -> None:
    words = command_line("status", "--watch", "--root", tmp_path)
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        assert "pmgsyncd is not running" in watch.stdout.readline()
        served = Served(tmp_path)
        lines = iter(watch.stdout.readline, "")
        assert any(line.startswith("cluster 4f1c…") for line in lines)
        watch.send_signal(signal.SIGINT)
        assert watch.wait(DEADLINE) == 0
    served.stop()


# --- log, show ----------------------------------------------------------------------------


def test_log(served: Served) -> None:
    code, out, _ = outcome("log", "--root", served.root)
    assert code == 0
    assert out.splitlines()[0].split() == ["VERSION", "PUBLISHED", "FILES", "SIZE", "MESSAGE"]
    assert out.splitlines()[1].split() == [
        *("3", "2026-02-02", "02:40:03", "3", "put", "1.5", "KiB", "edit", "3")
    ]
    assert served.node.calls[0][2] == {"most": "20"}


def test_log_pages_and_json(served: Served) -> None:
    code, out, _ = outcome("log", "-n", "2", "--before", "100", "--json", "--root", served.root)
    assert code == 0
    assert [entry["version"] for entry in json.loads(out)["versions"]] == [99, 98]
    assert served.node.calls[0][2] == {"most": "2", "before": "100"}


def test_log_before_the_first(served: Served) -> None:
    words = ("log", "--before", "1", "--root", served.root)
    assert outcome(*words) == (0, "no older versions\n", "")


def test_log_cuts_messages_on_a_terminal_only(served: Served) -> None:
    words = command_line("log", "--root", served.root)
    wide = on_a_terminal(words, until=b"never")[1].decode().splitlines()
    assert wide[1].endswith("edit 3")
    narrow = on_a_terminal(words, until=b"never", size=(50, 24))[1].decode().splitlines()
    assert {len(line) for line in narrow[1:]} == {50}
    assert narrow[1].endswith("…")


def test_show(served: Served) -> None:
    code, out, _ = outcome("show", "12", "--root", served.root)
    assert code == 0
    assert "version 12  epoch 1" in out
    assert "+new" not in out
    assert "+new" in outcome("show", "12", "--diff", "--root", served.root)[1]
    assert json.loads(outcome("show", "12", "--json", "--root", served.root)[1])["version"] == 12


def test_a_reader_that_goes_away_is_no_error(served: Served) -> None:
    words = command_line("log", "-n", "1000", "--before", "1001", "--root", served.root)
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as log:
        assert log.stdout is not None
        assert log.stderr is not None
        log.stdout.close()
        assert (log.wait(DEADLINE), log.stderr.read()) == (141, b"")


# --- create, join -------------------------------------------------------------------------


def test_create_shows_the_recovery_key_and_what_to_do_with_it(served: Served) -> None:
    code, out, _ = outcome("create", "--root", served.root)
    assert code == 0
    assert out.count("pmgsync-recovery-EXAMPLE") == 1
    assert "Print it, or put it into a password safe, away from these machines" in out
    assert "adopted from cluster.conf, to be joined: mail2, mail3" in out
    assert served.node.calls[0][3] == {"name": None, "address": None}
    words = ("create", "--name", "mx", "--address", "192.0.2.9", "--json", "--root", served.root)
    assert json.loads(outcome(*words)[1])["name"] == "mx"


def test_join_cmd_prints_exactly_the_line_to_type(served: Served) -> None:
    code, out, err = outcome("join-cmd", "--root", served.root)
    assert (code, out) == (0, "pmgsync join 192.0.2.1 --token EXAMPLE\n")
    assert "it works once, until 2026-02-02 02:40:00" in err


def test_the_printed_line_joins(served: Served) -> None:
    line = outcome("join-cmd", "--root", served.root)[1].split()[1:]
    code, out, _ = outcome(*line, "--root", served.root)
    assert code == 0
    assert out == (
        "joined cluster 4f1c… as mail2(2); its master is mail1\n"
        "4 files that lay here before: kept in var/lib/pmgsync/kept\n"
        "it runs version 3\n"
    )


def test_an_error_of_the_daemon_is_one_line_with_its_exit_code(served: Served) -> None:
    words = ("join", "192.0.2.1", "--token", "WRONG", "--root", served.root)
    assert outcome(*words) == (1, "", "pmgsync: --token: the token is unknown; make another\n")
    served.node.fault = InvalidError("is wrong", where="etc/pmg/pmg.conf:3", mend="mend it")
    assert outcome("status", "--root", served.root) == (
        3,
        "",
        "pmgsync: etc/pmg/pmg.conf:3: is wrong; mend it\n",
    )
    served.node.fault = DeadlineError("did not come")
    assert outcome("status", "--root", served.root)[0] == 124
