"""Telling services that their files changed, and remembering whom to tell."""

from collections.abc import Mapping

import pytest

from pmgsync.agent.reactions import (
    OWED,
    PROGRAMS,
    SYSTEMD,
    WITHOUT_SYSTEMD,
    Answer,
    Teller,
    Told,
    owe,
    owed,
)
from pmgsync.errors import HostError
from pmgsync.ports import CommandResult, FileKind
from pmgsync.render.targets import Reaction
from tests.sim.host import FakeCommands, MemoryTree

POSTFIX, CLAMD = Reaction.POSTFIX_RELOAD, Reaction.CLAMD_RESTART


def teller(
    commands: FakeCommands,
    settings: Mapping[Reaction, tuple[str, ...]] | None = None,
    *,
    systemd: bool = False,
    own: bool = True,
) -> Teller:
    return Teller(commands, settings or {}, has_systemd=systemd, is_own_machine=own)


def machine(*programs: str) -> FakeCommands:
    commands = FakeCommands()
    for program in programs:
        commands.answer(program)
    return commands


@pytest.mark.parametrize("reaction", list(Reaction))
def test_systemd_is_asked_where_it_runs(reaction: Reaction) -> None:
    commands = machine("systemctl", PROGRAMS[reaction])
    (answer,) = teller(commands, systemd=True).tell([reaction])
    assert commands.ran == [SYSTEMD[reaction]]
    assert answer == Answer(reaction, Told.DONE, " ".join(SYSTEMD[reaction]))


@pytest.mark.parametrize("reaction", list(Reaction))
def test_without_systemd_the_service_brings_its_own_way(reaction: Reaction) -> None:
    commands = machine("service", "postfix", PROGRAMS[reaction])
    (answer,) = teller(commands).tell([reaction])
    assert commands.ran == [WITHOUT_SYSTEMD[reaction]]
    assert answer.told is Told.DONE


def test_a_setting_is_run_as_it_stands() -> None:
    commands = machine("/opt/reload")
    mine = {POSTFIX: ("/opt/reload", "postfix", "a b; c")}
    teller(commands, mine, systemd=True).tell([POSTFIX])
    assert commands.ran == [("/opt/reload", "postfix", "a b; c")]


def test_a_service_that_is_not_installed_is_not_told() -> None:
    commands = machine("systemctl")
    assert teller(commands, systemd=True).tell([CLAMD]) == (Answer(CLAMD, Told.NOT_INSTALLED),)
    assert commands.ran == []


def test_the_services_of_the_machine_are_not_those_of_a_tree_somewhere_on_it() -> None:
    commands = machine("postfix", "mine")
    (answer,) = teller(commands, own=False).tell([POSTFIX])
    assert answer.told is Told.NOT_OURS
    assert commands.ran == []
    (answer,) = teller(commands, {POSTFIX: ("mine",)}, own=False).tell([POSTFIX])
    assert answer.told is Told.DONE


@pytest.mark.parametrize(
    "words",
    [
        "postfix/postfix-script: fatal: the Postfix mail system is not running",
        "clamav-daemon.service is not active, cannot reload.",
    ],
)
def test_a_service_that_does_not_run_need_not_be_told(words: str) -> None:
    commands = machine()
    commands.answer("postfix", 1, words)
    (answer,) = teller(commands).tell([POSTFIX])
    assert answer.told is Told.NOT_RUNNING


def test_a_failure_is_told_in_the_words_of_the_command() -> None:
    commands = machine()
    commands.answer("postfix", 1, "postfix: fatal: bad\n  string   length\n")
    (answer,) = teller(commands).tell([POSTFIX])
    assert str(answer) == (
        "postfix_reload: failed (postfix reload: postfix: fatal: bad string length)"
    )


def test_a_failure_without_words_has_its_status() -> None:
    commands = machine()
    commands.answer("postfix", 3)
    (answer,) = teller(commands).tell([POSTFIX])
    assert "ended with status 3" in answer.words


def test_a_command_that_cannot_be_run_is_a_failure_and_the_next_one_goes_on() -> None:
    commands = machine("clamd", "service")
    settings = {POSTFIX: ("gone",)}
    first, second = teller(commands, settings).tell([POSTFIX, CLAMD])
    assert first.told is Told.FAILED
    assert "gone: is not installed" in first.words
    assert second.told is Told.DONE


def test_endless_words_are_cut() -> None:
    commands = machine()
    commands.programs["postfix"] = lambda _argv: CommandResult(1, "x" * 5000)
    (answer,) = teller(commands).tell([POSTFIX])
    assert len(answer.words) < 400


# --- what is owed ---


def test_what_is_owed_is_remembered_in_the_order_of_reactions() -> None:
    tree = MemoryTree()
    owe(tree, [CLAMD, POSTFIX])
    assert owed(tree) == (POSTFIX, CLAMD)
    owe(tree, [CLAMD])
    assert owed(tree) == (CLAMD,)


def test_nothing_owed_leaves_no_file() -> None:
    tree = MemoryTree()
    assert owed(tree) == ()
    owe(tree, [])
    owe(tree, [CLAMD])
    owe(tree, [])
    assert tree.files(leavings=True) == {}


def test_it_is_durable_before_it_returns() -> None:
    tree = MemoryTree()
    owe(tree, [CLAMD])
    kinds = [step.split()[0] for step in tree.steps.taken]
    assert kinds == ["write", "sync", "rename", "sync"]
    assert tree.files(leavings=True) == {OWED: b"clamd_restart\n"}


def test_what_is_no_reaction_is_passed_over() -> None:
    tree = MemoryTree()
    tree.put(OWED, b"clamd_restart\nreboot\n\xff\n")
    assert owed(tree) == (CLAMD,)


def test_a_folder_in_its_place_says_nothing() -> None:
    tree = MemoryTree()
    tree.put_kind(OWED, FileKind.FOLDER)
    assert owed(tree) == ()


def test_where_it_cannot_be_written_is_an_error_of_the_machine() -> None:
    tree = MemoryTree()
    tree.read_only.add("var")
    with pytest.raises(HostError):
        owe(tree, [CLAMD])
