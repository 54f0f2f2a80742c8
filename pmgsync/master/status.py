"""PURE. The cluster as one value, folded from what the master knows; and what an admin should
do, in lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pmgsync.master.holds import Hold
from pmgsync.master.publish import Held
from pmgsync.master.roster import Contact, Roster
from pmgsync.model import canonical
from pmgsync.model.membership import Member, Membership
from pmgsync.model.messages import MESSAGE_BYTES
from pmgsync.model.report import Outcome
from pmgsync.model.status import ClusterStatus, NodeState, NodeStatus
from pmgsync.model.trust import Head
from pmgsync.survey import Problem

MASTER = "master"
NODE = "node"
MAX_ATTENTION = 200
MAX_VIEW_BYTES = MESSAGE_BYTES - 4096


@dataclass(frozen=True, slots=True)
class Troubles:
    """What the publishing side cannot settle by itself. `failure` is why nothing can be
    published now.
    """

    held: Held | None = None
    holds: Sequence[Hold] = ()
    problems: Sequence[Problem] = ()
    failure: str = ""


def cluster_status(
    membership: Membership, head: Head, roster: Roster, troubles: Troubles, now: int
) -> ClusterStatus:
    """The cluster at `now`."""
    nodes = tuple(_node(member, membership, head, roster, now) for member in membership.members)
    lines = [*_own_lines(troubles, membership), *_node_lines(nodes, roster)]
    if len(lines) > MAX_ATTENTION:
        lines = [*lines[:MAX_ATTENTION], f"and {len(lines) - MAX_ATTENTION} more"]
    newest = roster.newest
    return ClusterStatus(
        cluster=membership.cluster,
        epoch=membership.epoch,
        version=head.position.version,
        manifest=head.manifest.digest,
        files=len(head.manifest),
        published=newest.created if newest and head.position.version else None,
        as_of=now,
        nodes=nodes,
        attention=tuple(lines),
        held=troubles.held.version if troubles.held else None,
    )


def document_of(status: ClusterStatus) -> bytes:
    """The status as it travels to nodes. The notes and service files of nodes stay here if it would
    be too large with them.
    """
    data = canonical.encode(status.to_json())
    if len(data) <= MAX_VIEW_BYTES:
        return data
    short = replace(
        status,
        nodes=tuple(
            replace(node, notes=(), rendered=(), detail=node.detail[:80]) for node in status.nodes
        ),
        attention=status.attention[:20],
    )
    return canonical.encode(short.to_json())


def state_of(member: Member, contact: Contact, head: Head) -> NodeState:
    """How a node stands to the newest version."""
    if member.keys is None:
        return NodeState.NOT_JOINED
    if not contact.connected:
        return NodeState.AWAY
    active, report = contact.active, contact.report
    runs = (active.position, active.manifest) if active else None
    if runs == (head.position, head.manifest.digest):
        return NodeState.IN_SYNC
    if report is not None and report.wanted == head.position:
        if report.outcome is Outcome.INVALID:
            return NodeState.INVALID
        if report.outcome is Outcome.UNABLE:
            return NodeState.UNABLE
    return NodeState.BEHIND


def _node(
    member: Member, membership: Membership, head: Head, roster: Roster, now: int
) -> NodeStatus:
    contact = roster.contact(member.cid)
    state, report = state_of(member, contact, head), contact.report
    applied = contact.active.position.version if contact.active else None
    since = roster.behind_since(applied) if applied is not None else None
    late = state not in (NodeState.IN_SYNC, NodeState.NOT_JOINED) and since is not None
    return NodeStatus(
        cid=member.cid,
        name=member.name,
        address=member.address,
        role=MASTER if member.cid == membership.master else NODE,
        state=state,
        applied=applied,
        wanted=head.position.version,
        lag_ms=max(0, now - since) if late and since is not None else 0,
        last_contact=contact.last_contact,
        took_ms=report.milliseconds if report and report.outcome is Outcome.ACTIVATED else None,
        detail=_detail(state, contact),
        notes=report.notes if report else (),
        rendered=report.rendered if report else (),
    )


def _detail(state: NodeState, contact: Contact) -> str:
    if state is NodeState.IN_SYNC:
        return ""
    return contact.reason or (contact.report.detail if contact.report else "")


def _own_lines(troubles: Troubles, membership: Membership) -> Iterator[str]:
    if troubles.failure:
        yield f"nothing can be published: {troubles.failure}"
    if troubles.held is not None:
        yield str(troubles.held)
    for hold in troubles.holds:
        what = f" ({hold.message})" if hold.message else ""
        end = (
            "`pmgsync release` publishes the edits" if hold.durable else "it ends with its command"
        )
        yield f"on hold by {hold.who} since {moment(hold.since)}{what}; {end}"
    here = membership.master_member.label
    yield from (f"{here}: {problem}" for problem in troubles.problems)


def _node_lines(nodes: Sequence[NodeStatus], roster: Roster) -> Iterator[str]:
    for node in nodes:
        if line := _node_line(node, roster.contact(node.cid)):
            yield f"{node.name}({node.cid}) {line}"
        for note in node.notes:
            yield f"{node.name}({node.cid}): {note}"


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
    mend = "start `pmgsyncd` there or mend the network; it catches up by itself"
    if contact.changed is None:
        return f"is away, and was not here since the master started; {mend}"
    why = f" ({node.detail})" if node.detail else ""
    return f"is away since {moment(contact.changed)}{why}; {mend}"


def moment(milliseconds: int) -> str:
    """A moment for people."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
