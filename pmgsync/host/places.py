"""Which folders are watched, and what an event there asks for.

Both watchers stand on this: `inotify.py` (watchdog's threads) and `inotify_loop.py` (the event
loop). An event only names a path to look at; what it was does not matter, except for folders: after
one came, went or moved, everything is looked at, and the watches are set again before that look, so
that nothing falls between.

`etc/pmg` is watched with all below it, SpamAssassin's folder alone. While one of them does not
exist, the nearest folder above it is watched, and so its creation is noticed.
"""

from __future__ import annotations

import os
import stat

from pmgsync.model import scope
from pmgsync.ports import Look

MOST_PATHS = 200
"""More paths than this in one wait, and everything is looked at: that is quicker then."""

EVERYTHING = Look(everywhere=True)

PLACES = {scope.PMG: True, scope.SPAMASSASSIN: False}
"""Place: is it watched with all folders below it?"""

ON_THE_WAY = frozenset(
    "/".join(place.split("/")[:count])
    for place in PLACES
    for count in range(1, place.count("/") + 2)
)
"""The places and the folders above them."""


def watches(there: dict[str, int]) -> dict[str, bool]:
    """What to watch of the folders that are `there`, and whether with all below: each place, or the
    nearest folder above it.
    """
    found: dict[str, bool] = {}
    for place, recursive in PLACES.items():
        folder = place
        while folder and folder not in there:
            folder = folder.rpartition("/")[0]
        found[folder] = found.get(folder, False) or (recursive and folder == place)
    return found


def folders(root: str) -> dict[str, int]:
    """The folders that matter and their inodes: on the way to the places, and below `etc/pmg`."""
    found: dict[str, int] = {}
    todo = [folder for folder in sorted(ON_THE_WAY) if _is_reached(root, folder, found)]
    todo = [folder for folder in todo if PLACES.get(folder)]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                below = [e for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        for entry in below:
            path = f"{folder}/{entry.name}"
            if scope.holds_synced_files(path):
                found[path] = entry.inode()
                todo.append(path)
    return found


def _is_reached(root: str, folder: str, found: dict[str, int]) -> bool:
    """Is `folder` a real folder below real folders? Then it is noted in `found`."""
    above = folder.rpartition("/")[0]
    if above and above not in found:
        return False
    try:
        status = os.lstat(os.path.join(root, folder))
    except OSError:
        return False
    if not stat.S_ISDIR(status.st_mode):
        return False
    found[folder] = status.st_ino
    return True


def look_for(path: str, *, is_folder: bool) -> Look:
    """Where to look after an event of `path`; empty for what does not concern us."""
    in_scope = scope.rule_for(path) is not None
    if in_scope and not is_folder:
        return Look(frozenset([path]))
    if in_scope or path in ON_THE_WAY or scope.holds_synced_files(path):
        return EVERYTHING
    return Look()


def together(look: Look, more: Look) -> Look:
    """Both as one, without a long list of paths."""
    if look.everywhere or more.everywhere or len(look.paths) >= MOST_PATHS:
        return EVERYTHING
    return look | more
