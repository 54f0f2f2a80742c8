"""fetchmail runs on one node; what is not as it should be is said."""

import re
from functools import partial
from pathlib import Path

import pytest

from pmgsync.agent.fetchmail import ACCOUNTS, SWITCH, advice, refusal
from pmgsync.errors import HostError
from pmgsync.host.process import SystemRunner
from pmgsync.host.scratch import laid_out
from pmgsync.pmgconf.fetchmailrc import MARKER, Account, dump
from tests.e2e.privileges import lacking
from tests.sim.host import FakeCommands, MemoryTree
from tests.unit.agent.serving import Table, services_of

ON, OFF = b"# comment\nSTART_DAEMON=yes\n", b"START_DAEMON=no\n"
ACCOUNT = Account(
    "a", server="h", protocol="pop3", port="110", interval="1", user="u", target="t@x.y"
)
SOME, NONE = dump([ACCOUNT]), MARKER


@pytest.mark.parametrize(
    ("accounts", "switch", "is_master", "words"),
    [
        (SOME, ON, True, ""),
        (SOME, OFF, False, ""),
        (SOME, b"", False, ""),
        (NONE, OFF, True, ""),
        (b"", b"", True, ""),
        (SOME.replace(b"poll", b"skip"), OFF, True, ""),
        (SOME, OFF, True, "switched off, so nobody fetches"),
        (SOME, ON, False, "is switched on, and this node is not the master"),
        (b"", ON, False, "is switched on, and this node is not the master"),
    ],
)
def test_only_the_master_fetches(
    accounts: bytes, switch: bytes, is_master: bool, words: str
) -> None:
    found = advice(accounts, switch, is_master=is_master)
    assert [words in line for line in found] == [True] * bool(words)


def test_the_daemon_says_it_and_asks_fetchmail_on_the_master_only() -> None:
    tree, commands = MemoryTree(), FakeCommands()
    tree.put("etc/postfix/readme")
    tree.put(SWITCH, OFF)
    commands.answer("fetchmail", 5, "banner\nfetchmail:/on/the/table/fetchmailrc:2: no at x\n")
    services = services_of(tree, commands)
    services.prepare({ACCOUNTS: SOME}.get)
    assert (services.warnings, commands.ran) == ((), [])
    services.is_master = True
    services.prepare({ACCOUNTS: SOME}.get)
    refused, off = services.warnings
    assert refused == f"{ACCOUNTS} line 2: fetchmail refuses it, a syntax error; mend it"
    assert "switched off" in off
    tree.put(SWITCH, ON)
    commands.answer("fetchmail")
    services.prepare({ACCOUNTS: SOME}.get)
    assert services.warnings == ()


def test_a_fetchmail_that_was_killed_says_nothing_about_its_file() -> None:
    commands = FakeCommands()
    assert refusal(SOME, commands, Table().lay_out) == (), "not installed"
    commands.answer("fetchmail", -9)
    with pytest.raises(HostError, match="signal 9"):
        refusal(SOME, commands, Table().lay_out)


def test_the_real_fetchmail_takes_ours_and_refuses_a_fault(tmp_path: Path) -> None:
    runner, lay_out = SystemRunner(), partial(laid_out, tmp_path)
    if not runner.available("fetchmail"):
        lacking("fetchmail is not installed")
    assert refusal(SOME, runner, lay_out) == ()
    assert refusal(NONE, runner, lay_out) == ()
    (said,) = refusal(SOME + b"poll h user u pass sword fish99\n", runner, lay_out)
    assert re.search(r"fetchmailrc line \d+: fetchmail refuses it, a syntax error", said)
    assert "fish" not in said
