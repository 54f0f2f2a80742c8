"""PURE: members, tokens and requests to the text that people read. See `format.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmgsync.cli.format import table
from pmgsync.cli.version_format import moment
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from pmgsync.cli.member_answers import TokenLine


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
