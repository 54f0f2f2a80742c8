"""The membership: who belongs to the cluster, with which keys, and who is master in this epoch.

A chain of signed documents. The first (genesis: epoch 1, serial 1) is signed by its own master,
the founder. Each next one names the digest of the one before. Within an epoch the serial grows by
one and that epoch's master signs (`follows`); the rule for the next epoch, a promotion, is in
`promotion.py`. From then on the documents of that epoch name its `base`: the version on which its
own versions follow. A cluster that was founded anew from the history of another has one, too.
A master that takes a new identity key (`rekeying.py`) stays in its epoch and names a newer base:
the last version that its key before has signed.

A member without keys is *expected*: PMG's `cluster.conf` lists it, or the admin announced it, but
it has not joined; nothing it says counts. cids are never given twice: `max_cid` only grows, and a
node that comes back under its name keeps its cid. For that, those who left are remembered
(`former`): their cids are given to nobody else.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from pmgsync.errors import GapError, InvalidError, MalformedError, StaleError, WrongClusterError
from pmgsync.model import canonical
from pmgsync.model.changeset import Position
from pmgsync.model.keys import PublicKey, decode_base64
from pmgsync.model.manifest import Digest, digest_of, parse_digest
from pmgsync.model.naming import check_address, check_node_name
from pmgsync.model.paths import printable
from pmgsync.model.pmg_node import MAX_CID, PmgKeys

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from pmgsync.model.envelope import Envelope

MEMBERSHIP_TYPE = "application/vnd.pmgsync.membership.v1+json"
MAX_MEMBERS = 10_000
MAX_PORT = 65535
REMEMBERED_BYTES = 64 << 10
"""Memberships up to this size are parsed once, however often they are asked for."""


@dataclass(frozen=True, slots=True)
class MemberKeys:
    """What a member is recognised by: its identity key, and its TLS certificate's bytes (DER)."""

    identity: PublicKey
    certificate: bytes

    @property
    def fingerprint(self) -> Digest:
        """SHA-256 of the certificate, as compared in every call."""
        return digest_of(self.certificate)

    def overlaps(self, other: MemberKeys) -> bool:
        """Is one of the two the same?"""
        return self.identity == other.identity or self.certificate == other.certificate


@dataclass(frozen=True, slots=True)
class Member:
    """One node. `address` is an IP; `port` is where its member port listens while it is master."""

    cid: int
    name: str
    address: str
    port: int
    pmg: PmgKeys
    keys: MemberKeys | None = None

    def __post_init__(self) -> None:
        check_node_name(self.name)
        check_address(self.address)
        if not (1 <= self.cid <= MAX_CID and 1 <= self.port <= MAX_PORT):
            raise MalformedError("has a cid or port out of range", where=self.name)

    @property
    def endpoint(self) -> tuple[IPv4Address | IPv6Address, int]:
        """Address and port, equal for all spellings of an address."""
        return ip_address(self.address), self.port

    @property
    def label(self) -> str:
        """`name(cid)`, as people see it."""
        return f"{self.name}({self.cid})"

    def to_json(self) -> dict[str, canonical.Json]:
        """The member as a JSON object."""
        return {
            "cid": self.cid,
            "name": self.name,
            "address": self.address,
            "port": self.port,
            "pmg": [self.pmg.fingerprint, self.pmg.host_rsa, self.pmg.root_rsa],
            "identity": self.keys.identity.to_text() if self.keys else None,
            "certificate": base64.b64encode(self.keys.certificate).decode("ascii")
            if self.keys
            else None,
        }

    @classmethod
    def from_json(cls, value: object) -> Member:
        """The member in `value`; `MalformedError` for anything else."""
        fields = canonical.Fields(value, "a member")
        identity, certificate = (
            fields.optional("identity", str),
            fields.optional("certificate", str),
        )
        if (identity is None) != (certificate is None):
            raise MalformedError("a member has one key of two")
        member = cls(
            cid=fields.count("cid"),
            name=fields.take("name", str),
            address=fields.take("address", str),
            port=fields.count("port"),
            pmg=PmgKeys(*fields.texts("pmg", exactly=3)),
            keys=MemberKeys(
                PublicKey.from_text(identity), decode_base64(certificate, "a certificate")
            )
            if identity is not None and certificate is not None
            else None,
        )
        fields.done()
        return member


