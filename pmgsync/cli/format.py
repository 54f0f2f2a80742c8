"""PURE: values to the text that people read. Numbers are rounded here and exact in `--json`.

What comes from other machines or from files is shown with control characters escaped, so that no
message of a node can move the cursor of the admin's terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pmgsync.cli.status_answer import LAST_KNOWN, REMOVED, StatusAnswer
from pmgsync.cli.tables import counted, table
from pmgsync.model.duration import SECOND, duration
from pmgsync.model.paths import printable
from pmgsync.model.status import ClusterStatus, NodeState, NodeStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PATIENCE_MS = 5_000
"""A node that is behind for less than this needs no action."""

_COLOURS = {
    NodeState.IN_SYNC: "32",
    NodeState.BEHIND: "33",
    NodeState.UNABLE: "31",
    NodeState.INVALID: "31",
    NodeState.AWAY: "31",
    NodeState.NOT_JOINED: "2",
}


def ago(milliseconds: int) -> str:
    """`3 s ago`; what is less than a second old is `now`."""
    return "now" if milliseconds < SECOND else f"{duration(milliseconds)} ago"


# --- status ------------------------------------------------------------


class StatusView(NamedTuple):
    """The lines of `pmgsync status`: up to the head of the table, its rows, and what is below."""

    top: Sequence[str]
    rows: Sequence[str] = ()
    below: Sequence[str] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join([*self.top, *self.rows, *self.below])


def status_text(answer: StatusAnswer, *, colour: bool = False) -> str:
    """What `pmgsync status` prints."""
    return status_view(answer, colour=colour).text


def status_view(answer: StatusAnswer, *, colour: bool = False) -> StatusView:
    """What `pmgsync status` shows."""
    status = answer.status
    if answer.node.cid is None:
        return StatusView([*_no_member(answer), *_shown(answer.attention)])
    if status is None:
        return StatusView([*_no_view(answer), *_shown(answer.attention)])
    head, *rows = _node_table(status, answer.age_ms, colour=colour)
    top = [*_staleness(answer, status), _header(status, answer.age_ms), "", head]
    wanted = _actions(answer, status)
    return StatusView(top, rows, ["", *wanted] if wanted else [])


def _no_member(answer: StatusAnswer) -> list[str]:
    if answer.node.role == REMOVED:
        return [f"{printable(answer.node.name)} belongs to no cluster any more.", ""]
    return [
        f"{printable(answer.node.name)} belongs to no cluster yet.",
        "",
        "To found one with this node as its master:",
        "    pmgsync create",
        "To join one: type `pmgsync join-cmd` on its master, and the line that it prints here.",
    ]


def _no_view(answer: StatusAnswer) -> list[str]:
    name, cid = printable(answer.node.name), answer.node.cid
    return [
        f"{name}({cid}) has not heard of its master yet; "
        f"it runs version {_number(answer.node.applied)}.",
        "It goes on trying by itself. Is the master up? On it, type: systemctl status pmgsyncd",
    ]


def _staleness(answer: StatusAnswer, status: ClusterStatus) -> list[str]:
    if answer.source != LAST_KNOWN:
        return []
    master = next((node for node in status.nodes if node.role == "master"), None)
    who = (
        f"the master {printable(master.name)} ({printable(master.address)})"
        if master
        else "the master"
    )
    return [f"as of {ago(answer.age_ms)}: {who} is away", ""]


def _header(status: ClusterStatus, age_ms: int) -> str:
    published = ""
    if status.published is not None:
        when = ago(status.as_of - status.published + age_ms)
        published = ", published just now" if when == "now" else f", published {when}"
    return (
        f"cluster {printable(status.cluster[:4])}…  epoch {status.epoch}  version {status.version}"
        f"  ({counted(status.files, 'file')}{published})"
    )


def _node_table(status: ClusterStatus, age_ms: int, *, colour: bool) -> list[str]:
    heads = ("NODE", "ADDRESS", "ROLE", "STATE", "APPLIED", "LAG", "LAST CONTACT")
    rows = [heads, *(_row(node, status.as_of, age_ms) for node in status.nodes)]
    lines = ["  " + line for line in table(rows, right=frozenset({4, 5}))]
    if not colour:
        return lines
    head, *rest = lines
    painted = [_painted(line, node) for line, node in zip(rest, status.nodes, strict=True)]
    return [f"\x1b[1m{head}\x1b[0m", *painted]


def _row(node: NodeStatus, as_of: int, age_ms: int) -> tuple[str, ...]:
    contact = "never" if node.last_contact is None else ago(as_of - node.last_contact + age_ms)
    return (
        _label(node),
        printable(node.address),
        printable(node.role),
        node.state.value,
        f"{_number(node.applied)}/{node.wanted}",
        duration(node.lag_ms) if node.lag_ms else "-",
        contact,
    )


def _painted(line: str, node: NodeStatus) -> str:
    word = f"  {node.state.value}  "
    return line.replace(word, f"  \x1b[{_COLOURS[node.state]}m{node.state.value}\x1b[0m  ", 1)


def _actions(answer: StatusAnswer, status: ClusterStatus) -> list[str]:
    """Only what needs action, each as a sentence with the command to type.

    Where the master itself has something to say about a node, that is said and nothing else; and
    what this node says of itself only where the master has not heard it from there.
    """
    said = _shown(status.attention)
    said += [
        line
        for line in _shown(answer.attention)
        if not any(one.endswith(f": {line}") for one in said)
    ]
    silent = [node for node in status.nodes if not any(_label(node) in line for line in said)]
    lines = [line for node in silent for line in _needs(node, status, answer.age_ms)]
    return [*lines, *said]


def _needs(node: NodeStatus, status: ClusterStatus, age_ms: int) -> list[str]:
    sentence = _NEEDS[node.state](node, status.as_of + age_ms)
    notes = [f"{_label(node)}: {printable(note)}" for note in node.notes]
    return [f"{_label(node)} {sentence}", *notes] if sentence else notes


def _behind(node: NodeStatus, _now: int) -> str:
    if node.lag_ms < PATIENCE_MS and not node.detail:
        return ""
    return (
        f"has been behind for {duration(node.lag_ms)}{_because(node)}; "
        "watch it: pmgsync status --watch"
    )


def _unable(node: NodeStatus, _now: int) -> str:
    again = "" if "by itself" in node.detail else "; it goes on by itself once it can"
    return (
        f"cannot apply version {node.wanted}{_because(node)}{again}. "
        f"Its log: ssh {printable(node.address)} journalctl -u pmgsyncd"
    )


def _refused(node: NodeStatus, _now: int) -> str:
    return (
        f"refused version {node.wanted}{_because(node)}; look at it: "
        f"pmgsync show {node.wanted} --diff, and mend the file on the master"
    )


def _away(node: NodeStatus, now: int) -> str:
    since = (
        "has never been heard of"
        if node.last_contact is None
        else f"is away, last heard of {ago(now - node.last_contact)}"
    )
    look = f"ssh {printable(node.address)} systemctl status pmgsyncd"
    return f"{since}{_because(node)}; is it up? {look}"


def _not_joined(node: NodeStatus, _now: int) -> str:
    return (
        "has not joined yet; type `pmgsync join-cmd` on the master, "
        f"and the line that it prints on {printable(node.name)}"
    )


_NEEDS = {
    NodeState.IN_SYNC: lambda _node, _now: "",
    NodeState.BEHIND: _behind,
    NodeState.UNABLE: _unable,
    NodeState.INVALID: _refused,
    NodeState.AWAY: _away,
    NodeState.NOT_JOINED: _not_joined,
}


def _because(node: NodeStatus) -> str:
    return f": {printable(node.detail)}" if node.detail else ""


def _label(node: NodeStatus) -> str:
    return f"{printable(node.name)}({node.cid})"


def _number(version: int | None) -> str:
    return "-" if version is None else str(version)


def _shown(lines: Iterable[str]) -> list[str]:
    return [printable(line) for line in lines]
