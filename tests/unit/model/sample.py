"""A cluster of three on paper: keys, memberships, versions and what a stranger might send."""

from dataclasses import replace

from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Diff, Position, diff
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.heartbeat import HEARTBEAT_TYPE, Heartbeat
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import FileEntry, Manifest
from pmgsync.model.membership import MEMBERSHIP_TYPE, Member, MemberKeys, Membership, found
from pmgsync.model.paths import ManagedPath
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.report import REPORT_TYPE, Outcome, Report
from pmgsync.model.trust import TrustedHistory

CLUSTER = "a1b2c3"
PMG_KEYS = PmgKeys(":".join(["AB"] * 32), "AAAAB3NzaC1yc2E+/=", "AAAAB3NzaC1yc2E0")


def key(number: int) -> SigningKey:
    """The key of the member with that cid; others are strangers'. The same in every run."""
    return SigningKey(bytes([number]) * 32)


MASTER, NODE, OTHER, STRANGER, RECOVERY = key(1), key(2), key(3), key(66), key(99)


def member(cid: int, *, name: str = "", joined: bool = True) -> Member:
    keys = MemberKeys(key(cid).public_key, b"certificate %d" % cid) if joined else None
    return Member(cid, name or f"mx{cid}", f"127.0.0.{cid}", 9443, PMG_KEYS, keys)


def genesis(cluster: str = CLUSTER) -> Membership:
    return found(
        cluster,
        (member(1), member(2), member(3, joined=False)),
        master=1,
        max_cid=3,
        recovery=RECOVERY.public_key,
    )


def seal_membership(membership: Membership, signer: SigningKey = MASTER) -> Envelope:
    return seal(MEMBERSHIP_TYPE, membership.to_bytes(), signer)


def entry(path: str, content: str = "") -> FileEntry:
    return FileEntry.of(ManagedPath(path), content.encode())


def manifest(**contents: str) -> Manifest:
    """The state in which `etc/pmg/NAME` holds that content."""
    return Manifest(entry(f"etc/pmg/{name}", content) for name, content in contents.items())


def version(number: int, base: Manifest, target: Manifest, *, epoch: int = 1) -> ChangeSet:
    return ChangeSet(
        cluster=CLUSTER,
        position=Position(epoch, number),
        parent=base.digest,
        result=target.digest,
        change=diff(base, target),
        created=1_700_000_000_000 + number,
        message=f"version {number}",
    )


def seal_version(change_set: ChangeSet, signer: SigningKey = MASTER) -> Envelope:
    return seal(CHANGE_SET_TYPE, change_set.to_bytes(), signer)


def changing(change_set: ChangeSet, change: Diff, base: Manifest) -> ChangeSet:
    """`change_set` with another change, and the digest of what it makes of `base`."""
    result = base.changed(change.puts, change.deletes)
    return replace(change_set, change=change, result=result.digest)


def beat(count: int, *, epoch: int = 1, cluster: str = CLUSTER) -> Heartbeat:
    return Heartbeat(cluster, Position(epoch, 1), Manifest().digest, serial=1, count=count)


def seal_beat(heartbeat: Heartbeat, signer: SigningKey = MASTER) -> Envelope:
    return seal(HEARTBEAT_TYPE, heartbeat.to_bytes(), signer)


def report(cid: int = 2, *, cluster: str = CLUSTER) -> Report:
    return Report(
        cluster=cluster,
        cid=cid,
        active=Position(1, 4),
        manifest=Manifest().digest,
        wanted=Position(1, 5),
        outcome=Outcome.UNABLE,
        detail="No space left on device",
        notes=("etc/pmg/domains: put back",),
        milliseconds=12,
    )


def seal_report(said: Report, signer: SigningKey = NODE) -> Envelope:
    return seal(REPORT_TYPE, said.to_bytes(), signer)


STATES = (
    Manifest(),
    manifest(domains="a.example 1\n"),
    manifest(domains="a.example 1\n", transport="a.example smtp:[192.0.2.1]:25\n"),
    manifest(domains="b.example 1\n", transport="a.example smtp:[192.0.2.1]:25\n"),
    manifest(domains="b.example 1\n"),
)
"""The states of the true history: version N leads from STATES[N - 1] to STATES[N]."""

HISTORY = tuple(version(n, STATES[n - 1], STATES[n]) for n in range(1, len(STATES)))
ENVELOPES = tuple(seal_version(change_set) for change_set in HISTORY)


def trusted(*, at: int = 0) -> TrustedHistory:
    """A node's history that believes the genesis and the first `at` versions."""
    history = TrustedHistory([seal_membership(genesis())])
    for envelope in ENVELOPES[:at]:
        history.accept(envelope)
    return history
