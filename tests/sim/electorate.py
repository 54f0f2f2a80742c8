"""A cluster in one thread and without a loop: every step is a call, and all that decides is real.

Each `Site` is a member with what it has on disk (chain, log, ballot) and what it believes
(`TrustedHistory`). Versions, links, questions and signatures pass between sites that reach each
other, one step at a time; what a member answers is `model.ballot.decide`, what a candidate does is
`agent.campaign.plan`. A site that crashes keeps its disk and loses the rest.

After every step the `World` has checked what must never be otherwise:

* no epoch has versions of two masters;
* no site that knows the membership of which a majority had a version on disk, while its epoch went
  on, goes over to a newer epoch without that version; but where the recovery key has begun it.

    world = World(3)
    world.publish(1); world.replicate(1, 2)
    world.isolate({1}); world.start(2); world.ask(2); world.ask(2); world.finish(2)
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence

from pmgsync.agent.campaign import Heard, Plan, Survey, Way, is_enough, plan
from pmgsync.agent.rival import giving_way
from pmgsync.errors import GapError, PeerError, RivalError
from pmgsync.model.ballot import Ballot, Proposal, Refused, Voter, decide, sign, with_signatures
from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Position, diff
from pmgsync.model.envelope import Envelope
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest
from pmgsync.model.membership import (
    MEMBERSHIP_TYPE,
    Member,
    Membership,
)
from pmgsync.model.peers import Standing
from pmgsync.model.promotion import majority, promoted, require_promotion, voters
from pmgsync.model.trust import Head, TrustedHistory
from tests.sim.author import CLUSTER, Author
from tests.sim.site import Campaign, Site, key_of, sealed, state_of

RECOVERY = SigningKey(b"r" * 32)

Version = tuple[Position, Digest]


class World:
    """The members, who reaches whom, and what has happened."""

    def __init__(self, count: int) -> None:
        author = Author(count - 1)
        self.sites = {
            cid: Site(cid, TrustedHistory(author.chain), (key_of(cid),))
            for cid in range(1, count + 1)
        }
        self.groups: tuple[frozenset[int], ...] = (frozenset(self.sites),)
        self.masters: dict[int, int] = {1: 1}
        self.owners = {key.public_key.key_id: cid for cid, key in author.keys.items()}
        self.recovery = [RECOVERY]
        self.parents: dict[Version, Version] = {}
        self.holders: dict[Version, frozenset[int]] = {}
        self.committed: frozenset[tuple[Version, Digest]] = frozenset()
        """What a majority has, and by which link of the chain it is one."""
        self.published = 0

    def copy(self) -> World:
        """Another one that goes its own way from here."""
        made = copy.copy(self)
        made.sites = {cid: site.copy() for cid, site in self.sites.items()}
        made.masters, made.parents = dict(self.masters), dict(self.parents)
        made.holders, made.owners = dict(self.holders), dict(self.owners)
        made.recovery = list(self.recovery)
        return made

    @property
    def state(self) -> object:
        """All that can make a difference to what happens next."""
        return self.groups, self.published, tuple(site.state for site in self.sites.values())

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
        target, epoch = state_of(self.published), site.history.membership.epoch
        words = ChangeSet(
            cluster=CLUSTER,
            position=Position(epoch, site.head.position.version + 1),
            parent=site.head.manifest.digest,
            result=target.digest,
            change=diff(site.head.manifest, target),
            created=0,
        )
        envelope = sealed(CHANGE_SET_TYPE, words.to_bytes(), site.key)
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
        is_let_in = here.knows(there) and there.knows(here)
        if not (self.reach(source, target) and here.is_master and follows and is_let_in):
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
        leader = self.sites[master].history
        for version in self._lineage(_version(head)):
            if version[0].epoch != epoch:
                break
            self.holders[version] = self.holders.get(version, frozenset()) | {site.cid}
            if leader.membership.epoch == epoch and self.is_held(version, leader.membership):
                self.committed |= {(version, leader.chain[-1].digest)}

    def is_held(self, version: Version, membership: Membership) -> bool:
        cids = {member.cid for member in voters(membership)}
        return len(self.holders.get(version, frozenset()) & cids) >= majority(membership)

    def _signer(self, envelope: Envelope) -> int:
        return self.owners[envelope.signatures[0].key_id]

    def _lineage(self, version: Version) -> Iterator[Version]:
        at: Version | None = version
        while at is not None and at[0].version:
            yield at
            at = self.parents.get(at)

    # --- links ---

    def weaken(self, site: Site) -> None:
        """Others vote from now on: what is not on the disks of most of them may be lost with the
        others' (docs/adr/0010).
        """
        membership, chain = site.history.membership, {link.digest for link in site.history.chain}
        self.committed = frozenset(
            (version, link)
            for version, link in self.committed
            if link not in chain or self.is_held(version, membership)
        )

    def gossip(self, one: int, other: int) -> None:
        """Each hands over the links that the other lacks, if they know each other."""
        here, there = self.sites[one], self.sites[other]
        if self.reach(one, other) and here.knows(there) and there.knows(here):
            self._take_links(here, there)
            self._take_links(there, here)

    def _take_links(self, here: Site, there: Site) -> None:
        """As `agent.gossip` does: from further back, until it attaches."""
        before = there.history.chain
        for place in there.history.places_back():
            links = here.history.links_after(*place)
            try:
                there.history.accept_memberships(links)
            except GapError:
                continue
            except RivalError:
                self._give_way(there, links)
            except PeerError:
                break
            break
        self._turn(there, before)

    def _give_way(self, site: Site, links: Sequence[Envelope]) -> None:
        """As `agent.rival` does."""
        branch, own = site.history.branch(links), site.history.membership.epoch
        signed = giving_way(branch, site.cid, site.keys) if site.is_master else None
        if signed is None:
            return
        offered = Membership.from_bytes(signed.payload)
        ballot = Ballot(offered.epoch, signed.digest, offered.master)
        if ballot != site.ballot:
            if site.ballot.epoch > own or ballot.epoch <= site.ballot.epoch:
                return
            site.ballot = ballot
        site.history.promise(ballot.epoch)
        site.history.accept_memberships(
            [signed if signed.digest == one.digest else one for one in links]
        )

    def _turn(self, site: Site, before: Sequence[Envelope]) -> None:
        """As a node changes its roles: orphans leave the log, a campaign is over."""
        epoch = Membership.from_bytes(before[-1].payload).epoch
        if site.history.membership.epoch == epoch:
            return
        site.campaign, site.yields_to = None, 0
        fork = site.history.fork
        while len(site.log) > 1 and fork(site.head.position, site.head.manifest.digest):
            site.log.pop()
        site.believe_disk()
        self._require_all_committed(site, before)

    def _require_all_committed(self, site: Site, before: Sequence[Envelope]) -> None:
        """It knew who was a majority, and goes over to a newer epoch."""
        newest, known = site.history.membership, {link.digest for link in before}
        links = [(Membership.from_bytes(link.payload), link) for link in site.history.chain]
        keys = [key.public_key for key in self.recovery]
        by_key = max((m.epoch for m, link in links if link.signers(keys)), default=0)
        base = newest.base
        had = set(self._lineage((base.position, base.manifest))) if base else set()
        kept = (v for v, link in self.committed if link in known and v[0].epoch >= by_key)
        epoch = newest.epoch
        lost = {version for version in kept if version[0].epoch < epoch} - had
        assert not lost, f"{site.cid} goes over to {epoch} without {lost}"

    # --- campaigns ---

    def start(self, cid: int) -> None:
        """A candidate asks where the others stand, catches up, and writes its document."""
        me = self.sites[cid]
        if not me.up or (me.is_master and not self._must_renew(me)):
            return
        survey = self._survey(me)
        made = plan(survey) if survey else None
        if made is None or made.hindrance:
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
        document = self._document(me, made)
        if document is not None:
            before, proof = me.history.known_membership, me.log[-1][0]
            me.campaign = Campaign(made.way, before, document, proof, asked)

    def _document(self, me: Site, made: Plan, *more: SigningKey) -> Envelope | None:
        known, last = me.history.known_membership, me.history.known_chain[-1]
        key = me.key_in(known)
        if key is None:
            return None
        wanted = promoted(known, last, me.cid, epoch=made.epoch, base=me.base, now=None)
        document = sealed(MEMBERSHIP_TYPE, wanted.to_bytes(), key, *more)
        try:
            require_promotion(known, last, document)
        except PeerError:
            return None
        return document

    def recover(self, cid: int) -> None:
        """An admin uses the recovery key on it; of all that there are, where there are more."""
        me = self.sites[cid]
        survey = self._survey(me) if me.up else None
        made = plan(survey, recovery=True, handover=False) if survey else None
        if made is None or made.hindrance:
            return
        if made.source is not None:
            self._take_head(self.sites[made.source.cid], me)
        document, before = self._document(me, made, *self.recovery), me.history.chain
        if document is None or made.epoch <= me.ballot.epoch:
            return
        me.ballot = Ballot(made.epoch, document.digest, cid)
        me.history.promise(made.epoch)
        me.history.accept_membership(document)
        self._turn(me, before)

    def _survey(self, me: Site) -> Survey | None:
        """What it hears of the others by whom it is known; None where a newer epoch has begun."""
        epoch = me.history.membership.epoch
        for other in self._asked_by(me):
            self._take_links(self.sites[other], me)
        membership = me.history.known_membership
        if me.history.membership.epoch != epoch or me.key_in(membership) is None:
            return None
        others = [member for member in voters(membership) if member.cid != me.cid]
        heard = tuple(self._hear(me, member) for member in others)
        return Survey(membership, membership.member(me.cid), me.base, me.ballot.epoch, heard)

    def _hear(self, me: Site, member: Member) -> Heard:
        if member.cid not in self._asked_by(me):
            return Heard(member, None, "no answer")
        said = self._standing(member.cid)
        return Heard(member, said, strays=me.history.strays(said.head, said.manifest))

    def _asked_by(self, me: Site) -> list[int]:
        """Whom it can ask: both know each other."""
        members = [member.cid for member in voters(me.history.known_membership)]
        others = [self.sites[cid] for cid in members if cid != me.cid]
        return [o.cid for o in others if self.reach(me.cid, o.cid) and o.knows(me) and me.knows(o)]

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
        key = site.key_in(Membership.from_bytes(campaign.document.payload))
        if key is None:
            return
        ballot = decide(Proposal(campaign.document, campaign.proof), self._voter(site))
        if isinstance(ballot, Refused):
            return
        site.ballot = ballot
        site.history.promise(ballot.epoch)
        if not lost or asked == cid:
            signature = sign(campaign.document, key)
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
        before = me.history.chain
        try:
            me.history.accept_membership(campaign.document)
        except PeerError:
            return
        self._turn(me, before)

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
        for number in range(3 * (4 + len(self.sites))):
            self._round()
            if self.is_level:
                return
            if number % (4 + len(self.sites)) == 3 + len(self.sites):
                self._choose()

    def _choose(self) -> None:
        """Two masters, each with a membership of its own: an admin chooses whom most know."""
        masters = [site for site in self.sites.values() if site.is_master]
        self.recover(max(masters, key=lambda m: sum(s.knows(m) for s in self.sites.values())).cid)

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
        """Do all members believe and have the same? Not asked of who can hear of the newest epoch
        from nobody, as they do not know each other.
        """
        newest = max((s.history.membership for s in self.sites.values()), key=lambda m: m.epoch)
        members = [self.sites[member.cid] for member in voters(newest)]
        found = [self.sites[newest.master]]
        for one in found:
            near = [site for site in members if site.knows(one) and one.knows(site)]
            found += [site for site in near if site not in found]
        leader = found[0]
        return all(
            site.history.chain[-1].digest == leader.history.chain[-1].digest
            and _version(site.head) == _version(leader.head)
            and not site.history.promised
            for site in found
        )


def _version(head: Head) -> Version:
    return head.position, head.manifest.digest
