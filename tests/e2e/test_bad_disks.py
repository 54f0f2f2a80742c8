"""A node that cannot apply says so, has nothing half, holds up nobody, and heals by itself."""

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster, a_cluster, until
from tests.e2e.privileges import (
    as_one_who_may_not_read_all,
    own_mount,
    read_only,
    resize,
    small_disk,
)

LARGE = b"x" * (12 << 20)


@pytest.fixture
def poor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes, the second of which may get a small disk before it is founded."""
    with a_cluster(tmp_path_factory.mktemp("poor")) as made:
        yield made


def cannot_and_then_can(cluster: Cluster, *words: str) -> None:
    """The second node is unable to apply, with `words` in its line; the third one has it."""
    node, third = cluster.nodes[1], cluster.nodes[2]
    cluster.settle(third)
    until(cluster.is_state(node, "unable"), "the master to know")
    detail = cluster.state_of(node)["detail"]
    assert all(word in detail for word in words), detail
    assert "\n" not in detail
    said = cluster.master.pmgsync("status", code=5).out
    assert f"{node.name}(2) cannot apply version {cluster.version}" in said


def test_a_full_disk_below_the_files(poor: Cluster) -> None:
    for _ in range(3):
        poor.add()
    node = poor.nodes[1]
    with small_disk(node.path("etc/pmg"), 4) as disk:
        try:
            poor.found(3)
            before = node.tree()
            script = (
                f"head -c {len(LARGE)} /dev/zero > {poor.master.path('acme')}/large;"
                f" echo 'more.example 1' >> {poor.master.path('domains')}"
            )
            poor.master.path("acme").mkdir()
            done = poor.master.pmgsync("run", "--", "sh", "-c", script, code=5)
            assert "mail2(2): cannot apply version" in done.err
            cannot_and_then_can(
                poor, "etc/pmg/acme/large: ", "no space left on the disk", "free space"
            )
            assert node.tree() == before
            assert node.leftovers() == []
            until(lambda: len(node.logged("cannot be applied now")) == 1, "one line")
            resize(disk, 64)
            poor.settle()
            assert len(node.logged("cannot be applied now")) == 1
        finally:
            poor.end()


def test_a_full_disk_below_files_and_database(poor: Cluster) -> None:
    for name in ("mail1", "mail2", "mail3"):
        if name != "mail2":
            poor.add(name)
            continue
        disk = small_disk(poor.folder / name, 48)
        disk.__enter__()
        poor.add(name)
    try:
        poor.found(3)
        node = poor.nodes[1]
        filler = node.root / "filler"
        _fill(filler, node.root)
        before = node.tree()
        poor.master.write("acme/large", LARGE[: 1 << 20])
        cannot_and_then_can(poor, "no space left on the disk", "free space")
        assert node.tree() == before
        poor.master.write("domains", "example.com 1\nwhile-full.example 1\n")
        poor.settle(poor.nodes[2])
        assert node.answers()
        filler.unlink()
        poor.settle()
    finally:
        poor.end()
        disk.__exit__(None, None, None)


def _fill(path: object, root: object) -> None:
    with open(str(path), "wb", buffering=0) as file:  # noqa: PTH123
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def test_a_read_only_file_system(poor: Cluster) -> None:
    poor.found(3)
    node = poor.nodes[1]
    with own_mount(node.path("etc/pmg")) as place:
        try:
            read_only(place, really=True)
            before = node.tree()
            poor.master.write("domains", "example.com 1\nread-only.example 1\n")
            poor.master.write("mynetworks", "198.51.100.0/24\n")
            cannot_and_then_can(poor, "etc/pmg/", "read-only", "mount it for writing")
            assert node.tree() == before
            read_only(place, really=False)
            poor.settle()
        finally:
            poor.end()


def test_a_folder_in_the_way_of_a_file(poor: Cluster) -> None:
    poor.found(3)
    node = poor.nodes[1]
    (node.path("tfa.json") / "inside").mkdir(parents=True)
    poor.master.write("tfa.json", "{}")
    cannot_and_then_can(poor, "etc/pmg/tfa.json: is a folder", "move it away")
    assert node.leftovers() == []
    (node.path("tfa.json") / "inside").rmdir()
    node.path("tfa.json").rmdir()
    poor.settle()


def test_a_file_on_a_node_that_may_not_be_read_is_not_lost(poor: Cluster) -> None:
    poor.add()
    poor.add(prefix=as_one_who_may_not_read_all())
    poor.found(3)
    node = poor.nodes[1]
    node.path("domains").write_text("edited here, and closed\n")
    node.path("domains").chmod(0)
    poor.master.write("domains", "example.com 1\nnewer.example 1\n")
    poor.settle(poor.nodes[2])
    until(lambda: "etc/pmg/domains" in node.attention(), "it to be named")
    node.path("domains").chmod(0o600)
    poor.settle()
    assert "edited here, and closed" in _kept_text(poor)


def _kept_text(cluster: Cluster) -> str:
    node = cluster.nodes[1]
    rows = node.pmgsync("kept", "--json").document()["kept"]
    return "".join(node.pmgsync("kept", str(row["number"])).out for row in rows if row["size"])
