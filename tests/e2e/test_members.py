"""Who belongs to the cluster, as an admin changes it: real daemons, real commands."""

import shlex
import shutil
from pathlib import Path
from typing import Any

from pmgsync.model.joining import Token
from tests.e2e.cluster import Cluster, Node, a_cluster, never, until


def join_line(cluster: Cluster) -> list[str]:
    """The words of the line that the master prints, without `pmgsync`."""
    return shlex.split(cluster.master.pmgsync("join-cmd").out.strip().splitlines()[-1])[1:]


def test_a_revoked_token_opens_nothing(cluster: Cluster) -> None:
    cluster.found(1)
    node = cluster.add().start()
    words = join_line(cluster)
    name = Token.from_text(words[-1]).token_id
    listed = cluster.master.pmgsync("tokens", "list", "--json")
    assert [token["token"] for token in listed.document()["tokens"]] == [name]
    assert words[-1] not in listed.out
    cluster.master.pmgsync("tokens", "revoke", name[:8])
    said = node.pmgsync(*words, code=1)
    assert "unknown, used or expired" in said.err
    assert "revoked" in cluster.master.pmgsync("tokens").out
    cluster.join(node)
    cluster.settle()
    assert "run it on the master" in node.pmgsync("tokens", code=6).err


# --- removing -------------------------------------------------------------------------------------


def members(node: Node) -> dict[str, dict[str, Any]]:
    """What `pmgsync members` says there, by name."""
    document = node.pmgsync("members", "--json").document()
    return {member["name"]: member for member in document["members"]}


def removed(node: Node) -> bool:
    """Does it know that it was removed?"""
    return bool(node.status()["node"]["role"] == "removed")


def test_a_deleted_node_is_out_at_once_and_says_so(cluster: Cluster) -> None:
    cluster.found(3)
    node, other = cluster.nodes[1:]
    before = node.tree()
    said = cluster.master.pmgsync("delete", node.name)
    assert f"removed {node.name}(2)" in said.out
    assert "its stream is cut and its keys open nothing any more" in said.out
    until(lambda: removed(node), "it to know")
    shown = node.pmgsync("status", code=1).out
    assert "belongs to no cluster any more" in shown
    assert f"by its master {cluster.master.name}(1)" in shown
    assert "`pmgsync join`" in shown
    cluster.master.write("domains", "after.example 1\n")
    cluster.settle(cluster.master, other)
    assert node.name.encode() not in (cluster.master.read("cluster.conf") or b"")
    assert node.tree() == before
    assert node.name not in members(other)
    # What is edited there now is its own business.
    node.write("domains", "mine.example 1\n")
    never(lambda: not node.has("domains", "mine.example 1\n"), "it to be put back")
    node.stop()
    node.start()
    assert removed(node)
    assert "was removed from cluster" in node.pmgsync("members", code=1).err


def test_a_node_that_was_away_when_it_was_removed_says_what_that_looks_like(
    cluster: Cluster,
) -> None:
    cluster.found(3)
    node = cluster.nodes[1]
    node.stop()
    cluster.master.pmgsync("delete", node.name)
    node.start()
    until(lambda: "before it lets this node in" in node.attention(), "it to be shut out")
    assert "if this node was removed" in node.attention()
    assert "`pmgsync leave` here forgets the cluster" in node.attention()
    assert "could not be told" in node.pmgsync("leave").out
    assert f"as {node.name}(2)" in cluster.join(node).out
    cluster.settle()


def test_a_removed_node_joins_again_with_its_number_and_its_old_keys_are_dead(
    cluster: Cluster,
) -> None:
    cluster.found(3)
    node, other = cluster.nodes[1:]
    old = members(other)[node.name]
    stolen = {f.name: f.read_bytes() for f in node.path("var/lib/pmgsync").glob("*.*")}
    cluster.master.pmgsync("delete", "2")
    until(lambda: removed(node), "it to know")
    node.write("domains", "mine.example 1\n")
    said = cluster.join(node)
    assert f"as {node.name}(2)" in said.out
    assert "2 files that lay here before: kept" in said.out
    cluster.settle()
    new = members(other)[node.name]
    assert new["cid"] == old["cid"] == 2
    assert new["fingerprint"] != old["fingerprint"]
    assert new["since"]["serial"] > old["since"]["serial"]
    assert new["since"]["signers"] == [f"{cluster.master.name}(1)"]
    # The old keys, at the address that they had: nobody knows them.
    node.stop()
    for name, content in stolen.items():
        if not name.startswith("node.db"):
            node.path(f"var/lib/pmgsync/{name}").write_bytes(content)
    cluster.master.write("domains", "not-for-the-dead.example 1\n")
    node.start()
    until(lambda: "no connection to the master" in node.attention(), "it to be refused")
    assert cluster.state_of(node)["state"] == "away"
    assert not node.has("domains", "not-for-the-dead.example 1\n")


