"""Reads and edits synced files on behalf of an admin, where they are authored.

An edit is a function from bytes to bytes, which refuses by raising. Around it, in this order:

1. refuse on a node whose copy comes from the master: an edit there would be put back;
2. take the lock that PMG's own writer of that file takes, so that neither loses the other's edit;
3. read the file and change its content; equal bytes write nothing;
4. write the new file beside the old one, with its mode and owner, and bring it to disk;
5. look whether the old one is still what was read; an editor takes no lock;
6. rename, and bring the folder to disk.

A crash leaves the old file or the new one, and at most a temporary file that PMG and pmgsync
ignore. Commands that only read import nothing of what writing needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from pmgsync.cli.command import say
from pmgsync.errors import HostError, InvalidError, NoMasterError, OperatorError
from pmgsync.host.folders import read_file
from pmgsync.model.manifest import MAX_FILE_BYTES
from pmgsync.model.scope import CLUSTER_CONF, PMG, SPAMASSASSIN, require_rule

if TYPE_CHECKING:
    from pathlib import Path

    from pmgsync.host.disk import DiskReader
    from pmgsync.host.disk_writer import DiskWriter
    from pmgsync.model.paths import ManagedPath
    from pmgsync.ports import Seen

Change = Callable[[bytes | None], bytes]
"""The file's content in (None: there is no file), its new content out; raises to refuse."""

LOCK_FOLDER = "var/lock"
LOCK_SECONDS = 10.0
"""PMG's writers wait as long."""
_USUAL_LOCK = "pmgconfig.lck"
_LOCKS = {
    f"{PMG}/ldap.conf": "pmgldapconfig.lck",
    f"{PMG}/realms.conf": "pmg-realms.lck",
    f"{PMG}/user.conf": "pmguser.lck",
    f"{SPAMASSASSIN}/pmg-scores.cf": "pmg-scores.cf.lck",
}
"""The lock files of PMG's writers; all other files share one."""


def read_synced_file(root: Path, path: ManagedPath) -> bytes | None:
    """The content of a synced file, None where there is none. Links are never followed."""
    return read_file(str(root), path, MAX_FILE_BYTES)


def edit_synced_file(root: Path, path: ManagedPath, change: Change) -> bool:
    """Change a synced file; whether its bytes are others now.

    `NoMasterError` on a node that is not the master, `HostError` where the file cannot be read or
    written, and whatever `change` raises; the file is as it was then.
    """
    from pmgsync.host.disk import DiskReader
    from pmgsync.host.disk_writer import DiskWriter
    from pmgsync.host.lock import wait_for_lock
    from pmgsync.host.owners import Owners

    require_authored_here(root, path)
    owners = Owners()
    reader, writer = DiskReader(root, owners), DiskWriter(root, owners)
    top = _top(path)
    if reader.stat(top) is None:
        raise OperatorError(
            "there is no such folder",
            where=str(root / top),
            mend="is this the root of a Proxmox Mail Gateway? see --root",
        )
    with wait_for_lock(lock_of(root, path), LOCK_SECONDS):
        old, seen = _read(reader, path)
        new = change(old)
        if new == old:
            return False
        _replace(reader, writer, path, new, seen)
    return True


def remove_synced_file(root: Path, path: ManagedPath) -> None:
    """Remove a synced file; nothing if there is none. Errors as `edit_synced_file`."""
    from pmgsync.host.disk_writer import DiskWriter
    from pmgsync.host.lock import wait_for_lock
    from pmgsync.host.owners import Owners

    require_authored_here(root, path)
    writer = DiskWriter(root, Owners())
    with wait_for_lock(lock_of(root, path), LOCK_SECONDS):
        writer.remove(path)
        writer.sync_folders([path.folder])


def require_authored_here(root: Path, path: ManagedPath) -> None:
    """`NoMasterError` where this node takes its synced files from another one."""
    master = _master_elsewhere(root)
    if master:
        raise NoMasterError(
            f"is edited on the master, {master}; an edit here would be put back",
            where=path,
            mend="run the same command there",
        )


def _master_elsewhere(root: Path) -> str:
    """Name and address of the master, if that is another node; empty otherwise."""
    from pmgsync.host.keyring import read_place
    from pmgsync.model.membership import Membership

    place = read_place(root)
    if place is None:
        return _pmgs_master_elsewhere(root)
    key, link = place
    membership = Membership.from_bytes(link.payload)
    mine = [m.cid for m in membership.members if m.keys and m.keys.identity == key]
    master = membership.master_member
    return f"{master.label} at {master.address}" if mine and master.cid not in mine else ""


def _pmgs_master_elsewhere(root: Path) -> str:
    """The same without a cluster of pmgsync: PMG's own daemon puts the master's files here."""
    from pmgsync.cli.machine import node_name
    from pmgsync.pmgconf.cluster_conf import parse_cluster_conf

    try:
        data = read_synced_file(root, CLUSTER_CONF)
        conf = parse_cluster_conf(data) if data else None
        name = node_name(root, None, "").lower()
    except (InvalidError, OperatorError):  # PMG syncs nothing by such a file
        return ""
    if conf is None or name not in {node.name.lower() for node in conf.nodes}:
        return ""
    master = conf.master_node
    return f"{master.name}({master.cid}) at {master.ip}" if master.name.lower() != name else ""


def lock_of(root: Path, path: ManagedPath) -> Path:
    """PMG's lock file, or the synced folder at the top where no PMG can be."""
    folder = root / LOCK_FOLDER
    return folder / _LOCKS.get(path, _USUAL_LOCK) if folder.is_dir() else root / _top(path)


def _top(path: ManagedPath) -> str:
    return PMG if path.startswith(f"{PMG}/") else SPAMASSASSIN


def _read(reader: DiskReader, path: ManagedPath) -> tuple[bytes | None, Seen | None]:
    if reader.stat(path) is None:
        return None, None
    return reader.read(path, limit=MAX_FILE_BYTES)


def _replace(
    reader: DiskReader, writer: DiskWriter, path: ManagedPath, new: bytes, seen: Seen | None
) -> None:
    if len(new) > MAX_FILE_BYTES:
        raise OperatorError(
            f"would be larger than {MAX_FILE_BYTES >> 20} MiB", where=path, mend="it cannot travel"
        )
    rule = require_rule(path)
    mode, ownership = (seen.mode, seen.ownership) if seen else (rule.mode, rule.ownership)
    if rule.secret:
        mode &= rule.mode  # what was left open to others is not, once a password is in it
    beside = f"{path}.tmp.{os.getpid()}"
    try:
        note = writer.write(beside, new, mode=mode, ownership=ownership)
        writer.sync_files([beside])
        if reader.stat(path) != seen:
            raise HostError(
                "was changed by somebody else meanwhile", where=path, mend="run the command again"
            )
        writer.rename(beside, path)
    except HostError:
        writer.remove(beside)
        raise
    writer.sync_folders([path.folder])
    if note:
        say(f"pmgsync: {note.replace(beside, path)}")
