"""PURE: what `pmgsync promote` and `switchover` print."""

from __future__ import annotations

from pmgsync.cli.promotion_answers import (
    HANDOVER,
    MAJORITY,
    MemberWord,
    Promoted,
    Prospect,
    Refounded,
)
from pmgsync.cli.version_format import moment
from pmgsync.model.duration import duration
from pmgsync.model.paths import printable


def prospect_text(prospect: Prospect, *, recovery: bool = False) -> str:
    """What is about to happen, before it does; `recovery`: the key is at hand."""
    me, master = printable(prospect.me), printable(prospect.master)
    if prospect.way == HANDOVER:
        lines = [f"{master} answers: it finishes what is in flight and hands over to {me}"]
        if recovery:
            lines.append("if that comes to nothing, the recovery key signs")
    elif me == master:
        lines = [f"{me} is the master: the recovery key lets it begin epoch {prospect.epoch}"]
    elif prospect.way == MAJORITY:
        lines = [
            f"{master} does not answer as the master: {prospect.needed} of {prospect.total} "
            f"members must sign for {me}"
        ]
    else:
        lines = [f"{master} does not hand over: the recovery key signs for {me}"]
    lines += [f"  {_word(word)}" for word in prospect.members]
    if prospect.fetch:
        lines.append(f"first fetched: {printable(prospect.fetch)}")
    lines.append(_lost(prospect, master))
    if prospect.hindrance:
        lines.append(f"it cannot be: {printable(prospect.hindrance)}")
    return "\n".join(lines)


def new_cluster_text(prospect: Prospect) -> str:
    """What `pmgsync promote --force-new-cluster` would do; `prospect` has a hindrance."""
    members = ", ".join(printable(word.member) for word in prospect.members) or "nobody"
    return "\n".join(
        [
            f"no other way is open: {printable(prospect.hindrance)}",
            f"{printable(prospect.me)} founds a new cluster of itself alone, after version "
            f"{printable(prospect.head)}, with a new recovery key",
            f"to be joined anew, after `pmgsync leave` there: {members}",
            _lost(prospect, printable(prospect.master)),
        ]
    )


def promoted_text(promoted: Promoted) -> str:
    """What has happened."""
    me = printable(promoted.me)
    signed = ", ".join(map(printable, promoted.signed)) or "nobody else"
    lines = [
        f"{me} is the master, epoch {promoted.epoch}, after version {printable(promoted.head)} "
        f"({promoted.ms} ms)",
        f"signed by {signed}",
        *(f"not signed by {_word(word)}" for word in promoted.refused),
    ]
    if promoted.following:
        lines.append(f"followed by {', '.join(map(printable, promoted.following))}")
    if promoted.instead:
        lines.append(
            f"the recovery key has signed, as a handover failed: {printable(promoted.instead)}"
        )
    if promoted.lost or not promoted.lost_known:
        lines.append(_lost(promoted, printable(promoted.before)))
    return "\n".join(lines)


def refounded_text(refounded: Refounded) -> str:
    """What `pmgsync promote --force-new-cluster` prints."""
    former = ", ".join(map(printable, refounded.former)) or "nobody"
    return "\n".join(
        [
            f"founded cluster {printable(refounded.cluster[:4])}… anew; its master and only member "
            f"is this node, {printable(refounded.me)}",
            f"it goes on after version {printable(refounded.head)}, with epoch {refounded.epoch}",
            f"to be joined anew, after `pmgsync leave` there: {former}",
            "",
            "recovery key, shown this once; the old one opens nothing here:",
            "",
            f"    {printable(refounded.recovery_key)}",
            "",
            "next: `pmgsync join-cmd` prints the line that joins another node",
        ]
    )


def _word(word: MemberWord) -> str:
    said = word.why or (f"answers, has version {word.head}" if word.head else "signed")
    return f"{printable(word.member)}: {printable(said)}"


def _lost(said: Prospect | Promoted, master: str) -> str:
    """What is lost with `master`, as far as anybody can know: only it knows what it published after
    its last word here.
    """
    if said.lost_known and not said.lost:
        return "lost: nothing"
    heard = f"{master} was last heard {_when(said)}"
    if said.lost:
        return (
            f"lost, as nobody who answers hands it over: {printable(said.lost)}; where the old "
            f"master or another node has it, it is kept there as orphaned; {heard}"
        )
    if said.last_heard is None:
        return (
            "lost: not known, as this node has not heard the master since it started; where the "
            "old master has more, it is kept there as orphaned"
        )
    return (
        f"lost: nothing that is known here; {heard}, and what it published alone since then is "
        "kept there as orphaned"
    )


def _when(said: Prospect | Promoted) -> str:
    if said.last_heard is None:
        return "before this node started"
    return f"{duration(said.as_of - said.last_heard)} ago ({moment(said.last_heard)})"
