"""PURE. The cluster as one value, folded from what the master knows."""

from dataclasses import replace

from pmgsync.master.attention import Troubles, clock_lines, node_lines, own_lines
from pmgsync.master.roster import Contact, Roster
from pmgsync.model import canonical
from pmgsync.model.clocks import offsets
from pmgsync.model.membership import Member, Membership
from pmgsync.model.messages import MESSAGE_BYTES
from pmgsync.model.report import Outcome
from pmgsync.model.status import ClusterStatus, NodeState, NodeStatus
from pmgsync.model.trust import Head

MASTER = "master"
NODE = "node"
MAX_ATTENTION = 200
MAX_VIEW_BYTES = MESSAGE_BYTES - 4096


def cluster_status(
    membership: Membership, head: Head, roster: Roster, troubles: Troubles, now: int
) -> ClusterStatus:
    """The cluster at `now`."""
    clocks = roster.clocks(membership.master)
    known = offsets(clocks)
    nodes = tuple(
        _node(member, membership, head, roster, now, clock_off=(known or {}).get(member.cid))
        for member in membership.members
    )
    lines = [
        *own_lines(troubles, membership),
        *node_lines(nodes, roster),
        *clock_lines(membership, clocks, known, now),
    ]
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
    member: Member,
    membership: Membership,
    head: Head,
    roster: Roster,
    now: int,
    *,
    clock_off: int | None,
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
        clock_off_ms=clock_off,
    )


def _detail(state: NodeState, contact: Contact) -> str:
    if state is NodeState.IN_SYNC:
        return ""
    return contact.reason or (contact.report.detail if contact.report else "")
