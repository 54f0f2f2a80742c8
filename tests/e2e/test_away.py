"""Nodes that are cut off, stopped or killed, and masters that come back: all of it converges."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.e2e.cluster import Cluster, Node, never, until
from tests.e2e.proxy import Relay

QUICK_BEATS = "[network]\nheartbeat_ms = 200\n"
MOVED_PORT = 17643


def versions_run(node: Node) -> list[int]:
    """The versions that a node says it ran, in the order of its log."""
    return [int(found) for found in re.findall(r"INFO    runs version \d+\.(\d+)", node.log_text())]


def is_version(cluster: Cluster, number: int) -> bool:
    return cluster.version == number


def never_went_back(node: Node) -> None:
    took = versions_run(node)
    assert took == sorted(set(took)), took


@contextmanager
def behind_a_relay(cluster: Cluster) -> Iterator[Relay]:
    """Found three nodes, then put a relay where the membership says that the master is."""
    cluster.found(3, settings=QUICK_BEATS)
    master = cluster.master
    master.stop()
    text = f'[node]\naddress = "{master.address}"\n{QUICK_BEATS}member_port = {MOVED_PORT}\n'
    master.write("etc/pmgsync/pmgsync.toml", text)
    master.start()
    with Relay(master.address, 7643, MOVED_PORT) as relay:
        cluster.settle()
        yield relay


def test_a_node_that_was_stopped_gets_only_the_newest_state(cluster: Cluster) -> None:
    cluster.found(3)
    away = cluster.nodes[2]
    assert away.stop() == 0
    until(cluster.is_state(away, "away"), "it to be missed")
    before = cluster.version
    for number in range(30):
        cluster.master.write("domains", f"example.com 1\nday-{number}.example.org 1\n")
        until(partial(is_version, cluster, before + number + 1), "the next version")
    cluster.settle(*cluster.nodes[:2])
    log = cluster.master.pmgsync("status", code=5)
    assert "mail3(3) is away" in log.out
    ran = len(versions_run(away))
    away.start()
    cluster.settle()
    assert len(versions_run(away)) <= ran + 2
    assert versions_run(away)[-1] == before + 30
    never_went_back(away)


@pytest.mark.parametrize("how", ["cut", "silence"])
def test_a_link_that_breaks_in_the_middle_of_a_change_heals_by_itself(
    cluster: Cluster, how: str
) -> None:
    with behind_a_relay(cluster) as relay:
        node, master = cluster.nodes[1], cluster.master
        relay.delay = 0.02
        start = relay.passed
        master.write("acme/large", b"x" * (8 << 20))
        until(lambda: relay.passed > start + (1 << 20), "a part to be through")
        relay.cut() if how == "cut" else relay.silence()
        relay.delay = 0.0
        until(lambda: node.status()["source"] == "last known", "the node to notice")
        assert node.read("acme/large") is None
        assert node.leftovers() == []
        said = node.pmgsync("status", code=6)
        assert "is away" in said.out
        assert "no connection to the master" in said.out
        master.write("domains", "example.com 1\nwhile-cut.example 1\n")
        until(cluster.is_state(node, "away"), "the master to notice")
        relay.heal()
        cluster.settle()
        assert node.has("domains", "example.com 1\nwhile-cut.example 1\n")
        for each in cluster.nodes:
            never_went_back(each)


def test_a_master_that_was_killed_goes_on_counting(cluster: Cluster) -> None:
    cluster.found(3)
    node, master = cluster.nodes[1], cluster.master
    master.write("domains", "example.com 1\nbefore.example 1\n")
    cluster.settle()
    before = cluster.version
    master.kill()
    until(lambda: node.status()["source"] == "last known", "the node to notice")
    said = node.pmgsync("status", code=6)
    assert "as of" in said.out
    assert "is away" in said.out
    document = node.pmgsync("status", "--json", code=6).document()
    assert (document["source"], document["status"]["version"]) == ("last known", before)
    assert document["age_ms"] >= 0
    assert "before.example" in node.pmgsync("show", str(before), "--diff").out
    master.write("mynetworks", "203.0.113.0/24\n")
    master.start()
    cluster.settle()
    assert cluster.version == before + 1
    assert node.pmgsync("status").code == 0


def test_a_node_tells_the_last_view_also_after_its_own_restart(cluster: Cluster) -> None:
    cluster.found(2)
    node = cluster.nodes[1]
    until(lambda: node.status()["source"] == "master", "a view")
    node.pmgsync("status")
    cluster.master.stop()
    node.stop()
    node.start()
    said = node.pmgsync("status", code=6)
    assert "mail1(1)" in said.out
    assert "is away" in said.out
    assert "in sync" in said.out


def test_a_node_without_its_database_keeps_every_file_that_is_right(cluster: Cluster) -> None:
    cluster.found(2, {"templates/main.cf.in": "x\n", "dkim/a.private": "key\n"})
    node = cluster.nodes[1]
    node.stop()
    for path in (node.root / "var/lib/pmgsync").glob("node.db*"):
        path.unlink()
    inodes = {name: node.path(name).stat().st_ino for name in node.tree()}
    node.path("mynetworks").write_text("changed while it was stopped\n")
    cluster.master.write("domains", "example.com 1\nmeanwhile.example 1\n")
    node.start()
    cluster.settle()
    after = {name: node.path(name).stat().st_ino for name in node.tree()}
    rewritten = {name for name in inodes if inodes[name] != after[name]}
    assert rewritten == {"etc/pmg/domains", "etc/pmg/mynetworks"}
    assert b"changed while" in b"".join(_kept(node))


def _kept(node: Node) -> list[bytes]:
    """The contents in its drift store."""
    listed = node.pmgsync("kept", "--json").document()["kept"]
    numbers = [str(row["number"]) for row in listed if row["size"]]
    return [node.pmgsync("kept", number).out.encode() for number in numbers]


def test_sigterm_in_the_middle_of_changes_ends_in_good_order(cluster: Cluster) -> None:
    cluster.found(3)
    node = cluster.nodes[1]
    for round_ in range(3):
        cluster.master.write("acme/large", bytes([round_]) * (4 << 20))
        cluster.master.write("domains", f"example.com 1\nround-{round_}.example 1\n")
        assert node.stop() == 0
        assert "Traceback" not in node.log_text()
        node.start()
    assert cluster.master.stop() == 0
    cluster.master.start()
    cluster.settle()
    never_went_back(node)
    for each in cluster.nodes:
        assert "Traceback" not in each.log_text()


def test_sighup_reads_the_settings_again(cluster: Cluster) -> None:
    node = cluster.add().start()
    good = node.path("etc/pmgsync/pmgsync.toml").read_text()
    node.write("etc/pmgsync/pmgsync.toml", good + '[log]\nlevel = "debug"\n')
    node.signal(signal.SIGHUP)
    until(lambda: node.logged("settings read again"), "the reload")
    node.write("etc/pmgsync/pmgsync.toml", good + '[log]\nlevel = "loud"\n')
    node.signal(signal.SIGHUP)
    until(lambda: node.logged("the settings stay as they were"), "the complaint")
    assert "pmgsync.toml:4: [log] level is 'loud'" in node.logged("the settings stay as")[0]
    assert node.answers()


@pytest.mark.slow
def test_a_node_killed_at_random_moments_converges(cluster: Cluster) -> None:
    cluster.found(3)
    node, master = cluster.nodes[1], cluster.master
    for round_ in range(20):
        for number in range(1 + round_ % 4):
            master.write("domains", f"example.com 1\nr{round_}-{number}.example 1\n")
            master.write(f"acme/order-{number}", f"{round_} {number}\n" * 200)
        if round_ % 5 == 0:
            master.write("acme/large", bytes([round_]) * (2 << 20))
        moment = 0.004 * (round_ % 7)
        if moment:
            never(lambda: False, "", moment)
        node.kill()
        master.write("mynetworks", f"198.51.100.{round_}/32\n")
        node.start(ready=round_ % 2 == 0)
    until(node.answers, "the node to answer")
    cluster.settle()
    assert "Traceback" not in node.log_text()
    never_went_back(cluster.nodes[2])


# --- network namespaces: the wire itself is gone ---


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def namespaces(cluster: Cluster, names: list[str], network: str) -> Iterator[list[str]]:
    """A bridge in the first namespace, each other one plugged into it; addresses from NETWORK.1."""
    made: list[str] = []
    try:
        for name in names:
            _ip("netns", "add", name)
            made.append(name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", names[0], "link", "add", "br0", "type", "bridge")
        _ip("-n", names[0], "addr", "add", f"{network}.1/24", "dev", "br0")
        _ip("-n", names[0], "link", "set", "br0", "up")
        for number, name in enumerate(names[1:], 2):
            near = f"to{number}"
            _ip("-n", names[0], "link", "add", near, "type", "veth", "peer", "eth0", "netns", name)
            _ip("-n", names[0], "link", "set", near, "master", "br0", "up")
            _ip("-n", name, "addr", "add", f"{network}.{number}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        yield names
    finally:
        cluster.end()
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.mark.netns
def test_a_node_whose_wire_is_gone_catches_up_when_it_is_back(cluster: Cluster) -> None:
    mark = cluster.add("probe").address.replace(".", "-")
    cluster.nodes.clear()
    names = [f"pmgsync-{mark}-{number}" for number in (1, 2, 3)]
    with namespaces(cluster, names, "10.98.7"):
        for number, name in enumerate(names, 1):
            inside = ("ip", "netns", "exec", name)
            cluster.add(
                f"mail{number}", address=f"10.98.7.{number}", prefix=inside, settings=QUICK_BEATS
            )
        cluster.found(3)
        cut, master = cluster.nodes[2], cluster.master
        _ip("-n", names[0], "link", "set", "to3", "down")
        before = cluster.version
        master.write("domains", "example.com 1\nunplugged.example 1\n")
        cluster.settle(*cluster.nodes[:2])
        until(cluster.is_state(cut, "away"), "the master to notice")
        until(lambda: cut.status()["source"] == "last known", "the node to notice")
        master.write("mynetworks", "198.51.100.0/24\n")
        cluster.settle(*cluster.nodes[:2])
        assert cut.applied == before
        _ip("-n", names[0], "link", "set", "to3", "up")
        cluster.settle()
        never_went_back(cut)
