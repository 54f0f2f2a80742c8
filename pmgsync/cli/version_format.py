"""PURE: versions, and what became of them, to the text that people read. See `format.py`."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from pmgsync.cli.answers import ARRIVED, KeptFile, LogEntry, Release, ShownFile, ShownVersion
from pmgsync.cli.fitting import cut
from pmgsync.cli.tables import counted, table
from pmgsync.model.duration import duration
from pmgsync.model.moment import LATEST
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_OF_NAME = 32

_UNITS_OF_SIZE = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def size(count: int) -> str:
    """`512 B`, `1.5 KiB`, `64 MiB`."""
    for unit, name in _UNITS_OF_SIZE:
        if count >= unit:
            return f"{count / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{count} B"


def moment(milliseconds: int, zone: tzinfo | None = None) -> str:
    """`2026-02-03 14:05:06` in `zone` (None: that of this machine)."""
    seconds = min(max(milliseconds, 0), LATEST) // 1000
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError):
        return f"{seconds} s"


def day(milliseconds: int, zone: tzinfo | None = None) -> str:
    """`2026-02-03` in `zone` (None: that of this machine)."""
    return moment(milliseconds, zone).partition(" ")[0]


# --- versions ------------------------------------------------------------


def log_text(
    entries: Sequence[LogEntry], zone: tzinfo | None = None, *, columns: int | None = None
) -> str:
    """What `pmgsync log` prints, newest first; messages cut where a line would have more than
    `columns`.
    """
    if not entries:
        return "no versions yet"
    heads = ("VERSION", "PUBLISHED", "FILES", "SIZE", "MESSAGE")
    rows = [
        (
            str(entry.version),
            moment(entry.created, zone),
            _puts_and_deletes(entry),
            size(entry.size),
            printable(entry.message),
        )
        for entry in entries
    ]
    lines = table([heads, *rows], right=frozenset({0, 3}))
    return "\n".join(lines if columns is None else [cut(line, columns) for line in lines])


def kept_text(files: Sequence[KeptFile], zone: tzinfo | None = None) -> str:
    """What `pmgsync kept` prints, newest first."""
    if not files:
        return "nothing was kept aside on this node"
    heads = ("NUMBER", "KEPT", "SIZE", "FILE", "WHY")
    rows = [
        (
            str(file.number),
            moment(file.kept, zone),
            "-" if file.size is None else size(file.size),
            printable(file.path),
            printable(file.reason),
        )
        for file in files
    ]
    return "\n".join(table([heads, *rows], right=frozenset({0, 2})))


def _puts_and_deletes(entry: LogEntry) -> str:
    parts = [f"{entry.puts:,} put"] if entry.puts else []
    parts += [f"{entry.deletes:,} deleted"] if entry.deletes else []
    return ", ".join(parts) or "-"


def version_text(version: ShownVersion, zone: tzinfo | None = None, *, colour: bool = False) -> str:
    """What `pmgsync show VERSION` prints."""
    when = moment(version.created, zone)
    lines = [
        f"version {version.version}  epoch {version.epoch}  published {when}"
        f"  signed by {_short(printable(version.signer))}",
        f"message: {printable(version.message)}" if version.message else "",
        f"state:   {_short(version.result)}  (before: {_short(version.parent) or '-'})",
        "",
    ]
    lines += files_text(version.files, colour=colour)
    return "\n".join(line for number, line in enumerate(lines) if line or number != 1)


def files_text(files: Sequence[ShownFile], *, colour: bool) -> list[str]:
    """The table of changed files, and their differences where they have come along."""
    rows = [
        (
            file.change,
            printable(file.path),
            _sizes(file.change, file.old_size, file.size),
            "" if file.change == "deleted" else f"{file.mode:04o} {printable(file.ownership)}",
            "secret" if file.secret else "",
        )
        for file in files
    ]
    lines = ["  " + line for line in table(rows, right=frozenset({2}))] if rows else ["  no files"]
    for file in files:
        if file.diff is not None:
            lines += ["", *_diff_lines(file.path, file.diff, colour=colour)]
    return lines


def _short(name: str) -> str:
    """A digest or key, long enough to tell it from others."""
    return name if len(name) <= MOST_OF_NAME else f"{name[:16]}…"


def _sizes(change: str, old: int, new: int) -> str:
    if change == "added":
        return size(new)
    return size(old) if change == "deleted" else f"{size(old)} → {size(new)}"


def _diff_lines(path: str, diff: str, *, colour: bool) -> list[str]:
    lines = diff.splitlines()
    if not diff.startswith("---"):
        lines = [f"{printable(path)}: {diff.strip()}"]
    if not colour:
        return lines
    return [_painted_diff(line) for line in lines]


def _painted_diff(line: str) -> str:
    code = (
        "1" if line.startswith(("---", "+++")) else {"+": "32", "-": "31", "@": "36"}.get(line[:1])
    )
    return f"\x1b[{code}m{line}\x1b[0m" if code else line


# --- one change ------------------------------------------------------------


def release_text(release: Release) -> str:
    """One line for a version that was published, and one for each node where it does not run."""
    if release.version is None:
        return printable(release.held) or "nothing changed"
    good = [arrival for arrival in release.arrived if arrival.outcome == ARRIVED]
    nodes = len(release.arrived) + len(release.missing)
    after = f" after {duration(max(a.ms for a in good))}" if good else ""
    head = (
        f"version {release.version}: {counted(release.files, 'file')}, "
        f"on {len(good)} of {counted(nodes, 'node')}{after}"
    )
    bad = [
        f"{printable(a.name)}({a.cid}): {_what_became(a.outcome)} version {release.version}"
        + (f": {printable(a.detail)}" if a.detail else "")
        for a in release.arrived
        if a.outcome != ARRIVED
    ]
    missing = [
        f"{printable(name)}: has not answered yet; see `pmgsync status`" for name in release.missing
    ]
    held = [f"held back: {printable(line)}" for line in release.held.splitlines()]
    return "\n".join([head, *bad, *missing, *held])


def _what_became(outcome: str) -> str:
    known = {"invalid": "refused", "unable": "cannot apply", "rolled back": "rolled back"}
    return known.get(outcome, f"{printable(outcome)}:")
