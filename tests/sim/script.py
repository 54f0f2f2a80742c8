"""Scenarios as transcripts: what is done, and below it, indented, what is seen.

    found 3                       three nodes, the first is the master
    edit 1 domains a.example      somebody writes a file on node 1
    wait 2                        seconds, of virtual time
    crash 1 | start 1             the power goes, and comes back
    part 1 2                      these reach each other only, and the others only each other
    stall 1 2                     nothing arrives between these two, in silence
    heal                          the network is whole again
    fill 1 | free 1               the disk of node 1 takes no chain, and takes one again
    delay 50                      milliseconds for each message
    remove 1 3                    node 1, a master, removes node 3
    admit 1                       a new node joins at node 1
    rekey 2 [lost]                node 2 takes new keys; the master's answer does not arrive
    promote 2 [key]               as `pmgsync promote` on node 2, with the recovery key
    dies 2                        the same, but its power goes once somebody has signed
    status | orphans 1 | kept 1   what there is to see
    view 2                        what the master, node 2, says to everybody
    attention 1                   what node 1 says of promotions, and what they have undone

`#` begins a comment. Two scenarios with the same lines have the same outcome.
"""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterator

from pmgsync.agent.voting import ballot_in
from pmgsync.errors import PmgsyncError
from pmgsync.master.spread import spread
from pmgsync.model.changeset import ChangeSet
from pmgsync.model.keys import SigningKey
from pmgsync.model.membership import Membership
from tests.sim.author import CLUSTER
from tests.sim.cluster import RECOVERY, SimCluster, SimNode
from tests.sim.keys import Pair
from tests.sim.virtual import run_virtually

Command = Callable[..., Awaitable[list[str]]]


def play(text: str) -> str:
    """The transcript of `text` as it comes out; equal to `text` if all is as it says."""
    return run_virtually(_play(text))


async def _play(text: str) -> str:
    script = Script()
    lines: list[str] = []
    try:
        for line in text.splitlines():
            if line.startswith("  "):
                continue
            lines.append(line)
            if line and not line.startswith("#"):
                lines += [f"  {seen}".rstrip() for seen in await script.do(line)]
    finally:
        await script.end()
    return "\n".join(lines) + "\n"


