"""`cluster.conf` tells PMG the truth: edits of it are taken over, or refused with a reason."""

import re
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster, Node, a_cluster, until


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with a_cluster(tmp_path_factory.mktemp("conf")) as made:
        yield made.found(3)


def conf(node: Node) -> str:
    return (node.read("cluster.conf") or b"").decode()


def sections(text: str) -> dict[int, str]:
    """The sections of a `cluster.conf`, by number."""
    found = re.findall(r"(?ms)^((?:master|node): (\d+)\n.*?)(?=^\w+: |\Z)", text)
    return {int(cid): section for section, cid in found}


def names(node: Node) -> list[str]:
    rows = node.pmgsync("members", "--json").document()["members"]
    return [str(row["name"]) for row in rows]


def test_what_pmgcm_deletes_is_removed_and_what_it_adds_is_expected(three: Cluster) -> None:
    master, second, third = three.nodes
    parts = sections(conf(master))
    added = parts[3].replace("node: 3", "node: 4").replace(third.name, "mail9")
    added = added.replace(third.address, "127.0.0.99")
    text = "".join([parts[1].replace("maxcid 3", "maxcid 4"), parts[2], parts[3], added])
    master.write("cluster.conf", text)
    until(lambda: "mail9" in names(master), "it to be expected")
    three.settle(master, second, third)
    assert conf(second) == text
    assert three.state_of(master)["state"] == "in sync"
    rows = {row["name"]: row["state"] for row in master.status()["status"]["nodes"]}
    assert rows["mail9"] == "not joined"
    master.write("cluster.conf", "".join(list(sections(text).values())[:3]))
    until(lambda: "mail9" not in names(master), "it to be removed")
    # As `pmgcm delete 3` does it.
    rest = sections(conf(master))
    master.write("cluster.conf", rest[1] + rest[2])
    until(lambda: third.status()["node"]["role"] == "removed", "mail3 to know")
    three.settle(master, second)
    assert names(second) == [master.name, second.name]
    three.join(third)
    three.settle()
    assert sections(conf(second)).keys() == {1, 2, 3}


def test_an_edit_that_does_not_count_is_put_back_and_named(three: Cluster) -> None:
    master, second, third = three.nodes
    before, version = conf(master), three.version
    parts = sections(before)
    stolen = parts[2].replace("node: 2\n", "master: 2\n\tmaxcid 3\n")
    edits = {
        f"names {second.name} as the master": stolen
        + parts[1].replace("master: 1", "node: 1").replace("\tmaxcid 3\n", "")
        + parts[3],
        f"lacks {second.name}(2), {third.name}(3)": parts[1],
        "could not read it": "master: 1\n\tname x\n",
    }
    for words, text in edits.items():
        master.write("cluster.conf", text)
        until(lambda words=words: words in master.attention(), words)  # type: ignore[misc]
        assert conf(master) == before
    assert "pmgsync kept" in master.pmgsync("status", code=None).out
    kept = master.pmgsync("kept", "--json").document()["kept"]
    assert len(kept) >= 3
    content = master.pmgsync("kept", str(kept[0]["number"])).out
    assert content == "master: 1\n\tname x\n"
    three.settle()
    assert names(third) == [node.name for node in three.nodes]
    assert three.version >= version
    assert all(conf(node) == before for node in three.nodes)
    master.pmgsync("kept", "--clear")
    assert "kept aside" not in master.attention()


def test_an_edit_while_the_daemon_was_down_is_found_at_start(three: Cluster) -> None:
    master = three.master
    before = conf(master)
    master.stop()
    master.write("cluster.conf", sections(before)[1])
    master.start()
    until(lambda: conf(master) == before, "it to be put back")
    assert "lacks" in master.attention()
    master.pmgsync("kept", "--clear")
    three.settle()


def test_an_edit_on_a_node_is_put_back_there(three: Cluster) -> None:
    node = three.nodes[1]
    before = conf(node)
    node.write("cluster.conf", "\n".join(sections(before).values()) + "# promoted\n")
    until(lambda: conf(node) == before, "it to be put back")
    assert "etc/pmg/cluster.conf" in node.pmgsync("kept").out
    three.settle()
