"""The flags of a regular expression: `(?i)`, `(?x-s:...)`, `(?^m)`."""

from __future__ import annotations

import re

from pmgsync.render.perl.pattern_source import PatternError

Flags = frozenset[str]
"""Of `i`, `m`, `s`, `n`, `x` and `xx`, those that are on."""

FLAGS = re.compile(r"\(\?(\^?)([a-z]*)(?:(-)([a-z]*))?(?=[:)])", re.ASCII)
FLAGS_ALONE = re.compile(rf"{FLAGS.pattern}\)", re.ASCII)
"""Those that count from here to the end of the group."""
_MEANT = frozenset("imsnx")
_KNOWN = _MEANT | frozenset("padgoc")  # the others make no difference for bytes


def switched(flags: Flags, found: re.Match[str]) -> Flags:
    """The flags after `(?i-s` or `(?^i`."""
    default, on, minus, off = found[1], found[2], found[3], found[4] or ""
    for letter in on + off:
        if letter in "ul":
            raise PatternError(f"(?{letter}) is not supported: it has other rules for bytes")
        if letter not in _KNOWN:
            raise PatternError(f"Sequence (?{letter}...) not recognized")
    if default and minus:
        raise PatternError("Sequence (?^-...) not recognized")
    if set(off) & set("ad") or on.count("a") + 2 * on.count("d") > 2:  # noqa: PLR2004 - `aa` is one
        raise PatternError("Regexp modifiers a and d may not be combined or taken away")
    kept = frozenset() if default else flags
    if "x" in on + off:
        kept -= {"x", "xx"}
    kept |= set(on) & _MEANT | ({"xx"} if on.count("x") > 1 else set())
    return kept - set(off) - ({"xx"} if "x" in off else set())
