"""Another master for a cluster of four: planned, after a loss, and from the recovery key alone."""

import threading
from functools import partial

import pytest

from tests.compose.machines import NAMES, Gateways, domains
from tests.e2e.cluster import until

pytestmark = [pytest.mark.netns, pytest.mark.slow]
MASTER, FIRST, SECOND, THIRD = NAMES


def home(four: Gateways) -> None:
    """The first one is the master again."""
    if four.master != MASTER:
        four.ok(FIRST, "switchover", MASTER)
        four.follow(MASTER)
    four.level()


def is_last_known(four: Gateways, name: str) -> bool:
    return four.status(name).get("source") == "last known"


def lose(four: Gateways, *names: str, noticed_by: tuple[str, ...]) -> None:
    """Power off, and wait until the others have noticed that the master is gone."""
    for name in names:
        four.machines.crash(name)
    for name in noticed_by:
        until(partial(is_last_known, four, name), f"{name} to notice")


def test_a_planned_handover_and_back(four: Gateways) -> None:
    with four.timed("planned: command until all follow"):
        said = four.ok(SECOND, "promote")
        four.follow(SECOND)
    assert f"{SECOND}(3) is the master, epoch 3" in said.out
    four.write(SECOND, "domains", domains("from-the-second"))
    four.level()
    home(four)


def test_after_the_loss_of_the_master_a_majority_makes_another(four: Gateways) -> None:
    four.write(MASTER, "domains", domains("the-last-word"))
    four.level()
    lose(four, MASTER, noticed_by=(FIRST, SECOND, THIRD))
    with four.timed("unplanned: command until all others follow"):
        four.ok(FIRST, "promote")
        four.follow(FIRST, SECOND, THIRD)
    assert "the-last-word" in (four.read(THIRD, "domains") or "")
    four.write(FIRST, "domains", domains("after-the-loss"))
    four.level(FIRST, SECOND, THIRD)
    four.machines.boot(MASTER)
    with four.timed("old master back, until it follows"):
        four.follow(FIRST, MASTER)
    home(four)


def test_an_old_master_keeps_what_it_did_alone(four: Gateways) -> None:
    four.machines.disconnect(MASTER)
    for name in (FIRST, SECOND, THIRD):
        until(partial(is_last_known, four, name), f"{name} to notice")
    before = four.status(MASTER)["status"]["version"]
    four.write(MASTER, "mynetworks", "198.51.100.0/24\n")
    until(lambda: four.status(MASTER)["status"]["version"] > before, "it to be published alone")
    four.ok(FIRST, "promote")
    four.follow(FIRST, SECOND, THIRD)
    four.machines.connect(MASTER)
    four.follow(FIRST, MASTER)
    four.level()
    assert "198.51.100.0" not in (four.read(MASTER, "mynetworks") or "")
    assert "orphaned" in four.machines.pmgsync(MASTER, "status").out
    home(four)
    listed = four.ok(MASTER, "orphans", "list").out.splitlines()
    number = next(line.split()[0] for line in listed if line.split()[0].isdigit())
    four.ok(MASTER, "orphans", "apply", number)
    four.level()
    assert "198.51.100.0" in (four.read(THIRD, "mynetworks") or "")


def test_two_of_four_elect_nobody(four: Gateways) -> None:
    for name in (SECOND, THIRD):
        four.machines.disconnect(name)
    for name in (SECOND, THIRD):
        until(partial(is_last_known, four, name), f"{name} to notice")
    refused = four.machines.pmgsync(SECOND, "promote")
    assert refused.code != 0
    assert "3 of 4 members must sign" in refused.err
    four.write(MASTER, "domains", domains("the-masters-half"))
    four.level(MASTER, FIRST)
    for name in (SECOND, THIRD):
        four.machines.connect(name)
    four.follow(MASTER)
    four.level()


def test_a_handover_while_a_version_is_on_its_way(four: Gateways) -> None:
    stop = threading.Event()

    def edit() -> None:
        number = 0
        while not stop.wait(0.02):
            number += 1
            four.write(MASTER, "acme/large", f"{number}\n" * 100_000)

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        until(lambda: four.read(THIRD, "acme/large"), "the first of them to travel")
        four.ok(SECOND, "promote")
    finally:
        stop.set()
        editor.join()
    four.follow(SECOND)
    four.level()
    home(four)


def test_a_member_that_is_removed_while_connected_is_out_and_may_come_back(four: Gateways) -> None:
    four.ok(MASTER, "delete", THIRD)
    four.write(MASTER, "domains", domains("without-the-fourth"))
    four.level(MASTER, FIRST, SECOND)
    assert "without-the-fourth" not in (four.read(THIRD, "domains") or "")
    until(lambda: "removed" in four.machines.pmgsync(THIRD, "status").out, "it to know")
    four.join(THIRD)
    four.level()
    assert f"{THIRD}(4)" in four.ok(MASTER, "status").out


def test_one_that_is_left_goes_on_with_the_recovery_key(four: Gateways) -> None:
    lose(four, MASTER, FIRST, SECOND, noticed_by=(THIRD,))
    refused = four.machines.pmgsync(THIRD, "promote")
    assert refused.code != 0
    script = (
        f"umask 077; echo {four.recovery_key} > $ROOT/etc/pmgsync/key; echo $ROOT/etc/pmgsync/key"
    )
    key = four.machines.shell(THIRD, script).out.strip()
    four.ok(THIRD, "promote", "--recovery-key", key)
    four.write(THIRD, "domains", domains("the-last-one"))
    four.follow(THIRD, THIRD)
    four.level(THIRD)
    for name in (MASTER, FIRST, SECOND):
        four.machines.boot(name)
    four.follow(THIRD)
    four.level()
