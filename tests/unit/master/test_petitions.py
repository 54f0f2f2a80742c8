"""Those who wait for the admin's word: who may, how long, and who gets in."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pmgsync.errors import (
    BadSignatureError,
    InvalidError,
    MalformedError,
    NotAllowedError,
    OperatorError,
    PmgsyncError,
    StoreError,
    UsageError,
)
from pmgsync.master.entrance import Entrance
from pmgsync.master.limiter import PeerLimiter
from pmgsync.master.petitions import (
    MAX_WAITING,
    MAX_WAITING_OF_ONE_ADDRESS,
    WAIT_SECONDS,
    Petitions,
    Waiting,
)
from pmgsync.master.register import Register
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.fingerprint import fingerprint
from pmgsync.model.joining import JOIN_PETITION_TYPE, JOIN_REQUEST_TYPE, JoinRequest, Petition
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest, digest_of
from pmgsync.model.trust import TrustedHistory
from tests.sim.clock import FakeClock
from tests.unit.master.rig import run
from tests.unit.master.test_admission import request_of
from tests.unit.model import sample

PEER = "192.0.2.77"
OWN = sample.member(1).keys
assert OWN is not None
HERE = OWN.fingerprint


def petition_of(request: JoinRequest, signer: SigningKey, master: Digest = HERE) -> bytes:
    return seal(JOIN_PETITION_TYPE, Petition(request, master).to_bytes(), signer).to_bytes()


class Hall:
    """A master before which people wait. Made inside a running loop."""

    def __init__(self, limiter: PeerLimiter | None = None) -> None:
        self.clock = FakeClock()
        self.history = TrustedHistory([sample.seal_membership(sample.genesis())])
        self.connected: set[int] = set()
        self.error: PmgsyncError | None = None
        self.announced = 0
        self.register = Register(
            self.history, sample.MASTER, self.clock, self._write, self._announce
        )
        entrance = Entrance(self.register, self.clock, _any, lambda: self.connected)
        assert OWN is not None
        limiter = PeerLimiter(burst=1000) if limiter is None else limiter
        self.petitions = Petitions(entrance, lambda: OWN, self.clock, limiter)

    def _write(self, _chain: Sequence[Envelope]) -> None:
        if self.error:
            raise self.error

    def _announce(self) -> None:
        self.announced += 1

    def file(self, cid: int = 4, peer: str = PEER, name: str = "") -> Waiting:
        request = request_of(cid, name)
        return self.petitions.file(petition_of(request, sample.key(cid)), peer)

    def approve(self, one: Waiting) -> None:
        self.petitions.approve(one.request.name, fingerprint(one.request.keys))

    @property
    def nothing_happened(self) -> bool:
        return len(self.history.chain) == 1 and not self.announced


def _any(_certificate: bytes) -> None:
    """Every certificate is of the right kind."""


def test_who_is_approved_gets_the_chain() -> None:
    async def scenario() -> None:
        hall = Hall()
        one = hall.file()
        waiting = asyncio.ensure_future(one.granted())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert hall.nothing_happened
        hall.approve(one)
        chain = [Envelope.from_bytes(link) for link in await waiting]
        member = TrustedHistory(chain).membership.member(4)
        assert (member.name, member.keys) == ("mx4", one.request.keys)
        assert hall.announced == 1
        assert hall.petitions.waiting == ()

    run(scenario)


def test_who_is_refused_hears_it_and_those_of_other_names_wait_on() -> None:
    async def scenario() -> None:
        hall = Hall()
        one, other = hall.file(4), hall.file(5)
        assert hall.petitions.refuse("MX4") == 1
        with pytest.raises(NotAllowedError, match="has refused it"):
            await one.granted()
        assert hall.petitions.waiting == (other,)
        assert hall.nothing_happened

    run(scenario)


def test_who_withdraws_is_not_let_in() -> None:
    async def scenario() -> None:
        hall = Hall()
        one = hall.file()
        one.withdraw()
        one.withdraw()
        with pytest.raises(OperatorError, match="nobody waits under that name"):
            hall.approve(one)
        assert hall.nothing_happened

    run(scenario)


def test_nobody_waits_longer_than_half_an_hour() -> None:
    async def scenario() -> None:
        hall = Hall()
        one = hall.file()
        await hall.clock.advance(WAIT_SECONDS - 1)
        assert list(hall.petitions.waiting) == [one]
        await hall.clock.advance(2)
        assert list(hall.petitions.waiting) == []
        with pytest.raises(OperatorError, match="nobody waits under that name"):
            hall.approve(one)

    run(scenario)


# --- what is compared -----------------------------------------------------------------------------


def test_of_two_under_one_name_the_one_that_was_compared_gets_in() -> None:
    async def scenario() -> None:
        hall = Hall()
        honest = hall.file(4, "192.0.2.4", "mail")
        thief = hall.file(5, "192.0.2.5", "mail")
        hall.approve(honest)
        assert hall.history.membership.member(4).keys == honest.request.keys
        assert hall.petitions.waiting == (thief,)

    run(scenario)


def test_another_fingerprint_lets_nobody_in() -> None:
    async def scenario() -> None:
        hall = Hall()
        hall.file()
        with pytest.raises(OperatorError, match="has another fingerprint than that"):
            hall.petitions.approve("mx4", fingerprint(request_of(5).keys))
        with pytest.raises(UsageError, match="is not a fingerprint"):
            hall.petitions.approve("mx4", fingerprint(request_of(4).keys)[:14])
        assert hall.nothing_happened
        assert len(hall.petitions.waiting) == 1

    run(scenario)


def test_a_petition_that_was_made_for_another_certificate_is_refused() -> None:
    async def scenario() -> None:
        hall = Hall()
        in_between = petition_of(request_of(4), sample.key(4), digest_of(b"somebody in between"))
        with pytest.raises(BadSignatureError, match="somebody may stand in between"):
            hall.petitions.file(in_between, PEER)
        assert hall.petitions.waiting == ()

    run(scenario)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", MalformedError),
        (b"x" * (65 << 10), MalformedError),
        (petition_of(request_of(4), sample.STRANGER), BadSignatureError),
        (
            seal(JOIN_REQUEST_TYPE, request_of(4).to_bytes(), sample.key(4)).to_bytes(),
            MalformedError,
        ),
        (petition_of(request_of(4, name="bad name"), sample.key(4)), MalformedError),
        (petition_of(request_of(4, name="mx1"), sample.key(4)), InvalidError),
        (petition_of(request_of(4), sample.key(4), Digest("x" * 64)), MalformedError),
    ],
)
def test_what_could_not_be_granted_does_not_even_wait(
    data: bytes, error: type[PmgsyncError]
) -> None:
    async def scenario() -> None:
        hall = Hall()
        with pytest.raises(error):
            hall.petitions.file(data, PEER)
        assert hall.petitions.waiting == ()
        assert hall.nothing_happened

    run(scenario)


def test_a_petition_is_no_request_with_a_token() -> None:
    document = Petition(request_of(4), HERE).to_bytes()
    with pytest.raises(MalformedError):
        JoinRequest.from_envelope(seal(JOIN_REQUEST_TYPE, document, sample.key(4)))
    with pytest.raises(MalformedError):
        JoinRequest.from_envelope(Envelope.from_bytes(petition_of(request_of(4), sample.key(4))))


# --- what may have changed since ------------------------------------------------------------------


def test_it_is_checked_again_when_it_is_approved() -> None:
    async def scenario() -> None:
        hall = Hall()
        again = request_of(8, name="mx2", address="127.0.0.2")
        one = hall.petitions.file(petition_of(again, sample.key(8)), PEER)
        hall.connected = {2}
        with pytest.raises(InvalidError, match="is in the cluster and connected"):
            hall.approve(one)
        hall.connected = set()
        hall.error = StoreError("disk full", where="chain.json")
        with pytest.raises(StoreError):
            hall.approve(one)
        assert hall.nothing_happened
        hall.error = None
        hall.approve(one)
        assert hall.history.membership.member(2).keys == again.keys
        assert len(await one.granted()) == 2

    run(scenario)


# --- limits ---------------------------------------------------------------------------------------


def test_so_many_wait_from_one_address_and_in_all() -> None:
    async def scenario() -> None:
        hall = Hall()
        for _ in range(MAX_WAITING_OF_ONE_ADDRESS):
            hall.file()
        with pytest.raises(NotAllowedError, match="too many wait"):
            hall.file()
        for number in range(MAX_WAITING - MAX_WAITING_OF_ONE_ADDRESS):
            hall.file(peer=f"198.51.100.{number}")
        with pytest.raises(NotAllowedError, match="too many wait"):
            hall.file(peer="203.0.113.1")
        hall.petitions.waiting[0].withdraw()
        hall.file(peer="203.0.113.1")

    run(scenario)


def test_who_tries_too_often_is_sent_away_before_anything_is_read() -> None:
    async def scenario() -> None:
        hall = Hall(PeerLimiter(burst=3, per_s=0.001))
        for _ in range(3):
            with pytest.raises(MalformedError):
                hall.petitions.file(b"", PEER)
        with pytest.raises(NotAllowedError, match="too many tries"):
            hall.petitions.file(b"", PEER)
        hall.file(peer="192.0.2.78")

    run(scenario)


def test_the_signed_bytes_survive() -> None:
    petition = Petition(request_of(4), HERE)
    envelope = Envelope.from_bytes(petition_of(petition.request, sample.key(4)))
    assert Petition.from_envelope(envelope) == petition
    altered = replace(envelope, payload=envelope.payload.replace(b"mx4", b"mx5"))
    with pytest.raises(BadSignatureError):
        Petition.from_envelope(altered)
