"""Who is let in. The threats of joining, one test each."""

from dataclasses import replace

import pytest

from pmgsync.errors import (
    BadSignatureError,
    InvalidError,
    MalformedError,
    NotAllowedError,
    PmgsyncError,
    StoreError,
)
from pmgsync.join_ports import JoinGrant
from pmgsync.master.admission import Admission, Attempt
from pmgsync.master.entrance import Entrance
from pmgsync.master.limiter import PeerLimiter
from pmgsync.master.register import Register
from pmgsync.master.tokens import Tokens
from pmgsync.model.chain_room import ROOM, Room
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.joining import (
    JOIN_REQUEST_TYPE,
    MAX_WRONG_PROOFS,
    NONCE_BYTES,
    TOKEN_LIFE_MS,
    Exchange,
    JoinRequest,
    Token,
    require_proof,
)
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import digest_of
from pmgsync.model.membership import Member
from pmgsync.model.trust import TrustedHistory
from tests.sim.clock import FakeClock
from tests.sim.store import MemoryStore
from tests.unit.master.rig import run
from tests.unit.model import sample

PEER = "192.0.2.77"
NONCE = bytes(NONCE_BYTES)


def request_of(
    cid: int = 4, name: str = "", address: str = "", port: int = 9443, certificate: bytes = b""
) -> JoinRequest:
    return JoinRequest(
        name or f"mx{cid}",
        address or f"127.0.0.{cid}",
        port,
        sample.key(cid).public_key,
        certificate or b"certificate %d" % cid,
        sample.PMG_KEYS,
    )


def sealed(request: JoinRequest, signer: SigningKey) -> bytes:
    return seal(JOIN_REQUEST_TYPE, request.to_bytes(), signer).to_bytes()


class Gate:
    """A master that lets nodes in."""

    def __init__(self, room: Room = ROOM) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.history = TrustedHistory([sample.seal_membership(sample.genesis())])
        self.tokens = Tokens(self.store, self.clock)
        self.chain: tuple[Envelope, ...] = self.history.chain
        self.admitted: list[Member] = []
        self.write_error: PmgsyncError | None = None
        self.certificate_error: PmgsyncError | None = None
        self.connected: set[int] = set()
        self.register = Register(
            self.history, sample.MASTER, self.clock, self._write, self._announce, room
        )
        entrance = Entrance(self.register, self.clock, self._check, lambda: self.connected)
        self.admission = Admission(self.tokens, entrance, self.clock, PeerLimiter(burst=50))

    def _check(self, certificate: bytes) -> None:
        if self.certificate_error:
            raise self.certificate_error

    def _write(self, chain: tuple[Envelope, ...]) -> None:
        if self.write_error:
            raise self.write_error
        self.chain = chain

    def _announce(self) -> None:
        assert self.chain == self.history.chain  # durable before anybody hears of it
        before = TrustedHistory(self.chain[:-1]).membership.members
        self.admitted += [m for m in self.history.membership.members if m not in before]

    def token(self) -> Token:
        return self.tokens.issue(digest_of(b"certificate 1"))

    def begin(self, token: Token, nonce: bytes = NONCE) -> Attempt:
        return self.admission.begin(token.token_id, nonce, PEER)

    def join(self, token: Token, request: JoinRequest, signer: SigningKey) -> JoinGrant:
        attempt = self.begin(token)
        exchange = Exchange(token.secret, NONCE, attempt.master_nonce)
        require_proof(attempt.proof, exchange.master_proof(), "the master")
        data = sealed(request, signer)
        grant = attempt.admit(data, exchange.node_proof(data))
        require_proof(grant.proof, exchange.chain_proof(grant.chain), "the master")
        return grant

    def nothing_happened(self) -> bool:
        return len(self.history.chain) == len(self.chain) == 1 and not self.admitted


def refused(gate: Gate, token: Token) -> str:
    with pytest.raises(NotAllowedError) as caught:
        gate.begin(token)
    return str(caught.value)


def test_a_node_with_a_token_gets_in() -> None:
    gate = Gate()
    grant = gate.join(gate.token(), request_of(4), sample.key(4))
    node = TrustedHistory([Envelope.from_bytes(link) for link in grant.chain])
    assert node.membership == gate.history.membership
    member = node.membership.member(4)
    assert (member.name, member.address) == ("mx4", "127.0.0.4")
    assert member.keys is not None
    assert member.keys.identity == sample.key(4).public_key
    assert gate.admitted == [member]
    assert gate.chain == gate.history.chain


