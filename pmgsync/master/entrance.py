"""Who may become a member at all, with a token or by the admin's word, and how it is made one.

The certificate is of the right kind; the keys are nobody's and never were; the place is the cid
that the name has or had, else a new one. Nobody takes the place of the master or of a node that is
connected.
"""

import logging
from collections.abc import Callable, Collection

from pmgsync.errors import InvalidError
from pmgsync.master.register import Register
from pmgsync.model.envelope import Envelope
from pmgsync.model.joining import JoinRequest
from pmgsync.model.membership import Member, admit, place_for
from pmgsync.ports import Clock

log = logging.getLogger(__name__)


class Entrance:
    """`check_certificate` raises for a certificate (DER) that is not of the right kind; `connected`
    names the members that have a stream.
    """

    def __init__(
        self,
        register: Register,
        clock: Clock,
        check_certificate: Callable[[bytes], None],
        connected: Callable[[], Collection[int]] = tuple,
    ) -> None:
        self._register = register
        self._clock = clock
        self._check_certificate = check_certificate
        self._connected = connected

    def candidate(self, request: JoinRequest, peer: str) -> Member:
        """The member that `request` would make; `MalformedError` or `InvalidError` if none."""
        self._check_certificate(request.certificate)
        membership = self._register.membership
        known = membership.named(request.name)
        if known is not None and known.cid == membership.master:
            raise InvalidError(
                f"{request.name} is the name of the master",
                where=peer,
                mend="give the new node another name",
            )
        if known is not None and known.cid in self._connected():
            raise InvalidError(
                f"{known.label} is in the cluster and connected",
                where=peer,
                mend="give the new node another name; or stop pmgsyncd on the old one first",
            )
        if self._register.lineage().is_dead(request.keys):
            raise InvalidError(
                "its key was a member's that was removed or joined anew since, so it is dead",
                where=peer,
                mend="say `pmgsync join` there again: it makes new keys",
            )
        return Member(
            cid=place_for(membership, request.name),
            name=known.name if known else request.name,
            address=request.address,
            port=request.port,
            pmg=request.pmg,
            keys=request.keys,
        )

    def draft(self, member: Member, peer: str) -> Envelope:
        """The link that lets `member` in, signed and tried on; `InvalidError` if there is none."""
        register = self._register
        now = self._clock.now()
        return register.draft(admit(register.membership, register.last, member, now=now), peer)

    def enter(self, envelope: Envelope) -> None:
        """Write down and believe what `draft` made."""
        self._register.enter(envelope)

    def welcome(self, member: Member, peer: str) -> tuple[bytes, ...]:
        """Tell everybody; the chain, for the newcomer."""
        log.info("%s joined from %s", member.label, peer)
        self._register.announce()
        return tuple(envelope.to_bytes() for envelope in self._register.chain)
