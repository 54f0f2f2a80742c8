"""The methods of strings and numbers: `x.length`, `x.replace('a', 'b')`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping

from pmgsync.render.perl import regex
from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.escapes import escape_html, escape_xml
from pmgsync.render.perl.values import Value, is_true, number, text, whole

TextMethod = Callable[[Budget, str, list[Value]], Value]
WHITE = " \t\n\r\f\v"
_SPACES = re.compile(r"[ \t\n\r\f\v]+")
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LOWER = {upper: lower for lower, upper in _UPPER.items()}


def argument(arguments: list[Value], index: int) -> Value:
    """The argument, or undef."""
    return arguments[index] if index < len(arguments) else None


def upper(string: str) -> str:
    """ASCII letters only: the others are bytes."""
    return string.translate(_UPPER)


def lower(string: str) -> str:
    return string.translate(_LOWER)


def trim(string: str) -> str:
    return string.strip(WHITE)


def collapse(string: str) -> str:
    """White space cut at the ends, and each run of it made one blank."""
    return _SPACES.sub(" ", string.strip(WHITE))


def repeat(budget: Budget, string: str, count: Value) -> str:
    times = max(whole(count), 0) if math.isfinite(number(count)) else 0
    budget.fits(len(string) * times)
    return string * times


def _repeat(budget: Budget, string: str, arguments: list[Value]) -> Value:
    count = argument(arguments, 0)
    return repeat(budget, string, count) if is_true(count) else ""


def _match(budget: Budget, string: str, arguments: list[Value]) -> Value:
    pattern = argument(arguments, 0)
    if pattern is None:
        return string
    search = regex.compiled(text(pattern), budget)
    found: list[Value] = []
    for match in search.finditer(string):
        found += match.groups() if search.groups else [match.group()]
        budget.may_hold(len(found))
        if not is_true(argument(arguments, 1)):
            return found if search.groups else [1]
    return found or ""


def _search(budget: Budget, string: str, arguments: list[Value]) -> Value:
    pattern = argument(arguments, 0)
    if pattern is None:
        return string
    return search(budget, string, text(pattern))


def search(budget: Budget, string: str, pattern: str) -> Value:
    """The groups of the first match, or 1; undef if there is none."""
    wanted = regex.compiled(pattern, budget)
    match = wanted.search(string)
    if match is None:
        return None
    return folded(list(match.groups())) if wanted.groups else 1


def folded(results: list[Value]) -> Value:
    """What a method gives that returns several values: a list, unless the first is undef."""
    if not results or results[0] is None:
        return None
    return results if len(results) > 1 else results[0]


_EXPANDED = re.compile(r"\\([\\$])|\$(\d+)")
_A_GROUP = re.compile(r"\$\d+")
Parts = list[str | int]
"""Of a replacement: texts, and the numbers of groups."""


def replace(
    budget: Budget, string: str, pattern: str, new: str, *, once: bool = False, expands: bool = True
) -> str:
    """Each match, or the first, replaced by `new`; if it `expands`, `$1` in it is a group."""
    parts = _parts(new) if expands else [new]
    if len(parts) > 1 and not pattern:  # Perl takes the last that matched, the search for groups
        pattern = _A_GROUP.pattern
    pieces: list[str] = []
    size = at = 0
    for match in regex.compiled(pattern, budget).finditer(string):
        groups = (match.group(), *match.groups())
        pieces.append(string[at : match.start()])
        size += len(pieces[-1])
        for part in parts:
            inserted = part if isinstance(part, str) else _group(groups, part)
            size += len(inserted)
            budget.grows_to(size)
            pieces.append(inserted)
        at = match.end()
        if once:
            break
    budget.fits(size + len(string) - at)
    return "".join([*pieces, string[at:]])


def _parts(new: str) -> Parts:
    if not _A_GROUP.search(new):  # without a group, a backslash is one
        return [new]
    parts: Parts = []
    at = 0
    for found in _EXPANDED.finditer(new):
        parts += new[at : found.start()], found[1] or int(found[2])
        at = found.end()
    return [*parts, new[at:]]


def _group(groups: tuple[str | None, ...], number: int) -> str:
    return groups[number] or "" if 0 < number < len(groups) else ""


def _replace(budget: Budget, string: str, arguments: list[Value]) -> Value:
    pattern, new, everywhere = (argument(arguments, index) for index in range(3))
    once = everywhere is not None and not is_true(everywhere)
    return replace(budget, string, text(pattern), text(new), once=once)


def _remove(budget: Budget, string: str, arguments: list[Value]) -> Value:
    pattern = argument(arguments, 0)
    if pattern is None:
        return string
    return replace(budget, string, text(pattern), "")


_SPACE_RUN = re.compile(rf"[{WHITE}]+")


def _split(budget: Budget, string: str, arguments: list[Value]) -> Value:
    separator, limit = argument(arguments, 0), whole(argument(arguments, 1))
    if separator is None:
        string = string.lstrip(WHITE)
        return split_at(budget, string, _SPACE_RUN.finditer(string), limit)
    return split(budget, string, text(separator), limit)


def split(budget: Budget, string: str, pattern: str, limit: int = 0) -> list[Value]:
    """Perl's split: groups are kept; no empty string at the end unless a limit is given."""
    found = regex.compiled("(?m)^" if pattern == "^" else pattern, budget)  # Perl's exception
    return split_at(budget, string, found.finditer(string), limit, found.groups)


