"""PMG's `cluster.conf`, bytes to values and back: the face of the membership that PMG itself reads.

PMG dies on a file without a master, on a name that stands twice and on a section that lacks an
option; these are an `InvalidError` naming FILE:LINE here, and so are a second master and a cid that
stands twice, with which nobody could say who is meant. What PMG only warns about is a finding. It
raises `maxcid` to the highest cid it sees, and so do we. A file without sections says that the node
is in no cluster.

Where the file and the signed membership disagree, the membership decides; so it is rewritten when
it *means* something else (`means`), and kept byte for byte while it does not, comments and all.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from pmgsync.errors import InvalidError, MalformedError
from pmgsync.model.naming import check_node_name
from pmgsync.model.pmg_node import MAX_CID, PmgKeys
from pmgsync.pmgconf.findings import Finding
from pmgsync.pmgconf.formats import IP, Format
from pmgsync.pmgconf.section import (
    Grammar,
    Section,
    SectionFile,
    dump,
    headed_by,
    parse,
    section_of,
)
from pmgsync.pmgconf.values import OptionRule, ValueType, perl_number

if TYPE_CHECKING:
    from pmgsync.model.membership import Member, Membership

FILE = "etc/pmg/cluster.conf"


def _is_node_name(text: str) -> bool:
    try:
        check_node_name(text)
    except MalformedError:
        return False
    return True


def _header(line: str) -> tuple[str, str] | None:
    found = _named(line)
    return found if found and found[1].isascii() and found[1].isdecimal() else None


def _cid_fault(text: str) -> str:
    return _CID.fault(text)


_named = headed_by("master", "node")
_CID = OptionRule(type=ValueType.INTEGER, least=1, most=MAX_CID, required=True)
_KEY = OptionRule(pattern=r"[A-Za-z0-9./+=]{200,}", words="a public key in base64", required=True)
_FINGERPRINT = OptionRule(
    pattern=r"(?:[A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}",
    words="a SHA-256 fingerprint in hexadecimal",
    required=True,
)
_NODE_NAME = Format("pve-node", _is_node_name, "node name", "one label of a DNS name")
_NODE = {
    "fingerprint": _FINGERPRINT,
    "hostrsapubkey": _KEY,
    "ip": OptionRule(format=IP, required=True),
    "name": OptionRule(format=_NODE_NAME, required=True),
    "rootrsapubkey": _KEY,
}

GRAMMAR = Grammar(
    _header,
    {"master": {**_NODE, "maxcid": _CID}, "node": _NODE},
    _cid_fault,
    ids=_CID.allowed,
)


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """One node as `cluster.conf` names it."""

    cid: int
    name: str
    ip: str
    pmg: PmgKeys


@dataclass(frozen=True, slots=True)
class ClusterConf:
    """What `cluster.conf` says. `nodes` are sorted by cid; `master` is the cid of one of them."""

    master: int
    max_cid: int
    nodes: tuple[ClusterNode, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def master_node(self) -> ClusterNode:
        """The node that the file calls master."""
        return next(node for node in self.nodes if node.cid == self.master)


def parse_cluster_conf(data: bytes, *, where: str = FILE) -> ClusterConf | None:
    """What the file says; None if it has no section. `InvalidError` for what is no cluster."""
    file = parse(data, GRAMMAR)
    _require_complete(file, where)
    if not file.sections:
        return None
    _require_unique_names(file, where)
    masters = [section for section in file.sections if section.type == "master"]
    if len(masters) != 1:
        raise _no_single_master(masters, where)
    nodes = tuple(sorted((_node(section) for section in file.sections), key=lambda n: n.cid))
    max_cid = max(nodes[-1].cid, _whole(masters[0].options["maxcid"].value))
    return ClusterConf(_whole(masters[0].id), max_cid, nodes, file.findings)


def dump_cluster_conf(conf: ClusterConf) -> bytes:
    """The file as PMG itself writes it."""
    return dump((_section(node, conf) for node in conf.nodes), GRAMMAR)


def cluster_conf_of(membership: Membership) -> bytes:
    """The `cluster.conf` that says what `membership` says, expected members included."""
    return dump_cluster_conf(_conf_of(membership))


def means(data: bytes, membership: Membership) -> bool:
    """Does the file in `data` say what `membership` says: nodes, addresses, keys, master,
    maxcid?
    """
    try:
        conf = parse_cluster_conf(data)
    except InvalidError:
        return False
    return conf is not None and _meaning(conf) == _meaning(_conf_of(membership))


def rewritten(data: bytes | None, membership: Membership) -> bytes | None:
    """The new bytes of a file that holds `data`, or None where it may stay as it is."""
    if data is not None and means(data, membership):
        return None
    new = cluster_conf_of(membership)
    return None if new == data else new


def _conf_of(membership: Membership) -> ClusterConf:
    nodes = tuple(ClusterNode(m.cid, m.name, m.address, m.pmg) for m in _by_cid(membership))
    return ClusterConf(membership.master, membership.max_cid, nodes)


def _by_cid(membership: Membership) -> list[Member]:
    return sorted(membership.members, key=lambda member: member.cid)


def _meaning(conf: ClusterConf) -> tuple[object, ...]:
    rows = [(n.cid, n.name, ip_address(n.ip), n.pmg) for n in conf.nodes]
    return conf.master, conf.max_cid, rows


def _section(node: ClusterNode, conf: ClusterConf) -> Section:
    options = {
        "fingerprint": node.pmg.fingerprint,
        "hostrsapubkey": node.pmg.host_rsa,
        "ip": node.ip,
        "name": node.name,
        "rootrsapubkey": node.pmg.root_rsa,
    }
    if node.cid != conf.master:
        return section_of("node", str(node.cid), options)
    return section_of("master", str(node.cid), {**options, "maxcid": str(conf.max_cid)})


def _whole(digits: str) -> int:
    """The number of a cid that has been checked; Python's own `int` refuses thousands of zeros."""
    return int(perl_number(digits))


