"""PURE: members, tokens and requests to the text that people read. See `format.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pmgsync.cli.tables import table
from pmgsync.cli.version_format import moment
from pmgsync.model.duration import duration
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from pmgsync.cli.member_answers import (
        FiledAnswer,
        LinkLine,
        MemberLine,
        MembersAnswer,
        RequestLine,
        RequestsAnswer,
        TokenLine,
    )


def members_text(answer: MembersAnswer, zone: tzinfo | None = None) -> str:
    """What `pmgsync members` prints."""
    heads = ("NODE", "ADDRESS", "ROLE", "SINCE", "SIGNED BY", "FINGERPRINT")
    lines = table([heads, *(_member_row(member, zone) for member in answer.members)])
    if answer.former:
        names = ", ".join(f"{printable(former.name)}({former.cid})" for former in answer.former)
        lines += ["", f"left or removed, their numbers wait for them: {names}"]
    return "\n".join([_cluster_line(answer, zone), "", *(f"  {line}".rstrip() for line in lines)])


def _cluster_line(answer: MembersAnswer, zone: tzinfo | None) -> str:
    link = answer.link
    when = f" of {moment(link.created, zone)}" if link.created is not None else ""
    return (
        f"cluster {printable(answer.cluster[:4])}…  membership {link.epoch}.{link.serial}{when}, "
        f"signed by {_signers(link)}"
    )


def _member_row(member: MemberLine, zone: tzinfo | None) -> tuple[str, ...]:
    since = member.since
    when = f"  {moment(since.created, zone)}" if since.created is not None else ""
    return (
        f"{printable(member.name)}({member.cid})",
        printable(member.address),
        printable(member.role) if member.fingerprint else "expected",
        f"{since.epoch}.{since.serial}{when}",
        _signers(since),
        printable(member.fingerprint) if member.fingerprint else "has not joined yet",
    )


def _signers(link: LinkLine) -> str:
    return ", ".join(printable(signer) for signer in link.signers) or "nobody who is known"


def removed_text(removed: Mapping[str, Any]) -> str:
    """What `pmgsync delete` prints."""
    label = f"{printable(str(removed['name']))}({removed['cid']})"
    lines = [f"removed {label}; membership {removed['epoch']}.{removed['serial']} lacks it"]
    known = removed["known"]
    if removed["joined"]:
        cut = "its stream is cut and " if removed["connected"] else ""
        ever = ", for ever" if known["certain"] else " here"
        lines.append(f"{cut}its keys open nothing any more{ever}")
        lines.append("its configuration stays on it as it is; wipe it there if it must not be used")
    return "\n".join([*lines, *uncertain_lines(known)])


def uncertain_lines(known: Mapping[str, Any]) -> list[str]:
    """That a change of the membership may come to nothing, where that is so."""
    if known["certain"]:
        return []
    return [
        f"only {known['has']} of {known['of']} members have written it down: if the others make "
        "another master before they hear of it, it is undone, and `pmgsync status` says so"
    ]


def left_text(left: Mapping[str, Any]) -> str:
    """What `pmgsync leave` prints."""
    lines = [
        f"left cluster {printable(str(left['cluster'])[:4])}…; this node keeps its configuration "
        "as it is, and nothing is synced any more"
    ]
    if left["untold"]:
        lines += [
            f"the master could not be told: {printable(str(left['untold']))}",
            f"so say `pmgsync delete {printable(str(left['name']))}` on {left['master']}",
        ]
    return "\n".join(lines)


def requests_text(answer: RequestsAnswer) -> str:
    """What `pmgsync approve` prints without a name."""
    lines = [
        f"this master, {printable(answer.master)}, has the fingerprint",
        f"    {printable(answer.fingerprint)}",
        "The node that joins must show the same.",
        "",
    ]
    if not answer.requests:
        return "\n".join([*lines, "nobody waits to be let in"])
    heads = ("NAME", "ADDRESS", "FROM", "WAITS", "FINGERPRINT")
    rows = [_request_row(request) for request in answer.requests]
    return "\n".join([*lines, *table([heads, *rows])])


def _request_row(request: RequestLine) -> tuple[str, ...]:
    texts = (request.name, request.address, request.peer)
    waits = duration(request.waits_ms)
    return (*map(printable, texts), waits, printable(request.fingerprint))


def filed_text(filed: FiledAnswer) -> str:
    """What `pmgsync join` says once its request waits."""
    return "\n".join(
        [
            f"the master at {printable(filed.master)} has the fingerprint",
            f"    {printable(filed.master_fingerprint)}",
            f"and this node, {printable(filed.name)}, has",
            f"    {printable(filed.fingerprint)}",
            "Compare both with what `pmgsync approve` shows on the master.",
        ]
    )


def tokens_text(tokens: Sequence[TokenLine], zone: tzinfo | None = None) -> str:
    """What `pmgsync tokens list` prints."""
    if not tokens:
        return "no token is alive; `pmgsync join-cmd` makes one"
    heads = ("TOKEN", "STATE", "UNTIL", "WRONG PROOFS")
    rows = [
        (printable(t.token), printable(t.state), moment(t.expires, zone), str(t.wrong_proofs))
        for t in tokens
    ]
    return "\n".join(table([heads, *rows], right=frozenset({3})))
