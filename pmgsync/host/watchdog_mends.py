"""Mends watchdog where a daemon cannot live with it. `apply` comes before anything is watched.

* A rename is told in two halves, and watchdog waits half a second for the second one, holding back
all
  that follows. Now and then it waits although the half is there, and always when a file leaves the
  tree. For us two halves are as good as a pair, so it need not wait long. (All versions.)
* When the kernel's queue overflows, no version tells a handler; with the mend they tell
  `overflow_listeners`. (All versions.)
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
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from watchdog import version
from watchdog.observers.api import BaseObserver

_PAIRING_S = 0.001
_PAIRING = (
    ("watchdog.observers.inotify_buffer", "InotifyBuffer"),
    ("watchdog.observers.inotify_move_event_grouper", "InotifyMoveEventGrouper"),
)

_OLD = 2  # major version


overflow_listeners: set[Callable[[], None]] = set()
"""Called, from a thread of watchdog, when the kernel dropped events."""


def apply() -> None:
    """Mend the watchdog that is installed; where a version has moved things, it stays as it is."""
    for module, name in _PAIRING:
        with suppress(ImportError, KeyError):
            vars(importlib.import_module(module))[name].delay = _PAIRING_S
    # It calls it an error that a thread ends while it is stopped.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    library: Any = importlib.import_module("watchdog.observers.inotify_c")
    library.warnings = _Unheard
    if version.VERSION_MAJOR <= _OLD:
        library.Inotify.close = _close_once
    if hasattr(library, "InotifyFD"):
        library.InotifyFD.handle_event = _telling(library.InotifyFD.handle_event)
    elif hasattr(library, "Inotify"):
        library.Inotify._parse_event_buffer = staticmethod(
            _telling_buffer(library.Inotify._parse_event_buffer)
        )


def _telling(handle_event: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """`InotifyFD.handle_event` of version 7, which tells of an overflow when it is mended."""

    def handle(inotify: Any, event: Any) -> None:  # noqa: ANN401
        handle_event(inotify, event)
        if event.is_queue_overflow:
            _tell()

    return handle


_Parsed = tuple[int, int, int, bytes]


def _telling_buffer(
    parse: Callable[[bytes], Iterator[_Parsed]],
) -> Callable[[bytes], Iterator[_Parsed]]:
    """`Inotify._parse_event_buffer` of older versions, which tells of an overflow."""

    def parse_and_tell(buffer: bytes) -> Iterator[_Parsed]:
        for watch, *rest in parse(buffer):
            if watch == -1:  # no watch: the queue itself speaks
                _tell()
            yield (watch, *rest)  # type: ignore[misc]

    return parse_and_tell


def _tell() -> None:
    for listener in list(overflow_listeners):
        listener()


def tell_at_once(observer: BaseObserver, handle: Callable[[Any], None]) -> None:
    """Have the threads that read events call `handle` themselves, not by way of a queue and the
    observer's own thread: one thread less has to wake up before anybody knows of an edit.
    """
    for emitter in observer.emitters:
        vars(emitter)["queue_event"] = handle


def is_alive(observer: BaseObserver) -> bool:
    """Are all threads of a running observer alive? One that died of an error makes us deaf."""
    threads: list[threading.Thread] = [observer, *observer.emitters]
    for emitter in observer.emitters:
        reader = getattr(emitter, "_inotify", None)
        threads += [reader] if isinstance(reader, threading.Thread) else []  # version 2
    shared: Any = getattr(
        importlib.import_module("watchdog.observers.inotify_c"), "InotifyFD", None
    )
    reader = getattr(shared, "_instance", None)  # version 7: one for the whole process
    if isinstance(reader, threading.Thread) and not reader.is_alive():
        shared._instance = None  # the next observer starts another
        return False
    return all(thread.is_alive() for thread in threads)


class _Unheard:
    """Takes the place of `warnings` in a thread of watchdog that may not die of a warning.

    Version 7 warns when a folder is told of twice, as may happen to one that was just made. Where
    warnings are errors, that would end the one thread that hears of changes.
    """

    @staticmethod
    def warn(*_: object, **__: object) -> None: ...


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
