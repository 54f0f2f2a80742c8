"""PURE. From sources to service files: what each would be now, which differ from what lies there,
and which services have to be told.

A `Renderer` remembers for each file what it was made from: the variables that were read, with their
values, and the templates that were looked up, with their contents. While both are the same it is
not made again, so a new domain renders nothing, and a change of `clamav` options nothing of
Postfix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from pmgsync.errors import InvalidError
from pmgsync.render.lookup import LeftAloneError, Load, Lookup, Origin, Template
from pmgsync.render.recording import Reads, names, recorded, still_holds
from pmgsync.render.targets import (
    IMPLIED,
    KEPT,
    OVERRIDES,
    REMOVED,
    TARGETS,
    Inputs,
    Places,
    Reaction,
    Service,
    Target,
    Variables,
    is_on,
)

Run = Callable[[Template, Lookup, Variables], bytes]
"""Renders one template; it finds those that it includes through the lookup, and reads variables
that are `Recorder`s.
"""

Templates = dict[tuple[Origin, str], bytes | None]
"""What was looked up, by place and name; None where there was nothing."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One service file as it should be: `path` is its place on this machine.

    `template` is None for a file that PMG has no template for; `used` has the name of every
    template that went into it, `reads` that of every variable.
    """

    target: Target
    path: str
    data: bytes
    template: Template | None = None
    used: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Memory:
    realms: frozenset[str]
    reads: Reads
    templates: Templates
    rendered: Rendered


@dataclass
class Renderer:
    """Renders the rows of the table, and remembers."""

    run: Run
    _memory: dict[str, _Memory] = field(default_factory=dict)

    def render(self, lookup: Lookup, inputs: Inputs, places: Places) -> tuple[Rendered, ...]:
        """Every file that is wanted now, in the table's order; without those whose templates the
        lookup leaves alone.

        Raises `InvalidError` for the first template that cannot be rendered or is nowhere.
        """
        return tuple(self._files(lookup, inputs, places))

    def _files(self, lookup: Lookup, inputs: Inputs, places: Places) -> Iterator[Rendered]:
        for target in TARGETS:
            # Only where it is wanted: what lies in the way of nothing needs no word.
            path = places.resolve(target.path) if target.wanted(inputs.variables) else None
            if path and places.is_free(path):
                with suppress(LeftAloneError):
                    yield self._file(target, path, lookup, inputs)

    def _file(self, target: Target, path: str, lookup: Lookup, inputs: Inputs) -> Rendered:
        if target.content is not None:
            return Rendered(target, path, target.content(inputs))
        known = self._memory.get(path)
        if known is None or not _is_current(known, lookup, inputs.variables):
            known = self._memory[path] = self._made(target, path, lookup, inputs.variables)
        return known.rendered

    def _made(self, target: Target, path: str, lookup: Lookup, variables: Variables) -> _Memory:
        reads: Reads = {}
        templates: Templates = {}
        alone: list[LeftAloneError] = []
        noting = _noting(lookup, templates, alone)
        recording = recorded(variables, reads)
        # PMG itself asks for `demo`, whatever the template reads.
        demo = is_on(recording, "admin", "demo")
        name = noting.chosen(target.template, demo=demo)
        template = noting.find(name)
        if template is None:
            raise InvalidError(
                "there is no such template",
                where=name,
                mend=f"put one into /{OVERRIDES}, or install what brings it",
            )
        try:
            data = self.run(template, noting, recording)
        finally:
            if alone:  # also where the template itself caught it
                raise alone[0]
        used = {name for (_, name), source in templates.items() if source is not None}
        rendered = Rendered(target, path, data, template, tuple(sorted(used)), names(reads))
        return _Memory(frozenset(variables), reads, templates, rendered)


def _noting(lookup: Lookup, templates: Templates, alone: list[LeftAloneError]) -> Lookup:
    """`lookup`, with everything that is asked of it noted in `templates`, or in `alone`."""

    def noting(origin: Origin, load: Load) -> Load:
        def load_and_note(name: str) -> bytes | None:
            try:
                templates[origin, name] = source = load(name)
            except LeftAloneError as error:
                alone.append(error)
                raise
            return source

        return load_and_note

    return Lookup(
        noting(Origin.OVERRIDE, lookup.override),
        noting(Origin.PMG, lookup.pmg),
        noting(Origin.OURS, lookup.ours),
    )


def _is_current(known: _Memory, lookup: Lookup, variables: Variables) -> bool:
    places = {
        Origin.OVERRIDE: lookup.override,
        Origin.PMG: lookup.pmg,
        Origin.OURS: lookup.ours,
    }
    if known.realms != variables.keys() or not still_holds(known.reads, variables):
        return False
    return all(places[origin](name) == source for (origin, name), source in known.templates.items())


# --- what has to be done about it ---


class ChangeKind(Enum):
    """What happens to a file; the value is the word for people."""

    NEW = "new"
    CHANGED = "changed"
    REMOVED = "removed"
    ATTRIBUTES = "mode or owner"


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is not as it should be: what lies there (None: nothing), what should. With
    `ATTRIBUTES` only `mode` and `ownership` differ, and its service need not know.
    """

    kind: ChangeKind
    path: str
    service: Service
    old: bytes | None
    new: bytes | None
    mode: int = 0o644
    ownership: str = "root:root"
    reaction: Reaction | None = None