def test_an_expected_node_gets_its_place() -> None:
    gate = Gate()
    gate.join(gate.token(), request_of(3), sample.key(3))
    assert gate.history.membership.max_cid == 3
    assert gate.history.membership.member(3).keys is not None


def test_a_node_that_joins_again_keeps_its_cid_and_its_old_keys_are_dead() -> None:
    gate = Gate()
    anew = replace(request_of(8, name="MX2", address="127.0.0.2"), certificate=b"new")
    gate.join(gate.token(), anew, sample.key(8))
    member = gate.history.membership.member(2)
    assert member.name == "mx2"
    assert member.keys is not None
    assert member.keys.identity == sample.key(8).public_key
    assert gate.history.membership.holder_of(digest_of(b"certificate 2")) is None


def test_several_nodes_join_one_after_the_other() -> None:
    gate = Gate()
    for cid in (4, 5, 6):
        gate.join(gate.token(), request_of(cid), sample.key(cid))
    assert [m.cid for m in gate.history.membership.members] == [1, 2, 3, 4, 5, 6]


# --- tokens --------------------------------------------------------------------------------------


def test_all_bad_tokens_are_refused_with_the_same_words() -> None:
    async def scenario() -> None:
        gate = Gate()
        used, late = gate.token(), gate.token()
        gate.join(used, request_of(4), sample.key(4))
        unknown = Token(b"x" * 16, digest_of(b""))
        lines = {refused(gate, used), refused(gate, unknown)}
        await gate.clock.advance(TOKEN_LIFE_MS / 1000 + 1)
        lines.add(refused(gate, late))
        assert len(lines) == 1
        assert "`pmgsync join-cmd`" in lines.pop()

    run(scenario)


def test_a_token_lets_in_one_of_two_that_began_together() -> None:
    gate = Gate()
    token = gate.token()
    attempts = [gate.begin(token), gate.begin(token)]
    outcomes = []
    for cid, attempt in enumerate(attempts, 4):
        exchange = Exchange(token.secret, NONCE, attempt.master_nonce)
        data = sealed(request_of(cid), sample.key(cid))
        try:
            attempt.admit(data, exchange.node_proof(data))
            outcomes.append("in")
        except NotAllowedError:
            outcomes.append("refused")
    assert outcomes == ["in", "refused"]
    assert [member.cid for member in gate.admitted] == [4]


def test_a_token_that_runs_out_between_the_messages() -> None:
    async def scenario() -> None:
        gate = Gate()
        token = gate.token()
        attempt = gate.begin(token)
        await gate.clock.advance(TOKEN_LIFE_MS / 1000 + 1)
        with pytest.raises(NotAllowedError):
            attempt.admit(b"", b"")
        assert gate.nothing_happened()

    run(scenario)


def test_guessing_revokes_the_token() -> None:
    gate = Gate()
    token = gate.token()
    for _ in range(MAX_WRONG_PROOFS):
        with pytest.raises(BadSignatureError):
            gate.begin(token).admit(sealed(request_of(4), sample.key(4)), b"0" * 32)
    refused(gate, token)
    assert gate.nothing_happened()


def test_too_many_tries_are_refused_with_the_words_of_a_bad_token() -> None:
    gate = Gate()
    token = gate.token()
    for _ in range(50):
        gate.begin(token)
    line = refused(gate, token)
    assert "too many tries" in line
    gate.admission.begin(token.token_id, NONCE, "192.0.2.78")


@pytest.mark.parametrize("length", [0, NONCE_BYTES - 1, NONCE_BYTES + 1])
def test_a_nonce_of_another_length(length: int) -> None:
    gate = Gate()
    with pytest.raises(MalformedError):
        gate.begin(gate.token(), bytes(length))


def test_nonces_are_never_the_same() -> None:
    gate = Gate()
    token = gate.token()
    assert len({gate.begin(token).master_nonce for _ in range(10)}) == 10


# --- proofs and requests -------------------------------------------------------------------------


def test_a_proof_is_bound_to_the_exchange_and_the_request() -> None:
    gate = Gate()
    token = gate.token()
    first, second = gate.begin(token), gate.begin(token)
    exchange = Exchange(token.secret, NONCE, first.master_nonce)
    data = sealed(request_of(4), sample.key(4))
    other = sealed(request_of(5), sample.key(5))
    for attempt, request, proof in [
        (second, data, exchange.node_proof(data)),
        (first, other, exchange.node_proof(data)),
        (first, data, exchange.master_proof()),
    ]:
        with pytest.raises(BadSignatureError):
            attempt.admit(request, proof)
    assert gate.nothing_happened()


