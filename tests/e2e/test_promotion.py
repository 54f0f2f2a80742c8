"""Another master: by handover, majority or recovery key; and what becomes of the old one."""

import re
import signal
import socket
import threading
from functools import partial
from pathlib import Path

from pmgsync.agent.voting import NOTE
from pmgsync.cli.master_side import DEFAULT_JOIN_PORT
from pmgsync.host.store import SqliteStore
from pmgsync.master.founding import recovery_text
from pmgsync.model.ballot import Ballot
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Manifest
from tests.e2e.cluster import Cluster, Node, until

QUICK_BEATS = "[network]\nheartbeat_ms = 200\n"


def is_led_by(node: Node, master: Node) -> bool:
    """Does `node` follow `master`, and know it?"""
    status = node.status()
    leaders = [
        row["name"]
        for row in (status["status"] or {"nodes": []})["nodes"]
        if row["role"] == "master"
    ]
    return leaders == [master.name] and status["source"] in {"live", "master"}


def lead(cluster: Cluster, node: Node) -> None:
    """From now on, `node` is the master of the test's cluster."""
    cluster.nodes.remove(node)
    cluster.nodes.insert(0, node)


def new_master_works(cluster: Cluster, master: Node, *nodes: Node) -> None:
    """What is edited on it runs everywhere."""
    lead(cluster, master)
    for node in nodes:
        until(partial(is_led_by, node, master), f"{node.name} to follow {master.name}")
    before = cluster.version
    master.write("transport", f"led-by.example smtp:[{master.address}]:25\n")
    until(lambda: cluster.version > before, "the next version")
    cluster.settle(master, *nodes)


def test_after_the_loss_of_the_master_a_majority_makes_another(cluster: Cluster) -> None:
    cluster.found(3)
    lost, heir, third = cluster.nodes
    lost.write("domains", "example.com 1\nlast.example 1\n")
    cluster.settle()
    lost.kill()
    until(lambda: third.status()["source"] == "last known", "the nodes to notice")
    done = heir.pmgsync("promote")
    assert "mail1(1) does not answer as the master: 2 of 3 members must sign" in done.err
    assert re.search(r"mail1\(1\): .*(refused|reached)", done.err)
    assert "lost: nothing that is known here; mail1(1) was last heard " in done.err
    assert "mail2(2) is the master, epoch 2" in done.out
    assert "signed by mail2(2), mail3(3)" in done.out
    assert "followed by mail3(3)" in done.out
    new_master_works(cluster, heir, third)
    assert b"last.example" in (third.read("domains") or b"")
    assert b"master: 2" in (third.read("cluster.conf") or b"")


def test_a_master_that_answers_hands_over_and_nothing_is_lost(cluster: Cluster) -> None:
    cluster.found(3)
    old, heir, third = cluster.nodes
    stop, written = threading.Event(), 0

    def edit() -> None:
        nonlocal written
        while not stop.wait(0.005):
            old.write("domains", f"example.com 1\nedit-{written}.example 1\n")
            written += 1

    editor = threading.Thread(target=edit)
    editor.start()
    until(lambda: written > 20, "some edits")
    done = heir.pmgsync("promote")
    stop.set()
    editor.join()
    assert "mail1(1) answers: it finishes what is in flight and hands over to mail2(2)" in done.err
    assert "signed by mail1(1), mail2(2), mail3(3)" in done.out
    assert "mail2(2) is the master, epoch 2" in done.out
    new_master_works(cluster, heir, old, third)
    # What was published is there; what was typed on the old one after that is kept aside.
    assert "no version of this node" in old.pmgsync("orphans", "list").out
    for node in (old, third):
        assert "Traceback" not in node.log_text()


def test_switchover_is_typed_anywhere(cluster: Cluster) -> None:
    cluster.found(3)
    first, second, third = cluster.nodes
    done = first.pmgsync("switchover", "mail3")
    assert "mail3(3) is the master, epoch 3" in done.out
    new_master_works(cluster, third, first, second)
    done = first.pmgsync("switchover", "MAIL2")
    assert "mail2(2) is the master, epoch 102" in done.out
    new_master_works(cluster, second, first, third)
    done = first.pmgsync("switchover", "mail1", "--json")
    assert done.document()["epoch"] == 201
    new_master_works(cluster, first, second, third)
    assert "is no member" in first.pmgsync("switchover", "mail9", code=1).err
    assert "is the master already" in second.pmgsync("switchover", "mail1", code=1).err
    assert "this node is the master" in first.pmgsync("promote", code=1).err


