"""Perl's regular expressions on Python's `re`."""

from __future__ import annotations

import re
from functools import lru_cache

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.operators import PerlDie


@lru_cache(maxsize=256)
def _translated(pattern: str) -> re.Pattern[str]:
    pattern = re.sub(r"(?<!\\)((?:\\\\)*)\$(?=$|[)|])", r"\1(?=\n?\\Z)", pattern)
    return re.compile(pattern, re.ASCII)


def compiled(pattern: str, budget: Budget) -> re.Pattern[str]:
    """The pattern, ready to use; PerlDie if Perl would not take it."""
    budget.step()
    try:
        return _translated(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PerlDie(f"bad regular expression: {error}") from None
