"""What the parts of the store stand on: connection, turns, transactions, and the row that moves.

`state` is one row with the newest version, what runs, and the activation in progress. So each step
of an activation is one commit of a few rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pmgsync.host import store_rows as rows
from pmgsync.host.store_schema import (
    LOG_BYTES,
    Row,
    Turn,
    connect,
    sealed,
    to_text,
    transaction,
    translated,
    unseal,
    write_back,
)
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.manifest import Digest
from pmgsync.ports import Intent

_COMMIT_BYTES = 48 << 10
"""About what a commit adds to the log besides contents: a dozen pages."""


@dataclass(frozen=True, slots=True)
class State:
    """The row of `state`."""

    head: int = 0
    active: Position = NOWHERE
    intent: Intent | None = None
    added: tuple[int, ...] = ()


class StoreBase:
    """An open database. Each method takes its turn, from whichever thread it is called."""

    def __init__(self, path: Path) -> None:
        """Open the database at `path` or make it; `StoreError` if that fails."""
        self._path = os.path.abspath(path)
        self._one_turn = Turn(self._path)
        self._logged = 0
        self._database = connect(self._path)
        try:
            self._state = self._read_state()
            self._ahead = self._read_ahead()
            # Only pruning makes contents idle, so that most commits need not ask.
            self._any_idle = self._have_idle()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Write the log back into the database and close it."""
        with self._turn():
            self._database.close()

    def _turn(self) -> Turn:
        return self._one_turn

    @property
    def log_is_long(self) -> bool:
        """Is it time for `write_back`?"""
        return self._logged >= LOG_BYTES

    def write_back(self) -> None:
        """Bring the write-ahead log into the database, by a connection of its own: what is read and
        written meanwhile does not wait. Where SQLite did it as part of a commit, that commit took
        twice as long.
        """
        self._logged = 0
        with translated(self._path):
            write_back(self._path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with transaction(self._database):
            yield
        self._logged += _COMMIT_BYTES

    @contextmanager
    def _writing(self, state: State) -> Iterator[None]:
        """One transaction that ends in `state`. A new head leaves nothing written ahead."""
        ahead = b"" if state.head != self._state.head else self._ahead
        with transaction(self._database):
            yield
            if ahead != self._ahead:
                self._database.execute("delete from ahead")
            self._database.execute(
                "insert or replace into state values (1, ?, ?, ?, ?, ?, ?)",
                sealed(
                    state.head,
                    state.active.epoch,
                    state.active.version,
                    "" if state.intent is None else rows.intent_text(state.intent),
                    to_text(state.added),
                ),
            )
        self._logged += _COMMIT_BYTES
        self._state, self._ahead = state, ahead

    @contextmanager
    def _not_waiting(self) -> Iterator[None]:
        """Commits inside do not wait for the disk; the next one that does takes them along."""
        self._database.execute("pragma synchronous = normal")
        try:
            yield
        finally:
            self._database.execute("pragma synchronous = full")

    def _read_state(self) -> State:
        with self._turn():
            (row,) = self._rows("select head, epoch, active, intent, added, seal from state")
            head, epoch, active, intent, added = unseal(row, "the state")
            text = rows.text_of(intent)
            state = State(
                rows.int_of(head),
                Position(rows.int_of(epoch), rows.int_of(active)),
                rows.intent_of(text) if text else None,
                tuple(json.loads(rows.text_of(added))),
            )
            newest = rows.int_of(self._rows("select coalesce(max(version), 0) from version")[0][0])
            if newest != state.head:
                raise ValueError(f"the newest version is {newest}, not {state.head}")
            return state

    def _read_ahead(self) -> bytes:
        """The envelope that was written ahead; empty if none is."""
        with self._turn():
            found = self._rows("select envelope, seal from ahead")
            return rows.bytes_of(unseal(found[0], "what was written ahead")[0]) if found else b""

    def _have_idle(self) -> bool:
        with self._turn():
            return bool(self._rows("select 1 from idle limit 1"))

    def _rows(self, query: str, *values: str | int | None) -> list[Row]:
        found: list[Row] = self._database.execute(query, values).fetchall()
        return found

    def _has(self, digest: Digest) -> bool:
        return bool(self._rows("select 1 from content where digest = ?", digest))

    def _insert_contents(self, contents: Mapping[Digest, bytes]) -> None:
        self._database.executemany(
            "insert or ignore into content (digest, data) values (?, ?)", contents.items()
        )
        self._logged += sum(map(len, contents.values()))
        self._wake(contents)

    def _wake(self, digests: Iterable[Digest]) -> None:
        """These contents are needed now; the next pruning leaves them."""
        if self._any_idle:
            self._database.executemany(
                "delete from idle where digest = ?", [(digest,) for digest in digests]
            )
