"""A thread that brings files to disk while its owner goes on with something else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class SyncThread:
    """Does what `begin` is given, once at a time; `end` waits for it. For one owner.

    Two queues, and not an executor: a future and its condition cost as much as the rest of a small
    activation's wait for the disk.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._done: SimpleQueue[Exception | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Start `work`. `end` comes before the next."""
        if self._thread is None:
            # Nobody waits for it at the exit: its owner has waited for all that it began.
            self._thread = threading.Thread(target=self._run, name="pmgsync-fsync", daemon=True)
            self._thread.start()
        self._asked.put(work)

    def end(self) -> Exception | None:
        """Wait for what was begun; what it raised."""
        return self._done.get()

    def _run(self) -> None:
        while True:
            work = self._asked.get()
            error: Exception | None = None
            try:
                work()
            except Exception as caught:  # noqa: BLE001 # daemon edge: handed to whoever waits
                error = caught
            self._done.put(error)
