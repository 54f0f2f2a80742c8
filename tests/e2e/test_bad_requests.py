"""Tokens, ports, roots, databases, settings that are wrong: one line each, and nothing changes."""

import base64
import shlex
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from pmgsync.model.joining import Token
from pmgsync.model.manifest import digest_of
from pmgsync.wire.certificates import make_certificate
from tests.e2e.cluster import Cluster, Ended, Node, until

DATABASE = "var/lib/pmgsync/node.db"


def join_line(cluster: Cluster) -> list[str]:
    """The words of the line that the master prints, without `pmgsync`."""
    return shlex.split(cluster.master.pmgsync("join-cmd").out.strip().splitlines()[-1])[1:]


def complains(said: Ended, *words: str) -> None:
    """One line that has all the words."""
    assert said.err.count("\n") == 1, said.err
    assert all(word in said.err for word in words), said.err


@pytest.fixture
def pair(cluster: Cluster) -> Cluster:
    """A founded master, and a node that has not joined yet."""
    cluster.found(1)
    cluster.add().start()
    return cluster


def test_tokens_that_are_wrong_used_or_of_another_master(pair: Cluster) -> None:
    node, before = pair.nodes[1], pair.version
    node.write("domains", "what was here before\n")
    words = join_line(pair)
    good = Token.from_text(words[-1])
    guessed = Token(bytes(16), good.certificate).to_text()
    complains(node.pmgsync(*words[:-1], guessed, code=1), "unknown, used or expired", "join-cmd")
    elsewhere = Token(good.secret, digest_of(b"another master")).to_text()
    complains(
        node.pmgsync(*words[:-1], elsewhere, code=1), "wrong fingerprint", pair.master.address
    )
    for garbage in ("nonsense", "join-AAAA", words[-1][:-4]):
        complains(node.pmgsync(*words[:-1], garbage, code=2), "is not a join token")
    complains(node.pmgsync("join", "127.0.0.1:1", "--token", words[-1], code=1), "127.0.0.1:1")
    assert "belongs to no cluster" in node.pmgsync("status", code=1).out
    assert node.has("domains", "what was here before\n")
    assert pair.version == before
    joined = node.pmgsync(*words)
    assert "1 file that lay here before" in joined.out
    third = pair.add().start()
    complains(third.pmgsync(*words, code=1), "unknown, used or expired", "join-cmd")
    complains(node.pmgsync(*join_line(pair), code=1), "belongs to cluster", "already")
    pair.settle(pair.master, node)
    secret = base64.urlsafe_b64encode(good.secret).decode()[:20]
    assert all(secret not in each.log_text() for each in pair.nodes)


def test_too_many_guesses_end_a_token_only(pair: Cluster) -> None:
    node, words = pair.nodes[1], join_line(pair)
    certificate = Token.from_text(words[-1]).certificate
    said = [
        node.pmgsync(*words[:-1], Token(bytes([n] * 16), certificate).to_text(), code=1)
        for n in range(6)
    ]
    assert all("unknown, used or expired" in each.err for each in said)
    pair.settle(pair.master)


def test_a_port_that_is_taken_is_named_with_its_setting(cluster: Cluster) -> None:
    node = cluster.add()
    node.write("pmg.conf", "section: mail\n\trelay 192.0.2.1\n")
    node.start()
    for port, setting in ((7643, "member_port"), (7644, "join_port")):
        with socket.create_server((node.address, port)):
            said = node.pmgsync("create", code=1)
        complains(said, f"{node.address}:{port}", "is taken by another program", setting)
        assert "belongs to no cluster" in node.pmgsync("status", code=1).out
        assert not node.path("cluster.conf").exists()
    node.pmgsync("create")
    cluster.settle()
    node.stop()
    with socket.create_server((node.address, 7643)):
        node.start(ready=False)
        assert node.ended() == 1
    assert len(node.logged("is taken by another program")) == 1
    assert "Traceback" not in node.log_text()


def test_a_second_daemon_on_a_root_ends_and_the_first_goes_on(pair: Cluster) -> None:
    master = pair.master
    said = master.pmgsync("daemon", code=1)
    assert master.process is not None
    complains(said, f"another pmgsyncd (pid {master.process.pid})", "daemon.lock", "--root")
    assert master.answers()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def _hole(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : len(data) - 4096] = bytes(len(data) - 8192)
    path.write_bytes(data)


def _altered_envelope(path: Path) -> None:
    with sqlite3.connect(path) as database:
        ((data,),) = database.execute("select envelope from version order by version desc limit 1")
        altered = bytes(data).replace(b'"payload":"eyJ', b'"payload":"eyK', 1)
        assert altered != bytes(data)
        database.execute(
            "update version set envelope = ? where version = (select max(version) from version)",
            (altered,),
        )
    database.close()


