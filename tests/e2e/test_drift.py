"""What is changed on a node is put back, kept first, and named."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, Node, until

SOON = 2.0
TEMPLATE = "etc/pmg/templates/main.cf.in"


@pytest.fixture(autouse=True)
def _level(three: Cluster) -> Iterator[None]:
    for name in ("templates/main.cf.in", "templates/two.tt"):
        if three.master.read(name) is None:
            three.master.write(name, f"as published: {name}\n")
    three.settle()
    yield
    three.settle()


def _append(path: Path) -> None:
    with path.open("a") as file:
        file.write("edited here\n")


def _replace(path: Path) -> None:
    other = path.with_name("other.tmp.1")
    other.write_text("another one\n")
    other.replace(path)


def _link_over(path: Path) -> None:
    other = path.with_name("other.tmp.2")
    other.symlink_to("/etc/hostname")
    other.replace(path)


def _folder_over(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


EDITS: list[tuple[Callable[[Path], None], str, str]] = [
    (_append, "edited on this node", "edited here\n"),
    (_replace, "edited on this node", "another one\n"),
    (_empty, "edited on this node", ""),
    (Path.unlink, "deleted on this node", ""),
    (_link_over, "replaced on this node", ""),
]


@pytest.mark.parametrize(("edit", "reason", "kept"), EDITS)
def test_drift_is_put_back_kept_and_named(
    three: Cluster, edit: Callable[[Path], None], reason: str, kept: str
) -> None:
    node, path = three.nodes[1], three.nodes[1].root / TEMPLATE
    wanted = path.read_bytes()
    edit(path)
    begin = time.monotonic()
    until(partial(_is_plain, path, wanted), "the file to be back", SOON)
    assert time.monotonic() - begin < SOON
    until(lambda: _noted(three, node, TEMPLATE, reason), "the master to know of it")
    assert f"{TEMPLATE}: {reason}" in three.master.pmgsync("status").out
    assert TEMPLATE in node.pmgsync("status").out
    if kept:
        assert kept in "".join(_kept(node))


def _is_plain(path: Path, content: bytes) -> bool:
    return path.is_file() and not path.is_symlink() and path.read_bytes() == content


def _noted(three: Cluster, node: Node, path: str, reason: str) -> bool:
    return any(path in note and reason in note for note in three.state_of(node)["notes"])


def _kept(node: Node) -> list[str]:
    rows = node.pmgsync("kept", "--json").document()["kept"]
    return [node.pmgsync("kept", str(row["number"])).out for row in rows if row["size"]]


def test_a_file_that_was_added_is_taken_away_and_kept(three: Cluster) -> None:
    node = three.nodes[2]
    path = node.write("templates/added.tt", "added here\n")
    until(lambda: not path.exists(), "it to be gone", SOON)
    assert "added here\n" in _kept(node)
    until(lambda: _noted(three, node, "templates/added.tt", "added on this node"), "the note")


def test_a_mode_that_was_changed_is_put_back(three: Cluster) -> None:
    path = three.nodes[1].path("templates/two.tt")
    path.chmod(0o777)
    until(lambda: path.stat().st_mode & 0o7777 == 0o644, "the mode to be back", SOON)


def test_a_folder_in_the_place_of_a_file_is_named_and_heals_when_it_goes(three: Cluster) -> None:
    node, path = three.nodes[1], three.nodes[1].root / TEMPLATE
    _folder_over(path)
    until(lambda: TEMPLATE in node.attention() or path.is_file(), "it to be named or mended")
    if path.is_dir():
        path.rmdir()
    until(path.is_file, "the file to be back")


def test_a_whole_folder_that_was_removed_is_put_back(three: Cluster) -> None:
    node = three.nodes[2]
    for path in node.path("templates").iterdir():
        path.unlink()
    node.path("templates").rmdir()
    until(lambda: node.tree() == three.master.tree(), "all to be back", 2 * SOON)


def test_our_own_writing_is_no_drift(three: Cluster) -> None:
    node = three.nodes[1]
    seen = len(node.logged("was put back"))
    for number in range(20):
        three.master.write("templates/two.tt", f"turn {number}\n")
        three.settle()
    three.master.write("templates/two.tt", "as published: templates/two.tt\n")
    three.settle()
    assert len(node.logged("was put back")) == seen


def test_drift_while_the_daemon_was_stopped_is_put_back_at_start(three: Cluster) -> None:
    node = three.nodes[2]
    node.stop()
    node.path("templates/two.tt").write_text("while nobody looked\n")
    node.start()
    until(lambda: node.tree() == three.master.tree(), "it to be back", 5)
    assert "while nobody looked\n" in _kept(node)
