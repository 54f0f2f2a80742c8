"""Whole clusters under random schedules: real roles, agents, candidates, gossip; virtual time.

Every edit makes a file of its own, so what was acknowledged can be looked for in the end. More by
hand:

    CLUSTER_SCHEDULES=1000 CLUSTER_SEED=7 pytest tests/property/test_cluster_schedules.py
"""

import asyncio
import logging
import os
import random
from contextlib import suppress

import pytest

from pmgsync.errors import InvalidError
from pmgsync.model.changeset import ChangeSet
from pmgsync.model.membership import Member, Membership
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.promotion import majority
from tests.sim.cluster import SimCluster, SimNode
from tests.sim.virtual import run_virtually

SCHEDULES = int(os.environ.get("CLUSTER_SCHEDULES", "24"))
SEED = int(os.environ.get("CLUSTER_SEED", "1"))
STEPS = 30


class Schedule:
    """One cluster, what happened to it, and what it must keep."""

    def __init__(self, count: int, dice: random.Random) -> None:
        self.cluster, self.dice = SimCluster(count), dice
        self.script: list[str] = []
        self.edits = self.changes = 0
        self.acknowledged: set[int] = set()
        self.signers: dict[int, str] = {}

    async def play(self) -> None:
        """All of it, and then peace."""
        await self.cluster.begin()
        await asyncio.sleep(2)
        for _ in range(STEPS):
            await self._step()
            self._look()
            await asyncio.sleep(self.dice.choice([0.0, 0.05, 0.5, 2.0, 6.0]))
            self._look()
        await self._peace()
        await self.cluster.end()

    async def _step(self) -> None:
        nodes = list(self.cluster.nodes.values())
        node = self.dice.choice(nodes)
        kind = self.dice.choices(
            ["edit", "promote", "crash", "start", "part", "heal", "delay", "change"],
            [8, 5, 2, 3, 2, 2, 1, 2],
        )[0]
        self.script.append(f"{kind} {node.cid}")
        if kind == "edit":
            self._edit(self.dice.choice([n for n in nodes if n.master] or nodes))
        elif kind == "promote" and node.is_up:
            node.try_promote()
        elif kind == "crash" and node.is_up:
            await node.crash()
        elif kind == "start" and not node.is_up:
            await node.begin()
        elif kind == "part":
            some = self.dice.sample(
                sorted(self.cluster.nodes), self.dice.randint(1, len(nodes) - 1)
            )
            self.script[-1] = f"part {some}"
            self.cluster.heal()
            self.cluster.part(some)
        elif kind == "heal":
            self.cluster.heal()
        elif kind == "change":
            self._change(self.dice.choice([n for n in nodes if n.master] or nodes))
        elif kind == "delay":
            self.cluster.network.delay = self.dice.choice([0.0, 0.02, 0.2])

    def _edit(self, node: SimNode) -> None:
        self.edits += 1
        node.edit(f"acme/{self.edits}", "x")

    def _change(self, node: SimNode) -> None:
        """A master writes a link: a place for a node that is to come."""
        if node.master is None:
            return
        register, cid = node.master.register, node.master.register.membership.max_cid + 1
        reserved = Member(cid, f"node{cid}", f"127.0.0.{cid}", 26, PmgKeys("", "", ""))
        with suppress(InvalidError):
            register.change((*register.membership.members, reserved), cid, "a place")
            self.changes += 1

    def _look(self) -> None:
        for node in self.cluster.nodes.values():
            self._look_at_log(node)
            if node.master is not None:
                self._look_at_reports(node)

    def _look_at_log(self, node: SimNode) -> None:
        """No epoch has versions of two masters."""
        records = [*node.store.after(0), *(orphan.record for orphan in node.store.orphans())]
        for record in records:
            epoch = ChangeSet.from_bytes(record.envelope.payload).position.epoch
            signer = record.envelope.signatures[0].key_id
            assert self.signers.setdefault(epoch, signer) == signer, f"two masters in {epoch}"

    def _look_at_reports(self, node: SimNode) -> None:
        """What a majority says it runs, the master's own node among them."""
        assert node.master is not None
        head = node.master.history.head
        membership = node.master.history.membership
        if head.position.epoch != membership.epoch:
            return
        roster = node.master.roster
        contacts = [roster.contact(member.cid) for member in membership.members]
        have = [c for c in contacts if c.active and c.active.position >= head.position]
        if len(have) >= majority(membership):
            paths = (str(path) for path in head.manifest)
            names = [path.rpartition("/")[2] for path in paths if "/acme/" in path]
            self.acknowledged |= set(map(int, names))

    async def _peace(self) -> None:
        if self.cluster.failure is not None:
            raise self.cluster.failure
        self.cluster.network.delay = 0.0
        self.cluster.heal()
        for node in self.cluster.nodes.values():
            if not node.is_up:
                await node.begin()
        for _ in range(20):
            await asyncio.sleep(5)
            if self.cluster.is_level:
                break
        assert self.cluster.is_level, "it does not converge"
        files = self.cluster.nodes[1].tree.files()
        lost = {n for n in self.acknowledged if f"etc/pmg/acme/{n}" not in files}
        assert not lost, f"acknowledged and lost: {lost}"


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_one_master_an_epoch_nothing_acknowledged_is_lost_and_all_converge(
    count: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    acknowledged, epochs = 0, 0
    for number in range(SCHEDULES // 4):
        schedule = Schedule(count, random.Random(f"{SEED} {count} {number}"))
        try:
            run_virtually(schedule.play(), seed=number)
        except BaseException as error:
            error.add_note(f"schedule {number} of {count}: " + "; ".join(schedule.script))
            raise
        acknowledged += len(schedule.acknowledged)
        link = schedule.cluster.nodes[1].chain[-1]
        epochs += Membership.from_bytes(link.payload).epoch - 1
    assert acknowledged > SCHEDULES // 4
    assert epochs > SCHEDULES // 16
