"""Files on the master that cannot be synced: one clear line each, and all else goes on."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, a_cluster, until
from tests.e2e.privileges import as_one_who_may_not_read_all

GIB = 1 << 30


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The master of this cluster is a user to whom modes mean something."""
    with a_cluster(tmp_path_factory.mktemp("three")) as made:
        made.add(prefix=as_one_who_may_not_read_all())
        yield made.found(3)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 * GIB)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("x")


def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def _link_to_folder(path: Path) -> None:
    path.symlink_to("/etc")


def _secret(path: Path) -> None:
    path.write_text("x")
    path.chmod(0)


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o644 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        os.mkfifo(path)


BAD: list[tuple[str, Callable[[Path], None], tuple[str, ...]]] = [
    ("ldap.conf", _folder, ("etc/pmg/ldap.conf: is a folder", "replace it")),
    ("transport", _link, ("etc/pmg/transport: is a symbolic link", "replace it")),
    ("templates/linked", _link, ("etc/pmg/templates/linked: is a symbolic link", "replace it")),
    ("acme", _link_to_folder, ("etc/pmg/acme: is a symbolic link", "replace it")),
    ("templates/pipe", os.mkfifo, ("etc/pmg/templates/pipe: is a device, socket or pipe", "rep")),
    ("templates/dev", _device, ("etc/pmg/templates/dev: is a device, socket or pipe", "replace")),
    ("templates/huge", _sparse, ("etc/pmg/templates/huge: is larger than", "make it smaller")),
    ("user.conf", _secret, ("etc/pmg/user.conf", "permission denied", "mend the permissions")),
]


@pytest.mark.parametrize(
    ("name", "make", "words"), BAD, ids=[f"{n}-{m.__name__}" for n, m, _ in BAD]
)
def test_a_file_that_cannot_travel_is_named_and_the_others_go_on(
    three: Cluster, name: str, make: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    master = three.master
    path = master.path(name)
    path.parent.mkdir(exist_ok=True)
    make(path)
    try:
        until(
            lambda: words[0] in master.attention(), f"{words[0]} to be named; {master.attention()}"
        )
        lines = [line for line in master.attention().splitlines() if name in line]
        assert len(lines) == 1
        assert all(word in lines[0] for word in words), lines
        assert lines[0] in master.pmgsync("status").out
        master.write("domains", f"example.com 1\nbeside-{path.name}.example 1\n")
        for node in three.nodes:
            until(lambda: b"beside" in (node.read("domains") or b""), "the others")  # noqa: B023
            assert name == "user.conf" or node is master or not os.path.lexists(node.path(name))
    finally:
        _remove(path)
    until(lambda: name not in master.attention(), "the line to go")
    three.settle()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        (path / "inside").unlink()
        path.rmdir()
    else:
        path.unlink()


def test_a_name_that_is_not_utf8_is_named_with_its_bytes_escaped(three: Cluster) -> None:
    folder = os.fsencode(three.master.path("templates"))
    three.master.path("templates").mkdir(exist_ok=True)
    path = folder + b"/caf\xe9.tt"
    with open(path, "wb") as file:  # noqa: PTH123 - pathlib has no paths of bytes
        file.write(b"x")
    until(lambda: "not UTF-8" in three.master.attention(), f"it; {three.master.attention()}")
    said = three.master.pmgsync("status").out
    assert "caf" in said
    assert said.isprintable() or "\udce9" not in said
    three.master.write("mynetworks", "198.51.100.0/24\n")
    until(lambda: three.nodes[1].has("mynetworks", "198.51.100.0/24\n"), "the others")
    os.unlink(path)  # noqa: PTH108
    until(lambda: "not UTF-8" not in three.master.attention(), "the line to go")
    three.settle()


def test_a_file_that_becomes_unreadable_keeps_what_the_nodes_have(three: Cluster) -> None:
    path = three.master.write("pmg-csrf.key", "key", 0o600)
    three.settle()
    before = three.version
    path.chmod(0)
    three.master.write("domains", "example.com 1\nunreadable-beside.example 1\n")
    until(lambda: three.version == before + 1, "the other file")
    until(lambda: "etc/pmg/pmg-csrf.key" in three.master.attention(), "it to be named")
    assert three.nodes[1].has("pmg-csrf.key", "key")
    path.chmod(0o600)
    until(lambda: "pmg-csrf" not in three.master.attention(), "the line to go")
    three.settle()
