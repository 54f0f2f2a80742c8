"""Parts of a pattern, and how larger ones are made of them: a row, alternatives, repetitions."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pmgsync.render.perl.byte_sets import Bytes, written
from pmgsync.render.perl.pattern_source import BRACES, PatternError

MOST_REPEATS = 65_534
"""Perl's own bound for a quantifier; here for all that are nested in each other together, too: the
library unfolds them.
"""
QUANTIFIER = re.compile(r"[*+?]|" + BRACES.pattern, re.ASCII)
KEEP = r"\K"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the pattern. `shortest` and `longest` are what it can match, `copies` how often
    its parts are repeated, `groups` how many pairs of parentheses it has.
    """

    text: str
    shortest: int = 0
    longest: float = 0
    copies: int = 1
    groups: int = 0
    is_single: bool = False  # may be quantified as it stands
    is_simple_capture: bool = False  # a group with none inside
    forgets: bool = False
    """Has a group that Perl unsets, or not, when a later round leaves it out: an optional one, or
    one in a look-around.
    """


def one_of(found: Bytes) -> Piece:
    """One byte of a set."""
    return Piece(written(found), 1, 1, is_single=True)


def row(pieces: Sequence[Piece]) -> Piece:
    """One after the other."""
    return Piece(
        "".join(piece.text for piece in pieces),
        sum(piece.shortest for piece in pieces),
        sum(piece.longest for piece in pieces),
        max((piece.copies for piece in pieces), default=1),
        sum(piece.groups for piece in pieces),
        forgets=any(piece.forgets for piece in pieces),
    )


def either(branches: Sequence[Piece], text: str = "") -> Piece:
    """One of them; `text` where that is written in another way than with `|` between."""
    return Piece(
        text or "|".join(branch.text for branch in branches),
        min(branch.shortest for branch in branches),
        max(branch.longest for branch in branches),
        max(branch.copies for branch in branches),
        sum(branch.groups for branch in branches),
        forgets=any(branch.forgets for branch in branches),
    )


def bounds(found: re.Match[str]) -> tuple[int, float]:
    """The least and the most repetitions that a quantifier means."""
    if found[0] in "*+?":
        return int(found[0] == "+"), 1 if found[0] == "?" else math.inf
    least = int(found[1] or 0)
    most = float(found[3] or found[5] or math.inf) if found[2] or found[4] else float(least)
    if max(least, most if math.isfinite(most) else 0) > MOST_REPEATS:
        raise PatternError(f"Quantifier in {{,}} bigger than {MOST_REPEATS}")
    return least, most


def repeated(piece: Piece, least: int, most: float, mode: str) -> Piece:
    """`piece` so many times; `mode` is "", "?" (as few as possible) or "+" (none given back)."""
    _refuse_unlike(piece, most)
    copies = piece.copies * max(least, int(most) if math.isfinite(most) else 1, 1)
    if copies > MOST_REPEATS:
        raise PatternError(f"repeats more than {MOST_REPEATS} times")
    body = piece.text if piece.is_single else f"(?:{piece.text})"
    if least > most:  # Perl takes it, and never matches
        return Piece(f"(?:(?!){body})", groups=piece.groups)
    upper = int(most) if math.isfinite(most) else ""
    is_fixed = 0 < piece.shortest == piece.longest
    return Piece(
        f"{body}{{{least},{upper}}}{mode}",
        piece.shortest * least,
        piece.longest * most if piece.longest else 0,
        copies,
        piece.groups,
        forgets=piece.forgets or (least == 0 and piece.is_simple_capture and is_fixed),
    )


def _refuse_unlike(piece: Piece, most: float) -> None:
    """What Perl does not take, or repeats in a way of its own."""
    if piece.text == KEEP:
        raise PatternError(r"\K is not repeated here")
    if most > 1 and piece.forgets:
        raise PatternError(
            "an optional group, or one in a look-around, is not supported in a repeated group"
        )
    if 1 < most < math.inf and piece.shortest == 0 < piece.longest:
        raise PatternError("a group that may be empty, with {n,m}, is not supported")
