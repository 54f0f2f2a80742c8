"""Perl's regular expressions as patterns of the library `regex`.

The grammar is Perl 5.36's for a pattern that stands in a variable, and for bytes. Whatever could
mean another thing to the library is written in a form that means only one: classes become sets of
bytes, letters without case become sets of two, anchors become look-arounds, names become numbers.
What cannot be written so is refused by its name (`PatternError`), and so is what Perl refuses.

A pattern is read twice: only after the first time is it known which groups there are, which `\\10`
and `\\k<name>` want to know.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pmgsync.render.perl.byte_sets import ALL, ESCAPED, both_cases, literal
from pmgsync.render.perl.pattern_flags import FLAGS, FLAGS_ALONE, Flags, switched
from pmgsync.render.perl.pattern_pieces import (
    KEEP,
    QUANTIFIER,
    Piece,
    bounds,
    either,
    one_of,
    repeated,
    row,
)
from pmgsync.render.perl.pattern_source import BRACES, NAME, PatternError, Source

MOST_NESTED = 50
"""Groups inside each other."""
LONGEST_LOOKBEHIND = 255

_VERB = re.compile(r"\(\*([A-Za-z_]*)(:?)", re.ASCII)
_GROUP = re.compile(rf"\(\?(?:P?<({NAME})>|'({NAME})')", re.ASCII)
_RECURSION = re.compile(r"\(\?(?:R|[+-]?\d|&|P>)", re.ASCII)
_CODE = re.compile(r"\(\?(?:\?|p)?\{|\(\*\*?\{", re.ASCII)
_CONDITION = re.compile(rf"\(\?\((?:(\d+)|<({NAME})>|'({NAME})'|(DEFINE)|(R))", re.ASCII)
_REFERENCE = re.compile(
    r"\\g(?:(-?\d+)|\{[ \t]*(-?\d+)[ \t]*\}"
    rf"|\{{[ \t]*({NAME})[ \t]*\}})"
    rf"|\\k(?:<[ \t]*({NAME})[ \t]*>|'[ \t]*({NAME})[ \t]*'|\{{[ \t]*({NAME})[ \t]*\}})"
    rf"|\(\?P=({NAME})\)",
    re.ASCII,
)
_LOOKAROUNDS = {
    "(?=": "=", "(?!": "!", "(?<=": "<=", "(?<!": "<!",
    "pla": "=", "positive_lookahead": "=", "nla": "!", "negative_lookahead": "!",
    "plb": "<=", "positive_lookbehind": "<=", "nlb": "<!", "negative_lookbehind": "<!",
}  # fmt: skip
_NO_NEWLINE = ALL - {0x0A}
_OTHER_RULES = "they have other rules for bytes"


@dataclass(frozen=True, slots=True)
class Translated:
    """A pattern of the library; `weight` says how much memory it may want for each byte of text."""

    pattern: str
    weight: int


def translated(pattern: str) -> Translated:
    """Raises PatternError with what is wrong, or not supported."""
    first = _Reader(Source(pattern), known=None)
    first.read()
    second = _Reader(Source(pattern), known=_Groups(first.groups, first.names))
    return Translated(second.read().text, 1 + second.weight)


@dataclass(frozen=True, slots=True)
class _Groups:
    count: int
    names: dict[str, list[int]]


@dataclass(slots=True)
class _Reader:
    """Reads one pattern once. `known` is what the first reading found."""

    source: Source
    known: _Groups | None
    groups: int = 0
    names: dict[str, list[int]] = field(default_factory=dict)
    weight: int = 0
    flags: Flags = frozenset()
    open: list[int] = field(default_factory=list)  # groups that we are inside of
    depth: int = 0
    atomic: int = 0  # parts that give nothing back
    looking: int = 0  # look-arounds that we are inside of

    def read(self) -> Piece:
        piece = self._branches()
        if not self.source.at_end:
            raise PatternError("Unmatched )")
        return piece

    # --- sequences ---

    def _branches(self, *, resets: bool = False) -> Piece:
        """Alternatives. `resets`: each counts its groups from the same number on, `(?|`."""
        first = most = self.groups
        branches = [self._sequence()]
        while self.source.takes("|"):
            most = max(most, self.groups)
            if resets:
                self.groups = first
            branches.append(self._sequence())
        self.groups = max(most, self.groups)
        return either(branches)

    def _sequence(self) -> Piece:
        pieces = []
        while True:
            self._skip()
            if self.source.at_end or self.source.peek() in "|)":
                break
            if found := self.source.match(FLAGS_ALONE):  # from here to the end of the group
                self.flags = switched(self.flags, found)
                continue
            pieces.append(self._quantified())
        return row(pieces)

    def _skip(self) -> None:
        """Over comments, and with `x` over white space."""
        self.source.skip(free="x" in self.flags)

    def _quantified(self) -> Piece:
        piece = self._atom()
        self._skip()
        found = self.source.match(QUANTIFIER)
        if found is None:
            return piece
        self._skip()
        mode = self.source.take() if not self.source.at_end and self.source.peek() in "?+" else ""
        self._skip()
        if self.source.sees(QUANTIFIER):
            raise PatternError("Nested quantifiers")
        least, most = bounds(found)
        if most > 1 and not piece.is_single:
            self.weight += 1 + piece.groups
        self.atomic += mode == "+"
        return repeated(piece, least, most, mode)

    # --- single things ---

    def _atom(self) -> Piece:
        source = self.source
        letter = source.peek()
        if letter == "(":
            return self._parenthesis()
        if letter == "[":
            found = source.byte_class(free="xx" in self.flags, any_case="i" in self.flags)
            return one_of(found)
        if letter == "\\":
            return self._escape()
        if source.sees(QUANTIFIER) and letter != "{":
            raise PatternError("Quantifier follows nothing")
        source.take()
        if letter in "^$":
            lines = r"(?:\A|(?<=\n)(?!\Z))", r"(?=\n|\Z)"
            anchors = lines if "m" in self.flags else (r"\A", r"(?=\n?\Z)")
            return Piece(anchors["^$".index(letter)])
        if letter == ".":
            return one_of(ALL if "s" in self.flags else _NO_NEWLINE)
        return self._literal(ord(letter))

    def _literal(self, byte: int) -> Piece:
        found = frozenset([byte])
        if "i" in self.flags and both_cases(found) != found:
            return one_of(both_cases(found))
        return Piece(literal(byte), 1, 1, is_single=True)

    def _escape(self) -> Piece:
        source = self.source
        if found := source.match(_REFERENCE):
            return self._refer(found)
        if (number := self._digits()) is not None:
            return self._numbered(number)
        if (byte := source.code()) is not None:
            return self._literal(byte)
        source.take()
        letter = source.take()
        if letter not in _MEANINGS:
            return self._literal(ord(letter))
        piece = self._special(letter)
        if source.peek() == "{" and not source.sees(BRACES):
            raise PatternError("Unescaped left brace in regex is illegal here")
        return piece

    def _special(self, letter: str) -> Piece:
        """What the letter behind a backslash means, if it is no byte."""
        if letter in _REFUSED:
            raise PatternError(f"\\{letter}{_REFUSED[letter]}")
        if letter in _ANCHORS:
            return self._anchor(letter)
        if letter in _LINE_ENDS:
            self.atomic += 1
            return _LINE_ENDS[letter]
        if letter == "N":
            return one_of(_NO_NEWLINE)
        found = ESCAPED[letter.lower()]
        return one_of(found if letter.islower() else ALL - found)

    def _anchor(self, letter: str) -> Piece:
        if letter in "bB" and self.source.peek() == "{":
            raise PatternError(f"\\{letter}{{...}} is not supported")
        if letter == "K" and self.looking:
            raise PatternError(r"\K not permitted in lookahead/lookbehind")
        return Piece(_ANCHORS[letter])

    # --- references ---

    def _digits(self) -> int | None:
        """The number behind the backslash, if it means a group and no byte."""
        found = self.source.sees(_NUMBER)
        if found is None:
            return None
        number = int(found[1])
        if number > 9 and found[1][0] not in "89":  # noqa: PLR2004 - one digit is always a group
            count = self.known.count if self.known else 0
            if number > count:
                return None
        self.source.match(_NUMBER)
        return number

    def _refer(self, found: re.Match[str]) -> Piece:
        number = found[1] or found[2]
        if number is None:
            return self._to([*self._named(next(name for name in found.groups() if name))])
        position = int(number)
        if position < 0:
            position += self.groups + 1
            if position < 1:
                raise PatternError("Reference to nonexistent or unclosed group")
        return self._numbered(position)

    def _numbered(self, number: int) -> Piece:
        if number == 0:
            raise PatternError("Reference to invalid group 0")
        if self.known and number > self.known.count:
            raise PatternError("Reference to nonexistent group")
        return self._to([number])

    def _named(self, name: str) -> list[int]:
        if self.known is None:
            return [1]
        if name not in self.known.names:
            raise PatternError(f"Reference to nonexistent named group {name}")
        return sorted(set(self.known.names[name]))

    def _to(self, numbers: list[int]) -> Piece:
        """What the first of these groups that took part has matched."""
        if self.known is None:
            return Piece("", 0, math.inf)
        self._refuse_open(numbers)
        text = "(?!)" if len(numbers) > 1 else f"\\{numbers.pop()}"
        for number in reversed(numbers):
            text = f"(?({number})\\{number}|{text})"
        return Piece(f"(?{'i' if 'i' in self.flags else ''}:{text})", 0, math.inf)

    def _refuse_open(self, numbers: list[int]) -> None:
        if not set(numbers).isdisjoint(self.open):
            raise PatternError("a group that refers to itself is not supported")

    # --- parentheses ---

    def _parenthesis(self) -> Piece:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise PatternError(f"groups are nested more than {MOST_NESTED} levels deep")
        flags = self.flags
        piece = self._group()
        self.flags = flags
        self.depth -= 1
        return piece

    def _group(self) -> Piece:
        source = self.source
        if source.sees(_CODE):
            raise PatternError("Eval-group not allowed")
        if source.sees(_VERB):
            return self._verb()
        if found := source.match(_REFERENCE):
            return self._refer(found)
        if found := source.match(_GROUP):
            return self._capture(found[1] or found[2])
        if source.sees(_RECURSION):
            raise PatternError("recursion is not supported")
        for opening in ("(?<=", "(?<!", "(?=", "(?!"):
            if source.takes(opening):
                return self._look(_LOOKAROUNDS[opening])
        if source.starts("(?("):
            return self._condition()
        return self._plain()

    def _plain(self) -> Piece:
        source = self.source
        if source.takes("(?|"):
            return self._inside("(?|", lambda: self._branches(resets=True))
        if source.takes("(?>"):
            self.atomic += 1
            return self._inside("(?>", self._branches)
        if source.starts("(?"):
            return self._with_flags()
        source.take()
        self._skip_to_modifier()
        if "n" in self.flags:
            return self._inside("(?:", self._branches)
        return self._capture(None)

    def _skip_to_modifier(self) -> None:
        if "x" not in self.flags:
            return
        self._skip()
        if self.source.peek() == "?":
            raise PatternError("In '(?...)', the '(' and '?' must be adjacent")

    def _inside(self, opening: str, read: Callable[[], Piece]) -> Piece:
        piece = read()
        if not self.source.takes(")"):
            raise PatternError("Unmatched (")
        return replace(piece, text=f"{opening}{piece.text})", groups=piece.groups + 1)

    def _capture(self, name: str | None) -> Piece:
        self.groups += 1
        number = self.groups
        if name is not None:
            self.names.setdefault(name, []).append(number)
        self.open.append(number)
        piece = self._inside("(", self._branches)
        self.open.pop()
        return replace(piece, is_simple_capture=self.groups == number)

    def _look(self, sign: str) -> Piece:
        groups, atomic = self.groups, self.atomic
        self.looking += 1
        piece = self._inside(f"(?{sign}", self._branches)
        self.looking -= 1
        if sign.startswith("<"):
            if piece.longest > LONGEST_LOOKBEHIND:
                raise PatternError(f"Lookbehind longer than {LONGEST_LOOKBEHIND} not implemented")
            if self.atomic > atomic:
                raise PatternError("what gives nothing back, in a lookbehind, is not supported")
            if self.groups > groups and piece.shortest != piece.longest:
                raise PatternError("a group in a lookbehind of several lengths is not supported")
        return replace(piece, shortest=0, longest=0, forgets=self.groups > groups)

    def _verb(self) -> Piece:
        found = self.source.match(_VERB)
        assert found is not None  # noqa: S101 - our caller saw it
        name = found[1]
        if name in ("F", "FAIL"):
            self.source.skip_past(")")
            return Piece("(?!)")
        if name in _LOOKAROUNDS and found[2]:
            return self._look(_LOOKAROUNDS[name])
        if name == "atomic" and found[2]:
            self.atomic += 1
            return self._inside("(?>", self._branches)
        raise PatternError(f"(*{name}...) is not supported")

    def _condition(self) -> Piece:
        """`(?(condition)yes|no)`."""
        source = self.source
        found = source.match(_CONDITION)
        if found is None:
            return self._looking_condition()
        if found[5]:
            raise PatternError("recursion is not supported")
        if not source.takes(")") or found[1] == "0":
            raise PatternError("Unknown switch condition (?(...))")
        if found[4]:
            return self._definitions()
        name = found[2] or found[3]
        return self._switch(self._taking_part(self._named(name) if name else [int(found[1])]))

    def _looking_condition(self) -> Piece:
        source, groups = self.source, self.groups
        source.takes("(?")
        condition = self._parenthesis().text if source.starts("(?") else ""
        if not condition.startswith(("(?=", "(?!", "(?<=", "(?<!")):
            raise PatternError("Unknown switch condition (?(...))")
        if self.groups > groups:
            raise PatternError("a group in a condition is not supported")
        # Debian 12's release errs with such conditions, so it is asked twice.
        return self._switch(f":{condition}", f"(?!{condition})")

    def _taking_part(self, numbers: list[int]) -> str:
        """The condition that this group has matched; "" if there is none."""
        self._refuse_open(numbers)
        if len(numbers) > 1:
            raise PatternError("a condition on one of several groups is not supported")
        exists = self.known is not None and numbers[0] <= self.known.count
        return f"({numbers[0]})" if exists else ""

    def _switch(self, condition: str, otherwise: str = "") -> Piece:
        yes = self._sequence()
        no = self._sequence() if self.source.takes("|") else Piece("")
        if not self.source.takes(")"):
            raise PatternError("Switch (?(condition)... not terminated or with too many branches")
        choice = f"(?{condition or ':(?!)'}{yes.text}|{otherwise}{no.text})"
        return replace(either([yes, no], choice), groups=yes.groups + no.groups + 1)

    def _definitions(self) -> Piece:
        """`(?(DEFINE)...)` is never matched; its groups count."""
        piece = self._sequence()
        if not self.source.takes(")"):
            raise PatternError("(?(DEFINE)....) does not allow branches")
        return Piece(f"(?:(?!){piece.text}|)", groups=piece.groups + 1)

    def _with_flags(self) -> Piece:
        """`(?i:...)`."""
        found = self.source.match(FLAGS)
        if found is None or self.source.take() != ":":
            raise PatternError("Sequence (?... not recognized or not terminated")
        self.flags = switched(self.flags, found)
        return self._inside("(?:", self._branches)


_NUMBER = re.compile(r"\\([1-9]\d*)", re.ASCII)
_ANCHORS = {"A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)", "b": r"\b", "B": r"\B", "K": KEEP}
_LINE_ENDS = {
    "R": Piece(r"(?>\r\n|[\n\x0b\f\r\x85])", 1, 2),
    "X": Piece(r"(?>\r\n|(?s:.))", 1, math.inf),
}
_REFUSED = {
    "p": f"{{...}} is not supported: Unicode properties: {_OTHER_RULES}",
    "P": f"{{...}} is not supported: Unicode properties: {_OTHER_RULES}",
    "G": " is not supported",
    "C": " no longer supported",
    "g": " is unterminated",
    "k": " is not terminated",
}
_MEANINGS = {*ESCAPED, *map(str.upper, ESCAPED), *_ANCHORS, *_LINE_ENDS, *_REFUSED, "N"}
