"""A reader of a synced file sees the old or the new one during an activation, always whole."""

import hashlib
import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from pmgsync.agent.activate import Activator
from pmgsync.agent.maps import MapBuilder
from pmgsync.host.disk import DiskTree
from pmgsync.host.process import SystemRunner
from pmgsync.host.store import SqliteStore
from pmgsync.model.trust import Head
from tests.crash.stepping import Kept, plan_to
from tests.sim.author import Author

CHANGES = 200
SIZE = 1 << 20
TARGET = "etc/pmg/templates/large.in"


def content_of(version: int) -> bytes:
    """1 MiB that differs everywhere from one version to the next."""
    return hashlib.shake_256(b"%d" % version).digest(SIZE)


def read_until(stop: Event, path: Path, reading: Event, results: Connection) -> None:
    """Hash the file again and again; how often each digest was seen."""
    seen: dict[str, int] = {}
    while not stop.is_set():
        try:
            data = path.read_bytes()
            name = hashlib.sha256(data).hexdigest() if len(data) == SIZE else f"{len(data)} bytes"
        except OSError as error:
            name = str(error)
        seen[name] = seen.get(name, 0) + 1
        reading.set()
    results.send(seen)


def test_a_reader_never_sees_a_torn_empty_or_short_file(tmp_path: Path) -> None:
    author, tree = Author(), DiskTree(tmp_path)
    store = SqliteStore(tmp_path / "node.db")
    activator = Activator(tree, store, MapBuilder(SystemRunner(), str(tmp_path), "/etc/postfix"))
    contents = [content_of(version) for version in range(CHANGES + 1)]
    before = Head()

    def activate(data: bytes) -> None:
        nonlocal before
        version = author.version({TARGET: data})
        plan, new = plan_to(version, before)
        activator.activate(plan, new, Kept())
        before = version.head

    activate(contents[0])
    context = multiprocessing.get_context("spawn")  # the store's handles are not for a fork
    stop, reading = context.Event(), context.Event()
    ours, theirs = context.Pipe(duplex=False)
    reader = context.Process(target=read_until, args=(stop, tmp_path / TARGET, reading, theirs))
    reader.start()
    assert reading.wait(30)
    for data in contents[1:]:
        activate(data)
    stop.set()
    seen: dict[str, int] = ours.recv()
    reader.join()
    store.close()
    whole = {hashlib.sha256(data).hexdigest() for data in contents}
    assert {name: times for name, times in seen.items() if name not in whole} == {}
    assert len(seen) > CHANGES / 10, "the reader was too slow to see anything"
