"""One follow stream as the master sees it: what was sent on it, what was asked for, and how it
ends.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from pmgsync.errors import PeerError, PmgsyncError
from pmgsync.master.catch_up import Standing
from pmgsync.master.shelf import Loaded, Shelf
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.manifest import MAX_ENTRIES, Digest, Manifest
from pmgsync.model.membership import Member
from pmgsync.model.messages import BATCH_BYTES, PART_BYTES, Beat, Part
from pmgsync.ports import MasterEnd

_PART_OVERHEAD = 128


@dataclass(eq=False)
class Session:
    """A stream of `member`. `standing` is where the node will be once it took in what was sent.

    `heard` is the monotonic moment of its last message, `links` how many memberships it has.
    """

    member: Member
    stream: MasterEnd
    heard: float
    standing: Standing = field(default_factory=lambda: Standing(NOWHERE, Manifest().digest))
    links: int = 0
    beat: Beat | None = None
    wants_view: bool = False
    unserved: str = ""
    reason: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _cut: asyncio.Event = field(default_factory=asyncio.Event)
    _error: PmgsyncError | None = None
    _needs: dict[Digest, None] = field(default_factory=dict)
    _sending: Loaded | None = None
    _offset: int = 0

    def cut(self, error: PmgsyncError) -> None:
        """End the stream, with `error` as the reason; the first one counts."""
        if self._error is None:
            self._error = error
            self._cut.set()

    @property
    def was_cut(self) -> bool:
        """Did this side end it?"""
        return self._error is not None

    async def run(
        self, reader: Coroutine[Any, Any, None], writer: Coroutine[Any, Any, None]
    ) -> None:
        """Run both until one of them ends or the stream is cut; nothing of it runs on
        afterwards.
        """
        tasks = [asyncio.ensure_future(work) for work in (reader, writer, self._cut.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if self._error is not None:
            raise self._error
        for result in results:
            if isinstance(result, Exception):
                raise result

    def need(self, digests: Iterable[Digest]) -> None:
        """The node asks for contents; asking again for what is on its way changes nothing."""
        self._needs.update(dict.fromkeys(digests))
        if len(self._needs) > MAX_ENTRIES:
            raise PeerError("asks for more contents than a state can have", where=self.member.label)

    def parts(self, shelf: Shelf) -> tuple[Part, ...]:
        """The next message's worth of what was asked for; empty if there is nothing more."""
        parts: list[Part] = []
        room = BATCH_BYTES
        while self._needs and room > 0:
            digest = next(iter(self._needs))
            loaded = self._sending or shelf.get(digest)
            if loaded is None:
                part, done = Part(digest, -1, 0, b""), True
            else:
                part, done = self._part(digest, loaded, room)
            parts.append(part)
            room -= len(part.data) + _PART_OVERHEAD
            if done:
                self._sending, self._offset = None, 0
                del self._needs[digest]
        return tuple(parts)

    def _part(self, digest: Digest, loaded: Loaded, room: int) -> tuple[Part, bool]:
        total, at = len(loaded.data), self._offset
        data = loaded.data[at : at + min(PART_BYTES, room)]
        self._sending, self._offset = loaded, at + len(data)
        return Part(digest, total, at, data), self._offset >= total
