"""`pmgsync templates`: which template each service file comes from, and what hides what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pmgsync.cli.command import Command, Place, print_json
from pmgsync.cli.facts_file import add_facts_option, node_facts
from pmgsync.cli.rendering import service_files
from pmgsync.cli.tables import table
from pmgsync.errors import CheckFailedError, ExitCode, InvalidError
from pmgsync.host.disk import DiskTree
from pmgsync.model.paths import printable
from pmgsync.model.scope import Kind, Rule
from pmgsync.model.textdiff import text_diff
from pmgsync.render.lookup import Origin

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from pmgsync.agent.service_files import ServiceFiles
    from pmgsync.render.lookup import Lookup, Template
    from pmgsync.render.plan import Rendered

SAME, DIFFERENT = "the same", "different"
_SHOWN = Rule("", Kind.TEMPLATE)


class Row(NamedTuple):
    """One service file. `hidden` is the default that its own override hides, None if it is none or
    hides nothing. `without`, of each of its templates that is an override, included ones too: what
    the file would be if only that one were removed: `the same`, `different`, or the error instead.
    """

    file: Rendered
    hidden: Template | None
    without: Mapping[str, str]

    @property
    def template(self) -> Template | None:
        """Its own template; None for a file that is made without one."""
        return self.file.template

    @property
    def is_redundant(self) -> bool:
        """Is its override the same as the default that it hides?"""
        return (
            self.template is not None
            and self.hidden is not None
            and (self.template.name, self.template.source) == (self.hidden.name, self.hidden.source)
        )

    @property
    def diff(self) -> str:
        """From the default that is hidden to the override; empty where there is no difference."""
        if self.template is None or self.hidden is None:
            return ""
        old, new = self.hidden.source, self.template.source
        return text_diff(self.template.name, old, new, _SHOWN) or ""

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        template = self.template
        return {
            "path": self.file.path,
            "template": template.name if template else None,
            "from": template.origin.value if template else None,
            "hides": self.hidden.origin.value if self.hidden else None,
            "redundant": self.is_redundant,
            "diff": self.diff,
            "templates": list(self.file.used),
            "overrides": list(self.without),
            "without": dict(self.without),
            "variables": list(self.file.reads),
        }


def rows(files: ServiceFiles) -> list[Row]:
    """All service files of the node, in the table's order."""
    outlook = files.look(files.lies_at, alone=False)
    lookup = files.lookup(files.lies_at)
    overrides = {
        name: None
        for file in outlook.rendered
        for name in file.used
        if lookup.override(name) is not None
    }
    bare = {name: _without(files, name) for name in overrides}
    return [_row(file, lookup, bare) for file in outlook.rendered]


def _row(file: Rendered, lookup: Lookup, bare: Mapping[str, dict[str, bytes] | str]) -> Row:
    template = file.template
    hidden = None
    if template is not None and template.origin is Origin.OVERRIDE:
        hidden = next(iter(lookup.all(template.name.removesuffix(".j2"))[1:]), None)
    without = {name: _compared(file, bare[name]) for name in file.used if name in bare}
    return Row(file, hidden, without)


def _compared(file: Rendered, bare: dict[str, bytes] | str) -> str:
    if isinstance(bare, str):
        return bare
    return SAME if file.data == bare.get(file.path) else DIFFERENT


def _without(files: ServiceFiles, override: str) -> dict[str, bytes] | str:
    """What the files would be without this override; the error if they could not be made."""
    try:
        others = replace(files, hidden=frozenset({override}))
        outlook = others.look(files.lies_at, alone=False)
    except CheckFailedError as error:
        return str(error)
    return {file.path: file.data for file in outlook.rendered}


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="only this template, or the file made from it")
    parser.add_argument("--diff", action="store_true", help="show how overrides differ")
    parser.add_argument("--variables", action="store_true", help="show which variables are read")
    parser.add_argument("--json", action="store_true", help="for scripts: all of it")
    add_facts_option(parser)


def _templates(options: argparse.Namespace, place: Place) -> int:
    tree = DiskTree(place.root)
    facts = node_facts(place.root, options.facts)
    found = rows(service_files(place.root, tree, lambda _contents: facts))
    if options.name is not None:
        found = [row for row in found if _is_meant(row, options.name)]
        if not found:
            what = "no file of this name is made here, and none from such a template"
            raise InvalidError(what, where=options.name, mend="`pmgsync templates` shows all")
    if options.json:
        print_json({"files": [row.to_json() for row in found]})
    else:
        print("\n".join(_lines(found, diff=options.diff, variables=options.variables)))
    return ExitCode.FINE


def _is_meant(row: Row, name: str) -> bool:
    names = (row.file.path, row.file.path.rpartition("/")[2], *row.file.used)
    return name.removeprefix("/") in names


def _lines(found: Sequence[Row], *, diff: bool, variables: bool) -> Iterator[str]:
    heads = ("FILE", "TEMPLATE", "FROM", "REMARK")
    yield from table([heads, *(tuple(map(printable, _cells(row))) for row in found)])
    for row in found:
        if diff and row.diff:
            yield row.diff.rstrip("\n")
        if variables and row.template is not None:
            yield f"{row.file.path} reads {', '.join(map(printable, row.file.reads)) or 'nothing'}"


def _cells(row: Row) -> tuple[str, str, str, str]:
    template = row.template
    if template is None:
        return row.file.path, "-", "-", ""
    return row.file.path, template.name, template.origin.value, _remark(row)


def _remark(row: Row) -> str:
    if row.is_redundant:
        place = "ours" if row.hidden and row.hidden.origin is Origin.OURS else "PMG's"
        return f"equals {place}; it can be removed"
    return "; ".join(f"without {name} {_becomes(state)}" for name, state in row.without.items())


def _becomes(state: str) -> str:
    if state in (SAME, DIFFERENT):
        return "nothing changes" if state == SAME else "the file changes"
    return f"it cannot be made: {state}"


TEMPLATES = Command(
    about="Show which template each service file comes from: an override in /etc/pmg/templates, "
    "PMG's own in /var/lib/pmg/templates, or the one that ships with pmgsync; whether an override "
    "equals the default that it hides, and for each override whether the file would change if only "
    "that one were removed.",
    examples=(
        ("pmgsync templates", ""),
        ("pmgsync templates main.cf.in --diff", "how the override differs from the default"),
        ("pmgsync templates --variables", "what each file depends on"),
        ("pmgsync templates --json", "the same for scripts"),
    ),
    run=_templates,
    configure=_configure,
    codes=(ExitCode.REJECTED,),
)
