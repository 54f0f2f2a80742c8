"""A cluster in one thread and without a loop: every step is a call, and all that decides is real.

Each `Site` is a member with what it has on disk (chain, log, ballot) and what it believes
(`TrustedHistory`). Versions, links, questions and signatures pass between sites that reach each
other, one step at a time; what a member answers is `model.ballot.decide`, what a candidate does is
`agent.campaign.plan`. A site that crashes keeps its disk and loses the rest.

After every step the `World` has checked what must never be otherwise:

* no epoch has versions of two masters;
* no new master lacks a version that a majority had on disk while its epoch went on.

    world = World(3)
    world.publish(1); world.replicate(1, 2)
    world.isolate({1}); world.start(2); world.ask(2); world.ask(2); world.finish(2)
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache

from pmgsync.agent.campaign import Heard, Survey, Way, is_enough, plan
from pmgsync.errors import GapError, PeerError
from pmgsync.model.ballot import (
    NO_BALLOT,
    Ballot,
    Proposal,
    Refused,
    Voter,
    decide,
    sign,
    with_signatures,
)
from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Position, diff
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest, FileEntry, Manifest
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, Member, Membership, successor
from pmgsync.model.paths import ManagedPath
from pmgsync.model.peers import Standing
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.promotion import majority, promoted
from pmgsync.model.trust import Head, TrustedHistory
from tests.sim.author import CLUSTER, Author

Version = tuple[Position, Digest]


@cache
def key_of(cid: int) -> SigningKey:
    return SigningKey(bytes([cid]) * 32)


@cache
def _sealed(kind: str, payload: bytes, cid: int) -> Envelope:
    """Signing is a function, so the same words need not be signed twice."""
    return seal(kind, payload, key_of(cid))


@cache
def _state(number: int) -> Manifest:
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
    """One member. `log` are the versions on its disk, newest last."""

    cid: int
    history: TrustedHistory
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


class World:
    """The members, who reaches whom, and what has happened."""

    def __init__(self, count: int) -> None:
        author = Author(count - 1)
        self.sites = {cid: Site(cid, TrustedHistory(author.chain)) for cid in range(1, count + 1)}
        self.groups: tuple[frozenset[int], ...] = (frozenset(self.sites),)
        self.masters: dict[int, int] = {1: 1}
        self.parents: dict[Version, Version] = {}
        self.holders: dict[Version, frozenset[int]] = {}
        self.committed: frozenset[Version] = frozenset()
        self.published = 0

    def copy(self) -> World:
        """Another one that goes its own way from here."""
        made = copy.copy(self)
        made.sites = {cid: site.copy() for cid, site in self.sites.items()}
        made.masters, made.parents = dict(self.masters), dict(self.parents)
        made.holders = dict(self.holders)
        return made

    @property
    def state(self) -> object:
        """All that can make a difference to what happens next."""
        return self.groups, self.published, tuple(map(_state_of, self.sites.values()))

    # --- the network and the machines ---

    def isolate(self, some: Collection[int]) -> None:
        """Only these reach each other, and only the others do."""
        rest = frozenset(self.sites) - frozenset(some)
        self.groups = (frozenset(some), rest)

    def heal(self) -> None:
        """Everybody reaches everybody."""
        self.groups = (frozenset(self.sites),)

    def reach(self, one: int, other: int) -> bool:
        """Are both up, and nothing between them?"""
        linked = any({one, other} <= group for group in self.groups)
        return linked and self.sites[one].up and self.sites[other].up

    def crash(self, cid: int) -> None:
        """All that is not on its disk is gone."""
        site = self.sites[cid]
        site.up, site.yields_to, site.campaign = False, 0, None

    def restart(self, cid: int) -> None:
        """It is back with what is on its disk."""
        site = self.sites[cid]
        site.up = True
        site.believe_disk()

    # --- versions ---

    def publish(self, cid: int) -> None:
        """Somebody edits a file on a site that believes to be the master."""
        site = self.sites[cid]
        if not site.publishes:
            return
        self.published += 1
        target, epoch = _state(self.published), site.history.membership.epoch
        words = ChangeSet(
            cluster=CLUSTER,
            position=Position(epoch, site.head.position.version + 1),
            parent=site.head.manifest.digest,
            result=target.digest,
            change=diff(site.head.manifest, target),
            created=0,
        )
        envelope = _sealed(CHANGE_SET_TYPE, words.to_bytes(), cid)
        before = _version(site.head)
        site.history.accept(envelope, target)
        self.parents[words.position, target.digest] = before
        self._store(site, envelope, Head(words.position, target))

    def replicate(self, source: int, target: int, *, late: bool = False) -> None:
        """What a node gets from the master that it follows, in one go; `late`: it believes the
        version, and has not written it down yet.
        """
        here, there = self.sites[source], self.sites[target]
        follows = there.history.membership.master == source and source != target
        if not (self.reach(source, target) and here.is_master and follows):
            return
        self._take_links(here, there)
        if there.history.membership.epoch == here.history.membership.epoch:
            self._take_head(here, there, late=late)

    def write(self, cid: int) -> None:
        """A node writes down what it believes, if it still may (as `AgentRole` does)."""
        site = self.sites[cid]
        wanted, site.wanted = site.wanted, None
        if not site.up or wanted is None:
            return
        if not site.history.fences(wanted[1].position, site.head.position):
            self._store(site, *wanted)

    def _take_head(self, here: Site, there: Site, *, late: bool = False) -> None:
        envelope, head = here.log[-1]
        if envelope is None:
            return
        try:
            there.history.accept_snapshot(envelope, head.manifest)
        except PeerError:
            return
        there.wanted = envelope, head
        if not late:
            self.write(there.cid)

    def _store(self, site: Site, envelope: Envelope, head: Head) -> None:
        site.log.append((envelope, head))
        epoch = head.position.epoch
        master = self.masters.setdefault(epoch, self._signer(envelope))
        assert master == self._signer(envelope), f"two masters in epoch {epoch}"
        if epoch != site.history.membership.epoch:
            return
        for version in self._lineage(_version(head)):
            if version[0].epoch != epoch:
                break
            holders = self.holders.get(version, frozenset()) | {site.cid}
            self.holders[version] = holders
            if len(holders) >= majority(site.history.membership):
                self.committed |= {version}

    def _signer(self, envelope: Envelope) -> int:
        ids = {key_of(cid).public_key.key_id: cid for cid in self.sites}
        return ids[envelope.signatures[0].key_id]

    def _lineage(self, version: Version) -> Iterator[Version]:
        at: Version | None = version
        while at is not None and at[0].version:
            yield at
            at = self.parents.get(at)

    # --- links ---

    def change(self, cid: int) -> None:
        """A site that believes to be the master keeps a place for a node that is to come."""
        site = self.sites[cid]
        if not site.publishes:
            return
        before, new = site.history.membership, site.history.membership.max_cid + 1
        place = Member(new, f"node{new}", f"127.0.0.{new}", 26, PmgKeys("", "", ""))
        after = successor(before, site.history.chain[-1], (*before.members, place), now=None)
        site.history.accept_membership(_sealed(MEMBERSHIP_TYPE, after.to_bytes(), cid))

    def gossip(self, one: int, other: int) -> None:
        """Each hands over the links that the other lacks."""
        if self.reach(one, other):
            self._take_links(self.sites[one], self.sites[other])
            self._take_links(self.sites[other], self.sites[one])

    def _take_links(self, here: Site, there: Site) -> None:
        """As `agent.gossip` does: from further back, until it attaches."""
        epoch = there.history.membership.epoch
        for place in there.history.places_back():
            try:
                there.history.accept_memberships(here.history.links_after(*place))
            except GapError:
                continue
            except PeerError:
                break
            break
        self._turn(there, epoch)

    def _turn(self, site: Site, epoch: int) -> None:
        """As a node changes its roles: orphans leave the log, a campaign is over."""
        if site.history.membership.epoch == epoch:
            return
        site.campaign, site.yields_to = None, 0
        fork = site.history.fork
        while len(site.log) > 1 and fork(site.head.position, site.head.manifest.digest):
            site.log.pop()
        site.believe_disk()

    # --- campaigns ---

    def start(self, cid: int) -> None:
        """A candidate asks where the others stand, catches up, and writes its document."""
        me = self.sites[cid]
        if not me.up or (me.is_master and not self._must_renew(me)):
            return
        epoch = me.history.membership.epoch
        others = [other for other in self.sites if other != cid]
        for other in others:
            if self.reach(cid, other):
                self._take_links(self.sites[other], me)
        if me.history.membership.epoch != epoch:
            return
        made = plan(self._survey(me, others))
        if made.hindrance:
            return
        asked = [member.cid for member in made.ask]
        if made.way is Way.HANDOVER:
            master = me.history.membership.master
            self.sites[master].yields_to = cid
            self._take_head(self.sites[master], me)
            asked = [master, cid, *(other for other in asked if other != master)]
        else:
            if made.source is not None:
                self._take_head(self.sites[made.source.cid], me)
            asked = [cid, *asked]
        membership = promoted(
            me.history.known_membership,
            me.history.known_chain[-1],
            cid,
            epoch=made.epoch,
            base=me.base,
            now=None,
        )
        document = _sealed(MEMBERSHIP_TYPE, membership.to_bytes(), cid)
        me.campaign = Campaign(
            made.way, me.history.known_membership, document, me.log[-1][0], asked
        )

    def _survey(self, me: Site, others: list[int]) -> Survey:
        membership = me.history.known_membership
        heard = tuple(
            Heard(membership.member(other), self._standing(other), "no answer")
            if self.reach(me.cid, other)
            else Heard(membership.member(other), None, "no answer")
            for other in others
        )
        return Survey(membership, membership.member(me.cid), me.base, me.ballot.epoch, heard)

    def _standing(self, cid: int) -> Standing:
        site = self.sites[cid]
        membership = site.history.known_membership
        return Standing(
            membership.epoch,
            membership.serial,
            site.head.position,
            site.head.manifest.digest,
            site.ballot.epoch,
            live=self.is_live(cid),
            master=site.is_master,
        )

    def is_live(self, cid: int) -> bool:
        """Does it hear the master that it believes in, or is it the master?"""
        site = self.sites[cid]
        master = self.sites[site.history.membership.master]
        same = master.history.membership.epoch == site.history.membership.epoch
        return site.is_master or (self.reach(cid, master.cid) and master.is_master and same)

    def ask(self, cid: int, *, lost: bool = False) -> None:
        """Ask the next member to sign; its answer may be `lost` on the way."""
        me = self.sites[cid]
        campaign = me.campaign
        if campaign is None or not me.up or not campaign.asked:
            return
        asked = campaign.asked.pop(0)
        if asked != cid and not self.reach(cid, asked):
            return
        site = self.sites[asked]
        ballot = decide(Proposal(campaign.document, campaign.proof), self._voter(site))
        if isinstance(ballot, Refused):
            return
        site.ballot = ballot
        site.history.promise(ballot.epoch)
        if not lost or asked == cid:
            signature = sign(campaign.document, key_of(asked))
            campaign.document = with_signatures(campaign.document, signature)

    def _voter(self, site: Site) -> Voter:
        return Voter(
            cid=site.cid,
            chain=site.history.known_chain,
            membership=site.history.known_membership,
            head=site.base,
            ballot=site.ballot,
            live=self.is_live(site.cid),
            yields_to=site.yields_to,
        )

    def finish(self, cid: int) -> None:
        """Take up the role, if the signatures are enough."""
        me = self.sites[cid]
        campaign = me.campaign
        if campaign is None or not me.up or me.ballot.document != campaign.document.digest:
            return
        if not is_enough(campaign.way, campaign.before, campaign.document):
            return
        epoch = me.history.membership.epoch
        try:
            me.history.accept_membership(campaign.document)
        except PeerError:
            return
        self._turn(me, epoch)
        had = set(self._lineage(_version(me.head)))
        lost = self.committed - had
        assert not lost, f"{cid} is master of {me.history.membership.epoch} without {lost}"

    def resume(self, cid: int) -> None:
        """A master that had stopped for a candidate goes on, as that one did not come."""
        self.sites[cid].yields_to = 0

    def _must_renew(self, me: Site) -> bool:
        epoch = me.history.membership.epoch
        reached = (site for site in self.sites.values() if self.reach(me.cid, site.cid))
        promised = max((site.ballot.epoch for site in reached), default=0)
        return max(promised, me.ballot.epoch) > epoch and not me.yields_to

    # --- in the end ---

    def settle(self) -> None:
        """Everything is mended; what the daemons do by themselves leads to one state."""
        self.heal()
        for cid, site in self.sites.items():
            site.yields_to = 0
            self.write(cid)
            if not site.up:
                self.restart(cid)
        for _ in range(4 + len(self.sites)):
            self._round()
            if self.is_level:
                return

    def _round(self) -> None:
        for one in self.sites:
            for other in self.sites:
                self.gossip(one, other)
        for cid, site in self.sites.items():
            if site.is_master and self._must_renew(site):
                site.campaign = None
                self.start(cid)
                while site.campaign is not None and site.campaign.asked:
                    self.ask(cid)
                self.finish(cid)
        for cid, site in self.sites.items():
            if site.is_master:
                self.publish(cid)
                for other in self.sites:
                    self.replicate(cid, other)

    @property
    def is_level(self) -> bool:
        """Do all believe and have the same?"""
        first, *rest = self.sites.values()
        return all(
            site.history.chain[-1].digest == first.history.chain[-1].digest
            and _version(site.head) == _version(first.head)
            and not site.history.promised
            for site in (first, *rest)
        )


def _version(head: Head) -> Version:
    return head.position, head.manifest.digest


def _state_of(site: Site) -> object:
    campaign = site.campaign
    return (
        site.history.chain[-1].digest,
        site.history.known_chain[-1].digest,
        site.history.head.position,
        _version(site.head),
        site.ballot,
        site.up,
        site.yields_to,
        site.wanted and site.wanted[1].position,
        campaign
        and (
            campaign.document.digest,
            frozenset(signature.key_id for signature in campaign.document.signatures),
            tuple(campaign.asked),
        ),
    )
