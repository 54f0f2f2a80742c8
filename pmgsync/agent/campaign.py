"""PURE. What a candidate makes of what the others say: which way leads to the next epoch, whom it
has to catch up with first, what would be lost, and whether the signatures are enough.

The ways, in the order in which they are tried:

* handover: the master answers. It stops, the candidate takes in what is left, the master signs
  first and the others on the strength of that. Besides the master's signature, at least half of
  the members must have signed: then no majority is left for anybody else in that epoch.
* majority: the master is lost, and more than half of the members sign.
* recovery: the admin has the recovery key. It is used where the master does not answer, refuses,
  or is this very node.

The old master itself comes by the second way, too (`renewal`): when members have signed for a
candidate that never began, only a newer epoch gets them to follow again.

What a member says without a signature decides nothing that it could not decide by saying nothing: a
newer version counts where it is shown, signed, and until it is clear that it is not handed over; a
promise moves the epoch a little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from pmgsync.model.chain_room import MIB, ROOM
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Base, Member, Membership
from pmgsync.model.peers import Standing
from pmgsync.model.promotion import (
    MOST_BELIEVED,
    Ground,
    epoch_for,
    grounds_of,
    half,
    majority,
    signed_by,
    voters,
)

USE_THE_KEY = "with the recovery key: `pmgsync promote --recovery-key FILE`"
NOT_IF_REPLACED = (
    f"{USE_THE_KEY}; but where the others were removed while this node was away, `pmgsync leave` "
    "here, and join again"
)
MAYBE_REMOVED = (
    "was this node removed (`pmgsync members` on another one)? `pmgsync leave` here, and join "
    "again; else, are the clocks right (`timedatectl`)?"
)
START_IT = (
    "start a node that has it; where that cannot be, `pmgsync promote --force-new-cluster` goes on "
    "alone"
)


class Way(Enum):
    """How the next epoch comes about."""

    HANDOVER = "handover"
    MAJORITY = "majority"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one of the other members said; `standing` None: nothing, and `why`. `strays`: its
    newest version is not of the history that the candidate knows, but of another master's.
    `shown`: it has shown what it says to have signed.

    `doubt`: why its newest version, which the candidate lacks, is not fetched; `is_signed`:
    although it is the master's, so it is lost.
    """

    member: Member
    standing: Standing | None
    why: str = ""
    strays: bool = False
    shown: bool = False
    doubt: str = ""
    is_signed: bool = True


