"""The master's own `cluster.conf` follows the membership, without ever being half there."""

from dataclasses import replace

import pytest

from pmgsync.errors import HostError
from pmgsync.master.cluster_file import STAGED, keep_cluster_conf
from pmgsync.model.membership import Membership, PmgKeys
from pmgsync.model.scope import CLUSTER_CONF
from pmgsync.pmgconf.cluster_conf import cluster_conf_of
from tests.sim.host import MemoryTree
from tests.sim.killing import Killed, Steps
from tests.unit.master.rig import FILES, filled_tree
from tests.unit.model import sample

KEYS = PmgKeys(":".join(["AB"] * 32), "A" * 372, "B" * 372)


def membership(count: int = 3) -> Membership:
    base = sample.genesis()
    members = tuple(replace(m, pmg=KEYS) for m in base.members[:count])
    return replace(base, members=members)


def test_a_missing_file_is_written_as_the_scope_table_wants_it() -> None:
    tree = filled_tree()
    assert keep_cluster_conf(tree, membership())
    assert tree.files() == {**FILES, CLUSTER_CONF: cluster_conf_of(membership())}
    seen = tree.stat(CLUSTER_CONF)
    assert seen is not None
    assert (seen.mode, seen.ownership) == (0o644, "root:root")
    assert tree.staged() == []


def test_a_file_that_says_the_same_is_not_touched() -> None:
    tree = filled_tree()
    mine = b"# mine\n" + cluster_conf_of(membership())
    tree.put(CLUSTER_CONF, mine)
    assert not keep_cluster_conf(tree, membership())
    assert tree.files()[CLUSTER_CONF] == mine


def test_a_file_that_says_something_else_is_replaced() -> None:
    tree = filled_tree()
    tree.put(CLUSTER_CONF, cluster_conf_of(membership(2)))
    assert keep_cluster_conf(tree, membership())
    assert not keep_cluster_conf(tree, membership())


def test_a_vanished_folder_is_not_made_again() -> None:
    tree = MemoryTree()
    assert not keep_cluster_conf(tree, membership())
    assert tree.files() == {}


def test_what_is_in_the_way_is_an_error_and_stays() -> None:
    tree = filled_tree()
    tree.put(CLUSTER_CONF, b"")
    tree.unreadable.add(CLUSTER_CONF)
    with pytest.raises(HostError):
        keep_cluster_conf(tree, membership())
    assert tree.files()[CLUSTER_CONF] == b""


@pytest.mark.parametrize("step", range(1, 6))
def test_killed_at_any_step_it_is_the_old_or_the_new(step: int) -> None:
    old, new = cluster_conf_of(membership(2)), cluster_conf_of(membership())
    tree = filled_tree()
    tree.put(CLUSTER_CONF, old)
    tree.steps = Steps(kill_at=step)
    try:
        keep_cluster_conf(tree, membership())
    except Killed:
        assert tree.files()[CLUSTER_CONF] in (old, new)
    tree.steps = Steps()
    keep_cluster_conf(tree, membership())
    assert tree.files()[CLUSTER_CONF] == new
    assert STAGED not in tree.files(leavings=True)
