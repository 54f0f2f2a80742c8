"""Mends watchdog where a daemon cannot live with it. `apply` comes before anything is watched.

* A rename is told in two halves, and watchdog waits half a second for the second one, holding back
all
  that follows. Now and then it waits although the half is there, and always when a file leaves the
  tree. For us two halves are as good as a pair, so it need not wait long. (All versions.)
* Version 2 (Debian 12) may close its inotify handle twice when a watched folder is deleted while
watching is
  stopped; and a thread of it may still read from the number of a handle that was closed. By then
  that number can be another file of ours, the database say. With the mend a handle is closed once,
  and its number is given back only when nothing refers to it any more.
"""

from __future__ import annotations

import importlib
import logging
import os
import weakref
from contextlib import suppress
from typing import Any

from watchdog import version

_PAIRING_S = 0.001
_PAIRING = (
    ("watchdog.observers.inotify_buffer", "InotifyBuffer"),
    ("watchdog.observers.inotify_move_event_grouper", "InotifyMoveEventGrouper"),
)

_OLD = 2  # major version


def apply() -> None:
    """Mend the watchdog that is installed; where a version has moved things, it stays as it is."""
    for module, name in _PAIRING:
        with suppress(ImportError, KeyError):
            vars(importlib.import_module(module))[name].delay = _PAIRING_S
    # It calls it an error that a thread ends while it is stopped, and warns of an overflow, which a
    # look everywhere has mended by then.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    if version.VERSION_MAJOR <= _OLD:
        importlib.import_module("watchdog.observers.inotify_c").Inotify.close = _close_once


def _close_once(inotify: Any) -> None:  # noqa: ANN401  # a class that newer versions do not have
    """Takes the place of `Inotify.close` of watchdog 2."""
    remove_watch = importlib.import_module("watchdog.observers.inotify_c").inotify_rm_watch
    handle = inotify._inotify_fd
    with inotify._lock:
        if getattr(inotify, "_closed_once", False):
            return
        inotify._closed_once = True
        # Each watch that goes is told, which wakes the thread that waits in `read`.
        for watch in list(inotify._path_for_wd):
            remove_watch(handle, watch)
        # The number now leads to an empty file; whoever reads from it from now on finds the end.
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(nothing, handle, inheritable=False)
        os.close(nothing)
        weakref.finalize(inotify, os.close, handle)
