"""PURE: what a `pmgsync sync` did, or would do, as text and as JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pmgsync.cli.tables import counted, table
from pmgsync.model.manifest import digest_of
from pmgsync.model.paths import printable
from pmgsync.model.scope import Kind, Rule
from pmgsync.model.textdiff import text_diff
from pmgsync.render.targets import TLS_CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmgsync.agent.reactions import Answer
    from pmgsync.agent.service_files import Outlook
    from pmgsync.render.plan import Change, Rendered
    from pmgsync.render.targets import Reaction

UNCHANGED = "unchanged"
_BY_ITSELF = re.compile(r"\bit is (?:tried again|retried) by itself", re.IGNORECASE)


class SyncReport(NamedTuple):
    """One run. `maps`: files whose index was built; `wanted`: whom to tell; `answers`: how telling
    went, empty where nobody was told; `dry`: nothing was written.
    """

    outlook: Outlook
    maps: tuple[str, ...]
    wanted: tuple[Reaction, ...]
    answers: tuple[Answer, ...] = ()
    notes: tuple[str, ...] = ()
    dry: bool = False

    def to_json(self, *, diff: bool) -> dict[str, Any]:
        """The run as a JSON object: every file, also those that stay as they are."""
        changes = {change.path: change for change in self.outlook.changes}
        rendered = {file.path: file for file in self.outlook.rendered}
        return {
            "dry_run": self.dry,
            "files": [
                _file(path, rendered.get(path), changes.get(path), diff=diff)
                for path in dict.fromkeys((*rendered, *changes))
            ],
            "maps": list(self.maps),
            "reactions": [reaction.value for reaction in self.wanted],
            "answers": [
                {"reaction": a.reaction.value, "state": a.told.value, "words": a.words}
                for a in self.answers
            ],
            "notes": list(self.notes),
            "left": list(self.outlook.left),
        }


def _file(
    path: str, rendered: Rendered | None, change: Change | None, *, diff: bool
) -> dict[str, Any]:
    made = rendered.data if rendered else None
    template = rendered.template if rendered else None
    document = {
        "path": path,
        "state": change.kind.value if change else UNCHANGED,
        "service": (rendered.target.service if rendered else change.service).value,  # type: ignore[union-attr] # one of them is there
        "digest": digest_of(made) if made is not None else None,
        "template": template.name if template else None,
        "from": template.origin.value if template else None,
    }
    return {**document, "diff": change_diff(change)} if diff and change else document


def sync_text(report: SyncReport, *, diff: bool) -> str:
    """What `pmgsync sync` prints."""
    return "\n".join(_lines(report, diff=diff))


def _lines(report: SyncReport, *, diff: bool) -> Iterator[str]:
    changes = report.outlook.changes
    if changes:
        rows = [(change.kind.value, change.path, change.service.value) for change in changes]
        yield from table([tuple(map(printable, row)) for row in rows])
    if diff:
        yield from (text.rstrip("\n") for change in changes if (text := change_diff(change)))
    yield from map(printable, (*report.outlook.left, *report.notes))
    yield from (
        f"map of {path}: {'to be built' if report.dry else 'built'}" for path in report.maps
    )
    yield from map(printable, map(str, report.answers))
    yield _summary(report)


def _summary(report: SyncReport) -> str:
    files = counted(len(report.outlook.rendered), "service file")
    changed = len(report.outlook.changes)
    told = ""
    if report.wanted and not report.answers:
        told = f"; to tell with --restart: {', '.join(r.value for r in report.wanted)}"
    if not changed:
        return f"{files}, all as they should be{told}"
    word = "would change" if report.dry else "changed"
    return f"{files}, {changed} {word}{told}"


_SHOWN = Rule("", Kind.OPAQUE)


def change_diff(change: Change) -> str:
    """How its lines change, credentials masked; of a key only that there is one."""
    if change.path == TLS_CERTIFICATE:
        return f"{change.path}: (secret: content not shown; a new key and certificate)"
    return text_diff(change.path, change.old, change.new, _SHOWN) or ""


def by_hand(mend: str) -> str:
    """What to do about an error: the daemon tries again by itself, here somebody has to."""
    return _BY_ITSELF.sub("then run it again", mend)
