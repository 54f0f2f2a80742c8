"""After an edit, Postfix's indexed map of the file is built anew, as PMG does after its own edits.

On a node of a cluster the daemon does it, too, for edits of any kind; but a machine may have no
daemon, and then nobody else would. Both put a whole map in place by a rename.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pmgsync.cli.editing import LOCK_SECONDS, lock_of
from pmgsync.model.manifest import MAX_FILE_BYTES
from pmgsync.model.scope import require_rule

if TYPE_CHECKING:
    from pathlib import Path

    from pmgsync.model.paths import ManagedPath

POSTFIX = "etc/postfix"


def refresh_map(root: Path, path: ManagedPath) -> None:
    """Build the map of a file that Postfix looks things up in, if there is a Postfix below `root`.

    Raises what `agent.maps.MapBuilder` raises; Postfix goes on with the old map then.
    """
    rule = require_rule(path)
    if not rule.postmap or not (root / POSTFIX / "main.cf").exists():
        return
    # Only here: most commands change nothing that Postfix looks up.
    from pmgsync.agent.beside import map_of
    from pmgsync.agent.maps import MapBuilder
    from pmgsync.host.disk import DiskReader
    from pmgsync.host.disk_writer import DiskWriter
    from pmgsync.host.lock import wait_for_lock
    from pmgsync.host.owners import Owners
    from pmgsync.host.process import SystemRunner

    builder = MapBuilder(SystemRunner(), str(root), str(root / POSTFIX))
    if not builder.available():
        return
    owners = Owners()
    reader, writer = DiskReader(root, owners), DiskWriter(root, owners)
    beside = f"{path}.tmp.{os.getpid()}"
    # Under the lock the file is read again: the last to build has seen the last edit.
    with wait_for_lock(lock_of(root, path), LOCK_SECONDS):
        content, seen = reader.read(path, limit=MAX_FILE_BYTES)
        writer.write(beside, content, mode=seen.mode, ownership=seen.ownership)
        try:
            writer.rename(builder.build(beside, path), map_of(path))
        finally:
            writer.remove(beside)
            writer.remove(map_of(beside))