@dataclass(frozen=True, slots=True)
class Survey:
    """All that the candidate `me` knows. `head` is its own log's, `promised` the epoch that it has
    signed for last, `announced` the newest version that it heard the master speak of; `chain_bytes`
    are those of the chain with the link that is to come. `shut_out`: somebody has ended the
    connection as it ends where the certificate of this node is not known.
    """

    membership: Membership
    me: Member
    head: Base
    promised: int
    heard: tuple[Heard, ...]
    announced: Position | None = None
    chain_bytes: int = 0
    shut_out: bool = False

    @property
    def answered(self) -> tuple[Heard, ...]:
        """Those that said something."""
        return tuple(heard for heard in self.heard if heard.standing is not None)

    @property
    def is_fenced(self) -> bool:
        """Has the candidate signed for an epoch that has not begun, and takes in nothing older?"""
        return self.promised > self.membership.epoch

    def without(self, source: Member, why: str) -> Survey:
        """The same, where `source` does not hand over what it has shown."""
        return replace(self, heard=tuple(_in_doubt(one, source, why) for one in self.heard))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `hindrance`: why nothing can be, and then `way` is what it would be.

    `source` has versions that the candidate lacks, up to `until`; `ask` are the members to ask for
    their signature; `lost` are the positions of the first and the last version that nobody reached
    hands over, although the old master spoke of them or has signed them. `lost_known`: there are no
    others, as that master hands over, or is this node. `mend`: what an admin can do about the
    hindrance.
    """

    way: Way
    epoch: int
    needed: int
    ask: tuple[Member, ...]
    source: Member | None
    until: Position
    lost: tuple[Position, Position] | None = None
    lost_known: bool = True
    hindrance: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class _Means:
    """What the candidate may use; see `plan`."""

    recovery: bool
    handover: bool
    without: Position | None


def plan(
    survey: Survey,
    *,
    recovery: bool = False,
    handover: bool = True,
    without: Position | None = None,
) -> Plan:
    """The way from what `survey` says; with `recovery`, the admin has the recovery key at hand;
    without `handover`, the master has refused. `without`: the admin goes on without versions up to
    there, although a member has shown them.
    """
    if survey.is_fenced:
        survey = _fenced(survey)
    means = _Means(recovery, handover, without)
    made = _plan(survey, means)
    if recovery and made.hindrance and made.way is Way.HANDOVER:
        return _plan(survey, replace(means, handover=False))
    return made


def _plan(survey: Survey, means: _Means) -> Plan:
    membership = survey.membership
    way = _way(survey, means)
    until, source = _ahead(survey)
    lost = None if way is Way.HANDOVER else _lost(until, (survey.announced, *_withheld(survey)))
    made = Plan(
        way=way,
        epoch=_epoch(survey),
        needed=half(membership) if way is Way.HANDOVER else majority(membership),
        ask=tuple(heard.member for heard in survey.answered),
        source=source,
        until=until,
        lost=lost,
        lost_known=way is Way.HANDOVER or _leads(survey),
    )
    if why := _no_room(made.way, survey.chain_bytes):
        return replace(made, hindrance=why)
    if left := _left_behind(way, survey, means.without):
        return _in_spite(made, left, membership)
    if why := _before_the_base(made, membership):
        return replace(made, hindrance=why, mend=START_IT)
    return made if way is Way.RECOVERY else _with_hindrance(made, survey)


def why_anew(made: Plan, tried: str) -> tuple[str, str]:
    """Why there is no way but a new cluster, where `made` is the plan without the recovery key;
    empty where there is one, and then which.

    `tried`: how a promotion came to nothing a while ago, if one did. Nobody can know before that a
    member which answers does not sign. But where the master answers, there is one.
    """
    if made.hindrance or made.way is Way.HANDOVER:
        return made.hindrance, "`pmgsync promote` has the master, which answers, hand over"
    if tried:
        return f"a promotion was tried, and {tried}", ""
    return "", (
        "`pmgsync promote` alone makes this node the master; if that comes to nothing, this is "
        "possible for ten minutes"
    )


def is_enough(way: Way, membership: Membership, document: Envelope) -> bool:
    """Do the signatures of `document` let it through on this way?"""
    grounds = grounds_of(membership, document)
    if way is Way.HANDOVER:
        signers = len(signed_by(membership, document))
        return Ground.HANDOVER in grounds and signers >= half(membership)
    return {Way.MAJORITY: Ground.MAJORITY, Way.RECOVERY: Ground.RECOVERY}[way] in grounds


def _in_doubt(heard: Heard, source: Member, why: str) -> Heard:
    if heard.member.cid != source.cid or heard.standing is None:
        return heard
    return replace(heard, doubt=f"has version {heard.standing.head}, which did not come: {why}")


def _ahead(survey: Survey) -> tuple[Position, Member | None]:
    """The newest version that is to be had, and who has it; None: this node."""
    until, source = survey.head.position, None
    for heard in survey.heard:
        said = None if heard.strays or heard.doubt else heard.standing
        if said is not None and said.head > until:
            until, source = said.head, heard.member
    return until, source


def _fenced(survey: Survey) -> Survey:
    """What others have shown, the candidate must not take in any more: a majority may have it,
    and the candidate has promised not to be of that.
    """
    why = f"and this node takes in nothing before epoch {survey.promised}, for which it has signed"
    head = survey.head.position
    heard = (
        replace(one, doubt=one.doubt or f"has version {one.standing.head}, {why}")
        if one.standing and one.standing.head > head
        else one
        for one in survey.heard
    )
    return replace(survey, heard=tuple(heard))


def _withheld(survey: Survey) -> Iterator[Position]:
    """What is signed, and is not to be had."""
    return (one.standing.head for one in _holders(survey) if one.standing)


def _holders(survey: Survey) -> tuple[Heard, ...]:
    """Who has shown a newer version that is not to be had."""
    return tuple(
        heard for heard in survey.answered if heard.doubt and heard.is_signed and not heard.strays
    )


def _left_behind(way: Way, survey: Survey, without: Position | None) -> Heard | None:
    """Who has the newest version that would be lost although it is there, against the admin's will.

    By votes alone, nothing is lost that a majority had; and with a handover, nothing at all. But
    who is fenced would collect votes for nothing, and the recovery key asks nobody.
    """
    if not survey.is_fenced and way is not Way.RECOVERY:
        return None
    holders = [
        (one.standing.head, one)
        for one in _holders(survey)
        if one.standing and (without is None or one.standing.head > without)
    ]
    return max(holders, key=lambda pair: pair[0])[1] if holders else None


def _in_spite(made: Plan, left: Heard, membership: Membership) -> Plan:
    """`made`, with the hindrance that `left` has what would be lost."""
    head = left.standing.head if left.standing else ""
    mend = (
        f"`pmgsync promote` on {left.member.label}, which has it; if that cannot be, `--without "
        f"{head}` here goes on without it"
    )
    if made.way is Way.HANDOVER:
        mend = f"try again in a moment: {membership.master_member.label} begins one by itself"
    return replace(made, hindrance=f"{left.member.label} {left.doubt}", mend=mend)


def believed(heard: Heard, survey: Survey) -> int:
    """For which epoch that member has signed, as far as that may be believed.

    What it only says counts up to `MOST_BELIEVED` above the epoch that goes on, however often it is
    asked and whatever this node has asked for since: so one that lies moves this node's own promise
    to there, once, and all others still sign for what is above it. What it shows counts as well
    above what this node has signed for: up to there others have gone with it. The recovery key
    changes nothing of that: who has signed for more does not stand in its way.
    """
    if heard.standing is None:
        return 0
    began = survey.membership.epoch
    above = max(began, survey.promised) if heard.shown else began
    return min(heard.standing.promised, above + MOST_BELIEVED)


def _epoch(survey: Survey) -> int:
    """The candidate's next above all that anybody has signed for."""
    said = (believed(heard, survey) for heard in survey.heard)
    return epoch_for(survey.me.cid, max(survey.membership.epoch, survey.promised, *said))


