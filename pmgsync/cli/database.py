"""A node's database, opened: what a damaged or an empty one means depends on the node's role."""

from __future__ import annotations

from pathlib import Path

from pmgsync.errors import StoreDamagedError
from pmgsync.host.identity import Identity
from pmgsync.host.store import SqliteStore
from pmgsync.model.scope import STATE_FOLDER
from pmgsync.model.trust import TrustedHistory

DATABASE = f"{STATE_FOLDER}/node.db"
BEGUN = f"{STATE_FOLDER}/history-begun"
"""An empty file that says: this node, as master, has published. The database must know of it."""
_BACKUP = (
    "do not start without it: bring back the database, with the files beside it whose names begin "
    "with its own, from a backup of this master; or promote another node"
)


def open_store(root: Path, identity: Identity) -> SqliteStore:
    """The database below `root`, made where there is none. `StoreError` if that cannot be."""
    try:
        return SqliteStore(root / DATABASE)
    except StoreDamagedError as error:
        if _is_master(identity):
            raise StoreDamagedError(error.what, where=error.where, mend=_BACKUP) from error
        raise


def require_history(root: Path, store: SqliteStore) -> None:
    """A master without its log would begin anew at version 1, which no node may follow."""
    if store.head()[1] is None and (root / BEGUN).exists():
        raise StoreDamagedError(
            "is empty, and this node is the master: it holds the cluster's history",
            where=str(root / DATABASE),
            mend=_BACKUP,
        )


def note_begun(root: Path, store: SqliteStore) -> None:
    """This node is the master, and its log is the history from now on."""
    if store.head()[1] is not None:
        (root / BEGUN).touch(mode=0o600)


def _is_master(identity: Identity) -> bool:
    chain = identity.read_chain()
    if not chain:
        return False
    return TrustedHistory(chain).membership.master_key == identity.key.public_key
