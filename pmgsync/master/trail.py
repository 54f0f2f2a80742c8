"""The log as the feeds see it: the newest versions ready to be sent, each prepared once for all
nodes.
"""

from collections.abc import Sequence

from pmgsync.master.catch_up import MOST_LINKS, Link
from pmgsync.master.publish import Published
from pmgsync.model.envelope import Envelope
from pmgsync.model.messages import (
    BATCH_BYTES,
    INLINE_BYTES,
    MESSAGE_BYTES,
    PART_BYTES,
    Offer,
    Part,
    SnapshotPart,
)
from pmgsync.model.trust import Head
from pmgsync.ports import History

RECENT_BYTES = 8 << 20
"""The most that envelopes kept at hand add up to."""
_FRAMING = 8192


class Trail:
    """The newest versions at hand, older ones from the log. A `catch_up.Log`."""

    def __init__(self, log: History, head: Head, envelope: Envelope | None) -> None:
        """Begin at `head`, with the envelope that leads there (None: there is no version yet)."""
        self._log = log
        self._manifest = head.manifest
        self._links = [Link.of(envelope)] if envelope else []
        self._bytes = sum(len(link.envelope) for link in self._links)
        self._offer = Offer(self._links[0].envelope) if self._links else None
        self._snapshot: tuple[SnapshotPart, ...] = ()
        self._older: tuple[int, tuple[Link, ...]] = (-1, ())

    @property
    def head(self) -> Link | None:
        """The newest version."""
        return self._links[-1] if self._links else None

    def add(self, published: Published) -> None:
        """The next version. Its offer carries small contents along, for nodes that are at its
        parent.
        """
        change_set = published.verified.change_set
        link = Link(change_set.position, change_set.parent, change_set.result, published.envelope)
        self._links.append(link)
        self._bytes += len(link.envelope)
        while len(self._links) > MOST_LINKS or (
            len(self._links) > 1 and self._bytes > RECENT_BYTES
        ):
            self._bytes -= len(self._links.pop(0).envelope)
        self._manifest = published.verified.manifest
        self._offer = Offer(link.envelope, inline_parts(published))
        self._snapshot, self._older = (), (-1, ())

    def after(self, version: int) -> Sequence[Link]:
        """The versions above `version`, oldest first; empty if the next one is not to be had."""
        first = self._links[0].position.version if self._links else 0
        if self._links and version + 1 >= first:
            return self._links[version + 1 - first :]
        if self._older[0] != version:
            records = self._log.after(version, most=MOST_LINKS)
            self._older = version, tuple(Link.of(record.envelope) for record in records)
        return self._older[1]

    def offer(self, link: Link) -> Offer:
        """The offer of a version: the newest with its small contents, others without any."""
        if self._offer is not None and link is self.head:
            return self._offer
        return Offer(link.envelope)

    @property
    def snapshot_bytes(self) -> int:
        """The size of the newest version's manifest and envelope."""
        parts = self.snapshot()
        return parts[0].total + len(parts[0].envelope) if parts else 0

    def snapshot(self) -> tuple[SnapshotPart, ...]:
        """The newest version with its complete manifest, in parts; nothing while there is no
        version.
        """
        if not self._snapshot and self.head is not None:
            data = self._manifest.to_bytes()
            self._snapshot = tuple(
                SnapshotPart(self.head.envelope, len(data), at, data[at : at + PART_BYTES])
                for at in range(0, len(data), PART_BYTES)
            )
        return self._snapshot


def inline_parts(published: Published) -> tuple[Part, ...]:
    """The small new contents of a version, as far as they fit into one message with it."""
    room = min(BATCH_BYTES, MESSAGE_BYTES - len(published.envelope) - _FRAMING)
    parts = []
    for entry in published.verified.change_set.change.puts:
        data = published.contents.get(entry.digest)
        if data is None or len(data) > INLINE_BYTES:
            continue
        room -= len(data) + 128
        if room < 0:
            break
        parts.append(Part(entry.digest, len(data), 0, data))
    return tuple({part.digest: part for part in parts}.values())
