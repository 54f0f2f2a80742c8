"""PURE. What a node has to do for its services, in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pmgsync.model.manifest import Digest, FileEntry
from pmgsync.model.paths import ManagedPath
from pmgsync.render.targets import Reaction


@dataclass(frozen=True, slots=True)
class ServiceWork:
    """What a node makes by itself of the synced files: service files to put, with their contents,
    files to remove, files whose mode and owner are to be put right in place, services to tell
    afterwards. Never synced, so never in a manifest.
    """

    puts: tuple[FileEntry, ...] = ()
    deletes: tuple[ManagedPath, ...] = ()
    attributes: tuple[FileEntry, ...] = ()
    contents: Mapping[Digest, bytes] = field(default_factory=dict)
    reactions: tuple[Reaction, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.puts or self.deletes)


NO_WORK = ServiceWork()