def test_an_old_master_that_returns_is_a_node_and_keeps_what_it_did_alone(
    cluster: Cluster,
) -> None:
    cluster.found(3)
    old, heir, third = cluster.nodes
    for node in (heir, third):
        node.stop()
    old.write("domains", "example.com 1\nalone.example 1\n")
    until(lambda: old.applied == cluster.version and cluster.version > 2, "it to be published")
    alone = cluster.version
    old.stop()
    old.write("mynetworks", "198.51.100.0/24\n")
    for node in (heir, third):
        node.start()
    until(lambda: "no connection" in heir.attention(), "the nodes to notice")
    heir.pmgsync("promote")
    lead(cluster, heir)
    cluster.settle(heir, third)
    old.start()
    new_master_works(cluster, heir, third, old)
    assert not old.has("domains", "example.com 1\nalone.example 1\n")
    assert "orphaned" in old.attention()
    listed = old.pmgsync("orphans", "list").out
    assert f"1.{alone}" in listed
    # What was edited while its daemon was down.
    assert f"1.{alone + 1}" in listed
    number = next(line.split()[0] for line in listed.splitlines() if f"1.{alone} " in line)
    shown = old.pmgsync("orphans", "show", number).out
    assert "+alone.example 1" in shown
    refused = old.pmgsync("orphans", "apply", number, code=6)
    assert "mail2(2)" in refused.err


def test_half_of_the_members_is_no_majority(cluster: Cluster) -> None:
    cluster.found(4)
    first, second, third = cluster.nodes[:3]
    first.kill()
    second.kill()
    until(lambda: "no connection" in third.attention(), "the loss to be noticed")
    done = third.pmgsync("promote", code=6)
    assert "3 of 4 members must sign, and only 2 can" in done.err
    assert "mail1(1): " in done.err
    assert "mail2(2): " in done.err
    dry = third.pmgsync("promote", "--dry-run", "--json", code=6).document()
    assert dry["way"] == "majority"
    assert "3 of 4" in dry["hindrance"]
    first.start()
    second.start()
    cluster.settle()
    until(cluster.is_state(third, "in sync"), "the node to follow again")