def test_a_node_that_lost_its_disk_joins_again_and_nobody_else_is_touched(
    cluster: Cluster,
) -> None:
    """PMG gave such a node the number of another one, and both were lost (field note B12)."""
    cluster.found(4)
    lost, *others = cluster.nodes[1:]
    before = {name: row["cid"] for name, row in members(cluster.master).items()}
    lost.kill()
    shutil.rmtree(lost.root / "var")
    for name in ("domains", "pmg.conf", "cluster.conf"):
        lost.path(name).unlink()
    lost.start()
    until(cluster.is_state(lost, "away"), "the master to notice")
    assert f"as {lost.name}(2)" in cluster.join(lost).out
    cluster.settle()
    assert {name: row["cid"] for name, row in members(cluster.master).items()} == before
    conf = (cluster.master.read("cluster.conf") or b"").decode()
    for name, cid in before.items():
        kind = "master" if cid == 1 else "node"
        assert conf.count(f"{kind}: {cid}\n") == 1
        assert conf.count(f"\tname {name}\n") == 1
    assert all(cluster.state_of(node)["state"] == "in sync" for node in others)


def test_the_master_and_strangers_cannot_be_deleted(cluster: Cluster) -> None:
    cluster.found(2)
    node = cluster.nodes[1]
    said = cluster.master.pmgsync("delete", cluster.master.name, code=3)
    assert said.err.count("\n") == 1
    assert "is the master" in said.err
    assert "promote another node first" in said.err
    for who in ("mail77", "77", "9" * 50, "../x"):
        assert "is no member" in cluster.master.pmgsync("delete", who, code=1).err
    assert "run it on the master" in node.pmgsync("delete", node.name, code=6).err
    assert len(members(node)) == 2


# --- leaving --------------------------------------------------------------------------------------


def test_a_node_that_leaves_is_gone_and_keeps_its_files(cluster: Cluster) -> None:
    cluster.found(3)
    node, other = cluster.nodes[1:]
    before = node.tree()
    said = node.pmgsync("leave")
    assert "left cluster" in said.out
    assert "could not be told" not in said.out
    assert node.tree() == before
    assert "belongs to no cluster yet" in node.pmgsync("status", code=1).out
    until(lambda: node.name not in members(other), "the others to hear of it")
    node.stop()
    node.start()
    assert "nothing to leave" in node.pmgsync("leave", code=1).err
    assert f"as {node.name}(2)" in cluster.join(node).out
    cluster.settle()


def test_a_node_may_leave_while_the_master_is_away(cluster: Cluster) -> None:
    cluster.found(2)
    node = cluster.nodes[1]
    cluster.master.stop()
    assert len(members(node)) == 2  # also while the master is away
    said = node.pmgsync("leave")
    assert "the master could not be told" in said.out
    assert f"so say `pmgsync delete {node.name}` on {cluster.master.name}(1)" in said.out
    cluster.master.start()
    assert cluster.state_of(node)["state"] == "away"
    cluster.master.pmgsync("delete", node.name)
    cluster.settle(cluster.master)
    cluster.join(node)
    cluster.settle()


def test_the_master_cannot_leave(cluster: Cluster) -> None:
    cluster.found(2)
    said = cluster.master.pmgsync("leave", code=3)
    assert "promote another node first" in said.err
    cluster.master.write("domains", "still.example 1\n")
    cluster.settle()


def test_a_node_that_left_joins_another_cluster(cluster: Cluster, tmp_path: Path) -> None:
    cluster.found(2)
    node = cluster.nodes[1]
    for n in range(5):
        cluster.master.write("domains", f"old{n}.example 1\n")
        cluster.settle()
    node.pmgsync("leave")
    (tmp_path / "other").mkdir()
    with a_cluster(tmp_path / "other") as other:
        other.found(1)
        other.nodes.append(node)
        other.join(node)
        other.settle()
        other.nodes.remove(node)


# --- after a promotion ----------------------------------------------------------------------------


def test_a_new_master_removes_the_old_one_and_takes_it_in_again(cluster: Cluster) -> None:
    cluster.found(3)
    old, new, other = cluster.nodes
    new.pmgsync("promote")
    cluster.nodes[:2] = [new, old]
    cluster.settle()
    shown = other.pmgsync("members", "--json").document()
    assert shown["link"]["epoch"] == 2
    assert {f"{old.name}(1)", f"{new.name}(2)"} <= set(shown["link"]["signers"])
    new.pmgsync("delete", old.name)
    until(lambda: removed(old), "it to know")
    assert f"by its master {new.name}(2)" in old.pmgsync("status", code=1).out
    before = new.read("cluster.conf") or b""
    assert f"as {old.name}(1)" in cluster.join(old).out
    cluster.settle()
    assert members(other)[old.name]["since"]["signers"] == [f"{new.name}(2)"]
    # The edits of its own file that the new master finds are judged as the old one did.
    new.write("cluster.conf", before.replace(b"master: 2", b"node: 2"))
    until(lambda: "could not read it" in new.attention(), "it to be put back")
    cluster.settle()
    assert sorted(members(other)) == sorted(node.name for node in cluster.nodes)
