"""Edits of list files and accounts in a cluster: made on the master, they are everywhere."""

import json
import sys
from functools import partial
from pathlib import Path

from tests.e2e.cluster import Cluster, until

REPOSITORY = Path(__file__).parents[2]


def test_what_is_added_on_the_master_is_everywhere(three: Cluster) -> None:
    three.settle()
    three.master.pmgsync("domain", "add", "new.example", "--comment", "since today")
    three.master.pmgsync("transport", "add", "new.example", "mx.new.example", "--no-mx")
    for path in ("domains", "transport"):
        content = three.master.read(path)
        assert content is not None
        assert b"new.example" in content
        for node in three.nodes:
            until(partial(node.has, path, content), f"{path} on {node.name}")
    for node in three.nodes:
        listed = json.loads(node.pmgsync("domain", "list", "--json").out)["entries"]
        assert "new.example" in {entry["domain"] for entry in listed}


def test_many_edits_are_one_version_where_they_are_run_together(three: Cluster) -> None:
    three.settle()
    before = three.version
    add = f"PYTHONPATH={REPOSITORY} {sys.executable} -m pmgsync --root {three.master.root}"
    script = f"for n in 1 2 3; do {add} domain add c$n.example; done; {add} network add 192.0.2.7"
    three.master.pmgsync("run", "-m", "a customer", "--", "sh", "-ec", script)
    assert three.version == before + 1
    for node in three.nodes:
        assert b"c3.example 1\n" in (node.read("domains") or b"")
        assert b"192.0.2.7/32 #\n" in (node.read("mynetworks") or b"")


def test_a_user_added_on_a_node_is_refused_before_the_password_is_asked(three: Cluster) -> None:
    three.settle()
    node = three.nodes[1]
    before = node.read("user.conf")
    done = node.pmgsync("user", "add", "ann", "--role", "audit", code=6)
    assert f"is edited on the master, {three.master.name}(1)" in done.err
    assert node.read("user.conf") == before
