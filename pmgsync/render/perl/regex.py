"""Perl's regular expressions at work, within bounds.

`pattern.py` translates them for the library `regex`, which can be told to stop; Python's own `re`
cannot. What a template has left of its time is what a search may take: processor time, as the
library counts it. It looks only now and then, the later the longer the text is, and it remembers
where repeated groups were, about 100 bytes a byte of text for each. So the text is bounded, too:
`MOST_TEXT`, and a part of that for patterns with repeated groups.

The library is loaded with the first pattern that needs it. A pattern that is only a word
(`x.replace(',', ' ')`) does not, and takes a text of any length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.operators import PerlDie

MOST_PATTERN = 2**15
"""Bytes of one pattern; the library compiles that many in half a second."""
MOST_TEXT = 2**20
"""Bytes of a text. More is bounded by the time a search may take past its end (half a second)."""
_MOST_KEPT = 2**11
"""Bytes of a pattern that is kept compiled."""

_WORD_FORM = re.compile(r"[\w ,;:/=@%&~\"'<>!`-]+", re.ASCII)

Match = re.Match[str]
"""The library's matches have the same methods."""


class _Expression:
    """A pattern of the library."""

    def __init__(self, pattern: str) -> None:
        import regex  # with what translates for it: most templates have words only

        from pmgsync.render.perl.pattern import translated
        from pmgsync.render.perl.pattern_source import PatternError

        form = translated(pattern)
        try:
            self._regex = regex.compile(form.pattern, regex.ASCII, cache_pattern=False)
        except regex.error as error:
            raise PatternError(f"not supported: {error}") from None
        self._most = MOST_TEXT // form.weight
        self.groups: int = self._regex.groups

    def finditer(self, string: str, seconds: float) -> Iterator[Match]:
        """Each match; TimeoutError after so many seconds of processor time."""
        if len(string) > self._most:
            raise PerlDie(
                f"this regular expression takes a text of {self._most >> 10} KiB at most, not of"
                f" {len(string) >> 10} KiB"
            )
        # concurrent: other threads run meanwhile, the event loop among them.
        found: Iterator[Match] = self._regex.finditer(string, timeout=seconds, concurrent=True)
        return found


class _Word:
    """A word, which Python finds in one pass."""

    groups = 0

    def __init__(self, word: str) -> None:
        self._word = re.compile(re.escape(word))

    def finditer(self, string: str, seconds: float) -> Iterator[Match]:
        """Each match, in no time."""
        del seconds
        return self._word.finditer(string)


class Pattern:
    """A compiled pattern, for the use of one template."""

    def __init__(self, compiled: _Expression | _Word, budget: Budget) -> None:
        self._compiled = compiled
        self._budget = budget
        self.groups: int = compiled.groups

    def finditer(self, string: str) -> Iterator[Match]:
        """Each match, as Perl's `//g` has them. Raises Exhausted when the time is over."""
        budget = self._budget
        left = budget.time_left()
        try:
            for match in self._compiled.finditer(string, left):
                budget.step()
                yield match
        except TimeoutError:
            raise budget.out_of_time() from None
        except MemoryError:
            raise PerlDie("the regular expression needs too much memory") from None

    def search(self, string: str) -> Match | None:
        """The first match."""
        return next(self.finditer(string), None)


def compiled(pattern: str, budget: Budget) -> Pattern:
    """The pattern, ready to use; PerlDie if Perl would not take it, or we do not."""
    budget.step(1 + (len(pattern) >> 4))
    if len(pattern) > MOST_PATTERN:
        raise PerlDie(f"a regular expression of more than {MOST_PATTERN >> 10} KiB")
    budget.time_left()
    try:
        found = _kept(pattern) if len(pattern) <= _MOST_KEPT else _made(pattern)
    except (ValueError, RecursionError) as error:  # a PatternError is a ValueError
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise PerlDie(f"{what} in regex: {pattern[:200]}") from None
    return Pattern(found, budget)


def _made(pattern: str) -> _Expression | _Word:
    return _Word(pattern) if _WORD_FORM.fullmatch(pattern) else _Expression(pattern)


_kept = lru_cache(maxsize=128)(_made)
