"""PURE: lines of text made to fit a terminal: broken at words, cut where there is no room."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmgsync.cli.format import StatusView

LEAST_ROWS = 3
"""So many rows of the table stay, whatever stands below it."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def fitted(view: StatusView, columns: int, lines: int) -> list[str]:
    """The lines of `view` for a terminal of that size: its top stays, then what needs action, then
    the rows of the nodes, as many as there is room for.
    """
    top, below = broken(view.top, columns), broken(view.below, columns)
    rows = [cut(row, columns) for row in view.rows]
    room = max(lines - 1, 1)  # the cursor has the last line
    if len(top) + len(rows) + len(below) > room:
        below = _some(below, room - len(top) - min(len(rows), LEAST_ROWS))
        rows = _some(rows, room - len(top) - len(below))
    return [*top, *rows, *below][:room]


def broken(lines: Sequence[str], columns: int) -> list[str]:
    """`lines`, each broken at words where it is too long, and its rest indented."""
    done = []
    for line in lines:
        if len(_COLOUR.sub("", line)) <= columns:
            done.append(line)
        else:
            done += wrap(
                _COLOUR.sub("", line),
                max(columns, 4),
                subsequent_indent="  ",
                break_on_hyphens=False,
            )
    return done


def cut(line: str, columns: int) -> str:
    """`line`, its end cut off where it is too long."""
    plain = _COLOUR.sub("", line)
    return line if len(plain) <= columns else f"{plain[: max(columns - 1, 0)]}…"


def _some(lines: list[str], room: int) -> list[str]:
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], f"… {len(lines) - room + 1:,} more lines"] if room > 0 else []