def _way(survey: Survey, means: _Means) -> Way:
    master = survey.membership.master
    answers = any(
        heard.member.cid == master and heard.standing is not None and heard.standing.master
        for heard in survey.heard
    )
    if answers and means.handover and not _leads(survey):
        return Way.HANDOVER
    return Way.RECOVERY if means.recovery else Way.MAJORITY


def _leads(survey: Survey) -> bool:
    return survey.me.cid == survey.membership.master


def _lost(until: Position, known: Iterable[Position | None]) -> tuple[Position, Position] | None:
    # A heartbeat names the epoch of today, also while the newest version is of an older one.
    newer = [one for one in known if one is not None and one.version > until.version]
    if not newer:
        return None
    last = max(newer, key=lambda position: position.version)
    return Position(last.epoch, until.version + 1), last


def _no_room(way: Way, size: int) -> str:
    """Why there must be no link on that way that makes the chain `size` bytes long."""
    most = {Way.HANDOVER: ROOM.changes, Way.MAJORITY: ROOM.votes, Way.RECOVERY: ROOM.reserve}
    if size <= most[way]:
        return ""
    return (
        f"the membership chain would have {size / MIB:.1f} MiB; it may have "
        f"{most[Way.HANDOVER] // MIB} by a handover, {most[Way.MAJORITY] // MIB} by votes without "
        f"the master, {most[Way.RECOVERY] // MIB} by the recovery key, and docs/operations.md says "
        "how a cluster begins a new one"
    )


def _before_the_base(made: Plan, membership: Membership) -> str:
    """Why no key helps: nobody who answers has what the epoch of today began on."""
    base, until = membership.base, made.until
    if base is None or made.way is Way.HANDOVER or until.epoch == membership.epoch:
        return ""
    if until == base.position:
        return ""
    return (
        f"the newest version of those who answer is {until}, and epoch {membership.epoch} began on "
        f"{base.position}, which nobody of them has"
    )


def _with_hindrance(made: Plan, survey: Survey) -> Plan:
    """`made`, with why it must fail, if that is certain by now."""
    willing = [heard for heard in survey.answered if _is_willing(heard, made.way, survey)]
    if len(willing) + 1 >= made.needed:
        return made
    rest = [heard for heard in survey.heard if heard not in willing]
    silent = "; ".join(f"{heard.member.label}: {_why_not(heard)}" for heard in rest)
    what = (
        f"{made.needed} of {len(voters(survey.membership))} members must sign, and only "
        f"{len(willing) + 1} can: {silent or 'there is no other'}"
    )
    alone = MAYBE_REMOVED if survey.shut_out else NOT_IF_REPLACED
    return replace(made, hindrance=what, mend=USE_THE_KEY if survey.answered else alone)


def _is_willing(heard: Heard, way: Way, survey: Survey) -> bool:
    if heard.standing is None:
        return False
    return way is Way.HANDOVER or _leads(survey) or not heard.standing.live


def _why_not(heard: Heard) -> str:
    if heard.standing is None:
        return heard.why
    return "is connected to the master, which does not answer here"
