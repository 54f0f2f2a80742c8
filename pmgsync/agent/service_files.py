"""The service files of one node: made from the synced files, the templates and the machine's facts.

What is made of what is decided in `render`; this module reads what that needs. The synced files
come from the state that is to be (`Contents`), which may not lie in the tree yet; PMG's templates
and what lies at the targets are read from the tree. What cannot be rendered is a
`CheckFailedError`: that version is refused here, by the name of the template and its line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pmgsync.agent.in_the_way import InTheWay, Tree, content_at
from pmgsync.agent.service_work import ServiceWork
from pmgsync.errors import CheckFailedError, HostError, InvalidError, MalformedError
from pmgsync.model.facts import HostFacts
from pmgsync.model.manifest import Digest, FileEntry, digest_of
from pmgsync.model.paths import ManagedPath
from pmgsync.ports import FileKind
from pmgsync.render.inputs import inputs_of
from pmgsync.render.lookup import Load, Lookup
from pmgsync.render.plan import Change, ChangeKind, Current, Rendered, Renderer, changes, reactions
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
    left: tuple[str, ...] = ()
    """Why files are left as they are, each in a line."""
    warned: tuple[str, ...] = ()
    """What PMG warns of in the files that the variables come from: lines that it drops, say."""

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

    tree: Tree
    ours: Load
    facts: Callable[[Contents], HostFacts]
    certificate: MakeCertificate
    spamassassin: str
    renderer: Renderer
    makes_folders: bool = False
    hidden: frozenset[str] = frozenset()
    """Overrides (by name) that are looked at as if they were not there."""

    def look(self, contents: Contents, *, alone: bool) -> Outlook:
        """What should lie there by `contents`, and what does not; nothing is written.

        `alone`: the node belongs to no cluster. Raises `CheckFailedError` where a template cannot
        be rendered or a file that it needs cannot be understood, `HostError` where the tree cannot
        be read.
        """
        left = InTheWay(self.tree, self.makes_folders)
        try:
            facts = self.facts(contents)
            inputs = inputs_of(contents, facts)
            version, folder = facts.postgres_version, self.spamassassin
            places = Places(version, folder, left.has_folder, left.is_free)
            lookup = self.lookup(contents, left)
            rendered = self.renderer.render(lookup, inputs, places)
        except (InvalidError, MalformedError) as error:
            raise CheckFailedError(error.what, where=error.where, mend=error.mend) from error
        current = Current(self.lies_at, self._is_file, self._exists, self.tree.has_attributes)
        found = changes(rendered, inputs.variables, places, current, alone=alone)
        return Outlook(facts, rendered, found, left.lines, inputs.warned)

    def lookup(self, contents: Contents, left: InTheWay | None = None) -> Lookup:
        """Where templates come from, given the overrides in `contents`; `left` learns which of them
        are no files.
        """
        left = left or InTheWay(self.tree, self.makes_folders)
        return Lookup(
            left.load(
                lambda name: None if name in self.hidden else contents(f"{OVERRIDES}/{name}")
            ),
            left.load(lambda name: self.lies_at(f"{PACKAGED}/{name}")),
            self.ours,
        )

    def work(self, outlook: Outlook) -> ServiceWork:
        """What `outlook` found, as files to put and remove. Here a certificate is made."""
        puts: list[FileEntry] = []
        attributes: list[FileEntry] = []
        data: dict[Digest, bytes] = {}
        for change in outlook.changes:
            if change.kind is ChangeKind.REMOVED:
                continue
            new = change.new or b""
            if change.path == TLS_CERTIFICATE:
                new = self.certificate(outlook.facts.domain)
            digest, path = digest_of(new), ManagedPath(change.path)
            entry = FileEntry(path, digest, len(new), change.mode, change.ownership)
            (attributes if change.kind is ChangeKind.ATTRIBUTES else puts).append(entry)
            data[digest] = new
        removed = (c.path for c in outlook.changes if c.kind is ChangeKind.REMOVED)
        told = reactions(outlook.changes)
        deletes = tuple(map(ManagedPath, removed))
        return ServiceWork(tuple(puts), deletes, tuple(attributes), data, told)

    def put_right(self, work: ServiceWork) -> tuple[str, ...]:
        """Give files whose content is right the mode and owner of `work`; one line each."""
        return tuple(map(self._put_right, work.attributes))

    def _put_right(self, entry: FileEntry) -> str:
        try:
            self.tree.set_attributes(entry.path, mode=entry.mode, ownership=entry.ownership)
        except HostError as error:
            return str(error)
        return f"{entry.path}: mode and owner were put right ({entry.mode:04o} {entry.ownership})"

    def lies_at(self, path: str) -> bytes | None:
        """What lies at `path`, None where nothing does; `NoFileError` for what is no file."""
        return content_at(self.tree, path)

    def _exists(self, path: str) -> bool:
        return self.tree.stat(path) is not None

    def _is_file(self, path: str) -> bool:
        seen = self.tree.stat(path)
        return seen is not None and seen.kind is FileKind.FILE