class Script:
    """One scenario under way."""

    def __init__(self) -> None:
        self.cluster = SimCluster(1)
        self._made = 0

    async def do(self, line: str) -> list[str]:
        """Carry out one line; what is seen."""
        name, *words = shlex.split(line)
        command: Command = getattr(self, f"_{name}")
        return await command(*words)

    async def end(self) -> None:
        """Stop all that runs."""
        await self.cluster.end()

    def _node(self, cid: str) -> SimNode:
        return self.cluster.nodes[int(cid)]

    async def _found(self, count: str) -> list[str]:
        self.cluster = SimCluster(int(count))
        await self.cluster.begin()
        await asyncio.sleep(2)
        return []

    async def _edit(self, cid: str, name: str, *words: str) -> list[str]:
        self._node(cid).edit(name, " ".join(words))
        return []

    async def _wait(self, seconds: str) -> list[str]:
        await asyncio.sleep(float(seconds))
        return []

    async def _crash(self, cid: str) -> list[str]:
        await self._node(cid).crash()
        return []

    async def _start(self, cid: str) -> list[str]:
        await self._node(cid).begin()
        return []

    async def _part(self, *cids: str) -> list[str]:
        self.cluster.part({int(cid) for cid in cids})
        return []

    async def _stall(self, one: str, other: str) -> list[str]:
        self.cluster.network.stall(int(one), int(other))
        return []

    async def _heal(self) -> list[str]:
        self.cluster.heal()
        return []

    async def _fill(self, cid: str) -> list[str]:
        self._node(cid).disk_is_full = True
        return []

    async def _free(self, cid: str) -> list[str]:
        self._node(cid).disk_is_full = False
        return []

    async def _delay(self, milliseconds: str) -> list[str]:
        self.cluster.network.delay = int(milliseconds) / 1000
        return []

    async def _promote(self, cid: str, key: str = "") -> list[str]:
        try:
            won = await self._node(cid).promote(*([RECOVERY] if key else []))
        except PmgsyncError as error:
            return [f"refused: {error.what}"]
        membership = Membership.from_bytes(won.document.payload)
        signed = [one.member.name for one in won.given if not one.why]
        return [
            f"node{cid} is the master of epoch {membership.epoch} by {won.plan.way.value}, after "
            f"{membership.base.position if membership.base else 'nothing'}",
            f"signed besides: {', '.join(signed) or 'nobody'}",
            *(f"not signed: {one.member.name}: {one.why}" for one in won.given if one.why),
            *([f"lost: {won.plan.lost[0]} to {won.plan.lost[1]}"] if won.plan.lost else []),
        ]

    async def _remove(self, cid: str, other: str) -> list[str]:
        master = self._node(cid).master
        if master is None:
            return ["refused: is not the master"]
        before = master.register.membership
        master.register.remove(master.register.find(other))
        known = await spread(before, master.register, master.roster, self.cluster.clock)
        return [] if known.certain else [f"only {known.has} of {known.of} have written it down"]

    async def _admit(self, cid: str) -> list[str]:
        node = await self.cluster.admit(self._node(cid), self._pair())
        return [f"node{node.cid} has joined"]

    async def _rekey(self, cid: str, lost: str = "") -> list[str]:
        try:
            self._node(cid).rekey(self._pair(), lost=bool(lost))
        except PmgsyncError as error:
            return [f"refused: {error.what}"]
        return []

    def _pair(self) -> Pair:
        self._made += 1
        return Pair(SigningKey(bytes([100 + self._made]) * 32), b"certificate, new %d" % self._made)

    async def _dies(self, cid: str) -> list[str]:
        node = self._node(cid)
        others = [other for other in self.cluster.nodes.values() if other is not node]
        before = {other.cid: ballot_in(other.store, CLUSTER) for other in others}
        node.try_promote()
        for _ in range(10_000):
            await asyncio.sleep(0.001)
            if any(ballot_in(other.store, CLUSTER) != before[other.cid] for other in others):
                break
        await node.crash()
        return [
            f"node{other.cid} has signed for epoch {ballot_in(other.store, CLUSTER).epoch}"
            for other in others
            if ballot_in(other.store, CLUSTER) != before[other.cid]
        ]

    async def _status(self) -> list[str]:
        return list(map(_line, self.cluster.nodes.values()))

    async def _attention(self, cid: str) -> list[str]:
        return self._node(cid).attention

    async def _view(self, cid: str) -> list[str]:
        master = self._node(cid).master
        return list(master.role.status().attention) if master else ["is not the master"]

    async def _orphans(self, cid: str) -> list[str]:
        return list(_orphans(self._node(cid))) or ["none"]

    async def _kept(self, cid: str) -> list[str]:
        kept = self._node(cid).store.keepsakes()
        return [f"{one.path}: {one.reason}" for one in kept] or ["nothing"]


def _line(node: SimNode) -> str:
    membership = Membership.from_bytes(node.chain[-1].payload)
    role = "down  " if not node.is_up else "master" if node.master else "node  "
    agent = node.agent
    away = "" if agent is None or agent.link.up else "  no master"
    promised = f"  signed for {agent.history.promised}" if agent and agent.history.promised else ""
    return (
        f"node{node.cid}  {role}  epoch {membership.epoch}  runs {node.runs}  "
        f"{node.text_of('domains')}{away}{promised}"
    )


def _orphans(node: SimNode) -> Iterator[str]:
    for orphan in node.store.orphans():
        change_set = ChangeSet.from_bytes(orphan.record.envelope.payload)
        yield f"{change_set.position}  {' '.join(change_set.change.paths)}"
