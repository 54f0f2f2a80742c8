"""Maps: whose fault it is when `postmap` fails, and what real Postfix makes of a staged file."""

import shutil
from pathlib import Path

import pytest

from pmgsync.agent.beside import map_of, staged
from pmgsync.agent.maps import MapBuilder
from pmgsync.errors import CheckFailedError, HostError, StageError
from pmgsync.host.process import SystemRunner
from tests.sim.host import FakeCommands

DOMAINS = "etc/pmg/domains"
SOURCE = staged(DOMAINS)


def builder(commands: FakeCommands) -> MapBuilder:
    return MapBuilder(commands, "/srv/node/", "/etc/postfix")


def answering(status: int, output: str) -> MapBuilder:
    commands = FakeCommands()
    commands.answer("postmap", status, output)
    return builder(commands)


def test_without_postfix_there_is_nothing_to_build() -> None:
    assert not builder(FakeCommands()).available()
    with pytest.raises(HostError, match="not installed"):
        builder(FakeCommands()).build(SOURCE, DOMAINS)


def test_the_map_of_the_staged_file_is_built() -> None:
    commands = FakeCommands()
    commands.answer("postmap")
    maps = builder(commands)
    assert maps.available()
    assert maps.build(SOURCE, DOMAINS) == map_of(SOURCE)
    assert commands.ran == [("postmap", "-c", "/etc/postfix", f"hash:/srv/node/{SOURCE}")]


def test_a_refusal_says_postmaps_own_words_in_one_line() -> None:
    words = f"postmap: fatal: /srv/node/{SOURCE}, line 3: key too long\nand more\n"
    with pytest.raises(CheckFailedError) as caught:
        answering(1, words).build(SOURCE, DOMAINS)
    assert str(caught.value) == (
        f"{DOMAINS}: postmap refuses it: postmap: fatal: {DOMAINS}, line 3: key too long and more;"
        " mend the file on the master"
    )


def test_a_refusal_without_words_says_the_status() -> None:
    with pytest.raises(CheckFailedError, match="ended with status 3"):
        answering(3, "").build(SOURCE, DOMAINS)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (1, "postmap: fatal: write x.db: No space left on device"),
        (1, "postmap: fatal: open database x.db: Read-only file system"),
        (1, "postmap: fatal: read: Input/output error"),
        (1, "postmap: fatal: write: Disk quota exceeded"),
        (1, "postmap: fatal: open x: Permission denied"),
        (1, "postmap: fatal: malloc: Cannot allocate memory"),
        (1, "postmap: fatal: open x: Too many open files"),
        (1, "postmap: fatal: open /etc/postfix/main.cf: No such file or directory"),
        (1, "postmap: fatal: unsupported dictionary type: hash"),
        (-9, ""),
        (-11, "postmap: warning: something"),
        (137, "Killed"),
    ],
)
def test_what_is_not_the_contents_fault_is_tried_again(status: int, words: str) -> None:
    with pytest.raises(StageError, match="tried again by itself"):
        answering(status, words).build(SOURCE, DOMAINS)


@pytest.mark.postfix
def test_real_postmap_builds_what_real_postmap_reads(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("myhostname = localhost.localdomain\n")
    (tmp_path / "etc/pmg").mkdir(parents=True)
    (tmp_path / SOURCE).write_text("example.org OK\n")
    runner = SystemRunner()
    maps = MapBuilder(runner, str(tmp_path), str(tmp_path))
    assert maps.available()
    built = tmp_path / maps.build(SOURCE, DOMAINS)
    target = tmp_path / DOMAINS
    shutil.copy(tmp_path / SOURCE, target)
    built.rename(tmp_path / map_of(DOMAINS))
    asked = ["postmap", "-c", str(tmp_path), "-q", "example.org", f"hash:{target}"]
    assert runner.run(asked).output == "OK\n"