@dataclass(frozen=True, slots=True)
class Current:
    """What lies in the tree, by path: the content (None where nothing is), whether it is a file,
    whether there is anything, and whether it has this mode and owner, as far as the machine knows
    the owner.
    """

    content: Callable[[str], bytes | None]
    is_file: Callable[[str], bool]
    exists: Callable[[str], bool]
    has_attributes: Callable[[str, int, str], bool]


def changes(
    rendered: Iterable[Rendered],
    variables: Variables,
    places: Places,
    current: Current,
    *,
    alone: bool,
) -> tuple[Change, ...]:
    """All that has to be done so that the table's files are as they should be, in its order.

    `alone`: the node belongs to no cluster, so that synced files that are missing are made here.
    """
    found = [change for file in rendered if (change := _change(file, current)) is not None]
    for kept in KEPT:
        path = places.resolve(kept.path)
        here = kept.wanted(variables) and (alone or not kept.synced)
        if path is not None and here and not current.exists(path):
            kind, mode, reaction = ChangeKind.NEW, kept.mode, kept.reaction
            found.append(Change(kind, path, kept.service, None, b"", mode=mode, reaction=reaction))
    for row in REMOVED:
        path = places.resolve(row.path) if row.unwanted(variables) else None
        # What was learned may be larger than any file that is read here.
        if path is not None and current.is_file(path):
            kind = ChangeKind.REMOVED
            found.append(Change(kind, path, row.service, b"", None, reaction=row.reaction))
    return tuple(found)


def _change(file: Rendered, current: Current) -> Change | None:
    old, target = current.content(file.path), file.target
    kind = ChangeKind.NEW if old is None else ChangeKind.CHANGED
    mode, ownership, reaction = target.mode, target.ownership, target.reaction
    if old == file.data:
        if current.has_attributes(file.path, mode, ownership):
            return None
        kind, reaction = ChangeKind.ATTRIBUTES, None
    return Change(kind, file.path, target.service, old, file.data, mode, ownership, reaction)


def reactions(found: Iterable[Change]) -> tuple[Reaction, ...]:
    """What the services have to be told about these changes."""
    return in_order(change.reaction for change in found if change.reaction is not None)


def in_order(reactions: Iterable[Reaction]) -> tuple[Reaction, ...]:
    """Each once, in the order of `Reaction`, without those that another one implies."""
    wanted = set(reactions)
    wanted -= {implied for reaction, implied in IMPLIED.items() if reaction in wanted}
    return tuple(reaction for reaction in Reaction if reaction in wanted)
