"""The seams between the master's core and the network where the membership changes: strangers who
want in, and members who ask about themselves. The rules are those of `ports.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pmgsync.model.membership import Member, MemberKeys


class MemberRequests(Protocol):
    """What a member may ask of the master; the transport has checked who asks."""

    def leave(self, member: Member) -> bytes:
        """`member` is none any more; the signed notice of it (see `model.removal`).

        Durable when it returns. `InvalidError` for the master itself.
        """

    def rekey(self, member: Member, request: bytes, proof: bytes) -> bytes:
        """Give `member` the keys that it asks for in `request` (see `model.rekeying`); `proof` is
        made with the new TLS key. The link of the chain (an envelope) that says so.

        Durable when it returns. `PeerError` for a request that must not be believed, `InvalidError`
        for keys that it cannot have.
        """

    def notice(self, keys: MemberKeys) -> bytes | None:
        """The signed notice that these keys are no member's any more; empty where they are, or
        where their holder has others. None where they are no member's and nobody can sign it here.
        """


@dataclass(frozen=True, slots=True)
class JoinGrant:
    """The membership chain (envelopes, oldest first) with the newcomer in it, and its proof."""

    chain: tuple[bytes, ...]
    proof: bytes


class JoinAttempt(Protocol):
    """One exchange of `model.joining` after its opening; just dropped if the node leaves."""

    @property
    def master_nonce(self) -> bytes:
        """The master's nonce of this exchange."""

    @property
    def proof(self) -> bytes:
        """The master's proof over both nonces."""

    def admit(self, request: bytes, proof: bytes) -> JoinGrant:
        """Let in who sent `request` (an envelope's bytes) with the node's `proof`; called at most
        once.

        Durable when it returns. `BadSignatureError` for a wrong proof, `NotAllowedError` for a
        token that was used or ran out meanwhile, `MalformedError` or `InvalidError` for a request
        that cannot be granted.
        """


class FiledPetition(Protocol):
    """A petition to join that waits for the admin's word. It must be withdrawn in the end."""

    @property
    def identity(self) -> bytes:
        """This master's identity key, raw: with its certificate, what the other admin compares."""

    @property
    def seconds(self) -> int:
        """How long it waits."""

    async def granted(self) -> tuple[bytes, ...]:
        """Wait; the membership chain with the node in it. `NotAllowedError` if it was refused."""

    def withdraw(self) -> None:
        """It waits no longer; safe to call twice, and after it was granted."""


class JoinHandler(Protocol):
    """What the master does with a stranger; called in the loop's thread, so it must be quick."""

    def begin(self, token_id: str, node_nonce: bytes, peer: str) -> JoinAttempt:
        """An attempt with the token called `token_id`, from the address `peer`.

        `NotAllowedError` if there is no such token, it was used, revoked or ran out, or too many
        tried: all said with the same words, so that nothing is learned by guessing.
        """

    def file(self, envelope: bytes, peer: str) -> FiledPetition:
        """Let the petition in `envelope`, from the address `peer`, wait for the admin.

        `NotAllowedError` where too many wait or tried, `PeerError` or `InvalidError` for one that
        could not be granted.
        """