def test_the_recovery_key_decides_where_no_majority_is_left(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.found(2)
    lost, heir = cluster.nodes
    lost.kill()
    until(lambda: "no connection" in heir.attention(), "the loss to be noticed")
    assert "2 of 2 members must sign" in heir.pmgsync("promote", code=6).err
    key = tmp_path / "key"
    key.write_text(recovery_text(SigningKey.generate()))
    for dry in ([], ["--dry-run"]):
        wrong = heir.pmgsync("promote", "--recovery-key", str(key), *dry, code=6)
        assert "that is not the recovery key of this cluster, nor has it" in wrong.err + wrong.out
    key.write_text("AAAA-BBBB")
    assert (
        "is not the recovery key" in heir.pmgsync("promote", "--recovery-key", str(key), code=2).err
    )
    assert "cannot be read" in heir.pmgsync("promote", "--recovery-key", "/nowhere", code=2).err
    key.write_text(cluster.recovery_key)
    done = heir.pmgsync("promote", "--recovery-key", str(key))
    assert "the recovery key signs for mail2(2)" in done.err
    assert "signed by mail2(2), the recovery key" in done.out
    lead(cluster, heir)
    again = heir.pmgsync("promote", "--recovery-key", str(key))
    assert "mail2(2) is the master: the recovery key lets it begin epoch 102" in again.err
    assert "mail2(2) is the master, epoch 102" in again.out
    lost.start()
    new_master_works(cluster, heir, lost)


def test_a_candidate_that_is_behind_fetches_what_a_voter_has(cluster: Cluster) -> None:
    cluster.found(3)
    lost, heir, third = cluster.nodes
    heir.stop()
    lost.write("acme/large", b"x" * (3 << 20))
    lost.write("domains", "example.com 1\nnot-at-the-heir.example 1\n")
    cluster.settle(lost, third)
    lost.kill()
    heir.start()
    until(lambda: "no connection" in third.attention(), "the loss to be noticed")
    dry = heir.pmgsync("promote", "--dry-run").out
    assert re.search(r"first fetched: versions after 1\.\d+ up to 1\.\d+, from mail3\(3\)", dry)
    heir.pmgsync("promote")
    assert "fetches the versions up to" in heir.log_text()
    new_master_works(cluster, heir, third)
    assert heir.has("domains", "example.com 1\nnot-at-the-heir.example 1\n")
    assert heir.has("acme/large", b"x" * (3 << 20))


def test_orphans_are_published_anew_when_their_node_is_the_master_again(cluster: Cluster) -> None:
    cluster.found(3)
    old, heir, third = cluster.nodes
    for node in (heir, third):
        node.stop()
    old.write("domains", "example.com 1\nalone.example 1\n")
    old.path("mynetworks").unlink()
    cluster.settle(old)
    old.stop()
    for node in (heir, third):
        node.start()
    until(lambda: "no connection" in heir.attention(), "the nodes to notice")
    heir.pmgsync("promote")
    lead(cluster, heir)
    heir.write("transport", "changed-since.example smtp:[192.0.2.9]:25\n")
    old.start()
    cluster.settle()
    numbers = [
        row["number"] for row in old.pmgsync("orphans", "list", "--json").document()["orphans"]
    ]
    old.pmgsync("switchover", "mail1")
    lead(cluster, old)
    cluster.settle()
    for number in sorted(numbers):
        old.pmgsync("orphans", "apply", str(number))
    cluster.settle()
    for node in cluster.nodes:
        assert node.has("domains", "example.com 1\nalone.example 1\n")
        assert node.has("mynetworks", None)
        assert node.has("transport", "changed-since.example smtp:[192.0.2.9]:25\n")
    old.write("domains", "example.com 1\nlater.example 1\n")
    cluster.settle()
    refused = old.pmgsync("orphans", "apply", str(min(numbers)), code=3)
    assert "etc/pmg/domains: the cluster has changed it since" in refused.err
    old.pmgsync("orphans", "apply", str(min(numbers)), "--force")
    assert old.has("domains", "example.com 1\nalone.example 1\n")
    assert "forgot" in old.pmgsync("orphans", "list", "--clear").out
    assert "orphaned" not in old.attention()


def test_what_was_edited_on_the_candidate_is_not_published_by_promoting_it(
    cluster: Cluster,
) -> None:
    cluster.found(2)
    old, heir = cluster.nodes
    heir.stop()
    heir.write("domains", "evil.example 1\n")
    heir.start()
    heir.pmgsync("promote")
    new_master_works(cluster, heir, old)
    assert old.has("domains", "example.com 1\n")
    assert heir.has("domains", "example.com 1\n")
    assert "etc/pmg/domains" in heir.pmgsync("kept").out


def test_a_node_that_cannot_write_its_files_is_not_promoted(cluster: Cluster) -> None:
    cluster.found(2)
    master, node = cluster.nodes
    target = node.path("domains")
    target.unlink()
    target.mkdir()
    (target / "kept-by-somebody").write_text("x")
    until(lambda: "domains" in node.attention(), "the trouble to be seen")
    refused = node.pmgsync("promote", code=6)
    assert "this node cannot be the master" in refused.err
    assert "etc/pmg/domains" in refused.err
    with socket.create_server((node.address, DEFAULT_JOIN_PORT)):
        taken = node.pmgsync("promote", code=None)
    assert taken.code != 0
    assert "is taken by another program" in taken.err
    assert is_led_by(node, master)


def spoken_for(node: Node, cluster: str, epoch: int) -> None:
    """`node`, which is stopped, has signed for somebody in an epoch far away."""
    store = SqliteStore(node.root / "var/lib/pmgsync/node.db")
    ballot = Ballot(epoch, Manifest().digest, 1)
    store.write_note(NOTE, {"cluster": cluster, "ballot": ballot.to_json()})
    store.close()


def test_without_a_majority_and_a_key_a_new_cluster_goes_on_with_the_history(
    cluster: Cluster,
) -> None:
    cluster.found(3)
    lost, heir, third = cluster.nodes
    lost.write("domains", "example.com 1\nof-the-old-cluster.example 1\n")
    cluster.settle()
    needless = heir.pmgsync("promote", "--force-new-cluster", code=1)
    assert "a new cluster is not needed" in needless.err
    lost.kill()
    third.stop()
    spoken_for(third, heir.status()["status"]["cluster"], 2**50)
    third.start()
    until(lambda: "no connection" in heir.attention(), "the loss to be noticed")
    # It answers, and signs nothing: that is known only once it was tried with its vote.
    heir.pmgsync("switchover", heir.name, code=6)
    needless = heir.pmgsync("promote", "--force-new-cluster", "--dry-run", code=1)
    assert "if that comes to nothing, this is possible for ten minutes" in needless.err
    assert "too few did: mail3(3): " in heir.pmgsync("promote", code=6).err
    dry = heir.pmgsync("promote", "--force-new-cluster", "--dry-run")
    assert "no other way is open: a promotion was tried, and this node cannot be" in dry.out
    before = heir.versions()
    made = heir.pmgsync("promote", "--force-new-cluster", "--json").document()
    assert made["recovery_key"] != cluster.recovery_key
    assert made["former"] == ["mail1(1)", "mail3(3)"]
    assert set(before) <= set(heir.versions())
    cluster.nodes.remove(lost)
    lead(cluster, heir)
    third.pmgsync("leave")
    cluster.join(third)
    cluster.settle()
    assert third.has("domains", "example.com 1\nof-the-old-cluster.example 1\n")
    assert cluster.state_of(third)["cid"] == 3
    heir.stop()
    heir.start()
    heir.write("domains", "example.com 1\nnew.example 1\n")
    cluster.settle()
    # The old master comes back to its old cluster, in which nobody follows it.
    lost.start()
    lost.write("domains", "example.com 1\nof-nobody.example 1\n")
    until(lambda: lost.versions()[0] > max(before), "it to publish alone")
    assert third.has("domains", "example.com 1\nnew.example 1\n")
    lost.kill()
    third.pmgsync("promote")
    new_master_works(cluster, third, heir)


def test_a_master_that_hangs_is_replaced_once_the_nodes_have_noticed(cluster: Cluster) -> None:
    """It answers nobody, and nobody is told: as when its power fails, or its network. When it is
    back its disk does not take the news: it is the master no more all the same, and says why.
    """
    cluster.found(3)
    hangs, heir, third = cluster.nodes
    hangs.signal(signal.SIGSTOP)
    done = heir.pmgsync("promote")
    assert re.search(r"mail1\(1\): (no answer|cannot be reached|timed out)", done.err)
    assert "signed by mail2(2), mail3(3)" in done.out
    lead(cluster, heir)
    cluster.settle(heir, third)
    in_the_way = hangs.path("var/lib/pmgsync/.chain.json.new")
    in_the_way.mkdir()
    hangs.signal(signal.SIGCONT)
    line = "membership 2.4 counts, by which mail2(2) is the master, but cannot be written down here"
    until(lambda: line in hangs.pmgsync("status", code=None).out, "it to hear of its successor")
    assert "not the master" in hangs.pmgsync("hold", code=6).err
    assert len(hangs.logged("cannot be written down here")) == 1
    in_the_way.rmdir()
    new_master_works(cluster, heir, third, hangs)


def test_a_master_may_be_told_to_hand_over_only_where_it_is(cluster: Cluster) -> None:
    """So that root on another node is not root on the cluster."""
    cluster.found(3, settings='[promotion]\nhand_over = "here"\n')
    master, second, third = cluster.nodes
    for refused in (
        second.pmgsync("promote", code=6),
        third.pmgsync("switchover", "mail2", code=6),
        second.pmgsync("switchover", "mail2", code=6),
    ):
        assert "hands over only when `pmgsync switchover NAME` is typed on it" in refused.err
    assert is_led_by(third, master)
    master.pmgsync("switchover", "mail2")
    new_master_works(cluster, second, master, third)
