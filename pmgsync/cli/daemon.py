"""`pmgsync daemon`: the process around a `Node`: lock, log, signals, systemd's notifications.

Foreground, logs to stderr. READY is said once recovery is over and the local socket answers;
WATCHDOG comes from the event loop that does the work, so a loop that hangs is a daemon that is
restarted. SIGTERM and SIGINT stop it in good order, SIGHUP reads the settings again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from pathlib import Path
from typing import Any

from pmgsync.cli.api import Api
from pmgsync.cli.logs import set_up_logging
from pmgsync.cli.node import Node
from pmgsync.cli.settings import Settings, load_settings
from pmgsync.errors import ExitCode, PmgsyncError
from pmgsync.host.lock import hold_lock
from pmgsync.host.memory import give_back, use_one_arena
from pmgsync.host.notify import Notifier
from pmgsync.wire.control import ControlServer

log = logging.getLogger(__name__)

SOCKET = "run/pmgsync/control.sock"
LOCK = "run/pmgsync/daemon.lock"
COLLECT_AFTER = 10_000
"""Objects; a small change makes some hundred that last a while."""


def run(root: Path) -> int:
    """Run until told to stop; the exit code. Raises what keeps it from starting."""
    use_one_arena()
    settings = load_settings(root)
    set_up_logging(settings.log.level)
    with hold_lock(root / LOCK):
        return asyncio.run(_serve(root, settings))


async def _serve(root: Path, settings: Settings) -> int:
    return await _Daemon(root, settings).run()


def on_unheard_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An error that no task waits for, as asyncio hands it to its handlers.

    grpc 1.51, which is Debian 12's, leaves one behind where a member goes away in the moment in
    which its stream is ended: nothing is wrong, and the end of the stream is in the log already.
    """
    error = context.get("exception")
    if type(error).__name__ == "ExecuteBatchError":
        log.debug("grpc: %s", error)
    else:
        loop.default_exception_handler(context)


class _Daemon:
    """Made and run on the event loop."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self._root = root
        self._node = Node(root, settings)
        self._notifier = Notifier(os.environ, self._node.parts.clock)
        self._stop = asyncio.Event()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(on_unheard_error)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        node, control = self._node, ControlServer(self._root / SOCKET, Api(self._node))
        node.on_status = self._notifier.status
        tasks: list[asyncio.Task[Any]] = []
        try:
            await node.start()
            control.start()
            # What is there by now stays: the collector need not look at it again and again, nor
            # begin in the middle of every small change.
            gc.collect()
            give_back()
            gc.freeze()
            gc.set_threshold(COLLECT_AFTER, 10, 10)
            self._notifier.ready(node.status_line)
            log.info("ready: %s", node.status_line)
            tasks = [asyncio.ensure_future(work) for work in (node.failed(), self._stop.wait())]
            tasks.append(asyncio.create_task(self._watchdog()))
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._notifier.stopping()
            for task in tasks[1:]:
                task.cancel()
            await control.stop()
            await node.stop()
        if tasks[0].done():
            tasks[0].result()
        tasks[0].cancel()
        log.info("stopped")
        return ExitCode.FINE

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            settings = load_settings(self._root)
        except PmgsyncError as error:
            log.error("the settings stay as they were: %s", error)
        else:
            set_up_logging(settings.log.level)
            self._node.reload(settings)
            log.info(
                "settings read again: [log], [history] and [promotion] count now, the rest at the "
                "next start"
            )
        self._notifier.ready(self._node.status_line)

    async def _watchdog(self) -> None:
        interval = self._notifier.watchdog_interval_s()
        while interval is not None:
            self._notifier.watchdog()
            await asyncio.sleep(interval)
