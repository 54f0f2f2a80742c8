"""How often strangers may try."""

from hypothesis import given
from hypothesis import strategies as st

from pmgsync.master.limiter import PeerLimiter


def test_a_burst_then_a_steady_trickle() -> None:
    limiter = PeerLimiter(per_s=1, burst=3)
    assert [limiter.allow("a", 0.0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert limiter.allow("a", 1.0)
    assert not limiter.allow("a", 1.0)
    assert [limiter.allow("a", 1000.0) for _ in range(5)] == [True] * 3 + [False] * 2


def test_one_does_not_use_up_what_another_may() -> None:
    limiter = PeerLimiter(per_s=1, burst=1)
    assert limiter.allow("a", 0.0)
    assert not limiter.allow("a", 0.0)
    assert limiter.allow("b", 0.0)


def test_many_addresses_share_a_limit() -> None:
    limiter = PeerLimiter(per_s=1, burst=1, all_times=5)
    assert sum(limiter.allow(f"peer {n}", 0.0) for n in range(100)) == 5
    assert sum(limiter.allow(f"peer {n}", 1.0) for n in range(100, 200)) == 5


def test_the_table_has_a_limit_and_the_oldest_makes_room() -> None:
    limiter = PeerLimiter(per_s=0, burst=1, all_times=1000, most_peers=3)
    for peer in "abcd":
        assert limiter.allow(peer, 0.0)
    assert len(limiter) == 3
    assert not limiter.allow("d", 0.0)
    assert limiter.allow("a", 0.0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    limiter = PeerLimiter(per_s=1, burst=1)
    assert limiter.allow("a", 10.0)
    assert not limiter.allow("a", 0.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3)), max_size=60))
def test_nobody_gets_more_than_burst_and_rate(tries: list[tuple[str, float]]) -> None:
    limiter, now, granted = PeerLimiter(per_s=0.5, burst=4), 0.0, dict.fromkeys("abc", 0)
    for peer, pause in tries:
        now += pause
        granted[peer] += limiter.allow(peer, now)
    assert all(count <= 4 + 0.5 * now + 1e-6 for count in granted.values())
