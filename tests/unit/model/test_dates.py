"""The dates of a certificate in a link: who believes the link looks at them as its master did."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pmgsync.errors import MalformedError
from pmgsync.master.register import Register
from pmgsync.model.keys import SigningKey
from pmgsync.model.membership import MemberKeys, Membership, successor
from pmgsync.model.rekeying import DAY_MS, require_dates
from pmgsync.model.trust import TrustedHistory
from pmgsync.model.validity import LIFE, entry_objection, has_life, made_at
from pmgsync.wire.certificates import make_certificate, to_der
from tests.sim.clock import FakeClock
from tests.unit.model.sample import MASTER, NODE, OTHER, genesis, key, member, seal_membership

NOW = 1_800_000_000_000
YEAR = 365 * DAY_MS


def certificate(years: float) -> bytes:
    """One that was made so many years after NOW."""
    return to_der(make_certificate("mx2", NOW + int(years * YEAR))[1])


def keys(identity: SigningKey, years: float = 0) -> MemberKeys:
    return MemberKeys(identity.public_key, certificate(years))


BEFORE = replace(
    genesis(),
    members=(
        replace(member(1), keys=keys(MASTER)),
        replace(member(2), keys=keys(NODE)),
        member(3, joined=False),
    ),
    created=NOW,
)
LAST = seal_membership(BEFORE)


def link(cid: int, held: MemberKeys, created: float | None = 1) -> Membership:
    """The next membership, in which `cid` has these keys; made so many years after NOW."""
    others = [one for one in BEFORE.members if one.cid != cid]
    made = None if created is None else NOW + int(created * YEAR)
    changed = replace(BEFORE.member(cid), keys=held)
    return successor(BEFORE, LAST, (*others, changed), now=made)


def refuses(candidate: Membership, before: Membership = BEFORE) -> bool:
    try:
        require_dates(before, candidate)
    except MalformedError:
        return True
    return False


@pytest.mark.parametrize(
    ("made", "created", "refused"),
    [
        (1, 1, False),
        (1, None, False),
        (8, 8, False),
        (-9, 0, False),
        (9.5, 1, False),  # who made it has a clock that is wrong: its master has let that pass
        (11, 1, True),  # it does not count yet when the one before was made
        (11, 11, True),
        (-11, 1, True),
        (0, 11, True),  # it had ended when the link was made
        (9.5, -1, True),  # it does not count yet when the link is made
    ],
)
def test_a_certificate_is_valid_when_the_one_before_and_the_link_were_made(
    made: float, created: float | None, refused: bool
) -> None:
    for cid, identity in ((1, MASTER), (2, NODE)):
        assert refuses(link(cid, keys(identity, made), created)) is refused


def test_a_master_with_another_identity_is_looked_at_and_a_node_that_joins_anew_is_not() -> None:
    assert refuses(link(1, keys(key(21), 11), 11))
    assert not refuses(link(1, keys(key(21), 1)))
    assert not refuses(link(2, keys(key(22), 11), 11))
    assert not refuses(link(3, keys(OTHER, 11), 11))


def test_a_certificate_lives_as_long_as_the_recipe_says() -> None:
    other = MemberKeys(NODE.public_key, _with_another_end())
    assert refuses(link(2, other))
    assert refuses(link(2, MemberKeys(NODE.public_key, b"no certificate")))


def _with_another_end() -> bytes:
    """The same certificate, but that it ends a year later (its signature is nobody's here)."""
    der = certificate(1)
    end = NOW + YEAR + int(LIFE.total_seconds() * 1000)
    text = datetime.fromtimestamp(end // 1000, UTC).strftime("%y%m%d%H%M%SZ")
    later = f"{int(text[:2]) + 1:02d}{text[2:]}"
    assert text.encode() in der
    return der.replace(text.encode(), later.encode())


def test_where_one_alone_has_keys_nobody_is_shut_out() -> None:
    alone = replace(BEFORE, members=(BEFORE.members[0], member(2, joined=False)))
    changed = replace(alone.members[0], keys=keys(MASTER, 30))
    assert not refuses(successor(alone, LAST, (changed,), now=NOW), alone)


def test_certificates_of_no_recipe_say_nothing_on_what_follows() -> None:
    before = replace(BEFORE, members=(BEFORE.members[0], member(2)))
    changed = replace(before.members[1], keys=keys(NODE, 30))
    assert not refuses(successor(before, LAST, (before.members[0], changed), now=NOW), before)


def test_no_member_takes_such_a_link_in_and_one_that_has_it_keeps_it() -> None:
    """What was believed by an earlier build is believed at every start."""
    bad = seal_membership(link(2, keys(NODE, 11), 11))
    history = TrustedHistory([LAST])
    with pytest.raises(MalformedError, match="valid from"):
        history.accept_membership(bad)
    assert history.membership == BEFORE
    assert TrustedHistory([LAST, bad]).membership.serial == 2
    good = seal_membership(link(2, keys(NODE, 1)))
    assert history.accept_membership(good).serial == 2


def test_no_master_writes_such_a_link() -> None:
    history, written = TrustedHistory([LAST]), list[object]()
    register = Register(history, MASTER, FakeClock(), written.append, lambda: None)
    with pytest.raises(MalformedError, match="valid from"):
        register.draft(link(2, keys(NODE, 11), 11), "mx2(2)")
    assert not written


@pytest.mark.parametrize(("days", "fits"), [(-2, False), (-0.9, True), (0.9, True), (400, False)])
def test_who_joins_has_made_its_certificate_a_moment_ago(days: float, fits: bool) -> None:
    objection = entry_objection(certificate(days / 365), NOW)
    assert (not objection) == fits
    assert fits or "here it is 2027-01-15" in objection


def test_years_of_two_digits_are_those_from_1950_to_2049() -> None:
    """RFC 5280, 4.1.2.5.1. A machine without a battery begins in 1970, so valid from 1960."""
    der = certificate(-NOW / YEAR)
    assert b"600101000000Z" in der
    assert made_at(der) == 0
    assert has_life(der)
    assert "made its certificate on 1970-01-01, and" in entry_objection(der, NOW)
    assert made_at(certificate(30)) == NOW + 30 * YEAR  # it ends after 2050, with four digits


@pytest.mark.parametrize("now", [2**53, -(2**53)])
def test_no_moment_is_too_far_away_to_be_told(now: int) -> None:
    assert entry_objection(certificate(0), now).endswith(("here it is 9999-12-31", "0001-01-01"))
