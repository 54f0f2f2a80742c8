"""The service files of one node: made from the synced files, the templates and the machine's facts.

What is made of what is decided in `render`; this module reads what that needs. The synced files
come from the state that is to be (`Contents`), which may not lie in the tree yet; PMG's templates
and what lies at the targets are read from the tree. What cannot be rendered is a
`CheckFailedError`: that version is refused here, by the name of the template and its line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pmgsync.agent.service_work import ServiceWork
from pmgsync.errors import CheckFailedError, InvalidError, MalformedError
from pmgsync.model.facts import HostFacts
from pmgsync.model.manifest import MAX_FILE_BYTES, Digest, FileEntry, digest_of
from pmgsync.model.paths import ManagedPath
from pmgsync.ports import FileKind, TreeReader
from pmgsync.render.inputs import inputs_of
from pmgsync.render.lookup import Load, Lookup
from pmgsync.render.plan import Change, ChangeKind, Rendered, Renderer, changes, reactions
from pmgsync.render.targets import OVERRIDES, PACKAGED, TLS_CERTIFICATE, Places

Contents = Callable[[str], bytes | None]
"""The content of a synced file in the state that is to be; None where it has none."""
MakeCertificate = Callable[[str], bytes]
"""A new key and self-signed certificate for a domain, both in one PEM text."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the service files should be, and what has to be done for that."""

    facts: HostFacts
    rendered: tuple[Rendered, ...]
    changes: tuple[Change, ...]

    @property
    def digests(self) -> tuple[tuple[str, Digest], ...]:
        """Path and digest of each rendered file, as a node reports them."""
        return tuple((file.path, digest_of(file.data)) for file in self.rendered)


@dataclass(frozen=True, slots=True)
class ServiceFiles:
    """One node's. `facts` are asked for anew at each look: a machine may get another name.

    `spamassassin` is SpamAssassin's folder; see `Places`. Without `makes_folders` a file counts
    only where its folder is: it comes with the service.
    """

    tree: TreeReader
    ours: Load
    facts: Callable[[Contents], HostFacts]
    certificate: MakeCertificate
    spamassassin: str
    renderer: Renderer
    makes_folders: bool = False
    overrides: bool = True
    """False: as if there were no overrides."""

    def look(self, contents: Contents, *, alone: bool) -> Outlook:
        """What should lie there by `contents`, and what does not; nothing is written.

        `alone`: the node belongs to no cluster. Raises `CheckFailedError` where a template cannot
        be rendered or a file that it needs cannot be understood, `HostError` where the tree cannot
        be read.
        """
        try:
            facts = self.facts(contents)
            inputs = inputs_of(contents, facts)
            here = _anywhere if self.makes_folders else self._has_folder
            places = Places(facts.postgres_version, self.spamassassin, here)
            rendered = self.renderer.render(self.lookup(contents), inputs, places)
        except (InvalidError, MalformedError) as error:
            raise CheckFailedError(error.what, where=error.where, mend=error.mend) from error
        found = changes(rendered, inputs.variables, places, self.lies_at, alone=alone)
        return Outlook(facts, rendered, found)

    def lookup(self, contents: Contents) -> Lookup:
        """Where templates come from, given the overrides in `contents`."""
        return Lookup(
            lambda name: contents(f"{OVERRIDES}/{name}") if self.overrides else None,
            lambda name: self.lies_at(f"{PACKAGED}/{name}"),
            self.ours,
        )

    def work(self, outlook: Outlook) -> ServiceWork:
        """What `outlook` found, as files to put and remove. Here a certificate is made."""
        puts, data = [], {}
        for change in outlook.changes:
            if change.kind is ChangeKind.REMOVED:
                continue
            new = change.new or b""
            if change.path == TLS_CERTIFICATE:
                new = self.certificate(outlook.facts.domain)
            digest, path = digest_of(new), ManagedPath(change.path)
            puts.append(FileEntry(path, digest, len(new), change.mode, change.ownership))
            data[digest] = new
        removed = (c.path for c in outlook.changes if c.kind is ChangeKind.REMOVED)
        told = reactions(outlook.changes)
        return ServiceWork(tuple(puts), tuple(map(ManagedPath, removed)), data, told)

    def _has_folder(self, folder: str) -> bool:
        seen = self.tree.stat(folder)
        return seen is not None and seen.kind is FileKind.FOLDER

    def lies_at(self, path: str) -> bytes | None:
        """What lies at `path`; None for what is no file."""
        seen = self.tree.stat(path)
        if seen is None or seen.kind is not FileKind.FILE:
            return None
        return self.tree.read(path, limit=MAX_FILE_BYTES)[0]


def _anywhere(_folder: str) -> bool:
    return True
