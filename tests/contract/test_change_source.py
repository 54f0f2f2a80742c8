"""`ChangeSource`: the double and both watchers, and what the kernel must not make us miss."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pmgsync.errors import HostError
from pmgsync.host.clock import SystemClock
from pmgsync.host.disk import DiskTree
from pmgsync.host.inotify import InotifySource
from pmgsync.host.inotify_loop import LoopSource
from pmgsync.ports import ChangeSource, Look
from tests.sim.host import MemorySource

DOMAINS = "etc/pmg/domains"
PATIENCE_S = 5.0
QUIET_S = 0.05

Watcher = InotifySource | LoopSource
WATCHERS: dict[str, Callable[[Path], Watcher]] = {
    "watchdog": lambda root: InotifySource(root, SystemClock()),
    "loop": LoopSource,
}


class World:
    """A source under test; `touch` makes it say something."""

    def __init__(self, root: Path, kind: str) -> None:
        self.root, self.kind = root, kind
        for folder in ("etc/pmg/acme/old", "etc/pmg/dkim", "etc/mail/spamassassin"):
            (root / folder).mkdir(parents=True)
        self.source: ChangeSource = MemorySource() if kind == "memory" else WATCHERS[kind](root)

    def touch(self, path: str) -> None:
        if isinstance(self.source, MemorySource):
            self.source.say(path)
        else:
            beside = self.root / path.replace(path.rpartition("/")[2], ".new")
            beside.write_bytes(os.urandom(8))
            beside.replace(self.root / path)

    async def look(self) -> Look:
        return await asyncio.wait_for(self.source.wait(), PATIENCE_S)

    async def quiet(self) -> None:
        """Take all looks until none comes for a while."""
        while True:
            try:
                await asyncio.wait_for(self.source.wait(), QUIET_S)
            except TimeoutError:
                return


@asynccontextmanager
async def world_at(root: Path, kind: str) -> AsyncIterator[World]:
    world = World(root, kind)
    try:
        yield world
    finally:
        if isinstance(world.source, Watcher):
            world.source.close()


@pytest.fixture(params=["memory", *WATCHERS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=WATCHERS)
def real(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- all ----------------------------------------------------------------------------------------


def test_a_change_wakes_who_waits(root: Path, kind: str) -> None:
    async def main() -> None:
        async with world_at(root, kind) as world:
            waiting = asyncio.ensure_future(world.look())
            await asyncio.sleep(0.01)
            assert not waiting.done()
            world.touch(DOMAINS)
            assert (await waiting).paths == {DOMAINS}

    asyncio.run(main())


def test_changes_before_the_wait_are_not_lost_and_come_as_one(root: Path, kind: str) -> None:
    async def main() -> None:
        async with world_at(root, kind) as world:
            world.touch(DOMAINS)
            world.touch("etc/pmg/dkim/a.private")
            await asyncio.sleep(QUIET_S)
            assert (await world.look()).paths == {DOMAINS, "etc/pmg/dkim/a.private"}
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(world.source.wait(), QUIET_S)

    asyncio.run(main())


def test_a_wait_that_is_given_up_loses_nothing(root: Path, kind: str) -> None:
    async def main() -> None:
        async with world_at(root, kind) as world:
            for _ in range(5):
                waiting = asyncio.ensure_future(world.source.wait())
                await asyncio.sleep(0)
                waiting.cancel()
            world.touch(DOMAINS)
            assert (await world.look()).paths == {DOMAINS}

    asyncio.run(main())


def test_rearm_may_be_called_at_any_time(root: Path, kind: str) -> None:
    async def main() -> None:
        async with world_at(root, kind) as world:
            for _ in range(3):
                world.source.rearm()
            world.touch(DOMAINS)
            assert DOMAINS in (await world.look()).paths

    asyncio.run(main())


# --- the kernel -----------------------------------------------------------------------------------

Act = Callable[[Path], object]

# what is done below etc/pmg -> the path that must be looked at
ACTS: dict[str, tuple[Act, str]] = {
    "write": (lambda pmg: (pmg / "domains").write_text("x"), DOMAINS),
    "chmod": (lambda pmg: (pmg / "there").chmod(0o600), ""),
    "touch": (lambda pmg: (pmg / "transport").touch(), "etc/pmg/transport"),
    "remove": (lambda pmg: (pmg / "mynetworks").unlink(), "etc/pmg/mynetworks"),
    "mode": (lambda pmg: (pmg / "mynetworks").chmod(0o600), "etc/pmg/mynetworks"),
    "link": (lambda pmg: os.link(pmg / "mynetworks", pmg / "tls_policy"), "etc/pmg/tls_policy"),
    "symlink": (lambda pmg: (pmg / "tls_policy").symlink_to("x"), "etc/pmg/tls_policy"),
    "pipe": (lambda pmg: os.mkfifo(pmg / "tls_policy"), "etc/pmg/tls_policy"),
    "rename in": (lambda pmg: (pmg / "../outside").replace(pmg / "domains"), DOMAINS),
    "rename out": (
        lambda pmg: (pmg / "mynetworks").rename(pmg / "../gone"),
        "etc/pmg/mynetworks",
    ),
    "rename away": (
        lambda pmg: (pmg / "mynetworks").rename(pmg / ".hidden"),
        "etc/pmg/mynetworks",
    ),
    "no text": (
        lambda pmg: (pmg / "acme" / "caf\udce9").write_text("x"),
        "etc/pmg/acme/caf\udce9",
    ),
}


@pytest.mark.parametrize("name", [name for name in ACTS if name != "chmod"])
def test_whatever_happens_to_a_file_is_told(root: Path, real: str, name: str) -> None:
    act, path = ACTS[name]
    pmg = root / "etc/pmg"
    pmg.mkdir(parents=True)
    (pmg / "mynetworks").write_text("x")
    (root / "etc/outside").write_text("x")

    async def main() -> None:
        for folder in ("dkim", "acme/old"):
            (pmg / folder).mkdir(parents=True)
        source = WATCHERS[real](root)
        try:
            act(pmg)
            look = await asyncio.wait_for(source.wait(), PATIENCE_S)
            while path not in look.paths:
                look |= await asyncio.wait_for(source.wait(), PATIENCE_S)
        finally:
            source.close()

    asyncio.run(main())


def test_leavings_reading_and_other_files_are_not_told(root: Path, real: str) -> None:
    async def main() -> None:
        async with world_at(root, real) as world:
            pmg = root / "etc/pmg"
            (pmg / "domains").write_text("x")
            await world.quiet()
            for name in (".pmgsync-1", "domains~", "domains.db", "x.tmp.12", "pmg-api.pem", "4913"):
                (pmg / name).write_text("x")
                (pmg / name).unlink()
            (pmg / "domains").read_text()
            list(DiskTree(root).walk())
            DiskTree(root).read(DOMAINS, limit=99)
            (root / "etc/mail/spamassassin/local.cf").write_text("x")
            (root / "etc/mail/spamassassin/folder").mkdir()
            (root / "etc/hosts").write_text("x")
            (pmg / "master").mkdir()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(world.source.wait(), QUIET_S)

    asyncio.run(main())


def test_a_folder_that_was_moved_in_is_watched(root: Path, real: str) -> None:
    """watchdog 2.2.1 tells of the folder and then is blind in it."""

    async def main() -> None:
        async with world_at(root, real) as world:
            (root / "elsewhere/deep").mkdir(parents=True)
            (root / "elsewhere/deep/a").write_text("x")
            (root / "elsewhere").rename(root / "etc/pmg/acme/new")
            assert (await world.look()).everywhere
            await world.quiet()
            for path in ("etc/pmg/acme/new/b", "etc/pmg/acme/new/deep/a"):
                (root / path).write_text("y")
                look = await world.look()
                assert path in look.paths
                await world.quiet()

    asyncio.run(main())


@pytest.mark.parametrize("act", ["made", "renamed", "removed", "replaced"])
def test_after_a_folder_moved_everything_is_looked_at_and_watched(
    root: Path, real: str, act: str
) -> None:
    async def main() -> None:
        async with world_at(root, real) as world:
            acme = root / "etc/pmg/acme"
            if act == "made":
                (acme / "new/er").mkdir(parents=True)
            elif act == "renamed":
                (acme / "old").rename(acme / "new")
                (acme / "new/er").mkdir()
            elif act == "removed":
                (acme / "old").rmdir()
            else:
                (acme / "old").rename(root / "away")
                (acme / "old").mkdir()
            look = await world.look()
            while not look.everywhere:
                look |= await world.look()
            await world.quiet()
            path = {"removed": "etc/pmg/acme/x", "replaced": "etc/pmg/acme/old/x"}.get(
                act, "etc/pmg/acme/new/er/x"
            )
            (root / path).write_text("x")
            assert path in (await world.look()).paths

    asyncio.run(main())


def test_places_may_come_and_go(root: Path, real: str) -> None:
    async def main() -> None:
        source = WATCHERS[real](root)
        try:
            for _ in range(2):
                for folder in ("etc/pmg/dkim", "etc/mail/spamassassin"):
                    (root / folder).mkdir(parents=True)
                    look = await asyncio.wait_for(source.wait(), PATIENCE_S)
                    assert look.everywhere
                    await asyncio.sleep(QUIET_S)
                    await asyncio.wait_for(_until_quiet(source), PATIENCE_S)
                for path in ("etc/pmg/dkim/k", "etc/mail/spamassassin/custom.cf"):
                    (root / path).write_text("x")
                    assert path in (await asyncio.wait_for(source.wait(), PATIENCE_S)).paths
                    await _until_quiet(source)
                for path in ("etc/pmg/dkim/k", "etc/mail/spamassassin/custom.cf"):
                    (root / path).unlink()
                for folder in ("etc/pmg/dkim", "etc/pmg", "etc/mail/spamassassin", "etc/mail"):
                    (root / folder).rmdir()
                look = await asyncio.wait_for(source.wait(), PATIENCE_S)
                while not look.everywhere:
                    look |= await asyncio.wait_for(source.wait(), PATIENCE_S)
                await _until_quiet(source)
        finally:
            source.close()

    asyncio.run(main())


async def _until_quiet(source: Watcher) -> None:
    while True:
        try:
            await asyncio.wait_for(source.wait(), QUIET_S)
        except TimeoutError:
            return


def test_a_place_that_was_renamed_away_is_found_by_the_next_rearm(root: Path, real: str) -> None:
    async def main() -> None:
        async with world_at(root, real) as world:
            (root / "etc/pmg").rename(root / "etc/pmg.old")
            (root / "etc/pmg").mkdir()
            await world.quiet()
            world.source.rearm()  # as the slow timer does before it looks everywhere
            (root / DOMAINS).write_text("x")
            assert DOMAINS in (await world.look()).paths

    asyncio.run(main())


WATCHER = """
import asyncio, sys
from pathlib import Path
from pmgsync.host.disk import DiskTree
from pmgsync.ports import Look
from pmgsync.survey import Survey
from tests.contract.test_change_source import WATCHERS
from tests.sim.clock import FakeClock
async def main(root):
    source, survey = WATCHERS["{kind}"](root), Survey(DiskTree(root), FakeClock())
    survey.look(Look(everywhere=True))
    print("ready", flush=True)
    sys.stdin.readline()  # stopped here
    look = Look()
    while not look.everywhere:
        look |= await asyncio.wait_for(source.wait(), 20)
    source.rearm()
    found = survey.look(look).manifest
    print(len(found), flush=True)
    while "etc/pmg/domains" not in found:
        found = survey.look(await asyncio.wait_for(source.wait(), 20)).manifest
    print("told", flush=True)
    source.close()
asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_burst_that_overflows_the_kernels_queue_loses_nothing(root: Path, real: str) -> None:
    """The watcher is stopped, as by a busy machine, while 21,000 events and more come."""
    acme = root / "etc/pmg/acme"
    acme.mkdir(parents=True)
    script = WATCHER.format(kind=real)
    command = [sys.executable, "-c", script, str(root)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as watcher:
        assert watcher.stdin is not None
        assert watcher.stdout is not None
        try:
            assert watcher.stdout.readline() == "ready\n"
            watcher.send_signal(signal.SIGSTOP)
            for n in range(7000):
                (acme / f"file{n}").write_bytes(b"x")
            watcher.send_signal(signal.SIGCONT)
            print(file=watcher.stdin, flush=True)
            assert watcher.stdout.readline() == "7000\n"
            (root / DOMAINS).write_bytes(b"it still watches")
            assert watcher.stdout.readline() == "told\n"
        finally:
            watcher.kill()


def test_many_paths_become_a_look_everywhere(root: Path, real: str) -> None:
    async def main() -> None:
        async with world_at(root, real) as world:
            for n in range(400):
                (root / f"etc/pmg/acme/{n}").touch()
            await asyncio.sleep(4 * QUIET_S)
            look = await world.look()
            assert look.everywhere
            assert look.paths == frozenset()

    asyncio.run(main())


def test_closing_ends_the_threads_and_frees_the_handles(root: Path, real: str) -> None:
    async def main() -> None:
        def open_handles() -> int:
            return len(list(Path("/proc/self/fd").iterdir()))

        async with world_at(root, real):
            pass
        # One of newer watchdogs' threads serves the whole process and stays, once.
        threads, handles = threading.active_count(), open_handles()
        for n in range(5):
            async with world_at(root / str(n), real) as world:
                (root / str(n) / "etc/pmg/acme/new").mkdir()
                await world.look()
        assert open_handles() <= handles
        assert threading.active_count() <= threads + 1  # the worker that armed

    asyncio.run(main())


def test_watching_that_died_is_found_by_the_next_rearm(root: Path) -> None:
    async def main() -> None:
        async with world_at(root, "watchdog") as world:
            assert isinstance(world.source, InotifySource)
            observer = world.source._observer
            assert observer is not None
            observer.stop()
            observer.join()
            world.source.rearm()
            (root / DOMAINS).write_text("x")
            assert DOMAINS in (await world.look()).paths

    asyncio.run(main())


def test_a_root_that_does_not_exist_is_named(tmp_path: Path, real: str) -> None:
    with pytest.raises(HostError, match="cannot watch for changes: does not exist"):
        WATCHERS[real](tmp_path / "nothing")


def test_what_this_program_staged_is_not_told_when_it_arrives(root: Path) -> None:
    """Each of its steps is told by the kernel; a write to what it put there is drift."""

    async def main() -> None:
        async with world_at(root, "loop") as world:
            tree, path = DiskTree(root), "etc/pmg/acme/a"
            for content in (b"first", b"second"):
                tree.write(
                    "etc/pmg/acme/.pmgsync-a.new", content, mode=0o600, ownership="root:root"
                )
                tree.rename("etc/pmg/acme/.pmgsync-a.new", path)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(world.source.wait(), QUIET_S)
            tree.link(path, "etc/pmg/acme/.pmgsync-a.old")
            tree.remove("etc/pmg/acme/.pmgsync-a.old")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(world.source.wait(), QUIET_S)
            with (root / path).open("ab") as file:
                file.write(b" and more")
            assert (await world.look()).paths == {path}

    asyncio.run(main())


def test_a_watched_folder_that_is_renamed_away_is_told_at_once(root: Path) -> None:
    async def main() -> None:
        async with world_at(root, "loop") as world:
            (root / "etc/pmg").rename(root / "etc/pmg.old")
            assert (await world.look()).everywhere
            (root / "etc/pmg").mkdir()
            assert (await world.look()).everywhere
            await world.quiet()
            (root / DOMAINS).write_text("x")
            assert DOMAINS in (await world.look()).paths

    asyncio.run(main())
