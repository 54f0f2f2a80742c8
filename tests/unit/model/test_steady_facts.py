"""Facts that pass do not count; those that stay do."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from pmgsync.model.facts import HostFacts
from pmgsync.model.steady_facts import STEADY_S, SteadyFacts, difference, kept

ROUTES = (ip_network("192.0.2.0/24"), ip_network("198.51.100.0/24"))
FACTS = HostFacts("mail1", "192.0.2.1", "example.com", ("192.0.2.53",), ROUTES, 4096, "15")
DOWN = replace(FACTS, routes=ROUTES[:1])
MOVED = replace(FACTS, address="192.0.2.7")


@pytest.mark.parametrize(
    "failed",
    [
        {"address": None},
        {"search_domain": None, "nameservers": ()},
        {"routes": ()},
        {"memory_mib": 0},
    ],
)
def test_what_cannot_be_told_stays_as_it_was_however_long(failed: dict[str, object]) -> None:
    steady, now = SteadyFacts(FACTS), replace(FACTS, **failed)  # type: ignore[arg-type]
    for at in (0, 60, 3600):
        steady = steady.seen(now, at)
    assert steady == SteadyFacts(FACTS)


def test_a_failure_hides_no_other_change() -> None:
    assert kept(FACTS, replace(MOVED, hostname="mail2", routes=())) == replace(
        MOVED, hostname="mail2"
    )


def test_a_machine_that_never_had_an_address_has_none() -> None:
    assert kept(replace(FACTS, address=None), replace(FACTS, address=None)).address is None


def test_a_change_counts_when_it_was_seen_twice_with_time_between() -> None:
    steady = SteadyFacts(FACTS).seen(DOWN, 100)
    assert steady.facts == FACTS
    assert steady.seen(DOWN, 101).facts == FACTS, "two looks for one version"
    assert steady.seen(DOWN, 101).seen(DOWN, 100 + STEADY_S) == SteadyFacts(DOWN)


@pytest.mark.parametrize("between", [FACTS, MOVED])
def test_what_was_otherwise_in_between_begins_anew(between: HostFacts) -> None:
    steady = SteadyFacts(FACTS).seen(DOWN, 0).seen(between, 60).seen(DOWN, 120)
    assert steady == SteadyFacts(FACTS, {"routes": (DOWN.routes, 120)})


def test_routes_that_never_rest_hold_up_nothing_else() -> None:
    steady = SteadyFacts(FACTS)
    for at in (0, 60):
        steady = steady.seen(replace(MOVED, routes=ROUTES[:1] * (1 + at)), at)
    assert steady.facts == MOVED


def test_only_what_is_different_is_named() -> None:
    assert difference(FACTS, MOVED) == "address 192.0.2.1 -> 192.0.2.7"
