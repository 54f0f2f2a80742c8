"""Where adapters are built and handed to the roles. No decisions; read it to see what is made of
what.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pmgsync import __version__
from pmgsync.agent.activate import Activator
from pmgsync.agent.link import LinkConfig
from pmgsync.agent.parts import AgentConfig, AgentParts, ChainGrew
from pmgsync.agent.role import AgentRole
from pmgsync.agent.voting import ballot_in
from pmgsync.cli.rendering import (
    TREE_LOCK,
    map_builder,
    renders,
    service_checks,
    service_files,
    teller,
)
from pmgsync.cli.settings import Settings
from pmgsync.errors import PmgsyncError
from pmgsync.host.clock import SystemClock
from pmgsync.host.disk import DiskTree
from pmgsync.host.identity import Identity
from pmgsync.host.inotify_loop import LoopSource
from pmgsync.host.keyring import Keyring
from pmgsync.host.lock import TreeLock
from pmgsync.host.store import SqliteStore
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Member
from pmgsync.model.trust import genesis_of
from pmgsync.ports import ChangeSource, Clock
from pmgsync.survey import Survey
from pmgsync.wire.client import GrpcDialer
from pmgsync.wire.local import LocalDialer
from pmgsync.wire.tls import TlsIdentity

if TYPE_CHECKING:
    from pmgsync.agent.services import Services
    from pmgsync.cli.master_side import MasterSide

log = logging.getLogger(__name__)

T = TypeVar("T")

SETTLE_DELAY_S = 0.01
"""About the time in which a version becomes visible on a handful of nodes."""
SILENT_BEATS = 4
"""A stream is given up after so many heartbeats that did not come."""


class RunBlocking(Protocol):
    """Runs what blocks for long in the node's worker thread."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What every node has, whatever its role."""

    root: Path
    keyring: Keyring
    store: SqliteStore
    tree: DiskTree
    clock: SystemClock
    run_blocking: RunBlocking

    @property
    def identity(self) -> Identity:
        """The keys of this node that count at this moment."""
        return self.keyring.current

    @property
    def tls(self) -> TlsIdentity:
        """Its TLS key and certificate."""
        return _tls_of(self.identity)

    def face(self, turn: int) -> TlsIdentity:
        """See `Keyring.face`."""
        return _tls_of(self.keyring.face(turn))

    def all_tls(self) -> tuple[TlsIdentity, ...]:
        """What counts, and then what somebody may know who has not heard of it."""
        return tuple(map(_tls_of, self.keyring.pairs))


def _tls_of(identity: Identity) -> TlsIdentity:
    return TlsIdentity(identity.tls_key, identity.tls_certificate)


def build_agent(
    parts: NodeParts,
    me: Member,
    chain: tuple[Envelope, ...],
    source: ChangeSource,
    settings: Settings,
    master: MasterSide | None,
    *,
    chain_grew: ChainGrew,
) -> AgentRole:
    """The agent of `me`; beside `master` it follows through a stream inside the process."""
    beat_s = settings.network.heartbeat_ms / 1000
    return AgentRole(
        AgentParts(
            cid=me.cid,
            software=__version__,
            signer=parts.keyring,
            store=parts.store,
            survey=Survey(parts.tree, parts.clock),
            source=source,
            activator=Activator(parts.tree, parts.store, map_builder(parts.root)),
            dialer=LocalDialer(me.cid, master.feeds, _spawn)
            if master
            else GrpcDialer(parts.all_tls),
            clock=parts.clock,
            chain_grew=chain_grew,
            in_thread=parts.run_blocking,
            promised=ballot_in(parts.store, genesis_of(chain[0]).cluster).epoch,
            services=_services(parts, settings, is_master=master is not None),
            alone=TreeLock(parts.root / TREE_LOCK),
            apart=_apart,
        ),
        chain,
        authored=master is not None,
        config=AgentConfig(
            settle_delay_s=SETTLE_DELAY_S,
            rescan_s=settings.watch.rescan_s,
            link=LinkConfig(pulse_s=beat_s, silence_s=SILENT_BEATS * beat_s),
        ),
    )


class Watch(ChangeSource, Protocol):
    """A watcher, which is given back in the end."""

    def close(self) -> None:
        """Watch nothing any more."""


def watch(root: Path, clock: Clock, *, is_master: bool) -> Watch:
    """What tells that something has moved below `root`."""
    if not is_master:
        return LoopSource(root)
    # A node that is not the master need not carry in memory what only a master needs.
    from pmgsync.host.inotify import InotifySource

    return InotifySource(root, clock)


def _services(parts: NodeParts, settings: Settings, *, is_master: bool) -> Services | None:
    if not renders(parts.root, settings):
        return None
    # A node that renders nothing need not carry in memory what renders.
    from pmgsync.agent.services import Services

    files = service_files(parts.root, parts.tree)
    checks = service_checks(parts.root)
    telling = teller(parts.root, settings)
    return Services(files, checks, telling, parts.tree, is_master=is_master)


async def _apart(work: Callable[[], None]) -> None:
    """Do `work` in a thread of its own, for which the end of the daemon does not wait."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(error: Exception | None) -> None:
        if done.cancelled():
            return
        done.set_exception(error) if error else done.set_result(None)

    def run() -> None:
        error: Exception | None = None
        try:
            work()
        except Exception as caught:  # noqa: BLE001 # daemon edge: handed to whoever waits
            error = caught
        with suppress(RuntimeError):  # the loop has ended
            done.get_loop().call_soon_threadsafe(finish, error)

    threading.Thread(target=run, name="pmgsync-tell", daemon=True).start()
    await done


_running: set[asyncio.Task[None]] = set()


def _spawn(work: Awaitable[None]) -> None:
    task = asyncio.ensure_future(_log_refusal(work))
    _running.add(task)
    task.add_done_callback(_running.discard)


async def _log_refusal(work: Awaitable[None]) -> None:
    try:
        await work
    except PmgsyncError as error:
        log.warning("the stream of this node's own agent ended: %s", error)
