"""A node: its identity, its database, and whichever roles the membership gives it. Built once a
process.

`start` reads what is there, recovers and starts the roles; founding or joining a cluster starts
them while it runs. What an admin asks for comes in through `api.py`; everything here runs on one
event loop, and what blocks for long goes to one worker thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pmgsync import __version__
from pmgsync.agent.role import AgentRole
from pmgsync.cli import orphaned, versions
from pmgsync.cli.answers import (
    ASKED,
    LAST_KNOWN,
    LIVE,
    REMOVED,
    NodeInfo,
    Release,
    ShownVersion,
    StatusAnswer,
)
from pmgsync.cli.assembly import NodeParts, Watch, build_agent, watch
from pmgsync.cli.chores import every_second, prune_now_and_then
from pmgsync.cli.database import note_begun, open_store, require_history
from pmgsync.cli.machine import node_name
from pmgsync.cli.member_port import over_grpc
from pmgsync.cli.peering import Peering
from pmgsync.cli.removal import REJOIN, Removed, removal_in, removal_of, stand_aside
from pmgsync.cli.rendering import renders, service_folders
from pmgsync.cli.rotating import certificate_lines, have_named_keys, rotate_when_due
from pmgsync.cli.settings import Settings
from pmgsync.cli.writing_down import WritingDown
from pmgsync.errors import (
    MalformedError,
    NoLongerMemberError,
    NoMasterError,
    NotMemberError,
)
from pmgsync.host.clock import SystemClock
from pmgsync.host.disk import DiskTree
from pmgsync.host.identity import Identity
from pmgsync.host.keyring import Keyring
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Member, Membership
from pmgsync.model.status import ClusterStatus
from pmgsync.model.trust import TrustedHistory
from pmgsync.wire.certificates import make_certificate

if TYPE_CHECKING:
    from pmgsync.cli.master_side import MasterSide

log = logging.getLogger(__name__)

T = TypeVar("T")

ASK_SECONDS = 0.5
FRESH_MS = 1500
"""A view of this age is as good as a new one; the master gives a node one a second at most."""
RELEASE_SECONDS = 30.0


class Node:
    """One node of a cluster, or one that may become it."""

    def __init__(self, root: Path, settings: Settings) -> None:
        """Read identity and database below `root`. Raises `PmgsyncError` for what keeps it from
        that.
        """
        self.root = root
        self.settings = settings
        clock = SystemClock()
        name = node_name(root, None, settings.node.name)
        self._worker = ThreadPoolExecutor(1, "pmgsync-work")
        keyring = Keyring.load(root, lambda: make_certificate(name, clock.now()))
        self.parts = NodeParts(
            root=root,
            keyring=keyring,
            store=open_store(root, keyring.current),
            tree=DiskTree(root, service_folders(root) if renders(root, settings) else ()),
            clock=clock,
            run_blocking=self._run_blocking,
        )
        self.agent: AgentRole | None = None
        self.master: MasterSide | None = None
        self.removed: Removed | None = None
        """The cluster that this node was removed from, while it belongs to no other."""
        self.busy = asyncio.Lock()
        """Held while this node founds, joins or leaves a cluster."""
        self.on_status: Callable[[str], None] = lambda _line: None
        self.peering: Peering | None = None
        self.writing = WritingDown(lambda: self.parts.identity)
        self._deposed: MasterSide | None = None
        self._leading: list[asyncio.Task[None]] = []
        self._source: Watch | None = None
        self._roles: asyncio.Task[None] | None = None
        self._standing_aside: asyncio.Future[None] | None = None
        self._epoch = 0
        """The epoch for which the roles were built."""
        self._changing = asyncio.Lock()
        self._change: asyncio.Task[None] | None = None
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._began = clock.monotonic()

    # --- life ---

    async def start(self) -> None:
        """Finish or undo what a crash interrupted, then start the roles of this node, if any."""
        chain = tuple(self.parts.identity.read_chain())
        self.removed = removal_of(self.parts, chain)
        if chain and self.removed is None:
            await self.begin(chain)

    async def begin(self, chain: tuple[Envelope, ...], *, durable: bool = True) -> None:
        """Take up the roles that `chain` gives this node. Writes it down first where it is not
        `durable` yet.

        Raises, with nothing changed, where recovery or a port stands in the way.
        """
        history = TrustedHistory(chain)
        have_named_keys(self, history.membership)
        me = self._me_in(history)
        is_master = me.cid == history.membership.master
        source = watch(self.root, self.parts.clock, is_master=is_master)
        cluster = history.membership.cluster
        peering, master = self.peering or over_grpc(self, me.cid, cluster), None
        try:
            if is_master:
                if durable:
                    require_history(self.root, self.parts.store)
                # A node that is not the master need not carry the master's code in memory.
                from pmgsync.cli.master_assembly import build_master

                master = build_master(self.parts, me, chain, source, self.settings, self._trust)
                master.feeds.on_promise = peering.renewal.heard
            agent = build_agent(
                self.parts, me, chain, source, self.settings, master, chain_grew=self._chain_grew
            )
            agent.recover()
            if orphaned.set_aside(agent.history, self.parts.store, self.parts.clock.now()):
                agent.recover()
            await peering.listen(me, needed=is_master)
            if master is not None:
                await master.start()
            if not durable:
                self.parts.identity.write_chain(chain)
        except BaseException:
            source.close()
            if master is not None:
                await master.stop()
            if self.peering is None:
                await peering.stop()
            raise
        self.agent, self.master, self._source = agent, master, source
        self.peering, self._epoch = peering, history.membership.epoch
        self.writing.trouble, self.writing.newest = "", chain[-1]
        peering.trust(history.membership)
        if is_master:
            note_begun(self.root, self.parts.store)
        self._roles = asyncio.create_task(self._run_roles(peering))
        self._roles.add_done_callback(self._roles_ended)
        self.on_status(self.status_line)

    def _chain_grew(
        self, chain: tuple[Envelope, ...], known: Membership, note: Callable[[], None]
    ) -> None:
        """The agent believes a longer chain, or another one; or has set links aside, to `known`.

        A master whose epoch is over is none from here on, also where the disk takes nothing.
        """
        membership = Membership.from_bytes(chain[-1].payload)
        began = membership.epoch != self._epoch
        if began:
            self._step_down()
        if self.master is not None:
            note()  # its own links are on disk before anybody hears of them
        else:
            self.writing.write(chain, note)
            self._trust(known)
        if began:
            log.warning(
                "epoch %d begins: the master is %s",
                membership.epoch,
                membership.master_member.label,
            )
            self._change = asyncio.create_task(self._change_roles())
            self._change.add_done_callback(self._roles_changed)

    def _step_down(self) -> None:
        """Nothing is published, nobody let in and nobody told anything any more."""
        master, self.master = self.master, None
        if master is not None:
            self._deposed = master
            master.step_down()
            for loop in self._leading:
                loop.cancel()

    def _trust(self, membership: Membership) -> None:
        """The members are these: let them in, and have the keys that it names for this node."""
        have_named_keys(self, membership)
        if self.peering is not None:
            self.peering.trust(membership)

    async def roles_changed(self) -> None:
        """Return when the roles are those of the newest epoch; raise why where that cannot be."""
        if (change := self._change) is not None:
            await asyncio.wait((change,))
            self.require_agent() if change.cancelled() else change.result()

    async def _change_roles(self) -> None:
        """End the roles of the epoch before and take up those of the newest. Level: it may be that
        there is nothing to change any more.
        """
        async with self._changing:
            agent = self.require_agent()
            if agent.history.membership.epoch == self._epoch:
                return
            if self._deposed is not None:
                await self._deposed.last_version()
            await self._end_roles()
            await self.begin(agent.history.chain)

    def _roles_changed(self, change: asyncio.Task[None]) -> None:
        error = None if change.cancelled() else change.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def begin_anew(self, identity: Identity, chain: tuple[Envelope, ...]) -> None:
        """Take up the roles that `chain` gives to the holder of `identity`, which is new.

        A history that is here is forgotten: a node that joins gets all of it anew. Where something
        stands in the way, this node belongs to no cluster.
        """
        identity.replace_files()
        self.parts = replace(self.parts, keyring=Keyring(identity))
        self.parts.store.forget_history()
        self.removed = None
        await self.begin(chain, durable=False)

    def new_identity(self, name: str) -> Identity:
        """New keys for this node, written down nowhere yet."""
        return self.parts.identity.renewed(lambda: make_certificate(name, self.parts.clock.now()))

    async def failed(self) -> None:
        """Wait until something went wrong that the daemon cannot live with, and raise it."""
        await asyncio.shield(self._failed)

    async def end_roles(self) -> None:
        """End the roles in good order and give back what they took. What is on disk stays."""
        if self._change is not None:
            self._change.remove_done_callback(self._roles_changed)
            self._change.cancel()
            await asyncio.wait((self._change,))
        await self._end_roles()
        if self.peering is not None:
            await self.peering.stop()
        self.agent = self.master = self.peering = self._source = self._roles = self._change = None

    async def stop(self) -> None:
        """End the roles in good order and give back what they took."""
        await self.end_roles()
        await asyncio.to_thread(self._worker.shutdown)
        self.parts.store.close()

    async def _end_roles(self) -> None:
        if self._roles is not None:
            self._roles.remove_done_callback(self._roles_ended)
            self._roles.cancel()
            await asyncio.wait((self._roles,))
        master, self._deposed = self.master or self._deposed, None
        if master is not None:
            if self.peering is not None:
                self.peering.end_streams("the master stops")
            await master.stop()
        if self._source is not None:
            self._source.close()

    def reload(self, settings: Settings) -> None:
        """Take up new settings; those that a role was built with count from the next start."""
        self.settings = settings

    @property
    def own_name(self) -> str:
        """What this node calls itself while no membership names it."""
        return node_name(self.root, None, self.settings.node.name)

    @property
    def me(self) -> Member:
        """This node as a member; `NotMemberError` while it is none."""
        return self._me_in(self.require_agent().history)

    @property
    def cid(self) -> int:
        """This node's number; `NotMemberError` while it has none."""
        return self.me.cid

    @property
    def status_line(self) -> str:
        """What the service manager shows."""
        if self.agent is None:
            return "belongs to no cluster yet"
        role = "master" if self.master is not None else "node"
        cluster = self.agent.history.membership.cluster
        return f"{role} of cluster {cluster[:8]}, version {self.agent.active.position.version}"

    @property
    def _role(self) -> str:
        if self.agent is None:
            return REMOVED if self.removed else "none"
        return "master" if self.master is not None else "node"

    async def _run_roles(self, peering: Peering) -> None:
        if self.agent is None:
            raise RuntimeError("roles without an agent")
        async with asyncio.TaskGroup() as group:
            group.create_task(self.agent.run())
            group.create_task(prune_now_and_then(self))
            group.create_task(every_second(self, peering))
            group.create_task(peering.gossip.run())
            group.create_task(rotate_when_due(self))
            if self.master is not None:
                leading = self.master.role.run(), peering.renewal.run()
                self._leading = [group.create_task(loop) for loop in leading]

    def _roles_ended(self, roles: asyncio.Task[None]) -> None:
        error = None if roles.cancelled() else roles.exception()
        if removal := removal_in(error):
            self._standing_aside = asyncio.ensure_future(self._stand_aside(removal))
        elif not self._failed.done():
            self._failed.set_exception(error or RuntimeError("the roles ended by themselves"))

    async def _stand_aside(self, removal: NoLongerMemberError) -> None:
        """This node was removed: nothing is synced any more, and its files stay as they are."""
        log.warning("%s; its configuration stays as it is", removal)
        await self.end_roles()
        self.removed = stand_aside(self.parts, removal)
        self.on_status(self.status_line)

    async def _run_blocking(self, work: Callable[[], T]) -> T:
        # Shielded: what changes the tree is never left half-way by a stop; the stop waits for it.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._worker, work))

    def _me_in(self, history: TrustedHistory) -> Member:
        keys = {pair.key.public_key for pair in self.parts.keyring.pairs}
        for member in history.membership.members:
            if member.keys is not None and member.keys.identity in keys:
                return member
        raise NotMemberError(
            "this node's key is not in the membership chain",
            where=str(self.parts.identity.folder),
            mend="it was removed, or its key replaced: move that folder away, start pmgsyncd, "
            "and join again",
        )

    # --- questions ---

    def require_agent(self) -> AgentRole:
        """The agent; `NotMemberError` while this node belongs to no cluster."""
        if self.removed is not None:
            raise NotMemberError(str(self.removed), mend=REJOIN)
        if self.agent is None:
            raise NotMemberError(
                "this node belongs to no cluster",
                mend="found one with `pmgsync create`, or join one: `pmgsync join-cmd` on its "
                "master prints the line",
            )
        return self.agent

    def require_master(self) -> MasterSide:
        """The master's side; `NoMasterError` naming the master where that is another node."""
        agent = self.require_agent()
        if self.master is None:
            master = agent.history.membership.master_member
            raise NoMasterError(
                "this node is not the master",
                mend=f"run it on the master, {master.label} at {master.address}",
            )
        return self.master

    @property
    def history(self) -> TrustedHistory:
        """What this node believes; on the master, what it has just made true."""
        agent = self.require_agent()
        return self.master.history if self.master is not None else agent.history

    async def status(self, *, fresh: bool = False) -> StatusAnswer:
        """The cluster as this node knows it: live, just asked for (always if it is to be `fresh`),
        or the last known view with its age.
        """
        if self.master is not None:
            return self._answer(self.master.status(), LIVE, 0, self._attention())
        if self.agent is None:
            lines = (f"{self.removed}; {REJOIN}",) if self.removed else ()
            return self._answer(None, LAST_KNOWN, 0, lines)
        agent = self.agent
        view, now = agent.view, self.parts.clock.now()
        if fresh or view is None or not agent.link.up or now - view[1] >= FRESH_MS:
            view = await agent.ask_view(ASK_SECONDS)
            if self.agent is not agent:  # its role ended meanwhile
                return await self.status(fresh=fresh)
        if view is None:
            return self._answer(None, LAST_KNOWN, 0, self._attention())
        document, came = view
        age = max(0, self.parts.clock.now() - came)
        source = ASKED if agent.link.up and age < FRESH_MS else LAST_KNOWN
        return self._answer(_status_of(document), source, age, self._attention())

    def log(self, *, most: int, before: int | None) -> Mapping[str, Any]:
        """The newest versions in this node's log."""
        self.require_agent()
        return {"versions": versions.lines(self.parts.store, most=most, before=before)}

    def show(self, version: int, *, with_diff: bool) -> ShownVersion:
        """One version: its files, and how their contents changed."""
        self.require_agent()
        return versions.show(self.parts.store, version, with_diff=with_diff)

    def _answer(
        self, status: ClusterStatus | None, source: str, age_ms: int, attention: tuple[str, ...]
    ) -> StatusAnswer:
        agent = self.agent
        me = self._me_in(agent.history) if agent is not None else None
        info = NodeInfo(
            name=me.name if me else self.own_name,
            cid=me.cid if me else None,
            role=self._role,
            version=__version__,
            pid=os.getpid(),
            uptime_ms=round((self.parts.clock.monotonic() - self._began) * 1000),
            applied=agent.active.position.version if agent is not None else None,
            rival=self.peering.rival if self.peering is not None else "",
        )
        return StatusAnswer(status, source, age_ms, info, attention)

    def _attention(self) -> tuple[str, ...]:
        """What this node itself has to say."""
        agent = self.require_agent()
        lines = [*filter(None, [agent.trouble]), *agent.undone_lines]
        if self.master is not None:
            lines += self.master.attention
        lines += self.peering.attention if self.peering is not None else ()
        if self.writing.trouble:
            lines.append(self.writing.trouble)
        elif self.master is None and not agent.link.up:
            lines.append(f"no connection to the master: {agent.link.trouble}")
        lines += certificate_lines(self.history.membership, self.parts.clock.now())
        lines += orphaned.attention(self.parts.store)
        lines += versions.kept_lines(self.parts.store)
        return tuple(lines)

    # --- holds and waits ---

    def hold(self, message: str, session: int | None) -> Mapping[str, Any]:
        """Publish nothing until released; a `session` is the connection that the hold lives on."""
        return {"holder": self.require_master().hold(message, session)}

    async def release(self, message: str, connection: int) -> Release:
        """End the hold of this connection, else all durable ones, and publish what has gathered."""
        return await self.require_master().release(message, connection, RELEASE_SECONDS)

    async def confirm(self, version: int) -> Release:
        """Publish the change that is held for safety."""
        return await self.require_master().confirm(version, RELEASE_SECONDS)

    async def wait(self, version: int, timeout_s: float) -> Release:
        """Wait until every connected node has said how it stands to `version`."""
        return await self.require_master().wait(version, timeout_s)

    async def connection_closed(self, connection: int) -> None:
        """A hold that lived on this connection ends, and what has gathered is published."""
        if self.master is not None:
            await self.master.connection_closed(connection)


def _status_of(document: bytes) -> ClusterStatus | None:
    try:
        return ClusterStatus.from_bytes(document)
    except MalformedError as error:
        log.warning("%s", error)
        return None
