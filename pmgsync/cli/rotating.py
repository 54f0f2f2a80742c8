"""New keys for this node: when an admin says `pmgsync rotate-keys`, and by itself before its
certificate runs out. The rules are in `model/rekeying.py`, the files in `host/keyring.py`.

1. The new keys are made, and on disk. 2. The master writes the link that names them: a node asks
its master, the master does it itself. 3. Whoever believes that link has the new keys
(`have_named_keys`), this node like any other: from its master's answer, from its stream, from the
gossip, or from its chain file after a crash. So no step has to be undone, and none is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pmgsync.errors import (
    DeadlineError,
    HostError,
    InvalidError,
    OperatorError,
    PeerError,
    PmgsyncError,
)
from pmgsync.model.clocks import SET_IT, is_off
from pmgsync.model.duration import duration
from pmgsync.model.fingerprint import fingerprint
from pmgsync.model.membership import Member, Membership
from pmgsync.model.messages import Memberships
from pmgsync.model.promotion import voters
from pmgsync.model.rekeying import (
    REPLACED_BEFORE_MS,
    KeyChange,
    ends_soon,
    is_due,
    sign_change,
)
from pmgsync.model.status import ClusterStatus
from pmgsync.model.validity import ends_at, has_dates, renewal_objection, valid_from_to
from pmgsync.wire.certificates import to_der

if TYPE_CHECKING:
    from pmgsync.cli.master_side import MasterSide
    from pmgsync.cli.node import Node
    from pmgsync.host.identity import Identity
    from pmgsync.model.keys import PublicKey

log = logging.getLogger(__name__)

TRIES = 5
"""So often a request is made anew because the chain grew meanwhile."""
HEAR_SECONDS = 5.0
NEWER_SECONDS = 1.0
SETTLE_SECONDS = 3.0
TAKEN_SECONDS = 5.0
"""So long a new recovery key waits for the nodes to write it down."""
POLL_S = 0.01
CHECK_EVERY_S = 60.0


def have_named_keys(node: Node, membership: Membership) -> None:
    """Take into use the keys that `membership` names for `node`, if those are others than now."""
    keyring, before = node.parts.keyring, node.parts.identity
    try:
        keyring.follow(membership)
    except HostError as error:
        log.error("the new keys count, but their own files are not written yet: %s", error)
    if keyring.current is before:
        return
    log.warning("this node has new keys: %s", fingerprint(keyring.current.keys))
    master, agent = node.master, node.agent
    if master is not None and agent is not None:
        # The agent beside it signs with them from now on, and must know why.
        known = agent.history.membership
        links = master.history.links_after(known.epoch, known.serial)
        agent.link.on_message(Memberships(tuple(link.to_bytes() for link in links)))


def prospect(node: Node) -> Mapping[str, Any]:
    """What this node has, and when it is replaced by itself; nothing is changed."""
    membership, me, keys = node.history.membership, node.me, node.parts.identity.keys
    ends = ends_at(keys.certificate)
    return {
        "name": me.name,
        "cid": me.cid,
        "master": membership.master_member.label,
        "fingerprint": fingerprint(keys),
        "ends": ends,
        "due": ends - REPLACED_BEFORE_MS,
        "recovery": membership.recovery.key_id,
    }


async def rotate_keys(node: Node, *, identity: bool) -> Mapping[str, Any]:
    """Give this node a new TLS key, and a new identity key where `identity` is wanted; return when
    they count.
    """
    node.require_agent()
    if node.busy.locked():
        raise OperatorError(
            "this node is joining, leaving, being promoted or changing its keys",
            mend="try again in a moment",
        )
    async with node.busy:
        before, pair = node.parts.identity.keys, _prepare(node, identity=identity)
        tokens = _good_tokens(node)
        if node.master is not None:
            if identity:
                await _let_nodes_have_the_newest(node.master)
            node.master.role.forget_draft()
            node.master.register.rekey(node.me, pair.keys, pair.key)
        else:
            await _ask_master(node, pair)
        membership = node.history.membership
        return {
            "name": node.me.name,
            "cid": node.cid,
            "identity": identity,
            "before": fingerprint(before),
            "fingerprint": fingerprint(node.parts.identity.keys),
            "ends": ends_at(pair.keys.certificate),
            "tokens": tokens - _good_tokens(node),
            "link": f"{membership.epoch}.{membership.serial}",
        }


def _good_tokens(node: Node) -> int:
    return len(node.master.tokens.all_good) if node.master is not None else 0


async def _let_nodes_have_the_newest(master: MasterSide) -> None:
    """Give the nodes that are connected a moment to run what the key before has signed. Who has not
    done so gets it all the same, but would lack it if the master were lost at this moment.
    """
    head = master.history.head.position
    if head.version:
        await master.role.wait_settled(head.version, SETTLE_SECONDS)


async def replace_recovery(node: Node, key: PublicKey) -> Mapping[str, Any]:
    """Make another recovery key count, of which only the public half is known here, and wait a
    while until all who are connected have written it down. Who has not: `late` of those, and
    `away`.
    """
    # Only a master can do it: others need not carry what names the members.
    from pmgsync.master.attention import lack_recovery
    from pmgsync.master.spread import spread

    master, clock = node.require_master(), node.parts.clock
    register, roster = master.register, master.roster
    before = register.membership
    register.replace_recovery(key)
    membership = register.membership
    deadline = clock.monotonic() + TAKEN_SECONDS
    while True:
        lacking = lack_recovery(register, roster)
        late = [one.label for one in lacking if one.cid in master.feeds.connected]
        if not late or clock.monotonic() >= deadline:
            break
        await clock.sleep(POLL_S)
    away = [one.label for one in lacking if one.label not in late]
    link = f"{membership.epoch}.{membership.serial}"
    known = asdict(await spread(before, register, roster, clock))
    return {"recovery": key.key_id, "link": link, "away": away, "late": late, "known": known}


async def rotate_when_due(node: Node) -> None:
    """Replace the certificate of this node before it runs out; looks once a minute, and each second
    while it should be replaced and the master is away.

    Only while TLS with others works, and not by a clock that is wrong: a master's must agree with
    those of most members, and a node's must not be known to differ from them. (What no master
    could know of it a moment ago, it knows when it is asked: see `master/requests.py`.)
    """
    clock, said = node.parts.clock, ""
    while True:
        await clock.sleep(1.0)
        ends = ends_at(node.parts.identity.keys.certificate)
        if is_due(ends, clock.now()):
            if not (node.master or (node.agent and node.agent.link.up)):
                continue  # nobody can be asked; in a second, perhaps
            try:
                _require_clock(node)
                await rotate_keys(node, identity=False)
                log.warning("the certificate would have ended on %s, and is replaced", _day(ends))
            except PmgsyncError as error:
                if str(error) != said:
                    said = str(error)
                    log.error(
                        "the certificate ends on %s, and is not replaced: %s", _day(ends), said
                    )
        await clock.sleep(CHECK_EVERY_S)


def _require_clock(node: Node) -> None:
    """`HostError` where the clock of this node must not make a certificate by itself."""
    if node.master is not None:
        if agrees_with_most(node.history.membership, node.master.role.clocks):
            return
        what = "no more than half of the members are connected and have the time that it has"
    else:
        offset = _offset_in(node.agent.view if node.agent else None, node.cid)
        if not is_off(offset):
            return
        what = f"its clock differs by {duration(abs(offset or 0))} from those of most members"
    raise HostError(what, where=node.me.label, mend=f"if its clock is wrong, {SET_IT}")


def _offset_in(view: tuple[bytes, int] | None, cid: int) -> int | None:
    """How far the master has seen the clock of `cid` ahead of the time by most of them."""
    nodes = ClusterStatus.from_bytes(view[0]).nodes if view else ()
    return next((one.clock_off_ms for one in nodes if one.cid == cid), None)


def agrees_with_most(membership: Membership, ahead: Mapping[int, int]) -> bool:
    """Have most of the members that have joined the time that their master has? `ahead`: how far
    the clocks that are known, its own among them, are ahead of its own.
    """
    joined = {member.cid for member in voters(membership)}
    agreeing = {cid for cid, one in ahead.items() if not is_off(one)}
    return 2 * len(joined & agreeing) > len(joined)


def certificate_lines(membership: Membership, now_ms: int) -> list[str]:
    """What an admin must hear of the certificates of the members, at this moment by the clock of
    this node. Where that says that most of them do not count, it is what has to be looked at.
    """
    dead = [member.label for member in membership.members if not _counts(member, now_ms)]
    if dead and len(voters(membership)) == 1:
        return [
            f"by the clock of this node it is {_day(now_ms)}, and its certificate does not count "
            f"then, so nobody can join. If that is wrong, {SET_IT}. If it is right, `pmgsync "
            "rotate-keys --tls` makes another certificate"
        ]
    if 2 * len(dead) > len(voters(membership)):
        return [
            f"by the clock of this node it is {_day(now_ms)}, and the certificates of "
            f"{', '.join(dead)} do not count then, so it can talk to none of them. If that is "
            f"wrong, {SET_IT}. If it is right, no node can: on one that is not the master, "
            "`pmgsync promote --force-new-cluster`; on the others `pmgsync leave`, and join again"
        ]
    lines = []
    for member in membership.members:
        ends = _ends(member)
        if ends is not None and ends_soon(ends, now_ms):
            lines.append(_certificate_line(membership, member, ends, has_ended=ends <= now_ms))
    return lines


def _certificate_line(membership: Membership, member: Member, ends: int, *, has_ended: bool) -> str:
    """TLS refuses one that has ended, so its holder cannot ask for another any more."""
    if not has_ended:
        mend = f"`pmgsync rotate-keys --tls` on {member.name} replaces it"
    elif member.cid == membership.master:
        mend = "promote another node (`pmgsync promote` on it); then leave and join again"
    else:
        mend = f"on {member.name}, `pmgsync leave`, and join again"
    ended = "ended" if has_ended else "ends"
    return (
        f"the certificate of {member.label} {ended} on {_day(ends)}, and was not replaced by "
        f"itself: {mend}"
    )


def _counts(member: Member, now_ms: int) -> bool:
    """Does TLS take its certificate at that moment? One without a date is no trouble of clocks."""
    if member.keys is None or not has_dates(member.keys.certificate):
        return True
    start, end = valid_from_to(member.keys.certificate)
    return start <= now_ms <= end


def _ends(member: Member) -> int | None:
    """When its certificate ends; None where it has none, or one without a date."""
    if member.keys is None or not has_dates(member.keys.certificate):
        return None
    return ends_at(member.keys.certificate)


def _prepare(node: Node, *, identity: bool) -> Identity:
    """The pair to come. `InvalidError` where this node's clock is so wrong that the certificate it
    makes would count for nobody.
    """
    from pmgsync.wire.certificates import make_certificate

    me, now = node.me, node.parts.clock.now()

    def make() -> tuple[bytes, bytes]:
        made = make_certificate(me.name, now)
        if why := _objection(node, to_der(made[1])):
            raise InvalidError(why, where=me.label, mend=f"{SET_IT}, and try again")
        return made

    return node.parts.keyring.prepare(
        make, identity=identity, fits=lambda certificate: not _objection(node, certificate)
    )


def _objection(node: Node, certificate: bytes) -> str:
    """Why this node must not show `certificate`; empty if it may, or nobody is there to see it."""
    membership = node.history.membership
    if len(voters(membership)) <= 1:
        return ""
    moments = [membership.created] if membership.created is not None else []
    # A node's own clock is compared by its master, which knows those of others.
    now = node.master.role.time_by_most if node.master else node.parts.clock.now()
    return renewal_objection(node.parts.identity.keys.certificate, certificate, moments, now)


async def _ask_master(node: Node, pair: Identity) -> None:
    """Have the master name `pair`, and wait until that is believed here."""
    from pmgsync.wire.certificates import prove
    from pmgsync.wire.register_call import ask_rekey

    parts = node.parts
    for tries_left in reversed(range(TRIES)):
        history = node.history
        membership, last = history.membership, history.chain[-1].digest
        change = KeyChange(membership.cluster, node.cid, last, pair.keys)
        request = sign_change(change, parts.keyring, pair.key).to_bytes()
        proof = prove(pair.tls_key, change.to_bytes())
        try:
            link = await ask_rekey(parts.tls, membership.master_member, request, proof)
        except PeerError:
            if not tries_left or not await _grows(node, last):
                raise
            continue
        if node.peering is not None:
            with suppress(PeerError):  # a link between is on its way on the stream
                node.peering.take(Memberships((link,)))
        break
    deadline = parts.clock.monotonic() + HEAR_SECONDS
    while parts.identity.keys != pair.keys:
        if parts.clock.monotonic() >= deadline:
            raise DeadlineError(
                "the master has named the new keys, and this node has not heard of it yet",
                mend="it takes them as soon as it does; see `pmgsync status`",
            )
        await parts.clock.sleep(POLL_S)


async def _grows(node: Node, last: str) -> bool:
    """Does the chain get a newer link than `last` within a second?"""
    clock = node.parts.clock
    deadline = clock.monotonic() + NEWER_SECONDS
    while node.history.chain[-1].digest == last:
        if clock.monotonic() >= deadline:
            return False
        await clock.sleep(POLL_S)
    return True


def _day(milliseconds: int) -> str:
    # Only where there is something to say: what formats versions is not for every daemon.
    from pmgsync.cli.version_format import day

    return day(milliseconds)
