"""Votes and epochs under random schedules, and in all orders up to a bounded depth.

`tests/sim/electorate.py` checks after every step that no epoch has two masters, and that nobody
goes over to an epoch that lacks what a majority had. Here are the schedules: crashes, cuts, members
that come and go and change their keys, and now and then the recovery key. More of them by hand:

    VOTES_SCHEDULES=100000 VOTES_SEED=7 pytest tests/property/test_votes.py
"""

import os
import random
from collections.abc import Callable

import pytest

from pmgsync.errors import PeerError
from tests.sim import pen
from tests.sim.electorate import World

SCHEDULES = int(os.environ.get("VOTES_SCHEDULES", "600"))
SEED = int(os.environ.get("VOTES_SEED", "1"))
STEPS = 40

Step = tuple[str, tuple[int, ...]]


LINKS = {"change": 1, "remove": 1, "admit": 1, "rekey": 2, "secure": 1}
"""What a master writes into the chain."""

WEIGHTS = {
    **{"publish": 6, "replicate": 8, "gossip": 2, "start": 3, "ask": 9, "lose": 1, "finish": 4},
    **{"crash": 1, "restart": 2, "isolate": 2, "heal": 1, "resume": 1, "late": 4, "write": 3},
    **LINKS,
    "recover": 1,
}


def random_step(world: World, dice: random.Random) -> Step:
    """One thing that may happen now."""
    cids = sorted(world.sites)
    one, other = dice.sample(cids, 2)
    kind = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    candidates = [cid for cid in cids if world.sites[cid].campaign is not None]
    if kind in {"ask", "lose", "finish"} and candidates:
        one = dice.choice(candidates)
    if kind == "write":
        one = dice.choice([cid for cid in cids if world.sites[cid].wanted] or cids)
    if kind in {"publish", "replicate", "late", *LINKS}:
        one = dice.choice([c for c in cids if world.sites[c].is_master] or cids)
        other = dice.choice([cid for cid in cids if cid != one or kind == "rekey"])
    if kind == "isolate":
        return kind, tuple(dice.sample(cids, dice.randint(1, len(cids) - 1)))
    return kind, (one, other)


def do(world: World, step: Step) -> None:
    """Let it happen."""
    kind, cids = step
    one, *rest = cids
    actions: dict[str, Callable[[], None]] = {
        "publish": lambda: world.publish(one),
        "replicate": lambda: world.replicate(one, rest[0]),
        "late": lambda: world.replicate(one, rest[0], late=True),
        "write": lambda: world.write(one),
        "change": lambda: pen.change(world, one),
        "remove": lambda: pen.remove(world, one, rest[0]),
        "admit": lambda: pen.admit(world, one),
        "rekey": lambda: pen.rekey(world, one, rest[0]),
        "secure": lambda: pen.secure(world, one),
        "recover": lambda: world.recover(one),
        "gossip": lambda: world.gossip(one, rest[0]),
        "start": lambda: world.start(one),
        "ask": lambda: world.ask(one),
        "lose": lambda: world.ask(one, lost=True),
        "finish": lambda: world.finish(one),
        "crash": lambda: world.crash(one),
        "restart": lambda: world.restart(one) if not world.sites[one].up else None,
        "isolate": lambda: world.isolate(cids),
        "heal": world.heal,
        "resume": lambda: world.resume(one),
    }
    actions[kind]()


def play(count: int, dice: random.Random) -> World:
    """A schedule, and then peace; what happened is in the failure."""
    world, script = World(count), list[Step]()
    try:
        for _ in range(STEPS):
            script.append(random_step(world, dice))
            do(world, script[-1])
        world.settle()
        assert world.is_level, "it does not converge"
    except (AssertionError, PeerError) as error:
        lines = "\n".join(f"  {kind} {' '.join(map(str, cids))}" for kind, cids in script)
        raise AssertionError(f"{error}\nafter:\n{lines}") from error
    return world


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_random_schedules_have_one_master_an_epoch_lose_nothing_and_converge(count: int) -> None:
    dice = random.Random(f"{SEED} {count}")
    epochs, committed = 0, 0
    for _ in range(SCHEDULES // 4):
        world = play(count, dice)
        epochs += len(world.masters) - 1
        committed += len(world.committed)
    # The schedules do what they are for.
    assert committed > SCHEDULES // 4
    assert epochs > SCHEDULES // 16


# --- all orders, up to a bounded depth ---


def moves(world: World) -> list[Step]:
    """All that may happen next, but for what changes nothing that matters."""
    cids = sorted(world.sites)
    steps: list[Step] = []
    for cid in cids:
        site = world.sites[cid]
        if site.publishes and world.published < MOST_VERSIONS:
            steps.append(("publish", (cid, cid)))
        if site.campaign is None:
            steps.append(("start", (cid, cid)))
        elif site.campaign.asked:
            steps.append(("ask", (cid, cid)))
        else:
            steps.append(("finish", (cid, cid)))
        if site.yields_to:
            steps.append(("resume", (cid, cid)))
        if site.wanted:
            steps.append(("write", (cid, cid)))
        kinds = ("replicate", "late")
        steps += [(kind, (cid, other)) for kind in kinds for other in cids if site.is_master]
    steps.append(("heal", (1, 1)) if len(world.groups) > 1 else ("isolate", (1,)))
    return steps


MOST_VERSIONS = 2


@pytest.mark.parametrize(("count", "depth"), [(3, 8), (4, 6)])
def test_all_orders_up_to_a_depth(count: int, depth: int) -> None:
    """Breadth first, each state once. `World` checks every step; here it is counted that the walk
    goes where it matters: through promotions, and through promises that came to nothing.
    """
    first = World(count)
    seen, layer = {first.state}, [first]
    epochs: set[int] = set()
    promised = 0
    for _ in range(depth):
        following: list[World] = []
        for world in layer:
            for step in moves(world):
                after = world.copy()
                do(after, step)
                if after.state not in seen:
                    seen.add(after.state)
                    following.append(after)
        layer = following
        epochs |= {
            site.history.membership.epoch for world in layer for site in world.sites.values()
        }
        promised += sum(any(s.history.promised for s in w.sites.values()) for w in layer)
    assert promised > 100
    assert max(epochs) >= 2
    for world in layer[:: max(1, len(layer) // 100)]:
        world.settle()
        assert world.is_level


def test_two_halves_of_four_meet_again() -> None:
    """A master that hands over to one node, and before it hears of that to another one."""
    world = World(4)
    for step in (
        *(("start", (3,)), ("ask", (3,)), ("isolate", (1, 2)), ("ask", (3,)), ("start", (2,))),
        *(("finish", (3,)), ("gossip", (3, 4)), ("ask", (2,)), ("ask", (2,)), ("finish", (2,))),
    ):
        do(world, step)
    assert world.sites[3].is_master
    assert not world.sites[2].is_master
    world.settle()
    assert world.is_level
