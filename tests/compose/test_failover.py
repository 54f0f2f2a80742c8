"""What happens to a cluster of four when its machines and its network break.

The same scenarios run in network namespaces with every run of the suite, and in containers with
`make failover`. Each wait has a deadline (`PATIENCE`); the times printed are those that a person
would wait.
"""

import time

import pytest

from tests.compose.machines import NAMES, YEAR_S, Gateways, domains
from tests.e2e.cluster import until

pytestmark = [pytest.mark.netns, pytest.mark.slow]
MASTER, FIRST, SECOND, THIRD = NAMES
BIG = "x" * 4_000_000


def test_a_node_without_power_has_all_when_it_is_back(four: Gateways) -> None:
    four.machines.crash(FIRST)
    four.write(MASTER, "domains", domains("while-dark"))
    four.level(MASTER, SECOND, THIRD)
    until(four.is_state(FIRST, "away"), "the master to miss it")
    four.machines.boot(FIRST)
    four.level()


def test_a_daemon_that_is_killed_comes_back_and_is_level(four: Gateways) -> None:
    four.machines.kill_daemon(SECOND)
    four.write(MASTER, "domains", domains("while-killed"))
    four.level()
    four.machines.kill_daemon(MASTER)
    four.write(MASTER, "domains", domains("master-killed"))
    four.level()


def test_a_master_without_power_goes_on_where_it_was(four: Gateways) -> None:
    before = four.status(MASTER)["status"]["version"]
    four.machines.crash(MASTER)
    until(lambda: four.status(FIRST).get("source") == "last known", "a node to notice")
    assert "example.com" in (four.read(FIRST, "domains") or "")
    four.machines.boot(MASTER)
    until(lambda: four.status(MASTER).get("status"), "the master to answer")
    four.write(MASTER, "domains", domains("master-back"))
    four.level()
    assert four.status(MASTER)["status"]["version"] == before + 1


def test_a_node_that_is_paused_is_missed_and_catches_up(four: Gateways) -> None:
    four.machines.pause(FIRST)
    four.write(MASTER, "domains", domains("while-paused"))
    four.level(MASTER, SECOND, THIRD)
    until(four.is_state(FIRST, "away"), "the master to miss it")
    four.machines.resume(FIRST)
    four.level()


def test_a_node_without_its_cable_catches_up(four: Gateways) -> None:
    four.machines.disconnect(THIRD)
    four.write(MASTER, "domains", domains("unplugged"))
    four.level(MASTER, FIRST, SECOND)
    until(four.is_state(THIRD, "away"), "the master to miss it")
    four.machines.connect(THIRD)
    four.level()


def test_a_node_is_level_soon_after_a_cut_of_ten_seconds(four: Gateways) -> None:
    four.machines.disconnect(THIRD)
    four.write(MASTER, "domains", domains("ten-seconds"))
    time.sleep(10)  # the cut itself: by then every connection and every attempt has timed out
    four.machines.connect(THIRD)
    with four.timed("cable back after 10 s, until the node is level"):
        four.level(THIRD)
    four.level()


def test_a_node_comes_back_with_another_address(four: Gateways) -> None:
    four.machines.disconnect(THIRD)
    until(four.is_state(THIRD, "away"), "the master to miss it")
    four.machines.connect(THIRD, number=77)
    four.write(MASTER, "domains", domains("elsewhere"))
    four.level()
    four.machines.disconnect(THIRD)
    four.machines.connect(THIRD, number=NAMES.index(THIRD) + 1)
    four.level()


def test_two_and_two_apart_the_masters_side_goes_on(four: Gateways) -> None:
    for name in (SECOND, THIRD):
        four.machines.disconnect(name)
    four.write(MASTER, "domains", domains("our-side"))
    four.level(MASTER, FIRST)
    for name in (SECOND, THIRD):
        until(four.is_state(name, "away"), "the master to miss it")
        assert "our-side" not in (four.read(name, "domains") or "")
        four.machines.connect(name)
    four.level()


def test_every_machine_restarts_in_turn_while_edits_go_on(four: Gateways) -> None:
    for turn, name in enumerate(NAMES):
        four.write(MASTER, "domains", domains(f"before-{turn}"))
        four.machines.stop(name)
        if name != MASTER:
            for number in range(5):
                four.write(MASTER, "mynetworks", f"198.51.100.{number}/32 #{turn}\n")
        four.machines.boot(name)
        four.write(MASTER, "domains", domains(f"after-{turn}"))
    four.level()


@pytest.mark.parametrize("clock_s", [YEAR_S, -YEAR_S])
def test_row_17_a_clock_that_is_a_year_off_changes_nothing(four: Gateways, clock_s: int) -> None:
    """But that its clock is named."""

    def named() -> bool:
        return f"{FIRST}(2): its clock is 36" in four.machines.pmgsync(MASTER, "status").out

    four.machines.stop(FIRST)
    four.machines.boot(FIRST, clock_s=clock_s)
    four.write(MASTER, "domains", domains(f"off-by{clock_s}"))
    four.level()
    until(named, "its clock to be named")
    four.machines.stop(FIRST)
    four.machines.boot(FIRST)
    four.level()
    until(lambda: not named(), "its clock to be right")


def test_a_node_with_a_full_disk_says_so_and_mends_itself(four: Gateways) -> None:
    four.machines.shrink(SECOND)
    four.level()
    four.write(MASTER, "acme/large", BIG)
    four.level(MASTER, FIRST, THIRD)
    until(four.is_state(SECOND, "unable"), "it to be unable")
    assert "no space left" in four.machines.pmgsync(MASTER, "status").out
    assert four.read(SECOND, "acme/large") is None
    four.machines.grow(SECOND)
    four.level()
