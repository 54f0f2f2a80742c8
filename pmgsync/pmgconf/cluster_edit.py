"""PURE. An edit of `cluster.conf`, by hand or by `pmgcm`, read as a change of the membership.

What PMG's own commands do on a master is taken over: a node that is added (`pmgcm join`), one that
is deleted (`pmgcm delete`), other keys of PMG (`pmgcm update-fingerprints`), another address of a
node, a higher `maxcid`. What only a signature can do, or what is rather a file that was brought
back than an edit, is refused with the reason and the command that does it.

The edit is what differs from the membership that the file last agreed with (`agreed`), so that a
node that has joined since is not taken for one that was deleted.
"""

from dataclasses import dataclass, replace

from pmgsync.errors import InvalidError
from pmgsync.model.membership import Member, Membership
from pmgsync.pmgconf.cluster_conf import ClusterConf, ClusterNode, parse_cluster_conf

MOST_REMOVED = 1
"""`pmgcm delete` removes one node at a time; a file that lacks more was brought back."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The members and `max_cid` that the edit wants, and what it does, for the log."""

    members: tuple[Member, ...]
    max_cid: int
    what: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the edit does not count, and the mend."""

    why: str
    mend: str


def read_edit(data: bytes, agreed: Membership, current: Membership) -> TakenOver | Refused:
    """What the edited file in `data` wants, applied to the `current` membership."""
    try:
        conf = parse_cluster_conf(data)
    except InvalidError as error:
        line = error.where.rpartition(":")[2]
        return Refused(f"PMG could not read it, line {line}: {error.what}", "edit it again")
    if conf is None:
        return Refused("it names no node at all", "a node leaves with `pmgsync leave`")
    return _objection(conf, agreed, current) or _taken_over(conf, agreed, current)


def _objection(conf: ClusterConf, agreed: Membership, current: Membership) -> Refused | None:
    if conf.master != current.master:
        named = conf.master_node.name
        return Refused(f"it names {named} as the master", f"say `pmgsync promote` on {named}")
    gone = _removed(conf, agreed, current)
    if len(gone) > MOST_REMOVED:
        names = ", ".join(member.label for member in gone)
        return Refused(f"it lacks {names}", "remove them one by one: `pmgsync delete NAME`")
    fresh = _without_removed_since(conf, agreed, current)
    return next(filter(None, (_node_objection(node, current) for node in fresh)), None)


def _node_objection(node: ClusterNode, current: Membership) -> Refused | None:
    known = next((member for member in current.members if member.cid == node.cid), None)
    objection = _stranger(node, current) if known is None else _renamed(node, known, current)
    if objection is None and (known is None or known.address != node.ip):
        taken = next((m for m in current.members if m.address == node.ip), None)
        if taken is not None:
            what = f"{node.name}({node.cid}) gets the address of {taken.label}"
            return Refused(what, "each node has its own")
    return objection


def _renamed(node: ClusterNode, known: Member, current: Membership) -> Refused | None:
    if known.name.lower() != node.name.lower():
        what = f"it calls {known.label} {node.name}"
        return Refused(what, "a node changes its name by leaving and joining again")
    if known.cid == current.master and known.address != node.ip:
        what = f"it gives the master another address, {node.ip}"
        return Refused(what, "promote another node, then let this one leave and join again")
    return None


def _stranger(node: ClusterNode, current: Membership) -> Refused | None:
    other = current.named(node.name)
    if other is not None:
        return Refused(f"it gives {other.label} another number, {node.cid}", "a number is for ever")
    former = next((one for one in current.former if one.cid == node.cid), None)
    if node.cid <= current.max_cid and (former is None or former.name.lower() != node.name.lower()):
        whose = f" to {former.name}" if former else ""
        what = f"{node.name}({node.cid}): its number was given{whose} before"
        return Refused(what, f"give it {current.max_cid + 1} or more")
    return None


def _taken_over(conf: ClusterConf, agreed: Membership, current: Membership) -> TakenOver:
    gone = _removed(conf, agreed, current)
    members = {m.cid: m for m in current.members if m not in gone}
    words = [f"{member.label} is removed" for member in gone]
    for node in _without_removed_since(conf, agreed, current):
        old = members.get(node.cid)
        if old is None:
            port = current.master_member.port
            members[node.cid] = Member(node.cid, node.name, node.ip, port, node.pmg)
            words.append(f"{node.name}({node.cid}) is expected")
        elif (old.address, old.pmg) != (node.ip, node.pmg):
            members[node.cid] = replace(old, address=node.ip, pmg=node.pmg)
            words.append(f"{old.label} has other keys of PMG or another address")
    max_cid = max(current.max_cid, conf.max_cid)
    if max_cid > current.max_cid and not words:
        words.append(f"maxcid is {max_cid}")
    ordered = tuple(sorted(members.values(), key=lambda member: member.cid))
    return TakenOver(ordered, max_cid, ", ".join(words))


def _removed(conf: ClusterConf, agreed: Membership, current: Membership) -> tuple[Member, ...]:
    """Those that the file had when it last agreed, and has no more."""
    named = {node.cid for node in conf.nodes}
    had = {member.cid for member in agreed.members}
    return tuple(m for m in current.members if m.cid in had and m.cid not in named)


def _without_removed_since(
    conf: ClusterConf, agreed: Membership, current: Membership
) -> tuple[ClusterNode, ...]:
    """The nodes in the file but for those that are gone from the membership since it agreed."""
    gone = {m.cid for m in agreed.members} - {m.cid for m in current.members}
    return tuple(node for node in conf.nodes if node.cid not in gone)
