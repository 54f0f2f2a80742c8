"""The text of a regular expression, and what is read of it without knowing what stands around:
white space, the bytes that an escape means, and classes in brackets.
"""

from __future__ import annotations

import re

from pmgsync.render.perl.byte_sets import ALL, ESCAPED, POSIX, Bytes, both_cases

NAME = r"[A-Za-z_]\w*"
BRACES = re.compile(r"\{[ \t]*(?:(\d+)[ \t]*(?:(,)[ \t]*(\d*))?|(,)[ \t]*(\d+))[ \t]*\}", re.ASCII)
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_FREE = re.compile(r"[ \t\n\r\f\v\x85]+|#[^\n]*(?:\n|\Z)")
_BLANKS = re.compile(r"[ \t]*")
_HEX = re.compile(r"\\x(?:\{[ \t]*([0-9A-Fa-f_]*)[^}]*\}|(?!\{)([0-9A-Fa-f]{0,2}))")
_OCTAL = re.compile(r"\\(?:o\{[ \t]*([0-7_]+)[^}]*\}|(0[0-7]{0,2}|[1-7][0-7]{0,2}))")
_CONTROL = re.compile(r"\\c([ -z|}~])")
_POSIX_NAME = re.compile(r"\[:(\^?)(\w*):\]", re.ASCII)
_RESERVED = re.compile(r"\[([.=])[^\]]*\1\]")
_ESCAPES = {"a": 0x07, "e": 0x1B, "f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09}
_BROKEN = {
    "x": "Missing right brace on \\x{}",
    "o": "Missing braces on \\o{}, or nothing in them",
    "c": 'Character following "\\c" must be printable ASCII, and no {',
}
_LAST_BYTE = 0xFF


class PatternError(ValueError):
    """What is wrong with a pattern, or what of it is not supported."""


class Source:
    """A pattern and the place that is being read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Is nothing left?"""
        return self._at >= len(self._text)

    def peek(self) -> str:
        """The next character, "" at the end."""
        return self._text[self._at : self._at + 1]

    def take(self) -> str:
        """The next character, which is then read."""
        if self.at_end:
            raise PatternError("Trailing \\")
        self._at += 1
        return self._text[self._at - 1]

    def starts(self, word: str) -> bool:
        """Does `word` come next?"""
        return self._text.startswith(word, self._at)

    def takes(self, word: str) -> bool:
        """Reads `word` if it comes next; whether it did."""
        if not self.starts(word):
            return False
        self._at += len(word)
        return True

    def sees(self, form: re.Pattern[str]) -> re.Match[str] | None:
        """What matches here, unread."""
        return form.match(self._text, self._at)

    def match(self, form: re.Pattern[str]) -> re.Match[str] | None:
        """What matches here, which is then read."""
        found = self.sees(form)
        if found is not None:
            self._at = found.end()
        return found

    def skip(self, *, free: bool) -> None:
        """Over comments, and white space if the pattern is `free` of it (`x`)."""
        while self.match(_COMMENT) or (free and self.match(_FREE)):
            pass
        if self.starts("(?#"):
            raise PatternError("Sequence (?#... not terminated")

    def skip_past(self, mark: str) -> None:
        """To behind the next `mark`."""
        found = self._text.find(mark, self._at)
        if found < 0:
            raise PatternError("Unterminated verb pattern")
        self._at = found + 1

    def code(self) -> int | None:
        """The byte that an escape means, if it means one (`\\n`, `\\x41`, `\\cA`, `\\101`)."""
        if (found := self.match(_HEX)) is not None:
            return _byte((found[1] or found[2] or "0").replace("_", ""), 16)
        if (found := self.match(_OCTAL)) is not None:
            return _byte((found[1] or found[2]).replace("_", ""), 8)
        if (found := self.match(_CONTROL)) is not None:
            return ord(found[1].upper()) ^ 0x40
        letter = self._text[self._at + 1 : self._at + 2]
        if letter in _BROKEN:
            raise PatternError(_BROKEN[letter])
        if letter in _ESCAPES:
            self._at += 2
            return _ESCAPES[letter]
        return None

    # --- classes ---

    def byte_class(self, *, free: bool, any_case: bool) -> Bytes:
        """A class in brackets. `free`: blanks in it mean nothing (`xx`)."""
        self.take()
        is_negated = self.takes("^")
        found = self._ranges(free, any_case)
        return ALL - found if is_negated else found

    def _ranges(self, free: bool, any_case: bool) -> Bytes:
        found: set[int] = set()
        while True:
            self._blanks(free)
            first = self._member(any_case)
            self._blanks(free)
            if len(first) == 1 and self.starts("-") and not self._ends_with_dash(free):
                last = self._member(any_case)
                first = _between(first, last)
            found |= both_cases(first) if any_case else first
            self._blanks(free)
            if self.takes("]"):
                return frozenset(found)

    def _ends_with_dash(self, free: bool) -> bool:
        """Whether the `-` is the last of the class; otherwise it is read."""
        start = self._at
        self.take()
        self._blanks(free)
        if self.starts("]"):
            self._at = start
            return True
        return False

    def _blanks(self, free: bool) -> None:
        if free:
            self.match(_BLANKS)
        if self.at_end:
            raise PatternError("Unmatched [")

    def _member(self, any_case: bool) -> Bytes:
        """One byte, or a class inside of the class."""
        if self.sees(_RESERVED):
            raise PatternError("POSIX syntax [. .] and [= =] is reserved for future extensions")
        if named := self.match(_POSIX_NAME):
            return _posix(named[1], named[2], any_case)
        if not self.starts("\\"):
            return frozenset([ord(self.take())])
        if (byte := self.code()) is not None:
            return frozenset([byte])
        self.take()
        letter = self.take()
        if letter.lower() in ESCAPED:
            inner = ESCAPED[letter.lower()]
            return inner if letter.islower() else ALL - inner
        if letter in "NpP":
            raise PatternError(f"\\{letter} in a class is not supported")
        return frozenset([0x08 if letter == "b" else ord(letter)])


def _between(first: Bytes, last: Bytes) -> Bytes:
    """The range from the one byte to the other; with a class as its end the `-` is a byte."""
    if len(last) != 1:
        return first | last | frozenset(b"-")
    (low,), (high,) = first, last
    if low > high:
        raise PatternError(f'Invalid [] range "{chr(low)}-{chr(high)}"')
    return frozenset(range(low, high + 1))


def _posix(negation: str, name: str, any_case: bool) -> Bytes:
    if name not in POSIX:
        raise PatternError(f"POSIX class [:{negation}{name}:] unknown")
    found = both_cases(POSIX[name]) if any_case else POSIX[name]
    return ALL - found if negation else found


def _byte(digits: str, base: int) -> int:
    found = int(digits or "0", base)
    if found > _LAST_BYTE:
        raise PatternError("a character beyond 255 is not supported: templates are bytes")
    return found
