"""One member of `tests/sim/electorate.py`: what it has on disk, and what it believes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cache

from pmgsync.agent.campaign import Way
from pmgsync.model.ballot import NO_BALLOT, Ballot
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import FileEntry, Manifest
from pmgsync.model.membership import Base, Membership
from pmgsync.model.paths import ManagedPath
from pmgsync.model.trust import Head, TrustedHistory


@cache
def key_of(cid: int, number: int = 0) -> SigningKey:
    """The keys of a member, from the first one on."""
    return SigningKey(bytes([cid]) * 32 if not number else bytes([cid, number]) * 16)


@cache
def _signed(kind: str, payload: bytes, raw: tuple[bytes, ...]) -> Envelope:
    return seal(kind, payload, *map(SigningKey, raw))


def sealed(kind: str, payload: bytes, *signers: SigningKey) -> Envelope:
    """Signing is a function, so the same words need not be signed twice."""
    return _signed(kind, payload, tuple(key.to_raw() for key in signers))


@cache
def state_of(number: int) -> Manifest:
    """The state that the version with that number leads to."""
    entry = FileEntry.of(ManagedPath("etc/pmg/domains"), b"%d.example 1\n" % number)
    return Manifest([entry])


@dataclass
class Campaign:
    """A candidate on its way: the document so far, and whom it has not asked yet."""

    way: Way
    before: Membership
    document: Envelope
    proof: Envelope | None
    asked: list[int]


@dataclass
class Site:
    """One member. `log` are the versions on its disk, newest last; `keys` all that it has, newest
    first.
    """

    cid: int
    history: TrustedHistory
    keys: tuple[SigningKey, ...]
    log: list[tuple[Envelope | None, Head]] = field(default_factory=lambda: [(None, Head())])
    ballot: Ballot = NO_BALLOT
    up: bool = True
    yields_to: int = 0
    wanted: tuple[Envelope, Head] | None = None
    campaign: Campaign | None = None

    @property
    def head(self) -> Head:
        """Of its log."""
        return self.log[-1][1]

    @property
    def base(self) -> Base:
        """The same, as a proposal names it."""
        return Base(self.head.position, self.head.manifest.digest)

    @property
    def is_master(self) -> bool:
        """Does it believe to be the master?"""
        return self.history.membership.master == self.cid

    @property
    def publishes(self) -> bool:
        """Would it publish what is edited?"""
        return self.up and self.is_master and not self.yields_to and not self.history.promised

    def key_in(self, membership: Membership) -> SigningKey | None:
        """The key that `membership` names for it; None if it names none of its keys."""
        named = membership.identity_of(self.cid)
        return next((key for key in self.keys if key.public_key == named), None)

    @property
    def key(self) -> SigningKey:
        """The one that counts."""
        return self.key_in(self.history.membership) or self.keys[-1]

    def knows(self, other: Site) -> bool:
        """Does its chain, or what it has set aside, name `other` by a key that this has?"""
        keys = {key.public_key for key in other.keys}
        return any(m.keys and m.keys.identity in keys for m in self.history.known_members)

    def believe_disk(self) -> None:
        """Begin anew with what is on disk."""
        chain, self.wanted = self.history.chain, None
        self.history = TrustedHistory(chain, self.head, promised=self.ballot.epoch)

    def copy(self) -> Site:
        """Another one that goes its own way from here."""
        made = copy.copy(self)
        made.history, made.log = copy.copy(self.history), list(self.log)
        vars(made.history).update(
            {name: list(value) for name, value in vars(self.history).items() if type(value) is list}
        )
        if self.campaign is not None:
            made.campaign = copy.copy(self.campaign)
            made.campaign.asked = list(self.campaign.asked)
        return made

    @property
    def state(self) -> object:
        """All of it that can make a difference to what happens next."""
        campaign = self.campaign
        return (
            self.history.chain[-1].digest,
            self.history.known_chain[-1].digest,
            self.history.head.position,
            self.base,
            self.ballot,
            self.up,
            self.yields_to,
            self.wanted and self.wanted[1].position,
            campaign
            and (
                campaign.document.digest,
                frozenset(signature.key_id for signature in campaign.document.signatures),
                tuple(campaign.asked),
            ),
        )
