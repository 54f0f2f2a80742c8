"""Whole clusters under random schedules: real roles, agents, candidates, gossip; virtual time.

Nodes crash and are cut off; masters remove members, let new ones in and give them and themselves
other keys; nodes are promoted, now and then with the recovery key. What must hold:

* no epoch has versions of two masters;
* a version that a majority had is lost by the recovery key only: where nobody had it whom the node
  that was given the key could ask, or where it was not heard of on that side;
* everyone converges when the network is whole again, without an admin but where two masters are
  there whose members, or recovery keys, differ; and who was removed stays out.

Every edit makes a file of its own, so what was acknowledged can be looked for in the end. More by
hand:

    CLUSTER_SCHEDULES=1000 CLUSTER_SEED=7 pytest tests/property/test_cluster_schedules.py
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from contextlib import suppress
from itertools import pairwise

import pytest

from pmgsync.errors import PmgsyncError
from pmgsync.model.changeset import ChangeSet
from pmgsync.model.keys import SigningKey
from pmgsync.model.membership import Membership
from pmgsync.model.promotion import Ground, grounds_of, majority, voters
from tests.sim.cluster import RECOVERY, SimCluster, SimNode
from tests.sim.keys import Pair
from tests.sim.reach import can_ask
from tests.sim.virtual import run_virtually

SCHEDULES = int(os.environ.get("CLUSTER_SCHEDULES", "16"))
SEED = int(os.environ.get("CLUSTER_SEED", "1"))
STEPS = 30
MOST_MEMBERS = 7

WEIGHTS = {
    **{"edit": 10, "promote": 5, "recover": 1, "crash": 2, "start": 3, "part": 2, "heal": 2},
    **{"delay": 1, "remove": 1, "admit": 1, "rekey": 2, "secure": 1},
}


class Schedule:
    """One cluster, what happened to it, and what it must keep."""

    def __init__(self, count: int, dice: random.Random) -> None:
        self.cluster, self.dice = SimCluster(count), dice
        self.script: list[str] = []
        self.edits = self.made = self.links = 0
        self.acknowledged: dict[int, int] = {}
        """The edits that a majority had; the epoch of the master who could say so."""
        self.owners: dict[str, int] = {}
        self.masters: dict[int, int] = {}
        self.recovery = [RECOVERY]
        self.newest_by_key = 0
        """The last epoch that the recovery key has begun, anywhere."""

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

    # --- what happens ---

    async def _step(self) -> None:
        nodes = self._nodes_left()
        node = self.dice.choice(nodes)
        kind = self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if kind in {"edit", "remove", "admit", "secure"}:
            node = self.dice.choice([one for one in nodes if one.master] or nodes)
        self.script.append(f"{kind} {node.cid}")
        with suppress(PmgsyncError):
            await getattr(self, f"_{kind}")(node)

    async def _edit(self, node: SimNode) -> None:
        self.edits += 1
        node.edit(f"acme/{self.edits}", "x")

    async def _promote(self, node: SimNode) -> None:
        if node.is_up:
            node.try_promote()

    async def _recover(self, node: SimNode) -> None:
        """An admin has the key; as everywhere, a command has its time."""
        if node.is_up:
            with suppress(TimeoutError):
                async with asyncio.timeout(10):
                    await self._promote_by_key(node)

    async def _promote_by_key(self, node: SimNode) -> None:
        within_reach = set().union(*map(self._edits_on, self._within_reach(node)))
        before = _by_key(node)
        try:
            await node.promote(*self.recovery)
        finally:
            if _by_key(node) > before:
                self.newest_by_key = max(self.newest_by_key, _by_key(node))
                held = self.acknowledged.items()
                self.acknowledged = {edit: at for edit, at in held if edit in within_reach}

    def _within_reach(self, node: SimNode) -> list[SimNode]:
        """`node` and who can hand over to it what it has."""
        parted = self.cluster.network.is_parted
        others = [one for one in self._nodes_left() if one.is_up and not parted(one.cid, node.cid)]
        return [one for one in others if one is node or (can_ask(node, one) and _agree(node, one))]

    async def _crash(self, node: SimNode) -> None:
        if node.is_up:
            await node.crash()

    async def _start(self, node: SimNode) -> None:
        if not node.is_up:
            await node.begin()

    async def _part(self, _node: SimNode) -> None:
        cids = sorted(self.cluster.nodes)
        some = self.dice.sample(cids, self.dice.randint(1, len(cids) - 1))
        self.script[-1] = f"part {some}"
        self.cluster.heal()
        self.cluster.part(some)

    async def _heal(self, _node: SimNode) -> None:
        self.cluster.heal()

    async def _delay(self, _node: SimNode) -> None:
        self.cluster.network.delay = self.dice.choice([0.0, 0.02, 0.2])

    async def _remove(self, node: SimNode) -> None:
        register = node.require_master().register
        others = [m for m in voters(register.membership) if m.cid != node.cid]
        if len(others) > 1:
            gone = self.dice.choice(others)
            self.script[-1] += f" without {gone.cid}"
            register.remove(gone)
            self._changed(node)

    async def _admit(self, node: SimNode) -> None:
        if len(self.cluster.nodes) < MOST_MEMBERS:
            await self.cluster.admit(node, self._pair())
            self._changed(node)

    async def _rekey(self, node: SimNode) -> None:
        pair = self._pair()
        if self.dice.random() < 0.5:
            pair = Pair(node.keys.current.key, pair.certificate)
        self.script[-1] += " tls" if pair.key == node.keys.current.key else ""
        node.rekey(pair, lost=self.dice.random() < 0.3)
        self.links += 1

    async def _secure(self, node: SimNode) -> None:
        key = self._pair().key
        self.recovery.append(key)
        node.require_master().register.replace_recovery(key.public_key)
        self.links += 1

    def _pair(self) -> Pair:
        self.made += 1
        return Pair(SigningKey(bytes([self.made, 7]) * 16), b"certificate, new %d" % self.made)

    # --- what must hold ---

    def _changed(self, node: SimNode) -> None:
        """Other members count from now on: what is not on the disks of most of them may be lost
        with the others' (docs/adr/0010).
        """
        self.links += 1
        membership = node.require_master().register.membership
        disks = [self._edits_on(self.cluster.nodes[m.cid]) for m in voters(membership)]
        for edit, epoch in list(self.acknowledged.items()):
            held = sum(edit in disk for disk in disks)
            if epoch <= membership.epoch and held < majority(membership):
                del self.acknowledged[edit]

    def _edits_on(self, node: SimNode) -> set[int]:
        """Those that its newest version has."""
        paths = (str(path) for path in node.store.head()[0].manifest)
        names = [path.rpartition("/")[2] for path in paths if "/acme/" in path]
        return set(map(int, names))

    def _look(self) -> None:
        for node in self.cluster.nodes.values():
            self.owners.update({key.public_key.key_id: node.cid for key in node.keys.all_keys})
        for node in self.cluster.nodes.values():
            self._look_at_log(node)
            if node.master is not None:
                self._look_at_reports(node)

    def _look_at_log(self, node: SimNode) -> None:
        """No epoch has versions of two masters."""
        records = [*node.store.after(0), *(orphan.record for orphan in node.store.orphans())]
        for record in records:
            epoch = ChangeSet.from_bytes(record.envelope.payload).position.epoch
            master = self.owners[record.envelope.signatures[0].key_id]
            assert self.masters.setdefault(epoch, master) == master, f"two masters in {epoch}"

    def _look_at_reports(self, node: SimNode) -> None:
        """What a majority says it runs, the master's own node among them."""
        assert node.master is not None
        head = node.master.history.head
        membership = node.master.history.membership
        if head.position.epoch != membership.epoch or membership.epoch < self.newest_by_key:
            return
        contacts = [node.master.roster.contact(member.cid) for member in voters(membership)]
        have = [c for c in contacts if c.active and c.active.position >= head.position]
        if len(have) >= majority(membership):
            for edit in self._edits_on(node):
                self.acknowledged.setdefault(edit, membership.epoch)

    async def _peace(self) -> None:
        if self.cluster.failure is not None:
            raise self.cluster.failure
        self.cluster.network.delay = 0.0
        self.cluster.heal()
        for node in self.cluster.nodes.values():
            if not node.is_up and not node.removed:
                await node.begin()
        for number in range(80):
            await asyncio.sleep(5)
            if self.cluster.is_level:
                break
            if number in (10, 16):
                await self._choose()
        assert self.cluster.is_level, "it does not converge"
        self._require_nothing_lost(self.cluster.leader)
        await self._require_removed_out(self.cluster.leader)

    async def _choose(self) -> None:
        """Two masters, each with a membership of its own: an admin has to choose; the one whom more
        nodes know as a member, for only members are listened to.
        """
        newest = [_newest(node) for node in self._nodes_left()]
        masters = [node for node in self._nodes_left() if node.master]
        sides = {(frozenset(voters(own)), own.recovery) for own in map(_newest, masters)}
        assert len(sides) > 1, "it does not converge, and there is nothing to choose"
        chosen = max(
            masters, key=lambda m: sum(m.cid in {v.cid for v in voters(n)} for n in newest)
        )
        self.script.append(f"choose {chosen.cid}")
        await self._promote_by_key(chosen)

    def _nodes_left(self) -> list[SimNode]:
        return [node for node in self.cluster.nodes.values() if not node.removed]

    def _require_nothing_lost(self, leader: SimNode) -> None:
        # Two that have become clusters of their own, as each has removed the other, both go on.
        masters = [leader, *(node for node in self._nodes_left() if node.master)]
        there = set().union(*map(self._edits_on, masters))
        lost = self.acknowledged.keys() - there
        assert not lost, f"acknowledged and lost: {lost}"

    async def _require_removed_out(self, leader: SimNode) -> None:
        """Whoever is no member hears of nothing more."""
        await self._edit(leader)
        await asyncio.sleep(15)  # it may have stopped for a candidate that is no more
        for node in self.cluster.nodes.values():
            is_told = node in self.cluster.members
            assert (self.edits in self._edits_on(node)) == is_told, f"{node.cid}: {is_told}"


def _newest(node: SimNode) -> Membership:
    return Membership.from_bytes(node.chain[-1].payload)


def _by_key(node: SimNode) -> int:
    """The last epoch of its chain that the recovery key has begun."""
    chain = [(Membership.from_bytes(link.payload), link) for link in node.chain]
    by_key = [
        now.epoch
        for (before, _), (now, link) in pairwise(chain)
        if now.epoch > before.epoch and Ground.RECOVERY in grounds_of(before, link)
    ]
    return max(by_key, default=0)


def _agree(one: SimNode, other: SimNode) -> bool:
    """Is what one of them believes the beginning of what the other one believes?"""
    return all(mine == theirs for mine, theirs in zip(one.chain, other.chain, strict=False))


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
        epochs += len(schedule.masters) - 1
        links += schedule.links
    assert acknowledged > SCHEDULES // 4
    assert epochs > SCHEDULES // 16
    assert links > SCHEDULES // 4
