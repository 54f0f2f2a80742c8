"""`pmgsync`, with stopwatches at the stations of a change: TRACE ARGUMENTS...

Functions are wrapped from outside, by name; each call adds one line of begin, end and label (both
in seconds of the monotonic clock, which all processes of a machine share) to a list in memory,
which is written to the file TRACE when the process ends. A call costs about a microsecond.
"""

from __future__ import annotations

import atexit
import importlib
import inspect
import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# module, what is in it, label. Names that are not there (any more) are said and passed over.
STATIONS = (
    ("pmgsync.host.inotify", "_Handler.dispatch", "event"),
    ("pmgsync.host.inotify", "InotifySource.wait", "wait"),
    ("pmgsync.master.role", "MasterRole.look", "look told"),
    ("pmgsync.master.role", "MasterRole._publish_once", "publish once"),
    ("pmgsync.master.publish", "Publisher.prepare", "prepare"),
    ("pmgsync.master.publish", "Publisher.commit", "commit"),
    ("pmgsync.master.publish", "Publisher.draft", "draft"),
    ("pmgsync.master.publish", "seal", "sign"),
    ("pmgsync.master.publish", "objection", "guard"),
    ("pmgsync.master.publish", "diff", "diff"),
    ("pmgsync.survey", "Survey.look", "survey"),
    ("pmgsync.model.trust", "TrustedHistory.accept", "accept"),
    ("pmgsync.host.store", "SqliteStore.append", "append"),
    ("pmgsync.host.store", "SqliteStore.missing", "missing"),
    ("pmgsync.master.feed", "Feeds.announce", "announce"),
    ("pmgsync.master.feed", "Feeds._take", "take word"),
    ("pmgsync.wire.master_end", "ServerStream.send", "send"),
    ("pmgsync.wire.master_end", "encode_to_agent", "encode"),
    ("pmgsync.wire.client", "decode_to_agent", "decode"),
    ("pmgsync.wire.client", "ClientStream.send", "node send"),
    ("pmgsync.agent.role", "AgentRole._on_message", "on message"),
    ("pmgsync.agent.role", "AgentRole._try", "try"),
    ("pmgsync.agent.role", "AgentRole._report", "report"),
    ("pmgsync.agent.role", "AgentRole._signed", "sign report"),
    ("pmgsync.agent.role", "AgentRole._repair", "drift look"),
    ("pmgsync.agent.tree_work", "TreeWork.plan", "plan"),
    ("pmgsync.agent.tree_work", "TreeWork.switch", "switch"),
    ("pmgsync.agent.tree_work", "TreeWork.settle", "settle"),
    ("pmgsync.agent.activate", "Activator._prepare", "stage"),
    ("pmgsync.agent.activate", "Activator._back_up", "back up"),
    ("pmgsync.agent.activate", "Activator._rename", "rename all"),
    ("pmgsync.agent.activate", "Activator._keep_late", "keep late"),
    ("pmgsync.agent.activate", "Activator._forget", "forget"),
    ("pmgsync.host.disk", "DiskTree.write", "write"),
    ("pmgsync.host.disk", "DiskTree.link", "link"),
    ("pmgsync.host.disk", "DiskTree.rename", "rename"),
    ("pmgsync.host.disk", "sync", "sync files"),
    ("pmgsync.host.disk", "DiskTree.sync_folders", "sync folders"),
    ("pmgsync.host.store", "SqliteStore.begin", "begin"),
    ("pmgsync.host.store", "SqliteStore.finish", "finish"),
)

_marks: list[tuple[float, float, str, str]] = []


def _timed(work: Callable[..., Any], label: str) -> Callable[..., Any]:
    now, thread = time.monotonic, threading.current_thread

    def around(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401
        began = now()
        try:
            return work(*args, **keywords)
        finally:
            _marks.append((began, now(), label, thread().name))

    async def around_async(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401
        began = now()
        try:
            return await work(*args, **keywords)
        finally:
            _marks.append((began, now(), label, thread().name))

    return around_async if inspect.iscoroutinefunction(work) else around


def put_stopwatches() -> None:
    """Wrap every station."""
    for module, place, label in STATIONS:
        owner: Any = importlib.import_module(module)
        *path, name = place.split(".")
        try:
            for part in path:
                owner = getattr(owner, part)
            setattr(owner, name, _timed(getattr(owner, name), label))
        except AttributeError:
            print(f"traced: no {module}.{place}", file=sys.stderr)


def main() -> int:
    """Run `pmgsync`, then write the trace."""
    trace = Path(sys.argv[1])
    atexit.register(lambda: trace.write_text(json.dumps(_marks), "ascii"))
    put_stopwatches()
    from pmgsync.cli.main import main as pmgsync  # after the wrapping

    return pmgsync(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
