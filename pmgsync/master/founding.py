"""PURE but for the keys handed in. How a cluster begins: its genesis, and the recovery key of its
admin.

A `cluster.conf` that PMG wrote is adopted as it is: cids, names, addresses and maxcid stay, and so
does every byte of the file. This node must be its master. The other nodes become expected members,
without keys, until they join. Where there is none, this node is the first and gets cid 1.
"""

import base64
import hashlib
from dataclasses import dataclass

from pmgsync.errors import OperatorError, UsageError
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import KEY_BYTES, PublicKey, Signer, SigningKey
from pmgsync.model.membership import (
    MEMBERSHIP_TYPE,
    Base,
    Former,
    Member,
    MemberKeys,
    Membership,
    found,
)
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.pmgconf.cluster_conf import FILE, ClusterConf, cluster_conf_of, parse_cluster_conf

_CHECK_BYTES = 3
_KEY_LETTERS = (KEY_BYTES + _CHECK_BYTES) * 8 // 5
_GROUP = 4


@dataclass(frozen=True, slots=True)
class Founder:
    """The node that founds: its name and address, its member port, and all its keys."""

    name: str
    address: str
    port: int
    pmg: PmgKeys
    identity: Signer
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Founding:
    """A new cluster. `recovery` is shown once and kept nowhere; `cluster_conf` None: the file
    stays.
    """

    membership: Membership
    envelope: Envelope
    recovery: str
    cluster_conf: bytes | None


def found_cluster(
    founder: Founder,
    cluster: str,
    recovery: SigningKey,
    existing: bytes | None,
    *,
    now: int | None = None,
) -> Founding:
    """The cluster called `cluster`, founded by `founder`, adopting the `cluster.conf` in
    `existing`.

    Raises `InvalidError` for a file that PMG could not read either, and `OperatorError` naming both
    nodes if another one is its master.
    """
    conf = parse_cluster_conf(existing) if existing is not None else None
    members, master, max_cid = _adopted(founder, conf) if conf else ((_first(founder),), 1, 1)
    membership = found(
        cluster, members, master=master, max_cid=max_cid, recovery=recovery.public_key, now=now
    )
    envelope = seal(MEMBERSHIP_TYPE, membership.to_bytes(), founder.identity)
    return Founding(
        membership, envelope, recovery_text(recovery), None if conf else cluster_conf_of(membership)
    )


def refounded(
    old: Membership, me: Member, *, cluster: str, recovery: PublicKey, base: Base | None, now: int
) -> Membership:
    """The genesis of a cluster called `cluster` that goes on from the history of `old`, of which
    only `me` is left; `base` is where its log stands (None: it has no version).

    The others are former members: each gets its number back when it joins under its name.
    """
    gone = [Former(member.cid, member.name) for member in old.members if member.cid != me.cid]
    return Membership(
        cluster=cluster,
        epoch=base.position.epoch + 1 if base else 1,
        serial=1,
        parent=None,
        master=me.cid,
        max_cid=old.max_cid,
        recovery=recovery,
        members=(me,),
        former=tuple(sorted((*old.former, *gone), key=lambda former: former.cid)),
        created=now,
        base=base,
    )


def recovery_text(key: SigningKey) -> str:
    """The key as an admin writes it down: groups of four letters and digits, with a check in
    the end.
    """
    raw = key.to_raw()
    text = base64.b32encode(raw + _check(raw)).decode("ascii")
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def recovery_key(text: str) -> SigningKey:
    """The key that `recovery_text` wrote; blanks, case and hyphens do not matter. `UsageError`
    otherwise.
    """
    word = "".join(text.split()).replace("-", "").upper()
    try:
        raw = base64.b32decode(word)
    except ValueError:
        raw = b""
    key = raw[:KEY_BYTES]
    if len(raw) != KEY_BYTES + _CHECK_BYTES or raw[KEY_BYTES:] != _check(key):
        raise UsageError(
            "is not the recovery key that `pmgsync create` printed",
            where="recovery key",
            mend="compare it with what was written down, group by group",
        )
    return SigningKey(key)


def recovery_keys(text: str) -> tuple[SigningKey, ...]:
    """The keys that `text` has, one after the other; `UsageError` as `recovery_key`."""
    word = "".join(text.split()).replace("-", "")
    starts = range(0, max(1, len(word)), _KEY_LETTERS)
    return tuple(recovery_key(word[at : at + _KEY_LETTERS]) for at in starts)


def _check(raw: bytes) -> bytes:
    return hashlib.sha256(b"pmgsync recovery key\0" + raw).digest()[:_CHECK_BYTES]


def _first(founder: Founder) -> Member:
    keys = MemberKeys(founder.identity.public_key, founder.certificate)
    return Member(1, founder.name, founder.address, founder.port, founder.pmg, keys)


def _adopted(founder: Founder, conf: ClusterConf) -> tuple[tuple[Member, ...], int, int]:
    if conf.master_node.name.lower() != founder.name.lower():
        raise OperatorError(
            f"says that {conf.master_node.name} is the master, and this node is {founder.name}",
            where=FILE,
            mend=f"say `pmgsync create` on {conf.master_node.name}",
        )
    keys = MemberKeys(founder.identity.public_key, founder.certificate)
    members = tuple(
        Member(
            cid=node.cid,
            name=node.name,
            address=node.ip,
            port=founder.port,
            pmg=node.pmg,
            keys=keys if node.cid == conf.master else None,
        )
        for node in conf.nodes
    )
    return members, conf.master, conf.max_cid
