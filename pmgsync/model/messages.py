"""What the two ends of a follow stream say to each other, as values; `wire.codec` puts them on the
wire.

The agent opens the stream and says `Hello`; from then on each side speaks when it has something to
say. Contents travel by digest: small ones along with the offer that needs them, the others when
asked for, in parts of at most `PART_BYTES`, so the message limit can stay low.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pmgsync.model.changeset import Position
    from pmgsync.model.manifest import Digest

PART_BYTES = 256 << 10
"""The largest part of a content or manifest in one message."""
BATCH_BYTES = 1 << 20
"""The most that the parts in one message add up to."""
MESSAGE_BYTES = 4 << 20
"""The largest message that either side takes; gRPC's own default."""
INLINE_BYTES = 64 << 10
"""Contents up to this size travel along with the offer that needs them."""


def batch_of(links: Iterable[bytes]) -> tuple[bytes, ...]:
    """The first of `links` that fit into one message; at least one, if there is any."""
    batch: list[bytes] = []
    for link in links:
        if batch and sum(map(len, batch)) + len(link) > BATCH_BYTES:
            break
        batch.append(link)
    return tuple(batch)


@dataclass(frozen=True, slots=True)
class Part:
    """A part, from `offset` on, of the content with `digest`; `total` bytes, -1: not to be had."""

    digest: Digest
    total: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """The agent's first word: where its log stands, and which membership (epoch, serial) it knows.

    What it runs may be older while it cannot apply; its report, which follows at once, says that.
    `promised` is the epoch that it has signed for and that has not begun (0: none): until one does,
    it takes in no version.
    """

    active: Position
    manifest: Digest
    epoch: int
    serial: int
    software: str
    promised: int = 0


@dataclass(frozen=True, slots=True)
class Need:
    """The agent lacks these contents."""

    digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Resync:
    """The agent cannot follow from where it is; it wants a snapshot."""


@dataclass(frozen=True, slots=True)
class SignedReport:
    """The agent's report, in its envelope."""

    envelope: bytes


@dataclass(frozen=True, slots=True)
class Pulse:
    """The agent is alive. `want_view`: it would like the master's view of the cluster.

    `clock` is the time there, in milliseconds since 1970; `epoch` and `serial` are those of the
    newest membership that it believes and has written down. 0: it does not say.
    """

    want_view: bool = False
    clock: int = 0
    epoch: int = 0
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """The next version, in its envelope, with the small contents that the agent probably lacks.

    `more`: a newer one follows at once, so this one is neither asked for nor applied by itself.
    """

    envelope: bytes
    parts: tuple[Part, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class SnapshotPart:
    """The newest version and a part of the manifest it leads to (`total` bytes long in all)."""

    envelope: bytes
    total: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents that the agent asked for, or parts of them."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Memberships:
    """Links of the membership chain that the agent does not know yet, oldest first."""

    envelopes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Beat:
    """The master's heartbeat, in its envelope."""

    envelope: bytes


@dataclass(frozen=True, slots=True)
class View:
    """The cluster as the master sees it: the JSON of `pmgsync status --json`."""

    document: bytes


ToMaster = Hello | Need | Resync | SignedReport | Pulse
ToAgent = Offer | SnapshotPart | Contents | Memberships | Beat | View
