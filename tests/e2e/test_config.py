"""`pmgsync config` in a cluster: an edit on the master is everywhere, one on a node is refused."""

from functools import partial

from tests.e2e.cluster import Cluster, until


def test_an_option_set_on_the_master_is_set_everywhere(three: Cluster) -> None:
    three.settle()
    before = three.version
    done = three.master.pmgsync("config", "set", "mail.banner", "ESMTP new gateway")
    assert done.out.startswith("mail.banner is ESMTP new gateway now (was ")
    content = three.master.read("pmg.conf")
    assert content is not None
    assert b"\tbanner ESMTP new gateway\n" in content
    for node in three.nodes:
        until(partial(node.has, "pmg.conf", content), f"pmg.conf on {node.name}")
        shown = node.pmgsync("config", "get", "mail.banner")
        assert shown.out == "ESMTP new gateway\n"
    assert three.version == before + 1


def test_on_a_node_it_is_refused_and_the_master_named(three: Cluster) -> None:
    three.settle()
    node, before = three.nodes[1], three.nodes[1].read("pmg.conf")
    done = node.pmgsync("config", "set", "mail.banner", "mine", code=6)
    assert f"is edited on the master, {three.master.name}(1) at {three.master.address}" in done.err
    assert node.read("pmg.conf") == before
    three.settle()
