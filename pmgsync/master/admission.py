"""Who is let in: the master's half of joining with a token, from the opening to the new membership.

1. Begin: the address may try, the token is good; answer with a nonce and the proof that we know the
secret. 2. Admit: the node's proof over its request; a wrong one counts against the token. 3. The
request: signed by the identity it names, with a certificate of the right kind. 4. Its place: the
cid that its name has or had, else a new one; keys and address that nobody else has. 5. The token is
used up, durably, before anything else; so it lets in one node at most. 6. The new membership,
signed, is written down, and only then believed, announced and answered (`register.py`).

If step 6 cannot be written down, nothing was let in and the token is good again. A node that joins
again under its own name with a fresh token gets its place back with the new keys; the old ones are
dead at once, and for ever.
"""

import logging
from dataclasses import dataclass
from secrets import token_bytes

from pmgsync.errors import BadSignatureError, MalformedError, NotAllowedError
from pmgsync.join_ports import JoinGrant
from pmgsync.master.entrance import Entrance
from pmgsync.master.limiter import PeerLimiter
from pmgsync.master.tokens import IssuedToken, Tokens
from pmgsync.model.envelope import Envelope
from pmgsync.model.joining import (
    MAX_REQUEST_BYTES,
    NONCE_BYTES,
    Exchange,
    JoinRequest,
    require_proof,
)
from pmgsync.ports import Clock

log = logging.getLogger(__name__)

_MEND = "get a new token with `pmgsync join-cmd` on the master"


class Admission:
    """Those who have a token."""

    def __init__(
        self,
        tokens: Tokens,
        entrance: Entrance,
        clock: Clock,
        limiter: PeerLimiter | None = None,
    ) -> None:
        self._tokens = tokens
        self._entrance = entrance
        self._clock = clock
        self._limiter = PeerLimiter() if limiter is None else limiter

    def begin(self, token_id: str, node_nonce: bytes, peer: str) -> "Attempt":
        """See `join_ports.JoinHandler`."""
        if not self._limiter.allow(peer, self._clock.monotonic()):
            raise _refusal("too many tries", peer)
        token = self._good(token_id, peer)
        exchange = Exchange(token.secret, node_nonce, token_bytes(NONCE_BYTES))
        return Attempt(self, token_id, exchange, peer)

    def admit(
        self, token_id: str, exchange: Exchange, request: bytes, proof: bytes, peer: str
    ) -> JoinGrant:
        """Let in who sent `request`; see `join_ports.JoinAttempt`."""
        token = self._good(token_id, peer)
        try:
            require_proof(proof, exchange.node_proof(request), peer)
        except BadSignatureError:
            self._tokens.proved_wrong(token)
            raise
        member = self._entrance.candidate(_request(request, peer), peer)
        envelope = self._entrance.draft(member, peer)
        self._tokens.use(token)
        try:
            self._entrance.enter(envelope)
        except BaseException:
            self._tokens.unuse(token)
            raise
        chain = self._entrance.welcome(member, peer)
        return JoinGrant(chain, exchange.chain_proof(chain))

    def _good(self, token_id: str, peer: str) -> IssuedToken:
        token = self._tokens.good(token_id)
        if token is None:
            raise _refusal(f"its token is {self._tokens.why_not(token_id)}", peer)
        return token


@dataclass(frozen=True, slots=True)
class Attempt:
    """A `join_ports.JoinAttempt`."""

    admission: Admission
    token_id: str
    exchange: Exchange
    peer: str

    @property
    def master_nonce(self) -> bytes:
        """See the port."""
        return self.exchange.master_nonce

    @property
    def proof(self) -> bytes:
        """See the port."""
        return self.exchange.master_proof()

    def admit(self, request: bytes, proof: bytes) -> JoinGrant:
        """See the port."""
        return self.admission.admit(self.token_id, self.exchange, request, proof, self.peer)


def _refusal(why: str, peer: str) -> NotAllowedError:
    """The same words for every reason; the reason itself is for the master's log."""
    log.warning("join from %s refused: %s", peer, why)
    return NotAllowedError(
        "the token is unknown, used or expired, or there were too many tries",
        where="join",
        mend=_MEND,
    )


def _request(data: bytes, peer: str) -> JoinRequest:
    if len(data) > MAX_REQUEST_BYTES:
        raise MalformedError(f"a join request of {len(data)} bytes", where=peer)
    return JoinRequest.from_envelope(Envelope.from_bytes(data))
