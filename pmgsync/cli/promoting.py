"""Promotion, as an admin asks for it. It is done in `peering.py`; here it is put into words."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from pmgsync.agent.campaign import Heard, Plan, Survey, Way, plan, why_anew
from pmgsync.cli.node import Node
from pmgsync.cli.peering import Peering
from pmgsync.cli.promotion_answers import NEEDLESS, MemberWord, Promoted, Prospect, Refounded
from pmgsync.errors import DeadlineError, NoMasterError, OperatorError
from pmgsync.master.founding import recovery_keys, recovery_text, refounded
from pmgsync.model.canonical import MAX_COUNT
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import seal
from pmgsync.model.keys import Signer, SigningKey
from pmgsync.model.lineage import RECOVERY
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, Membership
from pmgsync.model.peers import Refusal, TakeOver
from pmgsync.model.promotion import signed_by, voters

FOLLOW_SECONDS = 3.0
"""So long the command waits for the others to follow; they do so anyway."""
TAKE_OVER_SECONDS = 60.0
POLL_S = 0.01
NOTICE_SECONDS = 6.0
"""A node gives up a silent master after four heartbeats, by default four seconds."""
NOTICE_POLL_S = 0.2
TRIED_SECONDS = 600
"""So long a new cluster may be founded after a promotion that came to nothing."""
ANY = Position(MAX_COUNT, 0)
KEY_MEND = "take the one that the last `pmgsync rotate-keys --recovery` (or `create`) printed"


async def prospect(
    node: Node, keys: Sequence[str], without: Position | None = None, *, anew: bool = False
) -> Mapping[str, Any]:
    """What a promotion of this node would be, with the recovery keys that have these ids at hand
    (none: without one). A key that does not count is a hindrance, also where it would not be
    needed. `without`: see `campaign.plan`. `anew`: the hindrance is that of all ways but a new
    cluster, or none.

    Members that say they are connected to a master which answers nobody here may just not have
    noticed yet that it is lost: they are given the time for that.
    """
    candidate, clock = _peering(node).candidate(), node.parts.clock
    deadline, recovery = clock.monotonic() + NOTICE_SECONDS, bool(keys)
    without = ANY if anew else without
    while True:
        survey = await candidate.survey()
        _require_other_master(node, recovery=recovery)
        made = plan(survey, recovery=recovery, without=without)
        late = clock.monotonic() >= deadline
        if late or not (made.hindrance and any(_is_live(heard) for heard in survey.heard)):
            break
        await asyncio.sleep(NOTICE_POLL_S)
    words, no_key = tuple(word_of(heard) for heard in survey.heard), _why_no_key(node, keys)
    if anew:
        why, mend = why_anew(made, _tried(node))
        made = replace(made, hindrance=why, mend=mend)
    return Prospect(
        way=made.way.value,
        me=survey.me.label,
        master=survey.membership.master_member.label,
        epoch=made.epoch,
        head=str(survey.head.position),
        needed=made.needed,
        total=len(voters(survey.membership)),
        members=words,
        fetch=_fetched(survey, made),
        lost=_lost(made),
        lost_known=made.lost_known,
        last_heard=node.require_agent().link.last_heard,
        as_of=clock.now(),
        hindrance=no_key or made.hindrance,
        mend=KEY_MEND if no_key else made.mend,
    ).to_json()


async def promote(
    node: Node, key: str | None, without: Position | None = None
) -> Mapping[str, Any]:
    """Make this node the master; with the recovery key, also where it is that already: then a newer
    epoch begins, which stands against any other master.
    """
    peering = _peering(node)
    _require_other_master(node, recovery=key is not None)
    recovery = _recovery(node, key) if key is not None else ()
    return await _promote(node, peering, recovery, without=without)


async def switchover(node: Node, name: str) -> Mapping[str, Any]:
    """Make the node called `name` the master, by handover only."""
    peering = _peering(node)
    membership = peering.history().membership
    member = membership.named(name)
    if member is None or member.keys is None:
        known = ", ".join(one.name for one in voters(membership))
        raise OperatorError("is no member", where=name[:80], mend=f"known: {known}")
    if member.cid == membership.master:
        raise OperatorError("is the master already", where=member.label)
    if member.cid == node.cid:
        return await _promote(node, peering, (), Way.HANDOVER)
    began = node.parts.clock.monotonic()
    peering.agree_to(member)
    answer = await peering.ask(member, TakeOver(), seconds=TAKE_OVER_SECONDS)
    if isinstance(answer, Refusal):
        raise NoMasterError(f"does not take over: {answer.why}", where=member.label)
    now = await _hear_of(node, peering, membership.epoch)
    return Promoted(
        way=Way.HANDOVER.value,
        me=now.master_member.label,
        epoch=now.epoch,
        head=str(now.base.position) if now.base else "",
        signed=_signers(peering),
        refused=(),
        following=(),
        lost="",
        ms=_ms(node, began),
    ).to_json()


async def found_anew(node: Node) -> Mapping[str, Any]:
    """Found a new cluster of `node` alone, with its configuration and its history.

    1. No other way is open. 2. The files are the cluster's. 3. The roles end. 4. The new chain is
    written down, and the roles of a master begin. The other nodes stay in the old cluster.
    """
    peering = _peering(node)
    _require_other_master(node, recovery=False)
    candidate = peering.candidate(without=ANY)
    why, mend = why_anew(candidate.plan(await candidate.survey()), _tried(node))
    if not why:
        raise OperatorError(NEEDLESS, mend=mend)
    async with node.busy:
        await peering.be_as_the_cluster()
        old, me, parts = peering.history().membership, node.me, node.parts
        key, (head, _) = SigningKey.generate(), parts.store.head()
        base = Base(head.position, head.manifest.digest) if head.position.version else None
        membership = refounded(
            old,
            me,
            cluster=secrets.token_hex(16),
            recovery=key.public_key,
            base=base,
            now=parts.clock.now(),
        )
        await node.end_roles()
        link = seal(MEMBERSHIP_TYPE, membership.to_bytes(), parts.keyring)
        await node.begin((link,), durable=False)
    return Refounded(
        cluster=membership.cluster,
        me=me.label,
        epoch=membership.epoch,
        head=str(head.position),
        recovery_key=recovery_text(key),
        former=tuple(f"{former.name}({former.cid})" for former in membership.former),
    ).to_json()


async def _hear_of(node: Node, peering: Peering, epoch: int) -> Membership:
    """The membership of a newer epoch than `epoch`, which the new master tells of in a moment."""
    deadline = node.parts.clock.monotonic() + FOLLOW_SECONDS
    while peering.history().membership.epoch == epoch:
        if node.parts.clock.monotonic() >= deadline:
            raise DeadlineError("has taken over, and this node has not heard of it yet")
        await asyncio.sleep(POLL_S)
    await node.roles_changed()
    return peering.history().membership


async def _promote(
    node: Node,
    peering: Peering,
    recovery: Sequence[Signer],
    only: Way | None = None,
    without: Position | None = None,
) -> Mapping[str, Any]:
    clock = node.parts.clock
    began, as_of = clock.monotonic(), clock.now()
    before = peering.history().membership.master_member.label
    last_heard = node.require_agent().link.last_heard
    try:
        won = await peering.promote(recovery, only, without)
    except NoMasterError as error:
        if only is None and not recovery:
            peering.came_to_nothing = error.what, clock.monotonic()
        raise
    membership = Membership.from_bytes(won.document.payload)
    following = await _following(node, membership, {member.cid for member in won.plan.ask})
    return Promoted(
        way=won.plan.way.value,
        me=membership.master_member.label,
        epoch=membership.epoch,
        head=str(membership.base.position) if membership.base else "",
        signed=_signers(peering),
        refused=tuple(MemberWord(one.member.label, why=one.why) for one in won.given if one.why),
        following=following,
        lost=_lost(won.plan),
        lost_known=won.plan.lost_known,
        last_heard=last_heard,
        as_of=as_of,
        instead=won.instead,
        before=before,
        ms=_ms(node, began),
    ).to_json()


async def _following(node: Node, membership: Membership, expected: set[int]) -> tuple[str, ...]:
    """Who follows; waits a little for those that answered before."""
    clock = node.parts.clock
    deadline = clock.monotonic() + FOLLOW_SECONDS
    connected: frozenset[int] = frozenset()
    while clock.monotonic() < deadline and node.master is not None:
        connected = node.master.feeds.connected
        if connected >= expected:
            break
        await asyncio.sleep(POLL_S)
    return tuple(
        member.label
        for member in voters(membership)
        if member.cid in connected and member.cid != membership.master
    )


def _peering(node: Node) -> Peering:
    node.require_agent()
    if node.peering is None:
        raise OperatorError("this node is starting", mend="try again")
    return node.peering


def _require_other_master(node: Node, *, recovery: bool) -> None:
    if node.master is not None and not recovery:
        raise OperatorError("this node is the master", mend="see `pmgsync status`")


def _tried(node: Node) -> str:
    """Why a promotion that was tried here a while ago came to nothing; empty: none was, or did."""
    tried, now = _peering(node).came_to_nothing, node.parts.clock.monotonic()
    return tried[0] if tried is not None and now - tried[1] < TRIED_SECONDS else ""


def _recovery(node: Node, text: str) -> Sequence[Signer]:
    """The keys in `text`, if that which counts here is among them; else `NoMasterError`."""
    keys = recovery_keys(text)
    if why := _why_no_key(node, [key.public_key.key_id for key in keys]):
        raise NoMasterError(f"this node cannot be the master: {why}", mend=KEY_MEND)
    return keys


def _why_no_key(node: Node, keys: Sequence[str]) -> str:
    """Why none of the recovery keys with these ids counts here; empty: one does, or there are
    none.
    """
    if not keys or node.history.known_membership.recovery.key_id in keys:
        return ""
    chain = [Membership.from_bytes(link.payload) for link in node.history.known_chain]
    for before, after in reversed(list(pairwise(chain))):
        if before.recovery.key_id in keys and after.recovery != before.recovery:
            return (
                "that recovery key counts no longer: membership "
                f"{after.epoch}.{after.serial} has replaced it"
            )
    return "that is not the recovery key of this cluster, nor has it been"


def _signers(peering: Peering) -> tuple[str, ...]:
    """Who has signed the newest epoch, by the membership before it; and with which key besides."""
    history = peering.history()
    document, membership = history.chain[-1], history.membership
    members = (member.label for member in signed_by(membership, document))
    return (*members, *([RECOVERY] if document.signers([membership.recovery]) else []))


def _is_live(heard: Heard) -> bool:
    return heard.standing is not None and heard.standing.live


def word_of(heard: Heard) -> MemberWord:
    """What an admin is told of it."""
    if heard.standing is None:
        return MemberWord(heard.member.label, why=heard.why)
    return MemberWord(heard.member.label, head=str(heard.standing.head), why=heard.doubt)


def _fetched(survey: Survey, made: Plan) -> str:
    if made.source is None:
        return ""
    return f"versions after {survey.head.position} up to {made.until}, from {made.source.label}"


def _lost(made: Plan) -> str:
    if made.lost is None:
        return ""
    first, last = made.lost
    return f"version {first}" if first == last else f"versions {first} to {last}"


def _ms(node: Node, began: float) -> int:
    return round((node.parts.clock.monotonic() - began) * 1000)
