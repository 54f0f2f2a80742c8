"""PURE but for questions to the log. Which versions of this node's log the history has not."""

from __future__ import annotations

from pmgsync.model.changeset import ChangeSet
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import History


def first_orphan(history: TrustedHistory, log: History) -> int | None:
    """The first version in `log` that is not of `history`, where another master went on from an
    earlier one; None if all are. All that follow on it are none of it either.
    """
    first: int | None = None
    while lines := log.lines(most=100, before=first):
        for line in lines:
            if not _is_orphan(history, log, line.position.version):
                return first
            first = line.position.version
    return first


def _is_orphan(history: TrustedHistory, log: History, version: int) -> bool:
    record = log.record(version)
    if record is None:
        return False
    change_set = ChangeSet.from_bytes(record.envelope.payload)
    return history.fork(change_set.position, change_set.result) is not None
