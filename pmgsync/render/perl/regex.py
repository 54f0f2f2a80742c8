"""Perl's regular expressions on Python's `re`, for what the two have in common.

What Python does not know (`\\h`, `[[:alpha:]]`, `(?<name>...)`) is an error that says so. `re`
cannot be stopped, so a pattern in which a repeated group holds a repetition (`(a+)+`), whose time
may grow without bound, is refused.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.operators import PerlDie

_LAST_LINE_END = re.compile(r"(?<!\\)((?:\\\\)*)\$(?=$|[)|])")
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\)?(?:[*+]|\{\d+,?\d*\})|[()]|.", re.DOTALL)
_POSIX_CLASS = re.compile(r"\[\[?[:.=]")


@lru_cache(maxsize=256)
def _translated(pattern: str) -> re.Pattern[str]:
    if _repeats_a_repetition(pattern):
        raise PerlDie(f"a repetition in a repeated group is not supported: {pattern}")
    if "[[" in pattern or _POSIX_CLASS.search(pattern):
        raise PerlDie(f"a POSIX class is not supported: {pattern}")
    return re.compile(_LAST_LINE_END.sub(r"\1(?=\n?\\Z)", pattern), re.ASCII)


def _repeats_a_repetition(pattern: str) -> bool:
    """Whether a group that is repeated holds something that is repeated."""
    holds = [False]  # for each group that is open: whether it holds a repetition
    for piece in _PIECE.findall(pattern):
        if piece == "(":
            holds.append(False)
        elif piece[0] == ")" and len(holds) > 1:
            inner, is_repeated = holds.pop(), len(piece) > 1
            if inner and is_repeated:
                return True
            holds[-1] = holds[-1] or inner or is_repeated
        elif piece[0] in "*+" or (piece[0] == "{" and len(piece) > 1):
            holds[-1] = True
    return False


def compiled(pattern: str, budget: Budget) -> re.Pattern[str]:
    """The pattern, ready to use; PerlDie if Perl would not take it, or we do not."""
    budget.step()
    try:
        return _translated(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PerlDie(f"bad regular expression: {error}") from None