def _node(section: Section) -> ClusterNode:
    value = {name: option.value for name, option in section.options.items()}
    keys = PmgKeys(value["fingerprint"], value["hostrsapubkey"], value["rootrsapubkey"])
    return ClusterNode(_whole(section.id), value["name"], value["ip"], keys)


def _require_complete(file: SectionFile, where: str) -> None:
    for section in file.incomplete:
        reasons = [f for f in file.findings if f.section == section.id]
        raise InvalidError(
            f"section '{section.type}: {section.id}': {reasons[-1].what}",
            where=f"{where}:{section.line}",
            mend="; ".join(str(finding) for finding in reasons[:-1]) or "add what is missing",
        )


def _require_unique_names(file: SectionFile, where: str) -> None:
    seen: dict[str, Section] = {}
    cids: dict[int, Section] = {}
    for section in file.sections:
        name = section.options["name"]
        if name.value.lower() in seen:
            first = seen[name.value.lower()]
            raise InvalidError(
                f"the name {name.value} stands in '{first.type}: {first.id}' already",
                where=f"{where}:{name.line}",
                mend="each node has its own name",
            )
        if _whole(section.id) in cids:
            raise InvalidError(
                f"the cid {_whole(section.id)} stands twice",
                where=f"{where}:{section.line}",
                mend="remove one",
            )
        seen[name.value.lower()] = cids[_whole(section.id)] = section


def _no_single_master(masters: list[Section], where: str) -> InvalidError:
    if not masters:
        return InvalidError(
            "no section `master: CID`",
            where=f"{where}:1",
            mend="name the master as PMG's `pmgcm` does",
        )
    return InvalidError(
        f"a second master, besides '{masters[0].type}: {masters[0].id}'",
        where=f"{where}:{masters[1].line}",
        mend="exactly one node is the master",
    )
