"""PURE. What an admin should do, in lines: what `pmgsync status` shows below its table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pmgsync.master.holds import Hold
from pmgsync.master.publish import Held
from pmgsync.master.register import Register
from pmgsync.master.roster import Contact, Roster
from pmgsync.model.chain_room import MIB, ROOM
from pmgsync.model.clocks import SET_IT, is_off
from pmgsync.model.duration import duration
from pmgsync.model.membership import Member, Membership
from pmgsync.model.moment import shown
from pmgsync.model.status import NodeState, NodeStatus
from pmgsync.survey import Problem

NEARLY_FULL: Final = 0.8
"""From then on an admin hears how full the chain is."""
BACK: Final = "start `pmgsyncd` there or mend the network; it catches up by itself"
STRANGER: Final = (
    "it is there and does not let this master in, as if all whom it knew were replaced while it "
    "was away. Look at `pmgsync members` on both: where the membership is the older one, `pmgsync "
    "leave`, and join again"
)


@dataclass(frozen=True, slots=True)
class Troubles:
    """What the publishing side cannot settle by itself. `failure` is why nothing can be
    published now.
    """

    held: Held | None = None
    holds: Sequence[Hold] = ()
    problems: Sequence[Problem] = ()
    failure: str = ""
    more: Sequence[str] = ()


def own_lines(troubles: Troubles, membership: Membership) -> Iterator[str]:
    """Why something is not published, and what else the master itself has to say."""
    if troubles.failure:
        yield f"nothing can be published: {troubles.failure}"
    if troubles.held is not None:
        yield str(troubles.held)
    for hold in troubles.holds:
        what = f" ({hold.message})" if hold.message else ""
        end = (
            "`pmgsync release` publishes the edits" if hold.durable else "it ends with its command"
        )
        yield f"on hold by {hold.who} since {shown(hold.since)}{what}; {end}"
    yield from troubles.more
    here = membership.master_member.label
    yield from (f"{here}: {problem}" for problem in troubles.problems)


def node_lines(nodes: Sequence[NodeStatus], roster: Roster) -> Iterator[str]:
    """How each stands, and then what they say; once where several say the same."""
    notes: dict[str, list[str]] = {}
    for node in nodes:
        label = f"{node.name}({node.cid})"
        if line := _node_line(node, roster.contact(node.cid)):
            yield f"{label} {line}"
        for note in node.notes:
            notes.setdefault(note, []).append(label)
    yield from (f"{', '.join(labels)}: {note}" for note, labels in notes.items())


def _node_line(node: NodeStatus, contact: Contact) -> str:
    """What to do about a node; nothing about one that will get there by itself in a moment."""
    match node.state:
        case NodeState.INVALID:
            return f"refused version {node.wanted}: {node.detail}; mend the file on the master"
        case NodeState.UNABLE:
            again = "" if "by itself" in node.detail else "; it tries again by itself"
            return f"cannot apply version {node.wanted}: {node.detail}{again}"
        case NodeState.NOT_JOINED:
            return (
                "has not joined; `pmgsync join-cmd` on the master prints the command to run there"
            )
        case NodeState.AWAY:
            return _away_line(node, contact)
        case NodeState.BEHIND:
            return node.detail
        case NodeState.IN_SYNC:
            return ""


def _away_line(node: NodeStatus, contact: Contact) -> str:
    mend = STRANGER if contact.shuts_out else BACK
    if contact.changed is None:
        return f"is away, and was not here since the master started; {mend}"
    why = f" ({node.detail})" if node.detail else ""
    return f"is away since {shown(contact.changed)}{why}; {mend}"


def clock_lines(
    membership: Membership,
    ahead: Mapping[int, int],
    known: Mapping[int, int] | None,
    now: int,
) -> Iterator[str]:
    """Whose clock is wrong. `ahead` is how far each is ahead of the master's, in milliseconds,
    `known` what `offsets` makes of that, and `now` what time it is by the master's.
    """
    labels = {member.cid: member.label for member in membership.members}
    if known is None:
        named = " and ".join(sorted(labels[cid] for cid in ahead if cid in labels))
        apart = duration(max(ahead.values()) - min(ahead.values()))
        yield (
            f"the clocks of {named} are up to {apart} apart, and no more than half of them agree: "
            "look at `timedatectl` on each, and set those that are wrong"
        )
        return
    time = shown(now - known[membership.master])
    for cid, offset in known.items():
        if is_off(offset) and cid in labels:
            way = "ahead of" if offset > 0 else "behind"
            yield (
                f"{labels[cid]}: its clock is {duration(abs(offset))} {way} those of most members, "
                f"by which it is {time}: {SET_IT}"
            )


def lack_recovery(register: Register, roster: Roster) -> tuple[Member, ...]:
    """The members that are not known to have the link of the newest recovery key. Who joined after
    it has it.
    """
    since, membership = register.recovery_since, register.membership
    if since is None:
        return ()
    origins = register.lineage().origins
    return tuple(
        member
        for member in membership.members
        if member.keys is not None
        and member.cid != membership.master
        and roster.contact(member.cid).link < since
        and origins[member.cid].place < since
    )


def register_lines(register: Register, roster: Roster) -> Iterator[str]:
    """Where the recovery key of before may count still; and that the chain is nearly full."""
    since = register.recovery_since
    if since is not None and (lacking := lack_recovery(register, roster)):
        named = ", ".join(member.label for member in lacking)
        yield (
            f"the recovery key of membership {since[0]}.{since[1]} is not known to have reached "
            f"{named}: there only the one of before may count, so keep that until this line is gone"
        )
    if register.size >= NEARLY_FULL * ROOM.key_changes:
        yield from room_lines(register.size, len(register.last.to_bytes()))


def room_lines(size: int, link: int) -> Iterator[str]:
    """That a chain of `size` bytes is nearly full, and of what; a `link` has so many bytes."""
    for limit, what in (
        (ROOM.key_changes, "that changes of keys may fill"),
        (ROOM.changes, "that joins, changes and handovers may fill"),
    ):
        if size >= NEARLY_FULL * limit:
            left = max(0, limit - size) // link
            yield (
                f"the membership chain has {size / MIB:.1f} of the {limit // MIB} MiB {what}"
                f": about {left} more links; docs/operations.md says how a cluster begins a new one"
            )
