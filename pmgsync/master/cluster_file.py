"""Keeps the master's own `cluster.conf` and the signed membership saying the same; from there it
travels.

Level, not edge: each time it is asked, it reads the file and compares what it means. There are two
ways for the two to differ, told apart by the digest of the file that agreed last (a note, so that
a restart does not confuse them):

* The file is as it was: the membership has moved on, and the file is written anew.
* The file is another one: somebody edited it. The edit is taken over into the next membership, or
  refused; then what it was is kept aside with the reason, and the file put back.

The file stays byte for byte while it means the same. A new one takes its place by rename, as PMG's
own writer does it, so that no reader ever sees half of it.
"""

import logging
from typing import Protocol

from pmgsync.errors import MalformedError, PmgsyncError
from pmgsync.master.register import Register
from pmgsync.model import canonical
from pmgsync.model.manifest import MAX_FILE_BYTES, digest_of
from pmgsync.model.membership import Membership
from pmgsync.model.paths import printable
from pmgsync.model.scope import CLUSTER_CONF, STAGE_PREFIX, require_rule
from pmgsync.pmgconf.cluster_conf import means, rewritten
from pmgsync.pmgconf.cluster_edit import Refused, TakenOver, read_edit
from pmgsync.ports import Clock, KeepsakeStore, Notebook, TreeReader, TreeWriter

log = logging.getLogger(__name__)

STAGED = f"{CLUSTER_CONF.folder}/{STAGE_PREFIX}cluster.conf.new"
NOTE = "cluster.conf"


class Tree(TreeReader, TreeWriter, Protocol):
    """A tree that can be read and written."""


class Shelf(KeepsakeStore, Notebook, Protocol):
    """Where edits are kept that do not count, and the note of the last agreement."""


class ClusterFile:
    """The file and its membership."""

    def __init__(self, tree: Tree, shelf: Shelf, register: Register, clock: Clock) -> None:
        self._tree = tree
        self._shelf = shelf
        self._register = register
        self._clock = clock

    def settle(self) -> bool:
        """Make both say the same; whether the file was written. Raises `HostError` and the like
        for what stands in the way.

        Where its folder is missing, nothing is made: that is a loss to be noticed, not to be
        covered.
        """
        if self._tree.stat(CLUSTER_CONF.folder) is None:
            return False
        old = self._read()
        if old is not None and not means(old, self._register.membership):
            self._look_at_edit(old)
        return self._write(old)

    def _read(self) -> bytes | None:
        if self._tree.stat(CLUSTER_CONF) is None:
            return None
        return self._tree.read(CLUSTER_CONF, limit=MAX_FILE_BYTES)[0]

    def _look_at_edit(self, data: bytes) -> None:
        """If somebody edited the file, take that over, or keep it aside with the reason."""
        agreed = self._agreed(data)
        if agreed is None:
            return
        current = self._register.membership
        outcome: TakenOver | Refused = read_edit(data, agreed, current)
        if isinstance(outcome, TakenOver):
            try:
                self._register.change(outcome.members, outcome.max_cid, CLUSTER_CONF)
            except PmgsyncError as error:
                outcome = Refused(error.what, error.mend or "edit it again")
            else:
                log.info("%s was edited: %s", CLUSTER_CONF, printable(outcome.what))
                return
        reason = f"edited, but {outcome.why}, so it was put back; {outcome.mend}"
        log.warning("%s: %s", CLUSTER_CONF, printable(reason))
        self._shelf.keep(CLUSTER_CONF, data, printable(reason), self._clock.now())

    def _agreed(self, data: bytes) -> Membership | None:
        """The membership that the file was edited from; None if it was not edited.

        Nothing is known of before this master's epoch: then the membership decides.
        """
        try:
            fields = canonical.Fields(self._shelf.note(NOTE), "a note of cluster.conf")
            digest, serial = fields.take("digest", str), fields.count("serial")
            epoch = fields.count("epoch")
        except MalformedError:
            return None
        if digest == digest_of(data) or epoch != self._register.membership.epoch:
            return None
        return self._register.at(epoch, serial)

    def _write(self, old: bytes | None) -> bool:
        """1. Write the new file beside the old one, 2. on disk, 3. rename, 4. the folder on disk;
        5. note what agrees now.
        """
        membership = self._register.membership
        new = rewritten(old, membership)
        if new is not None:
            rule = require_rule(CLUSTER_CONF)
            self._tree.write(STAGED, new, mode=rule.mode, ownership=rule.ownership)
            self._tree.sync_files([STAGED])
            self._tree.rename(STAGED, CLUSTER_CONF)
            self._tree.sync_folders([CLUSTER_CONF.folder])
            log.info("%s: written, it names %d nodes", CLUSTER_CONF, len(membership.members))
        content = old if new is None else new
        if content is not None:
            self._remember(digest_of(content), membership)
        return new is not None

    def _remember(self, digest: str, membership: Membership) -> None:
        note = {"digest": digest, "epoch": membership.epoch, "serial": membership.serial}
        if self._shelf.note(NOTE) != note:
            self._shelf.write_note(NOTE, note)
