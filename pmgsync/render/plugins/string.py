"""`USE String('text')`: a text that its methods change in place, most of them giving it back.

As a value it is its text, after the filters that `filter` or `output_filter` gave it. `copy` and
`new` make one without filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.faults import Fault
from pmgsync.render.perl.filters import Filters
from pmgsync.render.perl.list_methods import LIST_METHODS
from pmgsync.render.perl.operators import PerlDie
from pmgsync.render.perl.sprintf import sprintf
from pmgsync.render.perl.text_methods import (
    TEXT_METHODS,
    argument,
    collapse,
    lower,
    repeat,
    replace,
    search,
    split,
    trim,
    upper,
)
from pmgsync.render.perl.values import FALSE, TRUE, Thing, Value, is_true, number, text, whole

Arguments = list[Value]


class String(Thing):
    """`content` may be any value until a method makes a text of it."""

    def __init__(self, budget: Budget, filters: Filters | None, content: Value) -> None:
        self.budget = budget
        self.filters = filters
        self.content = content
        self.output_filters: list[Value] = []
        self.fields: dict[str, Value] = {}

    @property
    def plain(self) -> str:
        """The text, unfiltered."""
        return text(self.content)

    def changed(self, string: str) -> String:
        """Itself, with this text."""
        self.budget.fits(len(string))
        self.content = string
        return self

    def shown(self) -> Value:
        """The content, filtered."""
        found = self.content
        for entry in self.output_filters:
            if isinstance(entry, list) and isinstance(entry[1], list):
                found = self.filtered(entry[0], entry[1], text(found))
        return found

    def filtered(self, name: Value, arguments: Arguments, string: str) -> str:
        """`string` through the filter `name`."""
        if self.filters is None:
            raise PerlDie('Can\'t call method "filter" on an undefined value')
        function = self.filters.known(name, arguments)
        if function is None:
            raise Fault("String", f"{text(name)}: filter not found")
        return function(string)

    def as_text(self) -> str:
        return text(self.shown())

    def member(self, name: str, arguments: Arguments) -> Value:
        """A method of strings, else what every list of one has."""
        if method := METHODS.get(name):
            return method(self, arguments)
        fields = {**self.fields, "text": self.content, "filters": self.output_filters}
        if name in fields:
            return fields[name]
        if name == "size":
            return len(fields) + 1  # and one that no template can read
        if name in LIST_METHODS and name not in ("list", "item", "hash", "defined", "empty"):
            return LIST_METHODS[name](self.budget, [self], arguments)
        if name in _OF_OBJECTS:
            raise Fault("undef", f"String.{name} is not supported")
        return None

    def assigned(self, name: str, value: Value) -> Value:
        """`string.name = value`: calls the method, or keeps a value of that name."""
        if name in METHODS or name in _OF_OBJECTS:
            return self.member(name, [value])
        self.fields[name] = value
        return value


_OF_OBJECTS = frozenset(
    [
        *("list", "item", "hash", "defined", "empty", "keys", "values", "each", "items", "pairs"),
        *("exists", "delete", "import", "sort", "nsort", "load", "fail", "error", "debug"),
        *("module_version", "can", "isa", "DOES", "VERSION"),
    ]
)
"""What an object has in Perl and shows its inside."""


def string(budget: Budget, filters: Filters, arguments: Arguments) -> String:
    """The plugin. Options are `text` and `filter`."""
    return _made(budget, filters, arguments)


def _made(budget: Budget, filters: Filters | None, arguments: Arguments) -> String:
    *given, last = arguments or [None]
    options = last if isinstance(last, dict) else {}
    if not isinstance(last, dict):
        given = arguments
    content = options.get("text")
    if content is None:
        content = given[0] if given else ""
    made = String(budget, filters, content)
    wanted = options.get("filter")
    wanted = wanted if is_true(wanted) else options.get("filters")
    if is_true(wanted):
        _output_filter(made, [wanted])
    return made


def _output_filter(self: String, arguments: Arguments) -> Value:
    given = argument(arguments, 0)
    if isinstance(given, dict):
        given = [part for pair in given.items() for part in pair]
    elif not isinstance(given, list):
        given = split(self.budget, text(given), r"\s*\W+\s*")
    names = iter(_pairs_of_filters(given))
    self.output_filters += names
    given.clear()
    return ""


def _pairs_of_filters(given: list[Value]) -> list[Value]:
    """`[name, arguments]` for each name; arguments are what follows, if that is no name."""
    pairs: list[Value] = []
    at = 0
    while at < len(given):
        name, arguments = given[at], argument(given, at + 1)
        has_arguments = at + 1 < len(given) and (
            isinstance(arguments, list | dict | Thing) or text(arguments) == ""
        )
        if not has_arguments or not is_true(arguments):
            listed: list[Value] = []
        else:
            listed = arguments if isinstance(arguments, list) else [arguments]
        pairs.append([name, listed])
        at += 2 if has_arguments else 1
    return pairs


def _join(arguments: Arguments) -> str:
    return "".join(map(text, arguments))


def _push(self: String, arguments: Arguments) -> Value:
    return self.changed(self.plain + _join(arguments))


def _unshift(self: String, arguments: Arguments) -> Value:
    return self.changed(_join(arguments) + self.plain)


def _pop(self: String, arguments: Arguments) -> Value:
    strip = argument(arguments, 0)
    if not is_true(strip):
        return self
    return self.changed(_once(self, f"{text(strip)}$"))


def _shift(self: String, arguments: Arguments) -> Value:
    strip = argument(arguments, 0)
    if not is_true(strip):
        return self
    return self.changed(_once(self, f"^{text(strip)}"))


def _once(self: String, pattern: str) -> str:
    return replace(self.budget, self.plain, pattern, "", once=True)


def _blanks(self: String, count: Value) -> str:
    return repeat(self.budget, " ", count)


def _missing(self: String, arguments: Arguments) -> int | float:
    """How many characters the text is shorter than the width asked for."""
    return max(number(argument(arguments, 0)) - len(self.plain), 0)


def _center(self: String, arguments: Arguments) -> Value:
    missing = _missing(self, arguments)
    before = whole(missing / 2)
    after = _blanks(self, missing - before)
    return self.changed(_blanks(self, before) + self.plain + after)


def _left(self: String, arguments: Arguments) -> Value:
    return self.changed(self.plain + _blanks(self, _missing(self, arguments)))


def _right(self: String, arguments: Arguments) -> Value:
    return self.changed(_blanks(self, _missing(self, arguments)) + self.plain)


def _format(self: String, arguments: Arguments) -> Value:
    form = argument(arguments, 0)
    template = "%s" if form is None else text(form)
    return self.changed(sprintf(self.budget, template, [self.content]))


def _capital(self: String, _arguments: Arguments) -> Value:
    return self.changed(upper(self.plain[:1]) + self.plain[1:])


def _truncate(self: String, arguments: Arguments) -> Value:
    length, suffix = argument(arguments, 0), argument(arguments, 1)
    tail = text(suffix) if is_true(suffix) else ""
    if length is None or len(self.plain) <= number(length):
        return self
    kept = _part(self, [0, number(length) - len(tail)])
    return self.changed(text(kept) + tail)


def _part(self: String, arguments: Arguments) -> Value:
    return TEXT_METHODS["substr"](self.budget, self.plain, arguments)


def _substr(self: String, arguments: Arguments) -> Value:
    offset, length, new = (argument(arguments, index) for index in range(3))
    removed = _part(self, [offset, length])
    if length is not None and new is not None:
        self.changed(text(_part(self, [offset, length, new])))
    return removed


def _repeat(self: String, arguments: Arguments) -> Value:
    count = argument(arguments, 0)
    return self if count is None else self.changed(repeat(self.budget, self.plain, count))


def _replace(self: String, arguments: Arguments) -> Value:
    pattern, new = argument(arguments, 0), text(argument(arguments, 1))
    if pattern is None:
        return self
    return self.changed(replace(self.budget, self.plain, text(pattern), new, expands=False))


def _remove(self: String, arguments: Arguments) -> Value:
    pattern = text(argument(arguments, 0))
    return self.changed(replace(self.budget, self.plain, pattern, ""))


def _split(self: String, arguments: Arguments) -> Value:
    separator, limit = argument(arguments, 0), argument(arguments, 1)
    pattern = r"\s+" if separator is None else text(separator)
    return split(self.budget, self.plain, pattern, whole(limit))


def _search(self: String, arguments: Arguments) -> Value:
    return search(self.budget, self.plain, text(argument(arguments, 0)))


def _equals(self: String, arguments: Arguments) -> Value:
    return TRUE if self.plain == text(argument(arguments, 0)) else FALSE


def _throw(_self: String, arguments: Arguments) -> Value:
    raise Fault("String", _join(arguments))


METHODS: Mapping[str, Callable[[String, Arguments], Value]] = {
    "new": lambda self, a: _made(self.budget, None, a),
    "text": lambda self, _a: self.shown(),
    "copy": lambda self, _a: _made(self.budget, None, [self.content]),
    "throw": _throw,
    "output_filter": _output_filter,
    "push": _push,
    "append": _push,
    "unshift": _unshift,
    "prepend": _unshift,
    "pop": _pop,
    "shift": _shift,
    "center": _center,
    "centre": _center,
    "left": _left,
    "right": _right,
    "format": _format,
    "filter": lambda self, a: self.filtered(argument(a, 0), a[1:], self.plain),
    "upper": lambda self, _a: self.changed(upper(self.plain)),
    "lower": lambda self, _a: self.changed(lower(self.plain)),
    "capital": _capital,
    "chop": lambda self, _a: self.changed(self.plain[:-1]),
    "chomp": lambda self, _a: self.changed(self.plain.removesuffix("\n")),
    "trim": lambda self, _a: self.changed(trim(self.plain)),
    "collapse": lambda self, _a: self.changed(collapse(self.plain)),
    "length": lambda self, _a: len(self.plain),
    "truncate": _truncate,
    "substr": _substr,
    "repeat": _repeat,
    "replace": _replace,
    "remove": _remove,
    "split": _split,
    "search": _search,
    "equals": _equals,
}