@dataclass(frozen=True, slots=True)
class Former:
    """A node that left or was removed: its cid waits for it, and is given to no other name."""

    cid: int
    name: str

    def __post_init__(self) -> None:
        check_node_name(self.name)
        if not 1 <= self.cid <= MAX_CID:
            raise MalformedError("has a cid out of range", where=self.name)

    @classmethod
    def from_json(cls, value: object) -> Former:
        """The former member in `value`; `MalformedError` for anything else."""
        fields = canonical.Fields(value, "a former member")
        former = cls(fields.count("cid"), fields.take("name", str))
        fields.done()
        return former


@dataclass(frozen=True, slots=True)
class Base:
    """Where an epoch begins: the last version before it, and the state that this one led to."""

    position: Position
    manifest: Digest

    def to_json(self) -> canonical.Json:
        """The base as JSON."""
        return [str(self.position), self.manifest]

    @classmethod
    def from_json(cls, texts: list[str]) -> Base:
        """The base in the two `texts`; `MalformedError` for anything else."""
        return cls(Position.parse(texts[0]), parse_digest(texts[1]))


@dataclass(frozen=True)
class Membership:
    """One document of the chain. `parent` is the digest of the one before, empty for genesis.

    `created` is when it was made by its signer's clock, in milliseconds since 1970, for people
    only: nothing is ordered by it. It and `former` are left out of the bytes where they are empty.
    `base` is None in the first epoch of a cluster that began with nothing.
    """

    cluster: str
    epoch: int
    serial: int
    parent: Digest | None
    master: int
    max_cid: int
    recovery: PublicKey
    members: tuple[Member, ...]
    former: tuple[Former, ...] = ()
    created: int | None = None
    base: Base | None = None

    def __post_init__(self) -> None:
        if self.base is not None and self.base.position.epoch > self.epoch:
            raise MalformedError("a membership begins on a version of a later epoch")
        cids = {member.cid for member in self.members}
        keys = [member.keys for member in self.members if member.keys]
        if len(cids) != len(self.members) or _doubled(m.name.lower() for m in self.members):
            raise MalformedError("a membership names a cid or a name twice")
        if _doubled(key.identity for key in keys) or _doubled(key.certificate for key in keys):
            raise MalformedError("a membership gives two members the same key")
        if len(self.members) > MAX_MEMBERS or (cids and max(cids) > self.max_cid):
            raise MalformedError("a membership has too many members, or a cid above its max_cid")
        if self.master not in cids or self.member(self.master).keys is None:
            raise MalformedError("a membership has no master with keys")
        self._check_former(cids)

    def _check_former(self, cids: set[int]) -> None:
        left = [former.cid for former in self.former]
        names = [member.name.lower() for member in self.members]
        names += [former.name.lower() for former in self.former]
        if self.former and (_doubled((*cids, *left)) or _doubled(names)):
            raise MalformedError("a membership names a former member that is a member, or twice")
        if left and max(left) > self.max_cid:
            raise MalformedError("a membership has a former member with a cid above its max_cid")

    def member(self, cid: int) -> Member:
        """The member with `cid`; `KeyError` if there is none."""
        for member in self.members:
            if member.cid == cid:
                return member
        raise KeyError(cid)

    def identity_of(self, cid: int) -> PublicKey | None:
        """The key with which that member signs; None where it has none, or is no member."""
        return next((m.keys.identity for m in self.members if m.cid == cid and m.keys), None)

    @property
    def master_member(self) -> Member:
        """The master of this epoch."""
        return self.member(self.master)

    @property
    def master_key(self) -> PublicKey:
        """The key that signs in this epoch."""
        keys = self.master_member.keys
        if keys is None:
            raise MalformedError("a membership's master has no keys")
        return keys.identity

    def named(self, name: str) -> Member | None:
        """The member called `name`; upper and lower case are the same, as in DNS."""
        wanted = name.lower()
        return next((member for member in self.members if member.name.lower() == wanted), None)

    def holder_of(self, fingerprint: Digest) -> Member | None:
        """The member whose certificate has `fingerprint`."""
        return next((m for m in self.members if m.keys and m.keys.fingerprint == fingerprint), None)

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        optional: dict[str, canonical.Json] = {}
        if self.former:
            optional["former"] = [{"cid": gone.cid, "name": gone.name} for gone in self.former]
        if self.created is not None:
            optional["created"] = self.created
        if self.base is not None:
            optional["base"] = self.base.to_json()
        return canonical.encode(
            {
                **optional,
                "cluster": self.cluster,
                "epoch": self.epoch,
                "serial": self.serial,
                "parent": self.parent,
                "master": self.master,
                "maxcid": self.max_cid,
                "recovery": self.recovery.to_text(),
                "members": [member.to_json() for member in self.members],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Membership:
        """The membership in `data`; `MalformedError` for anything else."""
        return _parsed(data) if len(data) <= REMEMBERED_BYTES else cls._parse(data)

    @classmethod
    def _parse(cls, data: bytes) -> Membership:
        fields = canonical.decode(data, "a membership")
        parent = fields.optional("parent", str)
        members: list[object] = fields.take("members", list)
        former: list[object] = fields.optional("former", list) or []
        base = fields.texts("base", exactly=2) if fields.has("base") else None
        if len(members) > MAX_MEMBERS:
            raise MalformedError(f"a membership has more than {MAX_MEMBERS} members")
        membership = cls(
            cluster=fields.take("cluster", str),
            epoch=fields.count("epoch"),
            serial=fields.count("serial"),
            parent=parse_digest(parent) if parent is not None else None,
            master=fields.count("master"),
            max_cid=fields.count("maxcid", most=MAX_CID),
            recovery=PublicKey.from_text(fields.take("recovery", str)),
            members=tuple(Member.from_json(row) for row in members),
            former=tuple(Former.from_json(row) for row in former),
            created=fields.optional_count("created"),
            base=Base.from_json(base) if base is not None else None,
        )
        fields.done()
        return membership


@lru_cache(maxsize=16)
def _parsed(data: bytes) -> Membership:
    # The door, the chain and the votes each want the same few links as values, one after the other.
    return Membership._parse(data)


def _doubled(values: Iterable[Hashable]) -> bool:
    listed = list(values)
    return len(set(listed)) != len(listed)


def found(
    cluster: str,
    members: tuple[Member, ...],
    *,
    master: int,
    max_cid: int,
    recovery: PublicKey,
    now: int | None = None,
) -> Membership:
    """The genesis of a cluster, to be signed by its master."""
    highest = max(max_cid, *(member.cid for member in members))
    return Membership(cluster, 1, 1, None, master, highest, recovery, members, created=now)


def successor(
    membership: Membership,
    envelope: Envelope,
    members: Iterable[Member],
    *,
    now: int | None,
    max_cid: int = 0,
) -> Membership:
    """The next membership of the same epoch after `membership` (which `envelope` holds), with these
    members. Who is not among them any more is remembered as former; `max_cid` never shrinks.
    """
    listed = tuple(sorted(members, key=lambda member: member.cid))
    cids = {member.cid for member in listed}
    gone = (Former(m.cid, m.name) for m in membership.members if m.cid not in cids)
    kept = (former for former in membership.former if former.cid not in cids)
    return replace(
        membership,
        serial=membership.serial + 1,
        parent=envelope.digest,
        max_cid=max(membership.max_cid, max_cid, *cids),
        members=listed,
        former=tuple(sorted((*kept, *gone), key=lambda former: former.cid)),
        created=now,
    )


def admit(
    membership: Membership, envelope: Envelope, newcomer: Member, *, now: int | None = None
) -> Membership:
    """The successor of `membership` (which `envelope` holds) in which `newcomer` has its keys.

    The newcomer's cid is the one that `place_for` gives for its name.

    Raises `InvalidError` if another member has its address and port, or a key of it, and if the
    place belongs to a node of another name or to the master: a token lets a node in, not take over.
    """
    holder = next((m for m in membership.members if m.cid == newcomer.cid), None)
    if holder and (holder.cid == membership.master or holder.name.lower() != newcomer.name.lower()):
        raise InvalidError(
            f"has the place of {newcomer.name} already",
            where=holder.label,
            mend="give the new node another name",
        )
    others = tuple(m for m in membership.members if m.cid != newcomer.cid)
    for other in others:
        if other.endpoint == newcomer.endpoint:
            raise InvalidError(
                f"has the address of {newcomer.name}, {newcomer.address}",
                where=other.label,
                mend="give each node its own address",
            )
        if other.keys and newcomer.keys and other.keys.overlaps(newcomer.keys):
            raise InvalidError(
                "has the same key", where=other.label, mend="do not copy /var/lib/pmgsync"
            )
    return successor(membership, envelope, (*others, newcomer), now=now)


def remove(
    membership: Membership, envelope: Envelope, cid: int, *, now: int | None = None
) -> Membership:
    """The successor of `membership` (which `envelope` holds) without the member `cid`.

    Raises `InvalidError` for the master: a cluster without one could sign nothing any more.
    """
    member = membership.member(cid)
    if cid == membership.master:
        raise InvalidError(
            "is the master, and a cluster is never without one",
            where=member.label,
            mend="promote another node first: `pmgsync promote` on it",
        )
    others = (other for other in membership.members if other.cid != cid)
    return successor(membership, envelope, others, now=now)


def place_for(membership: Membership, name: str) -> int:
    """The cid of a node called `name`: its old or reserved one, else one above all ever given."""
    known = membership.named(name) or next(
        (former for former in membership.former if former.name.lower() == name.lower()), None
    )
    return known.cid if known else membership.max_cid + 1


def follows(previous: Membership, previous_envelope: Envelope, envelope: Envelope) -> Membership:
    """The membership in `envelope`, if it is the legal next link of this epoch after `previous`.

    Raises `WrongClusterError`, `StaleError` (not newer), `GapError` (a link is missing, or another
    epoch), `BadSignatureError`, `MalformedError`.
    """
    candidate = Membership.from_bytes(envelope.payload)
    if candidate.cluster != previous.cluster:
        raise WrongClusterError(
            f"a membership of another cluster, {printable(candidate.cluster[:40])}"
        )
    if (candidate.epoch, candidate.serial) <= (previous.epoch, previous.serial):
        raise StaleError(
            f"membership {candidate.epoch}.{candidate.serial} is not newer than {previous.serial}"
        )
    if (candidate.epoch, candidate.serial) != (previous.epoch, previous.serial + 1):
        raise GapError(
            f"membership {candidate.epoch}.{candidate.serial} does not follow {previous.serial}"
        )
    envelope.require(MEMBERSHIP_TYPE, previous.master_key)
    if candidate.parent != previous_envelope.digest:
        raise GapError("a membership names another predecessor than the one known here")
    if candidate.master != previous.master:
        raise MalformedError("a membership changes the master within an epoch")
    if candidate.master_key != previous.master_key:
        _require_rekeyed(previous, candidate, envelope)
    elif candidate.base != previous.base:
        raise MalformedError("a membership changes the base of its epoch")
    _require_cids_given_once(previous, candidate)
    return candidate


def _require_rekeyed(previous: Membership, candidate: Membership, envelope: Envelope) -> None:
    """The master's new key has signed, too; and the base says where the versions of the one before
    end, so that nothing which that one signs later counts.
    """
    envelope.require(MEMBERSHIP_TYPE, candidate.master_key)
    base, before = candidate.base, previous.base
    if base is None or (before is not None and base.position < before.position):
        raise MalformedError("a membership changes the master's key without a base for it")


def _require_cids_given_once(previous: Membership, candidate: Membership) -> None:
    """A cid at or below the last `max_cid` is had already, or goes back to the name that had it."""
    known = {member.cid for member in previous.members}
    former = {gone.cid: gone.name.lower() for gone in previous.former}
    given = [member for member in candidate.members if member.cid not in known]
    old = [member for member in given if member.cid <= previous.max_cid]
    if candidate.max_cid < previous.max_cid or any(
        former.get(member.cid) != member.name.lower() for member in old
    ):
        raise MalformedError("a membership gives a cid for the second time")
