"""Reading and changing the entries of a synced file, for the commands that do.

A file with a line that PMG cannot read is not changed: PMG's writer would drop that line, and so
would ours. Comments that PMG's writer does not keep are lost; that is said.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pmgsync.cli.command import print_json, say
from pmgsync.cli.editing import edit_synced_file, read_synced_file, require_authored_here
from pmgsync.cli.postfix_map import refresh_map
from pmgsync.errors import InvalidError, OperatorError
from pmgsync.pmgconf.findings import Severity
from pmgsync.pmgconf.lists import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pmgsync.model.paths import ManagedPath
    from pmgsync.pmgconf.file_kind import FileKind, Parsed

Entries = dict[str, Any]
"""The entries of a file by key, as its kind has them."""

MOST_SAID = 3
MOST_COMPARED = 2000


def read_entries(root: Path, path: ManagedPath, kind: FileKind) -> Parsed:
    """What the file says; what PMG ignores in it is told to the person."""
    parsed = kind.parse(read_synced_file(root, path) or b"")
    errors = [finding for finding in parsed.findings if finding.severity is Severity.ERROR]
    for finding in errors[:MOST_SAID]:
        say(f"pmgsync: {path}:{finding.line}: {finding.what}; {finding.mend}")
    if errors[MOST_SAID:]:
        say(f"pmgsync: {path}: {len(errors) - MOST_SAID} more; see `pmgsync check`")
    return parsed


def entries_to_change(root: Path, path: ManagedPath, kind: FileKind) -> Entries:
    """The entries as they are before a change, for a command that has something to ask first.

    Raises what a change would raise before it is made.
    """
    require_authored_here(root, path)
    parsed = kind.parse(read_synced_file(root, path) or b"")
    require_readable(path, parsed)
    return dict(parsed.entries)


def change_entries(
    root: Path,
    path: ManagedPath,
    kind: FileKind,
    change: Callable[[Entries], Entries],
    *,
    first: Callable[[Parsed], Parsed] = lambda parsed: parsed,
) -> bool:
    """Write the file with the entries that `change` makes of those in it; whether that differs.

    `change` raises to refuse. `first` may complete what was read before it is written.
    """
    lost: list[int] = []

    def edit(data: bytes | None) -> bytes:
        parsed = kind.parse(data or b"")
        require_readable(path, parsed)
        entries = change(dict(parsed.entries))
        if entries == parsed.entries:
            return data or b""
        lost.extend(parsed.unkept)
        return kind.dump(replace(first(parsed), entries=entries))  # type: ignore[type-var] # a dataclass

    changed = edit_synced_file(root, path, edit)
    if changed and lost:
        say(
            f"pmgsync: {path}: {_lines(lost)}: what PMG does not keep is gone (see docs/editing.md)"
        )
    if changed:
        refresh_map(root, path)
    return changed


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option of everything that lists or edits."""
    parser.add_argument("--json", action="store_true", help="for scripts")


def tell(
    options: argparse.Namespace, path: str, keys: Sequence[str], text: str, *, changed: bool = True
) -> None:
    """What an edit of the entries `keys` came to: `text` for people, with `--json` an object."""
    if options.json:
        names = [jsonable(key) for key in keys]
        print_json({"file": path, "keys": names, "changed": changed})
    elif text:
        say(text)


def require_readable(path: str, parsed: Parsed) -> None:
    """`InvalidError` naming the first line that would be lost at the next write."""
    if not parsed.unread:
        return
    line = parsed.unread[0]
    why = next((finding for finding in parsed.findings if finding.line == line), None)
    more = f" (and {len(parsed.unread) - 1} more)" if len(parsed.unread) > 1 else ""
    raise InvalidError(
        f"{why.what if why else 'cannot be kept'}{more}; a change would lose it, so none was made",
        where=f"{path}:{line}",
        mend=f"{why.mend if why else 'correct it'}; or remove the line",
    )


def not_there(what: str, known: Iterable[str], path: str) -> OperatorError:
    """The error for a key that the file does not have."""
    names = list(known)
    close = get_close_matches(what, names, 1) if len(names) <= MOST_COMPARED else []
    mend = f"did you mean {shown(close[0])}?" if close else "see the command's `list`"
    return OperatorError(f"{shown(what)} is not there", where=path, mend=mend)


def jsonable(text: str) -> str:
    r"""`text` for JSON: bytes that are no UTF-8 appear as `\xHH`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def listed_json(parsed: Parsed, entries: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """The document that `list --json` prints; `unread` are lines that PMG ignores."""
    return {"entries": list(entries), "unread": list(parsed.unread)}


def _lines(numbers: list[int]) -> str:
    head = ", ".join(map(str, numbers[:MOST_SAID]))
    more = f" and {len(numbers) - MOST_SAID} more" if numbers[MOST_SAID:] else ""
    return f"line {head}" if len(numbers) == 1 else f"lines {head}{more}"
