"""A node that was removed from its cluster: how it knows, remembers and says it.

The master's signed notice is kept as a note, and proven anew against the chain at each start; so a
note that was altered makes nobody believe anything.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pmgsync.cli.assembly import NodeParts
from pmgsync.errors import NoLongerMemberError, PmgsyncError
from pmgsync.model.envelope import Envelope
from pmgsync.model.removal import accept_removal
from pmgsync.model.trust import TrustedHistory

log = logging.getLogger(__name__)

NOTE = "removal"
REJOIN = (
    "`pmgsync join` joins again, under the old name with the old number; `pmgsync leave` forgets "
    "the cluster"
)


@dataclass(frozen=True, slots=True)
class Removed:
    """Which cluster it was, its master, and the membership that lacks this node."""

    cluster: str
    master: str
    link: str

    def __str__(self) -> str:
        return (
            f"this node was removed from cluster {self.cluster[:4]}… by its master {self.master} "
            f"(membership {self.link}); its configuration stays as it is and is not synced any more"
        )


def removal_of(parts: NodeParts, chain: Sequence[Envelope]) -> Removed | None:
    """What the noted notice proves; None where there is none, or it proves nothing."""
    notice = parts.store.note(NOTE) if chain else None
    if not isinstance(notice, str):
        return None
    membership = TrustedHistory(chain).membership
    try:
        removal = accept_removal(notice.encode(), membership, parts.identity.key.public_key)
    except PmgsyncError as error:
        log.warning("the note of a removal counts for nothing: %s", error)
        return None
    link = f"{removal.epoch}.{removal.serial}"
    return Removed(removal.cluster, membership.master_member.label, link)


def stand_aside(parts: NodeParts, removal: NoLongerMemberError) -> Removed | None:
    """Note it down, durably; what it proves."""
    parts.store.write_note(NOTE, removal.notice.decode("ascii"))
    return removal_of(parts, parts.identity.read_chain())


def removal_in(error: BaseException | None) -> NoLongerMemberError | None:
    """The removal that ended the roles, if that is what ended them."""
    return next((e for e in _leaves(error) if isinstance(e, NoLongerMemberError)), None)


def _leaves(error: BaseException | None) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    elif error is not None:
        yield error
