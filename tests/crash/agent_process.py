"""An agent in a process of its own, on real files, fed by a scripted master: made to be killed.

It recovers, says what it runs (`Recovered`), waits for a word, and then applies one version after
the other as fast as it can, saying the number of each. What version N looks like follows from N
alone (`files_of`), so that any process can go on with N + 1.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from pmgsync.agent.activate import Activator
from pmgsync.agent.maps import MapBuilder
from pmgsync.agent.parts import AgentConfig, AgentParts
from pmgsync.agent.role import AgentRole
from pmgsync.host.clock import SystemClock
from pmgsync.host.disk import DiskTree
from pmgsync.host.inotify_loop import LoopSource
from pmgsync.host.process import SystemRunner
from pmgsync.host.store import SqliteStore
from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Position, diff
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.manifest import Manifest, digest_of
from pmgsync.model.membership import Member
from pmgsync.model.messages import PART_BYTES, Contents, Hello, Need, Offer, Part, SignedReport
from pmgsync.model.report import Report
from pmgsync.ports import AgentEnd, MasterEnd
from pmgsync.survey import Survey
from pmgsync.wire.local import stream_pair
from tests.sim.author import CLUSTER, CREATED, Author, manifest_of

CID = 2
WINDOW = 3
"""Versions under way: so that some are offered while others are applied."""


def files_of(version: int) -> dict[str, bytes]:
    """The state after `version`: every file says which; some come and go, some are large."""
    if version == 0:
        return {}
    word = b"version %d\n" % version
    files = {
        "etc/pmg/pmg.conf": word,
        "etc/pmg/mynetworks": word * 50,
        "etc/pmg/dkim/mail.private": word,
        "etc/pmg/templates/main.cf.in": word * 200,
        "etc/mail/spamassassin/custom.cf": word,
    }
    if version % 2:
        files["etc/pmg/tfa.json"] = word
    files[f"etc/pmg/acme/{version % 3}/{version % 5}/account"] = word
    if version % 4 == 0:
        files["etc/pmg/templates/large.in"] = word * 40_000  # above what is done without a thread
    if version % 7 == 0:
        files |= {f"etc/pmg/pbs/store{number}": word for number in range(30)}
    return files


@cache
def manifest_after(version: int) -> Manifest:
    return manifest_of(files_of(version))


class ScriptedMaster:
    """Offers `WINDOW` versions ahead of the last one that was reported."""

    def __init__(self, author: Author, say: Callable[[int], None]) -> None:
        self._author, self._say = author, say
        self._offered = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def dial(self, master: Member) -> AgentEnd:
        """See `ports.Dialer`."""
        agent_end, end = stream_pair()
        self._tasks.add(asyncio.create_task(self._serve(end)))
        return agent_end

    async def _serve(self, end: MasterEnd) -> None:
        await end.send(self._author.beat(0))
        while (message := await end.receive()) is not None:
            if isinstance(message, Hello):
                self._offered = message.active.version
                await self._offer_up_to(end, self._offered + WINDOW)
            elif isinstance(message, SignedReport):
                report = Report.from_bytes(Envelope.from_bytes(message.envelope).payload)
                self._say(report.active.version)
                await self._offer_up_to(end, report.active.version + WINDOW)
            elif isinstance(message, Need):
                await self._hand_over(end, message)

    async def _offer_up_to(self, end: MasterEnd, version: int) -> None:
        while self._offered < version:
            self._offered += 1
            before, after = manifest_after(self._offered - 1), manifest_after(self._offered)
            position = Position(1, self._offered)
            words = ChangeSet(
                CLUSTER, position, before.digest, after.digest, diff(before, after), CREATED
            )
            envelope = seal(CHANGE_SET_TYPE, words.to_bytes(), self._author.keys[1])
            await end.send(Offer(envelope.to_bytes()))

    async def _hand_over(self, end: MasterEnd, need: Need) -> None:
        recent = range(max(1, self._offered - 2 * WINDOW), self._offered + 1)
        known = {digest_of(data): data for v in recent for data in files_of(v).values()}
        for digest in need.digests:
            data = known[digest]
            for offset in range(0, len(data), PART_BYTES):
                piece = data[offset : offset + PART_BYTES]
                await end.send(Contents((Part(digest, len(data), offset, piece),)))


def build(root: Path, say: Callable[[int], None]) -> tuple[AgentRole, SqliteStore]:
    """An agent on everything real but the network."""
    (root / "var").mkdir(exist_ok=True)
    author, clock, tree = Author(), SystemClock(), DiskTree(root)
    store = SqliteStore(root / "var/node.db")
    parts = AgentParts(
        cid=CID,
        software="test",
        signer=author.keys[CID],
        store=store,
        survey=Survey(tree, clock),
        source=LoopSource(root),
        activator=Activator(tree, store, MapBuilder(SystemRunner(), str(root), "/etc/postfix")),
        dialer=ScriptedMaster(author, say),
        clock=clock,
        chain_grew=lambda _chain, _known, _note: None,
        in_thread=asyncio.to_thread,
    )
    config = AgentConfig(drift_delay_s=0.02, settle_delay_s=0.01)
    return AgentRole(parts, tuple(author.chain), authored=False, config=config), store


@dataclass(frozen=True)
class Recovered:
    """What a process found when it started, and what it runs then."""

    active: int
    kept: list[str]
    interrupted: bool


def live(root: Path, pipe: Connection) -> None:
    """Recover, say so, wait, and run until killed."""
    with (root / "stderr").open("ab") as errors:
        os.dup2(errors.fileno(), 2)
    role, store = build(root, pipe.send)
    interrupted = store.pending() is not None
    role.recover()
    kept = [f"{kept.path}: {kept.reason}" for kept in store.keepsakes()]
    pipe.send(Recovered(role.active.position.version, kept, interrupted))
    pipe.recv()
    asyncio.run(role.run())
