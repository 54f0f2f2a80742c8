"""Join tokens: short-lived, used once, revoked when somebody guesses."""

import pytest

from pmgsync.errors import OperatorError, StoreDamagedError
from pmgsync.master.tokens import MAX_TOKENS, NAMED, NOTE, Tokens, TokenState
from pmgsync.model.joining import MAX_WRONG_PROOFS, TOKEN_LIFE_MS, Token
from pmgsync.model.manifest import digest_of
from tests.sim.clock import START_MS, FakeClock
from tests.sim.store import MemoryStore
from tests.unit.master.rig import run

CERTIFICATE, OTHER = digest_of(b"certificate"), digest_of(b"another certificate")


class Bag:
    """Tokens with all they stand on."""

    def __init__(self, store: MemoryStore | None = None, now_ms: int = START_MS) -> None:
        self.store = store or MemoryStore()
        self.clock = FakeClock(now_ms)
        self.tokens = Tokens(self.store, self.clock)

    def issue(self) -> Token:
        return self.tokens.issue(CERTIFICATE)


def test_a_new_token_is_good() -> None:
    bag = Bag()
    token = bag.issue()
    issued = bag.tokens.good(token.token_id)
    assert issued is not None
    assert issued.secret == token.secret
    assert Token.from_text(token.to_text()) == token
    assert token.secret.hex() not in repr(issued)


def test_every_token_is_another() -> None:
    bag = Bag()
    assert len({bag.issue().secret for _ in range(20)}) == 20


def test_an_unknown_token_is_none() -> None:
    assert Bag().tokens.good("0" * 16) is None


def test_when_the_master_shows_another_certificate_those_before_are_revoked() -> None:
    """Also where the master stops in between; what is used or revoked is not counted."""
    bag = Bag()
    used, good = (bag.tokens.good(bag.issue().token_id) for _ in range(2))
    assert used is not None
    assert good is not None
    bag.tokens.use(used)
    assert bag.tokens.follow(CERTIFICATE) == 0
    assert bag.tokens.all_good == (good,)
    again = Bag(bag.store.crash())
    assert again.tokens.follow(OTHER) == 1
    assert again.tokens.why_not(good.token_id) == "revoked"
    assert again.tokens.why_not(used.token_id) == "used"
    assert again.tokens.follow(OTHER) == 0
    assert again.tokens.all_good == ()
    again.issue()  # for the certificate of before: so the ones in between are dead
    assert len(again.tokens.all_good) == 1


def test_those_of_a_build_that_did_not_write_down_what_they_name_stay_good() -> None:
    bag = Bag()
    token = bag.issue()
    bag.store.write_note(NAMED, None)
    after = Bag(bag.store)
    assert after.tokens.follow(OTHER) == 0
    assert after.tokens.good(token.token_id)


def test_it_lives_fifteen_minutes() -> None:
    async def scenario() -> None:
        bag = Bag()
        token_id = bag.issue().token_id
        await bag.clock.advance(TOKEN_LIFE_MS / 1000 - 1)
        assert bag.tokens.good(token_id)
        await bag.clock.advance(2)
        assert bag.tokens.good(token_id) is None
        assert bag.tokens.why_not(token_id) == "expired"

    run(scenario)


def test_a_clock_that_was_set_back_does_not_make_it_live_longer() -> None:
    bag = Bag()
    token_id = bag.issue().token_id
    earlier = Bag(bag.store, START_MS - 3_600_000)
    assert earlier.tokens.good(token_id) is None


def test_it_is_used_once_also_after_a_restart() -> None:
    bag = Bag()
    token_id = bag.issue().token_id
    issued = bag.tokens.good(token_id)
    assert issued is not None
    bag.tokens.use(issued)
    for tokens in (bag.tokens, Bag(bag.store.crash()).tokens):
        assert tokens.good(token_id) is None
        assert tokens.why_not(token_id) == "used"


