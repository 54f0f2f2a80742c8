"""The master's pen: a cluster with keys, and versions signed one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass

from pmgsync.model.changeset import CHANGE_SET_TYPE, ChangeSet, Diff, Position, diff
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.heartbeat import HEARTBEAT_TYPE, Heartbeat
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest, FileEntry, Manifest, digest_of
from pmgsync.model.membership import MEMBERSHIP_TYPE, Member, MemberKeys, Membership, admit, found
from pmgsync.model.messages import Beat, Contents, Memberships, Offer, Part, SnapshotPart
from pmgsync.model.paths import ManagedPath
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.trust import Head
from pmgsync.ports import LogRecord

CLUSTER = "5c1e0d6a-0000-4000-8000-000000000001"
CREATED = 1_700_000_000_000


@dataclass(frozen=True)
class Version:
    """One signed version: what it changed, what it led to, and every content of that state."""

    envelope: Envelope
    change: Diff
    head: Head
    files: Mapping[str, bytes]

    @property
    def record(self) -> LogRecord:
        return LogRecord(self.envelope, self.change)

    @property
    def contents(self) -> dict[Digest, bytes]:
        return {digest_of(data): data for data in self.files.values()}

    def offer(self, *, inline: bool = True) -> Offer:
        """The offer, with the new contents along with it unless they must be asked for."""
        if not inline:
            return Offer(self.envelope.to_bytes())
        puts = {entry.digest for entry in self.change.puts}
        return Offer(self.envelope.to_bytes(), tuple(self.part(digest) for digest in sorted(puts)))

    def part(self, digest: Digest) -> Part:
        data = self.contents[digest]
        return Part(digest, len(data), 0, data)

    def answer(self, digests: tuple[Digest, ...]) -> Contents:
        """What the master says to `Need`."""
        return Contents(tuple(self.part(digest) for digest in digests))

    def snapshot(self, *, step: int = 1 << 20) -> list[SnapshotPart]:
        """What the master says to `Resync`, in parts of `step` bytes."""
        data, envelope = self.head.manifest.to_bytes(), self.envelope.to_bytes()
        return [
            SnapshotPart(envelope, len(data), offset, data[offset : offset + step])
            for offset in range(0, len(data), step)
        ]


class Author:
    """Founds a cluster of a master (cid 1) and nodes (from cid 2 on), and writes its versions."""

    def __init__(self, nodes: int = 1) -> None:
        self.keys = {cid: SigningKey(bytes([cid]) * 32) for cid in range(1, nodes + 2)}
        members = tuple(self._member(cid) for cid in self.keys)
        recovery = SigningKey(b"r" * 32).public_key
        genesis = found(CLUSTER, members, master=1, max_cid=len(members), recovery=recovery)
        self.chain: list[Envelope] = [seal(MEMBERSHIP_TYPE, genesis.to_bytes(), self.keys[1])]
        self.files: dict[str, bytes] = {}
        self.head = Head()
        self._count = 0

    @property
    def membership(self) -> Membership:
        return Membership.from_bytes(self.chain[-1].payload)

    def version(self, puts: Mapping[str, bytes], *deletes: str) -> Version:
        """The next version: `puts` written and `deletes` removed."""
        self.files = {path: data for path, data in self.files.items() if path not in deletes}
        self.files.update(puts)
        manifest = manifest_of(self.files)
        change = diff(self.head.manifest, manifest)
        position = Position(1, self.head.position.version + 1)
        parent = self.head.manifest.digest
        words = ChangeSet(CLUSTER, position, parent, manifest.digest, change, CREATED)
        self.head = Head(position, manifest)
        envelope = seal(CHANGE_SET_TYPE, words.to_bytes(), self.keys[1])
        return Version(envelope, change, self.head, dict(self.files))

    def beat(self, version: int | None = None) -> Beat:
        """A heartbeat that speaks of `version`, or of the newest one."""
        self._count += 1
        number = self.head.position.version if version is None else version
        word = Heartbeat(
            CLUSTER, Position(1, number), self.head.manifest.digest, len(self.chain), self._count
        )
        return Beat(seal(HEARTBEAT_TYPE, word.to_bytes(), self.keys[1]).to_bytes())

    def grow(self) -> Memberships:
        """One more member; the message that tells of it."""
        cid = self.membership.max_cid + 1
        self.keys[cid] = SigningKey(bytes([cid]) * 32)
        grown = admit(self.membership, self.chain[-1], self._member(cid))
        self.chain.append(seal(MEMBERSHIP_TYPE, grown.to_bytes(), self.keys[1]))
        return Memberships((self.chain[-1].to_bytes(),))

    def _member(self, cid: int) -> Member:
        keys = MemberKeys(self.keys[cid].public_key, b"certificate %d" % cid)
        return Member(cid, f"node{cid}", f"127.0.0.{cid}", 26, PmgKeys("", "", ""), keys)


def manifest_of(files: Mapping[str, bytes]) -> Manifest:
    """The state in which exactly `files` lie there."""
    return Manifest(FileEntry.of(ManagedPath(path), data) for path, data in files.items())
