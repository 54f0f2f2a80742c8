"""Keeps the master's own `cluster.conf` saying what the signed membership says; from there it
travels.

The file stays byte for byte while it means the same. A new one takes its place by rename, as PMG's
own writer does it, so that no reader ever sees half of it.
"""

import logging
from typing import Protocol

from pmgsync.model.manifest import MAX_FILE_BYTES
from pmgsync.model.membership import Membership
from pmgsync.model.scope import CLUSTER_CONF, STAGE_PREFIX, require_rule
from pmgsync.pmgconf.cluster_conf import rewritten
from pmgsync.ports import TreeReader, TreeWriter

log = logging.getLogger(__name__)

STAGED = f"{CLUSTER_CONF.folder}/{STAGE_PREFIX}cluster.conf.new"


class Tree(TreeReader, TreeWriter, Protocol):
    """A tree that can be read and written."""


def keep_cluster_conf(tree: Tree, membership: Membership) -> bool:
    """Write `cluster.conf` if it is missing or says something else; whether it was written.

    Where its folder is missing, nothing is made: that is a loss to be noticed, not to be covered.

    1. Write the new file beside the old one, 2. on disk, 3. rename, 4. the folder on disk.
    """
    old = None
    if tree.stat(CLUSTER_CONF.folder) is None:
        return False
    if tree.stat(CLUSTER_CONF) is not None:
        old, _ = tree.read(CLUSTER_CONF, limit=MAX_FILE_BYTES)
    new = rewritten(old, membership)
    if new is None:
        return False
    rule = require_rule(CLUSTER_CONF)
    tree.write(STAGED, new, mode=rule.mode, ownership=rule.ownership)
    tree.sync_files([STAGED])
    tree.rename(STAGED, CLUSTER_CONF)
    tree.sync_folders([CLUSTER_CONF.folder])
    log.info("%s: written, it names %d nodes", CLUSTER_CONF, len(membership.members))
    return True