@pytest.mark.parametrize("damage", [_truncate, _garbage, _hole, _altered_envelope])
def test_a_damaged_database_is_named_and_moving_it_away_heals(
    pair: Cluster, damage: object
) -> None:
    assert callable(damage)
    node = pair.nodes[1]
    node.pmgsync(*join_line(pair))
    pair.settle()
    node.stop()
    path = node.root / DATABASE
    before = node.tree()
    damage(path)
    node.start(ready=False)
    assert node.ended() == 1
    lines = node.logged("node.db")
    assert len(lines) == 1
    assert "move" in lines[0]
    assert "Traceback" not in node.log_text()
    assert node.tree() == before
    pair.settle(pair.master)
    for part in path.parent.glob("node.db*"):
        part.rename(part.with_name(f"away-{part.name}"))
    node.start()
    pair.settle()


def test_an_altered_chain_is_refused_and_another_nodes_key_as_well(pair: Cluster) -> None:
    node = pair.nodes[1]
    node.pmgsync(*join_line(pair))
    pair.settle()
    node.stop()
    chain = node.path("var/lib/pmgsync/chain.json")
    good = chain.read_bytes()
    middle = good.index(b"payload") + 200
    bad = good[:middle] + (b"B" if good[middle : middle + 1] == b"A" else b"A") + good[middle + 1 :]
    for content in (bad, b"nonsense", good[: len(good) // 2]):
        chain.write_bytes(content)
        fresh = len(node.log_text().splitlines())
        node.start(ready=False)
        assert node.ended() in (1, 3)
        assert len(node.log_text().splitlines()) == fresh + 1, node.tail()
    chain.write_bytes(good)
    key = node.path("var/lib/pmgsync/identity.key")
    own = key.read_bytes()
    key.write_bytes(bytes(32))
    node.start(ready=False)
    assert node.ended() == 1
    assert "this node's key is not in the membership chain" in node.log_text()
    key.write_bytes(own)
    node.start()
    pair.settle()
    assert "Traceback" not in node.log_text()


def test_a_node_with_a_certificate_that_nobody_knows_gets_nothing(pair: Cluster) -> None:
    node = pair.nodes[1]
    node.pmgsync(*join_line(pair))
    pair.settle()
    node.stop()
    key, certificate = make_certificate("mail2", int(time.time() * 1000))
    kept = {
        name: node.path(f"var/lib/pmgsync/{name}").read_bytes() for name in ("tls.key", "tls.crt")
    }
    node.path("var/lib/pmgsync/tls.key").write_bytes(key)
    node.path("var/lib/pmgsync/tls.crt").write_bytes(certificate)
    pair.master.write("domains", "example.com 1\nnot-for-strangers.example 1\n")
    node.start()
    until(lambda: "no connection to the master" in node.attention(), "it to say so")
    assert "is away" in node.pmgsync("status", code=6).out
    assert pair.state_of(node)["state"] == "away"
    assert not node.has("domains", pair.master.read("domains"))
    node.stop()
    for name, content in kept.items():
        node.path(f"var/lib/pmgsync/{name}").write_bytes(content)
    node.start()
    pair.settle()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[node]\nadress = '127.0.0.1'\n", "pmgsync.toml:2: unknown key 'adress'"),
        ("[network]\n\nmember_port = 99999\n", "pmgsync.toml:3: [network] member_port is 99999"),
        ("[node\n", "pmgsync.toml:1: not TOML"),
        ("[node]\naddress = 'mail1'\n", "pmgsync.toml:2: [node] address 'mail1' is not an IP"),
    ],
)
def test_wrong_settings_are_named_with_their_line(cluster: Cluster, text: str, words: str) -> None:
    node = cluster.add()
    node.write("etc/pmgsync/pmgsync.toml", text)
    complains(node.pmgsync("daemon", code=3), words)


def test_a_cluster_conf_that_pmg_could_not_read_is_named(cluster: Cluster) -> None:
    node = cluster.add().start()
    node.write("cluster.conf", "master: 1\n\tname mail1\n\tnonsense\n")
    said = node.pmgsync("create", code=3)
    complains(said, "etc/pmg/cluster.conf:")
    assert "belongs to no cluster" in node.pmgsync("status", code=1).out


def test_a_node_without_a_folder_for_pmg_says_so(tmp_path: Path, cluster: Cluster) -> None:
    node = cluster.add()
    node.path("etc/pmg").rmdir()
    node.start()
    complains(node.pmgsync("create", code=1), "etc/pmg", "there is no such folder")
    missing = Node("missing", "127.0.0.1", tmp_path / "no-such-root")
    complains(missing.pmgsync("status", code=2), "no-such-root", "is not a folder")
