"""What members ask each other when a master is to be found, as values; `wire.peer_codec` puts them
on the wire.

One question a call, one answer. A `Refusal` is an answer, not an error: it is told to the admin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pmgsync.model.changeset import Position
    from pmgsync.model.manifest import Digest


@dataclass(frozen=True, slots=True)
class Ask:
    """Where do you stand, and which links do you have that come after (epoch, serial)? With
    `proof`: show the newest version, too.
    """

    epoch: int
    serial: int
    proof: bool = False


@dataclass(frozen=True, slots=True)
class Tell:
    """These links are newer than what you have. Answered by where the member stands then."""

    links: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Propose:
    """Sign this membership (an envelope). `proof` is the envelope of its base; empty: no version.

    Answered by a `Vote`, or a `Refusal`.
    """

    document: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class StepDown:
    """To the master: publish nothing from now on, I am about to take over. Answered by `Standing`,
    once everything that was edited is published. It lasts for some seconds only.
    """


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Become the master, as `pmgsync switchover` wants it: by handover only. Answered by `Standing`
    when that is done.
    """


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member stands: its newest membership, the newest version that its log holds durably,
    the epoch that it has signed for last. `live`: it hears the master, or is it (`master`).

    `links` are the first ones of those that were asked for; there may be more. `promise` is what it
    has signed for that epoch, where that is so far above its own that its word does not count.
    `proof` is the envelope of the newest version, where it was asked for (empty: there is none).
    What is not signed is the member's word alone.
    """

    epoch: int
    serial: int
    head: Position
    manifest: Digest
    promised: int
    live: bool
    master: bool
    links: tuple[bytes, ...] = ()
    promise: bytes = b""
    proof: bytes = b""

    @property
    def place(self) -> tuple[int, int]:
        """The newest membership, in order."""
        return self.epoch, self.serial


@dataclass(frozen=True, slots=True)
class Vote:
    """The member's signature on the proposed membership."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, in one line. `behind`: because there is a newer version here."""

    why: str
    behind: Position | None = None


Question = Ask | Tell | Propose | StepDown | TakeOver
Answer = Standing | Vote | Refusal