def split_at(
    budget: Budget, string: str, matches: Iterable[regex.Match], limit: int = 0, groups: int = 0
) -> list[Value]:
    """`split` at `matches` with so many groups."""
    pieces: list[Value] = []
    fields = at = 0
    for match in matches if string else ():
        budget.step()
        if limit > 0 and fields >= limit - 1:
            break
        if match.end() == match.start() == at:
            continue
        pieces.append(string[at : match.start()])
        if groups:
            pieces += match.groups()
        fields += 1
        budget.may_hold(len(pieces))
        at = match.end()
    if string:
        pieces.append(string[at:])
    while limit == 0 and pieces and (pieces[-1] is None or pieces[-1] == ""):
        pieces.pop()
    return pieces


_MOST_DIGITS = 10


def _chunk(budget: Budget, string: str, arguments: list[Value]) -> Value:
    given = argument(arguments, 0)
    size: Value = given if is_true(given) else 1
    is_from_end = number(size) < 0
    digits = text(abs(number(size)) if is_from_end else size)
    width = int(digits) if digits.isdecimal() and len(digits) < _MOST_DIGITS else 0
    width = width or len(string) + 1  # what is no number cuts at the ends of lines only
    lines = string.split("\n")
    budget.holds(len(string) // width + len(lines))
    pieces: list[Value] = []
    for line in lines:
        first = len(line) % width if is_from_end else 0
        starts = range(first - width if first else 0, len(line), width)
        pieces += [line[max(at, 0) : at + width] for at in starts]
    return pieces


def _substr(_budget: Budget, string: str, arguments: list[Value]) -> Value:
    start, length, new = (argument(arguments, index) for index in range(3))
    begin = whole(start)
    if begin < 0:
        begin += len(string)
    end = len(string)
    if length is not None:
        count = whole(length)
        end = begin + count if count >= 0 else len(string) + count
    if begin > len(string) or (begin < 0 and end < 0):
        return None if new is None else _outside()
    begin, end = max(begin, 0), min(end, len(string))
    end = max(begin, end)
    if length is not None and new is not None:
        return string[:begin] + text(new) + string[end:]
    return string[begin:end]


def _outside() -> Value:
    from pmgsync.render.perl.operators import PerlDie

    raise PerlDie("substr outside of string")


def _hash(_budget: Budget, string: str, _arguments: list[Value]) -> Value:
    return {"value": string}


TEXT_METHODS: Mapping[str, TextMethod] = {
    "item": lambda _b, s, _a: s,
    "list": lambda _b, s, _a: [s],
    "hash": _hash,
    "length": lambda _b, s, _a: len(s),
    "size": lambda _b, _s, _a: 1,
    "empty": lambda _b, s, _a: int(not s),
    "defined": lambda _b, _s, _a: 1,
    "upper": lambda _b, s, _a: upper(s),
    "lower": lambda _b, s, _a: lower(s),
    "ucfirst": lambda _b, s, _a: upper(s[:1]) + s[1:],
    "lcfirst": lambda _b, s, _a: lower(s[:1]) + s[1:],
    "match": _match,
    "search": _search,
    "repeat": _repeat,
    "replace": _replace,
    "remove": _remove,
    "split": _split,
    "chunk": _chunk,
    "substr": _substr,
    "trim": lambda _b, s, _a: trim(s),
    "collapse": lambda _b, s, _a: collapse(s),
    "squote": lambda _b, s, _a: re.sub(r"(['\\])", r"\\\1", s),
    "dquote": lambda _b, s, _a: re.sub(r'(["\\])', r"\\\1", s).replace("\n", "\\n"),
    "html": lambda _b, s, _a: escape_html(s),
    "xml": lambda _b, s, _a: escape_xml(s),
}
