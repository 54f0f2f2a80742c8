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
from pmgsync.model.promotion import majority, voters
from tests.sim.cluster import RECOVERY, SimCluster, SimNode
from tests.sim.keys import Pair
from tests.sim.virtual import run_virtually

SCHEDULES = int(os.environ.get("CLUSTER_SCHEDULES", "24"))
SEED = int(os.environ.get("CLUSTER_SEED", "1"))
STEPS = 30


class Schedule:
    """One cluster, what happened to it, and what it must keep."""

    def __init__(self, count: int, dice: random.Random) -> None:
        self.cluster, self.dice = SimCluster(count), dice
        self.script: list[str] = []
        self.edits = 0
        self.removed = False
        self.by_key = False
        """Were there two masters that only the recovery key could bring together?"""
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
        """A master writes a link: a place for a node to come, another certificate, or (once, so
        that any two majorities still have a member in common) one member less.
        """
        if node.master is None:
            return
        register = node.master.register
        cid = register.membership.max_cid + 1
        other = self.dice.choice([m for m in voters(register.membership) if m.cid != node.cid])
        kind = self.dice.choice(["remove", "rekey", "admit"])
        with suppress(InvalidError):
            if kind == "remove" and not self.removed and len(voters(register.membership)) > 2:
                register.remove(other)
                self.removed = True
            elif kind == "rekey" and other.keys:
                keys = self.cluster.nodes[other.cid].keys
                pair = Pair(keys.current.key, b"certificate %d, again" % cid)
                keys.prepare(pair)
                register.rekey(other, pair.keys)
            place = Member(cid, f"node{cid}", f"127.0.0.{cid}", 26, PmgKeys("", "", ""))
            register.change((*register.membership.members, place), cid, "a place")

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
        for number in range(20):
            await asyncio.sleep(5)
            if self.cluster.is_level:
                break
            if number == 10 and self.removed:
                self.by_key = True
                await self.cluster.leader.promote(RECOVERY)
        assert self.cluster.is_level, "it does not converge"
        files = self.cluster.leader.tree.files()
        lost = {n for n in self.acknowledged if f"etc/pmg/acme/{n}" not in files}
        assert not lost, f"acknowledged and lost: {lost}"


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_one_master_an_epoch_nothing_acknowledged_is_lost_and_all_converge(
    count: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    acknowledged, epochs, links = 0, 0, 0
    for number in range(SCHEDULES // 4):
        schedule = Schedule(count, random.Random(f"{SEED} {count} {number}"))
        try:
            run_virtually(schedule.play(), seed=number)
        except BaseException as error:
            error.add_note(f"schedule {number} of {count}: " + "; ".join(schedule.script))
            raise
        acknowledged += len(schedule.acknowledged)
        link = schedule.cluster.nodes[1].chain[-1]
        newest = Membership.from_bytes(link.payload)
        epochs += newest.epoch - 1
        links += newest.max_cid - count  # each change gives a cid
    assert acknowledged > SCHEDULES // 4
    assert epochs > SCHEDULES // 16
    assert links > SCHEDULES // 16