def test_a_use_that_came_to_nothing_is_undone() -> None:
    bag = Bag()
    token_id = bag.issue().token_id
    issued = bag.tokens.good(token_id)
    assert issued is not None
    bag.tokens.use(issued)
    bag.tokens.unuse(issued)
    assert bag.tokens.good(token_id)


def test_it_survives_a_restart() -> None:
    bag = Bag()
    token = bag.issue()
    issued = Bag(bag.store.crash()).tokens.good(token.token_id)
    assert issued is not None
    assert issued.secret == token.secret


def test_a_few_wrong_proofs_revoke_it() -> None:
    bag = Bag()
    token_id = bag.issue().token_id
    for _ in range(MAX_WRONG_PROOFS):
        issued = bag.tokens.good(token_id)
        assert issued is not None
        bag.tokens.proved_wrong(issued)
    assert bag.tokens.good(token_id) is None
    assert bag.tokens.why_not(token_id) == "revoked"


def test_old_tokens_are_forgotten() -> None:
    async def scenario() -> None:
        bag = Bag()
        token_id = bag.issue().token_id
        await bag.clock.advance(TOKEN_LIFE_MS / 1000 + 1)
        bag.issue()
        assert bag.tokens.why_not(token_id) == "unknown or long expired"
        note = bag.store.note(NOTE)
        assert isinstance(note, list)
        assert len(note) == 1

    run(scenario)


def test_there_is_a_limit_and_the_newest_stay() -> None:
    bag = Bag()
    first = bag.issue()
    for _ in range(MAX_TOKENS):
        last = bag.issue()
    assert bag.tokens.good(last.token_id)
    bag.issue()
    assert bag.tokens.good(first.token_id) is None


@pytest.mark.parametrize("note", [{}, [1], [{"id": "x"}], "x"])
def test_a_note_that_is_none_is_a_damaged_store(note: object) -> None:
    store = MemoryStore()
    store.write_note(NOTE, note)  # type: ignore[arg-type]
    with pytest.raises(StoreDamagedError):
        Bag(store)


# --- the list, and revoking -----------------------------------------------------------------------


def test_the_list_has_what_is_alive_newest_last() -> None:
    async def scenario() -> None:
        bag = Bag()
        bag.issue()
        await bag.clock.advance(TOKEN_LIFE_MS / 1000 - 10)
        used, good = bag.issue(), bag.issue()
        issued = bag.tokens.good(used.token_id)
        assert issued is not None
        bag.tokens.use(issued)
        await bag.clock.advance(11)
        states = {token.token_id: token.state for token in bag.tokens.alive}
        assert states == {used.token_id: TokenState.USED, good.token_id: TokenState.GOOD}

    run(scenario)


def test_a_revoked_token_opens_nothing_also_after_a_restart() -> None:
    bag = Bag()
    token, other = bag.issue(), bag.issue()
    assert bag.tokens.revoke(token.token_id[:8]).state is TokenState.REVOKED
    for tokens in (bag.tokens, Bag(bag.store.crash()).tokens):
        assert tokens.good(token.token_id) is None
        assert tokens.why_not(token.token_id) == "revoked"
        assert tokens.good(other.token_id) is not None


@pytest.mark.parametrize("start", ["", "x", "0" * 40])
def test_what_names_no_token_revokes_none(start: str) -> None:
    bag = Bag()
    token = bag.issue()
    with pytest.raises(OperatorError, match="no such good token"):
        bag.tokens.revoke(start)
    assert bag.tokens.good(token.token_id)


def test_what_names_several_tokens_revokes_none() -> None:
    bag = Bag()
    starts = [bag.issue().token_id[0] for _ in range(17)]
    double = next(start for start in starts if starts.count(start) > 1)
    with pytest.raises(OperatorError, match="several tokens begin so"):
        bag.tokens.revoke(double)
    assert all(token.state is TokenState.GOOD for token in bag.tokens.alive)
