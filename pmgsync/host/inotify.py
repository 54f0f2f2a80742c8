"""Says "look" when something moved in the synced places (`ports.ChangeSource`), with watchdog.

What the kernel and watchdog tell is a hint and never the truth: events get lost when the kernel's
queue overflows, and watchdog 2.2.1 is blind in folders that were moved in. So an
event only names a path (`places.py`), and the scan decides. A place that was *renamed* away (the
kernel goes on watching it under its new name) is noticed by the next `rearm`, which compares what
is watched with what is there. The caller's slow timer calls `rearm`, then looks everywhere.

The handler runs in watchdog's thread and only queues. `watchdog_mends.py` has what watchdog itself
needs.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from pmgsync.errors import HostError
from pmgsync.host import watchdog_mends
from pmgsync.host.faults import plainly
from pmgsync.host.places import EVERYTHING, folders, look_for, together, watches
from pmgsync.ports import ChangeSource, Clock, Look

# `opened` and `closed_no_write` (newer watchdogs) are our own reading, fed back.
_TOLD = frozenset({"created", "deleted", "moved", "modified", "attrib", "closed"})
_FOLDER_TOLD = frozenset({"created", "deleted", "moved"})

# Newer watchdogs can ask the kernel for these alone; 2.2.1 has no such parameter and never asks for
# opens.
_WANTED = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type)
    and issubclass(kind, events.FileSystemEvent)
    and kind is not events.FileSystemEvent
    and getattr(kind, "event_type", None)
    in (_FOLDER_TOLD if getattr(kind, "is_directory", False) else _TOLD)
]
_FILTER: dict[str, Any] = (
    {"event_filter": _WANTED}
    if "event_filter" in inspect.signature(BaseObserver.schedule).parameters
    else {}
)

watchdog_mends.apply()

_STOP_PATIENCE_S = 2.0


class InotifySource(ChangeSource):
    """The looks below `root`. `wait` is for one task; `rearm` and `close` may block briefly."""

    def __init__(self, root: Path, clock: Clock) -> None:
        """Watch from now on, by `clock`; `HostError` if the kernel gives no watches."""
        self._root = os.path.realpath(root)
        self._clock = clock
        self._handler = _Handler(self._root, self._queue)
        self._lock = threading.Lock()  # guards what the two threads share: the next three
        self._look = Look()
        self._rearm_due = False
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._arming = threading.Lock()
        self._observer: BaseObserver | None = None
        self._armed: dict[str, int] = {}
        self.rearm()
        watchdog_mends.overflow_listeners.add(self._look_everywhere)

    async def wait(self) -> Look:
        """See the port."""
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._waiter = None if self._look else (loop, came)
        if self._waiter is not None:
            await came.wait()
        if self._rearm_due:
            self._rearm_due = False
            await asyncio.to_thread(self.rearm)
        with self._lock:
            # Folders that moved while we armed: these watches are blind in them, so the next call
            # arms again and has everything looked at once more.
            look, self._look = self._look, Look(everywhere=self._rearm_due)
        return look

    def rearm(self) -> None:
        """See the port. Does nothing where what is there is watched, by threads that live."""
        with self._arming:
            # Before arming: a folder that comes in between makes the next call arm once more.
            found = folders(self._root)
            if (
                self._observer is not None
                and found == self._armed
                and watchdog_mends.is_alive(self._observer)
            ):
                return
            fresh = self._observe(found)
            old, self._observer, self._armed = self._observer, fresh, found
            if old is not None:  # the new watches are set before the old ones go: no gap
                _stop(old)

    def _observe(self, found: dict[str, int]) -> BaseObserver:
        observer = Observer()
        try:
            for folder, recursive in watches(found).items():
                path = os.path.join(self._root, folder) if folder else self._root
                observer.schedule(self._handler, path, recursive=recursive, **_FILTER)
            watchdog_mends.tell_at_once(observer, self._handler.dispatch)
            observer.start()
        except OSError as error:
            _stop(observer)
            what, mend = plainly(error)
            raise HostError(
                f"cannot watch for changes: {what}",
                where=self._root,
                mend=f"{mend} (sysctl fs.inotify.max_user_watches, max_user_instances)",
            ) from None
        return observer

    def close(self) -> None:
        """Stop watching and end the threads; a `wait` in progress goes on waiting."""
        watchdog_mends.overflow_listeners.discard(self._look_everywhere)
        with self._arming:
            if self._observer is not None:
                _stop(self._observer)
                self._observer = None

    def _look_everywhere(self) -> None:
        self._queue(EVERYTHING)

    def _queue(self, look: Look) -> None:
        """From watchdog's thread. A look everywhere comes after watching anew, and the time counts
        from then; a file's from here, however long the loop takes to hear of it.
        """
        if not look.everywhere:
            look = replace(look, at=self._clock.monotonic())
        with self._lock:
            self._rearm_due |= look.everywhere
            self._look = together(self._look, look)
            waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter[0].is_closed():
            waiter[0].call_soon_threadsafe(waiter[1].set)


class _Handler(events.FileSystemEventHandler):
    def __init__(self, root: str, queue: Callable[[Look], None]) -> None:
        self._inside = root.rstrip("/") + "/"
        self._queue = queue

    def dispatch(self, event: events.FileSystemEvent) -> None:
        if event.event_type not in (_FOLDER_TOLD if event.is_directory else _TOLD):
            return
        for path in (event.src_path, getattr(event, "dest_path", "")):
            relative = os.fsdecode(path).removeprefix(self._inside)
            if relative and (look := look_for(relative, is_folder=event.is_directory)):
                self._queue(look)


def _stop(observer: BaseObserver) -> None:
    """End the observer's threads. One that does not end is left behind: it must not block us."""
    ending = threading.Thread(target=_end, args=[observer], name="pmgsync-unwatch", daemon=True)
    ending.start()
    ending.join(_STOP_PATIENCE_S)


def _end(observer: BaseObserver) -> None:
    observer.stop()
    if observer.is_alive():
        observer.join()
    observer.unschedule_all()  # one that never started has emitters all the same
