"""The links that a site of an `electorate.World` writes, if it believes to be the master."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmgsync.model.membership import (
    MEMBERSHIP_TYPE,
    Member,
    MemberKeys,
    Membership,
    successor,
)
from pmgsync.model.membership import (
    admit as admitted,
)
from pmgsync.model.membership import (
    remove as without,
)
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.promotion import voters
from pmgsync.model.rekeying import rekeyed, with_recovery
from pmgsync.model.trust import TrustedHistory
from tests.sim.site import Site, key_of, sealed

if TYPE_CHECKING:
    from pmgsync.model.keys import SigningKey
    from tests.sim.electorate import World

MOST_SITES = 7
LEFT = 2
"""So many members are left at least."""


def change(world: World, cid: int) -> None:
    """A site that believes to be the master keeps a place for a node that is to come."""
    site = world.sites[cid]
    if site.publishes:
        before, new = site.history.membership, site.history.membership.max_cid + 1
        place = Member(new, f"node{new}", f"127.0.0.{new}", 26, PmgKeys("", "", ""))
        members = (*before.members, place)
        _link(site, successor(before, site.history.chain[-1], members, now=None))


def remove(world: World, cid: int, other: int) -> None:
    """The master `cid` removes a member."""
    site, before = world.sites[cid], world.sites[cid].history.membership
    cids = {member.cid for member in voters(before)}
    if site.publishes and other in cids - {cid} and len(cids) > LEFT:
        _link(site, without(before, site.history.chain[-1], other))
        world.weaken(site)


def admit(world: World, cid: int) -> None:
    """A new node joins at the master `cid`."""
    site, before = world.sites[cid], world.sites[cid].history.membership
    if not site.publishes or len(world.sites) >= MOST_SITES:
        return
    new = max(*world.sites, before.max_cid) + 1
    keys = MemberKeys(key_of(new).public_key, b"certificate %d" % new)
    member = Member(new, f"node{new}", f"127.0.0.{new}", 26, PmgKeys("", "", ""), keys)
    _link(site, admitted(before, site.history.chain[-1], member))
    world.weaken(site)
    world.sites[new] = Site(new, TrustedHistory(site.history.chain), (key_of(new),))
    world.owners[keys.identity.key_id] = new
    world.groups = tuple(group | {new} if cid in group else group for group in world.groups)


def rekey(world: World, cid: int, other: int) -> None:
    """The master `cid` gives a member that reaches it, or itself, another identity key."""
    site, whose = world.sites[cid], world.sites[other]
    before = site.history.membership
    asks = cid == other or (world.reach(cid, other) and whose.key_in(before) == whose.key)
    if not site.publishes or not asks or before.identity_of(other) is None:
        return
    key = key_of(other, len(whose.keys))
    whose.keys = (key, *whose.keys)
    world.owners[key.public_key.key_id] = other
    keys = MemberKeys(key.public_key, b"certificate %d.%d" % (other, len(whose.keys)))
    last = site.history.chain[-1]
    after = rekeyed(before, last, other, keys, head=site.base, now=None)
    _link(site, after, *([key] if cid == other else []))


def secure(world: World, cid: int) -> None:
    """The master `cid` makes another recovery key count."""
    site = world.sites[cid]
    if site.publishes:
        key = key_of(99, len(world.recovery))
        world.recovery.append(key)
        history = site.history
        after = with_recovery(history.membership, history.chain[-1], key.public_key, now=None)
        _link(site, after)


def _link(site: Site, after: Membership, *more: SigningKey) -> None:
    envelope = sealed(MEMBERSHIP_TYPE, after.to_bytes(), site.key, *more)
    site.history.accept_membership(envelope)
