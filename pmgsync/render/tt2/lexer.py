"""Stage one: a template's text becomes chunks of text and tags, and each tag becomes tokens.

True here:

* The text is bytes read as Latin-1, so a letter is a byte and `\\w` means ASCII.
* A tag ends at the first end tag, even inside a string or a comment.
* Chomping happens here; nothing later knows of it.
* A string in double quotes is a run of tokens between two QUOTE tokens: text, and the tokens of
  each `$variable`, closed by a SEMICOLON, as the grammar wants them.
* Every token carries the line of its tag, as Template Toolkit counts: the line of the tag's
  first word, `5-7` for a tag of several lines in messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pmgsync.render.tt2.options import TAG_STYLES, Options


class Token(NamedTuple):
    """One token: `kind` is TEXT, IDENT, NUMBER, LITERAL, FILENAME, QUOTE, UNQUOTED, END_OF_INPUT,
    or the keyword or operator itself.
    """

    kind: str
    text: str
    line: int
    tag: Tag | None = None


@dataclass(frozen=True)
class Tag:
    """The tag that a token is from, for messages."""

    text: str
    lines: str  # "7", or "7-9"

    @property
    def shown(self) -> str:
        return f"[% {self.text} %]"


RESERVED = frozenset(
    [
        "GET",
        "CALL",
        "SET",
        "DEFAULT",
        "INSERT",
        "INCLUDE",
        "PROCESS",
        "WRAPPER",
        "BLOCK",
        "END",
        "USE",
        "PLUGIN",
        "FILTER",
        "MACRO",
        "PERL",
        "RAWPERL",
        "TO",
        "STEP",
        "AND",
        "OR",
        "NOT",
        "DIV",
        "MOD",
        "IF",
        "UNLESS",
        "ELSE",
        "ELSIF",
        "FOR",
        "NEXT",
        "WHILE",
        "SWITCH",
        "CASE",
        "META",
        "IN",
        "TRY",
        "THROW",
        "CATCH",
        "FINAL",
        "LAST",
        "RETURN",
        "STOP",
        "CLEAR",
        "VIEW",
        "DEBUG",
    ]
)
KINDS: dict[str, str] = {
    **{word: word for word in RESERVED},
    **{sign: sign for sign in ["(", ")", "[", "]", "{", "}", "${", "$", "+", "/", ";", ":", "?"]},
    **dict.fromkeys(["==", "!=", "<", ">", "<=", ">="], "CMPOP"),
    **dict.fromkeys(["-", "*", "%"], "BINOP"),
    **{"FOREACH": "FOR", "BREAK": "LAST", "&&": "AND", "||": "OR", "!": "NOT", "|": "FILTER"},
    **{".": "DOT", "_": "CAT", "..": "TO", "=": "ASSIGN", "=>": "ASSIGN", ",": "COMMA"},
    **{"\\": "REF", "and": "AND", "or": "OR", "not": "NOT", "mod": "MOD", "div": "DIV"},
}
"""What a word or sign is to the grammar. Words are upper case, but for the five operators."""

_NEVER_KEYWORD_AFTER = frozenset(
    [
        "GET",
        "SET",
        "CALL",
        "DEFAULT",
        "INSERT",
        "INCLUDE",
        "PROCESS",
        "WRAPPER",
        "BLOCK",
        "USE",
        "PLUGIN",
        "FILTER",
        "MACRO",
        "IN",
        "TO",
        "STEP",
        "AND",
        "OR",
        "NOT",
        "DIV",
        "MOD",
        "DOT",
        "IF",
        "UNLESS",
        "ELSIF",
        "FOR",
        "WHILE",
        "SWITCH",
        "CASE",
        "META",
        "THROW",
        "CATCH",
        "VIEW",
        "CMPOP",
        "BINOP",
        "COMMA",
        "(",
        "[",
        "{",
    ]
)
"""With ANYCASE, a word after one of these is a name, whatever it looks like."""

_TOKEN = re.compile(
    r"""
    (?P<comment>  \#[^\n]* )
  | (?P<quote>    ["'] ) (?P<quoted> (?: \\\\ | \\(?P=quote) | . | \n )*? ) (?P=quote)
  | (?P<number>   -?\d+ (?: \.\d+ )? )
  | (?P<filename> /?\w+ (?: (?: / | ::? ) \w* )+ | /\w+ )
  | (?P<word>     \w+ )
  | (?P<sign>     [(){}\[\]:;,/\\] | [+\-*] | \$\{? | => | [=!<>]?= | [!<>] | &&? | \|\|?
                | \.\.? | \S+ )
    """,
    re.VERBOSE | re.ASCII,
)
_INTERPOLATED = re.compile(r"((?:\\.|[^$]){1,3000})|(\$(?:\{([^}]*)\}|([\w.]+)))", re.ASCII)
_CHOMP = {"-": 1, "=": 2, "~": 3, "+": 0}
_OPENING = re.compile(r"([-=~+])?(\s*)", re.ASCII)
_COLLAPSE = 2
_AHEAD = [
    re.compile(r"(?!)"),
    re.compile(r"[^\S\n]*\n", re.ASCII),
    re.compile(r"\s+", re.ASCII),
    re.compile(r"\s+", re.ASCII),
]
"""What each kind of chomping takes from the text after a tag."""
_TAGS_WORD = re.compile(r"TAGS\s+(.*)", re.ASCII)
_TAGS_ANYCASE = re.compile(r"TAGS\s+(.*)", re.ASCII | re.IGNORECASE)
WHITE = " \t\n\r\f\v"
"""What Perl calls white space, in bytes."""


def tokenize(source: str, options: Options = Options()) -> Iterator[Token]:  # noqa: B008 - frozen
    """The tokens of a template. Each tag's end with a SEMICOLON; the last is END_OF_INPUT.

    Never fails: what is no token is UNQUOTED, and the parser says so.
    """
    line = 1
    for chunk in split_text(source, options):
        line = chunk.line
        if chunk.is_tag:
            tag = Tag(chunk.text, chunk.lines)
            yield from _tag_tokens(chunk.text, tag, chunk.line, options)
            yield Token(";", ";", chunk.line, tag)
        elif options.INTERPOLATE:
            yield from _interpolate(chunk.text, chunk.line, options, None)
        else:
            yield Token("TEXT", chunk.text, chunk.line)
    yield Token("END_OF_INPUT", "", line)


# --- text and tags ------------------------------------------------------------------------------


class Chunk(NamedTuple):
    """A piece of the template: text as it stands after chomping, or the inside of a tag."""

    is_tag: bool
    text: str
    line: int
    lines: str


def split_text(source: str, options: Options) -> Iterator[Chunk]:
    """Text and tags in order, chomped. Empty pieces are left out."""
    find = _Finder(*options.tags)
    tags_word = _TAGS_ANYCASE if options.ANYCASE else _TAGS_WORD
    position, line, blank = 0, 1, ""
    while found := find(source, position, starts_line=not blank):
        start, inside, end = found
        before, height = blank + source[position:start], inside.count("\n")
        line_of_text, skipped = line, 0
        line += before.count("\n")
        if inside.startswith("#"):
            flag = inside.removesuffix("\n")[-1]
            inside = flag if flag in _CHOMP else ""
        else:
            before, inside, skipped = _chomp_before(before, inside, options.PRE_CHOMP)
        inside, chomp = _closing_flag(inside, options.POST_CHOMP)
        white = _AHEAD[chomp].match(source, end)
        position, swallowed = (white.end(), white.group().count("\n")) if white else (end, 0)
        blank = " " if white and chomp == _COLLAPSE else ""
        line, height = line + skipped, height - skipped
        if before:
            yield Chunk(False, before, line_of_text, str(line_of_text))
        if changed := tags_word.match(inside):
            find = _new_tags(changed[1].split(), find)
        elif inside:
            yield Chunk(True, inside, line, f"{line}-{line + height}" if height else str(line))
        line += height + swallowed
    if blank or position < len(source):
        yield Chunk(False, blank + source[position:], line, str(line))


class _Finder:
    """Finds the next tag: where it starts, what is inside, where it ends.

    The end is looked for once: a start without an end after it makes all later starts text too.
    """

    def __init__(self, start: str, end: str, outline: str = "") -> None:
        self._start = _Ahead(re.compile(start, re.VERBOSE | re.ASCII | re.DOTALL))
        self._end = _Ahead(re.compile(end, re.VERBOSE | re.ASCII | re.DOTALL))
        line = rf"(?:{outline})([^\n]*)\n?"
        self._outline = re.compile(line, re.ASCII) if outline else None
        self._outline_below = _Ahead(re.compile(f"^{line}", re.ASCII | re.MULTILINE))

    def __call__(
        self, source: str, position: int, *, starts_line: bool
    ) -> tuple[int, str, int] | None:
        """`starts_line`: an outline tag may stand right here."""
        opened = self._start.search(source, position)
        closed = self._end.search(source, opened.end()) if opened else None
        line = self._outline_tag(source, position, starts_line)
        if line and not (opened and closed and opened.start() < line.start()):
            return line.start(), line[1], line.end()
        if opened and closed and closed.end() > position:  # tags of nothing would never end
            return opened.start(), source[opened.end() : closed.start()], closed.end()
        return None

    def _outline_tag(self, source: str, position: int, starts_line: bool) -> re.Match[str] | None:
        if self._outline is None:
            return None
        here = self._outline.match(source, position) if starts_line else None
        return here or self._outline_below.search(source, position + 1)


class _Ahead:
    """The first match at or after a place in one source. Places only grow, so that all of the
    source is searched once, however many tags there are.
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._found: re.Match[str] | None = None
        self._is_known = False

    def search(self, source: str, position: int) -> re.Match[str] | None:
        """As the pattern's own."""
        if not self._is_known or (self._found and self._found.start() < position):
            self._found = self._pattern.search(source, position)
            self._is_known = True
        return self._found


def _new_tags(words: list[str], current: _Finder) -> _Finder:
    """What `TAGS` changes to: two tags as they stand, or a style; anything else changes nothing."""
    if len(words) > 1:
        return _Finder(*map(re.escape, words[:3]))
    if words and words[0] in TAG_STYLES:
        return _Finder(*TAG_STYLES[words[0]])
    return current


def _chomp_before(before: str, inside: str, default: int) -> tuple[str, str, int]:
    """The text before the tag and the tag's inside, and line breaks skipped in the latter."""
    opening = _OPENING.match(inside)
    flag, blanks = (opening[1], opening[2]) if opening else (None, "")
    chomp = _CHOMP[flag] if flag else default
    if chomp == 1:
        before = _cut_line_break(before)
    elif chomp and before and before[-1] in WHITE:
        before = before.rstrip(WHITE) + (" " if chomp == _COLLAPSE else "")
    return before, inside[len(flag or "") + len(blanks) :], blanks.count("\n")


def _cut_line_break(before: str) -> str:
    """Without the last line break, if only blanks stand after it, and without those blanks."""
    kept = before.rstrip(" \t\r\f\v")
    if not kept:
        return ""
    if not kept.endswith("\n"):
        return before
    return kept[:-2] if kept.endswith("\r\n") else kept[:-1]


def _closing_flag(inside: str, default: int) -> tuple[str, int]:
    """The tag's inside without its end, and how to chomp after it."""
    kept = inside.rstrip(WHITE)
    if kept and kept[-1] in _CHOMP:
        return kept[:-1].rstrip(WHITE), _CHOMP[kept[-1]]
    return kept, default


# --- inside a tag -------------------------------------------------------------------------------


def _tag_tokens(text: str, tag: Tag, line: int, options: Options) -> Iterator[Token]:
    before = ""  # the kind of the token before
    for found in _TOKEN.finditer(text):
        group = found.lastgroup
        word = found.group()
        if group == "comment":
            continue
        if group == "quoted":
            yield from _string(found["quote"], found["quoted"], tag, line, options)
            before = "QUOTE"
            continue
        kind = _FIXED_KINDS.get(group or "") or _kind_of(word, before, text, found.end(), options)
        yield Token(kind, word, line, tag)
        before = kind


_FIXED_KINDS = {"number": "NUMBER", "filename": "FILENAME"}


def _kind_of(word: str, before: str, text: str, end: int, options: Options) -> str:
    if options.ANYCASE and before not in _NEVER_KEYWORD_AFTER:
        is_name = _BEFORE_NAME_END.match(text, end)
        word = word if is_name else word.upper()
    other = "IDENT" if word[0].isalnum() or word[0] == "_" else "UNQUOTED"
    return KINDS.get(word, other)


def _string(quote: str, inside: str, tag: Tag, line: int, options: Options) -> Iterator[Token]:
    """A string. Single quotes know two escapes; double ones more, and variables."""
    if quote == "'":
        kind = "LITERAL" if _CLOSED.match(inside) else "UNQUOTED"  # Perl's string would go on
        yield Token(kind, _single_quoted(inside), line, tag)
    elif "$" not in inside and "\\" not in inside:
        yield Token("LITERAL", inside, line, tag)
    else:
        inside = _ESCAPED_OTHER.sub(r"\1", inside)
        inside = _ESCAPED_WHITE.sub(lambda found: _ESCAPES[found[1]], inside)
        yield Token("QUOTE", '"', line, tag)
        yield from _interpolate(inside, line, options, tag)
        yield Token("QUOTE", '"', line, tag)


_BEFORE_NAME_END = re.compile(r"\s*[=.]", re.ASCII)
_ESCAPED_OTHER = re.compile(r"\\([^$nrt])")
_ESCAPED_WHITE = re.compile(r"\\([nrt])")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_CLOSED = re.compile(r"(?:[^\\]|\\.)*\Z", re.DOTALL)
_SINGLE_ESCAPE = re.compile(r"\\([\\'])")


def _single_quoted(inside: str) -> str:
    return _SINGLE_ESCAPE.sub(r"\1", inside)


def _interpolate(text: str, line: int, options: Options, tag: Tag | None) -> Iterator[Token]:
    """Text with `$name` and `${...}` in it. A `$` that starts neither disappears."""
    for found in _INTERPOLATED.finditer(text):
        plain, reference, braced, bare = found.groups()
        line += found.group().count("\n")
        inside = braced or bare
        if plain is not None:
            yield Token("TEXT", plain.replace("\\$", "$"), line, tag)
        elif inside and inside != "0":
            own = tag or Tag(reference, str(line))
            yield from _tag_tokens(inside, own, line, options)
            yield Token(";", ";", line, own)
        else:
            yield Token("TEXT", reference, line, tag)