def admit_with_proof(gate: Gate, token: Token, data: bytes) -> JoinGrant:
    attempt = gate.begin(token)
    exchange = Exchange(token.secret, NONCE, attempt.master_nonce)
    return attempt.admit(data, exchange.node_proof(data))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", MalformedError),
        (b"{}", MalformedError),
        (b"x" * (65 << 10), MalformedError),
        (sealed(request_of(4), sample.STRANGER), BadSignatureError),
        (sealed(request_of(4, name="bad name"), sample.key(4)), MalformedError),
        (sealed(request_of(4, address="mx4.example"), sample.key(4)), MalformedError),
        (sealed(request_of(4, port=0), sample.key(4)), MalformedError),
        (sealed(request_of(4, name="mx1"), sample.key(4)), InvalidError),
        (sealed(request_of(4, name="MX1"), sample.key(4)), InvalidError),
        (sealed(request_of(4, address="127.0.0.2"), sample.key(4)), InvalidError),
        (sealed(request_of(2, name="mx9", address="127.0.0.9"), sample.key(2)), InvalidError),
    ],
)
def test_a_request_that_cannot_be_granted_leaves_the_token_good(
    data: bytes, error: type[PmgsyncError]
) -> None:
    gate = Gate()
    token = gate.token()
    with pytest.raises(error):
        admit_with_proof(gate, token, data)
    assert gate.nothing_happened()
    gate.join(token, request_of(4), sample.key(4))


def test_a_certificate_of_the_wrong_kind() -> None:
    gate = Gate()
    gate.certificate_error = MalformedError("the certificate is a CA")
    with pytest.raises(MalformedError):
        gate.join(gate.token(), request_of(4), sample.key(4))
    assert gate.nothing_happened()


def test_nobody_takes_the_place_of_a_node_that_is_connected() -> None:
    gate = Gate()
    token = gate.token()
    gate.connected = {2}
    with pytest.raises(InvalidError, match=r"mx2\(2\) is in the cluster and connected"):
        gate.join(token, request_of(4, name="mx2", address="127.0.0.9"), sample.key(4))
    assert gate.nothing_happened()
    gate.connected = set()
    gate.join(token, request_of(4, name="mx2", address="127.0.0.9"), sample.key(4))
    assert gate.history.membership.member(2).address == "127.0.0.9"


def test_a_dead_key_never_gets_in_again() -> None:
    gate = Gate()
    gate.register.remove(gate.history.membership.member(2))
    token = gate.token()
    for revived in (
        (request_of(2), sample.key(2)),  # all as it was
        (replace(request_of(2), certificate=b"fresh"), sample.key(2)),
        (replace(request_of(8, name="other"), certificate=b"certificate 2"), sample.key(8)),
    ):
        with pytest.raises(InvalidError, match="so it is dead"):
            gate.join(token, *revived)
    anew = replace(request_of(8, name="mx2", address="127.0.0.2"), certificate=b"new")
    gate.join(token, anew, sample.key(8))
    assert gate.history.membership.member(2).keys is not None
    with pytest.raises(InvalidError, match="so it is dead"):
        gate.join(gate.token(), request_of(2), sample.key(2))


# --- durability ----------------------------------------------------------------------------------


def test_what_cannot_be_written_down_was_not_let_in() -> None:
    gate = Gate()
    token = gate.token()
    gate.write_error = StoreError("disk full", where="database")
    with pytest.raises(StoreError):
        gate.join(token, request_of(4), sample.key(4))
    assert gate.nothing_happened()
    gate.write_error = None
    gate.join(token, request_of(4), sample.key(4))
    assert len(gate.admitted) == 1


def test_a_token_that_cannot_be_used_up_lets_nobody_in() -> None:
    gate = Gate()
    token = gate.token()
    gate.store.full = True
    with pytest.raises(StoreError):
        gate.join(token, request_of(4), sample.key(4))
    assert gate.nothing_happened()


def test_a_chain_that_could_not_be_read_back_gets_no_longer() -> None:
    gate = Gate(Room(changes=1000))
    token = gate.token()
    with pytest.raises(InvalidError, match="the membership chain would have"):
        gate.join(token, request_of(4), sample.key(4))
    assert gate.nothing_happened()
    assert len(gate.tokens.all_good) == 1
