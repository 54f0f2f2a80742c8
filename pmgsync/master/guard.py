"""PURE. What a vanished folder looks like is not published without the admin's word."""

from pmgsync.model.manifest import Manifest
from pmgsync.model.scope import PMG_CONF

FEWEST_DELETIONS = 2
"""So few files may be more than half of a tiny state; to delete a single one is an edit like any
other.
"""


def objection(current: Manifest, target: Manifest) -> str | None:
    """Why the step from `current` to `target` needs confirmation, as the end of `it would ...`; or
    None.

    It does if it deletes `pmg.conf`, or more than half of the synced files and at least two.
    """
    gone = current.keys() - target.keys()
    half_gone = len(gone) >= FEWEST_DELETIONS and 2 * len(gone) > len(current)
    if half_gone:
        also = f", {PMG_CONF} too" if PMG_CONF in gone else ""
        return f"delete {len(gone)} of the {len(current)} synced files{also}"
    return f"delete {PMG_CONF}" if PMG_CONF in gone else None
