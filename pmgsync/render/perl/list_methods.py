"""The methods of lists: `x.size`, `x.join(', ')`, `x.sort('name')`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pmgsync.render.perl import regex
from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.operators import PerlDie, add, increment, subtract
from pmgsync.render.perl.text_methods import argument, lower
from pmgsync.render.perl.values import (
    Value,
    is_true,
    looks_like_number,
    number,
    text,
    whole,
)

List = list[Value]
ListMethod = Callable[[Budget, List, List], Value]


def element(items: List, index: int) -> Value:
    """The item at `index`, which may count from the end; undef outside."""
    return items[index] if -len(items) <= index < len(items) else None


def put(budget: Budget, items: List, index: int, value: Value) -> None:
    """Set the item at `index`; the list grows as needed, at its end only."""
    if index < -len(items):
        return
    index += len(items) if index < 0 else 0
    if index >= len(items):
        budget.holds(index + 1)
        items.extend([None] * (index + 1 - len(items)))
    items[index] = value


def join(budget: Budget, items: List, joint: str) -> str:
    """The items' texts with `joint` between them."""
    budget.step(len(items) >> 4)
    texts = [text(item) for item in items]
    budget.fits(sum(map(len, texts)) + len(joint) * len(texts))
    return joint.join(texts)


def _join(budget: Budget, items: List, arguments: List) -> Value:
    joint = argument(arguments, 0)
    return join(budget, items, " " if joint is None else text(joint))


def _hash(budget: Budget, items: List, arguments: List) -> Value:
    budget.step(len(items) >> 4)
    if arguments:
        counter = arguments[0] if is_true(arguments[0]) else 0
        counted: dict[str, Value] = {}
        for item in items:
            counted[text(counter)] = item
            counter = increment(counter)
        return counted
    keys = [text(item) for item in items[::2]]
    values = [*items[1::2], None]
    return dict(zip(keys, values, strict=False))


def _push(budget: Budget, items: List, arguments: List) -> Value:
    budget.holds(len(items) + len(arguments))
    items.extend(arguments)
    return ""


def _unshift(budget: Budget, items: List, arguments: List) -> Value:
    budget.holds(len(items) + len(arguments))
    items[:0] = arguments
    return ""


def _defined(_budget: Budget, items: List, arguments: List) -> Value:
    if not arguments:
        return 1
    if not looks_like_number(arguments[0]):
        return None
    return 1 if element(items, whole(arguments[0])) is not None else ""


def _first(budget: Budget, items: List, arguments: List) -> Value:
    if not arguments:
        return element(items, 0)
    return _between(budget, items, 0, whole(subtract(arguments[0], 1)))


def _last(budget: Budget, items: List, arguments: List) -> Value:
    if not arguments:
        return element(items, -1)
    return _between(budget, items, -whole(arguments[0]), -1)


def _between(budget: Budget, items: List, first: int, last: int) -> List:
    """Perl's slice `@items[first .. last]`: what is outside is undef."""
    budget.holds(last - first + 1)
    if not items and last >= first and first >= 0:
        return [None] * (last - first + 1)
    return [element(items, index) for index in range(first, last + 1)]


def _slice(budget: Budget, items: List, arguments: List) -> Value:
    last = argument(arguments, 1)
    bounds = [number(argument(arguments, 0)), len(items) - 1 if last is None else number(last)]
    first, end = (add(bound, len(items)) if bound < 0 else bound for bound in bounds)
    return _between(budget, items, whole(first), whole(end))


def _splice(budget: Budget, items: List, arguments: List) -> Value:
    if not arguments or (arguments[0] is None and len(arguments) < 2):  # noqa: PLR2004
        taken = items[:]
        items.clear()
        return taken
    given = whole(arguments[0])
    start = given + len(items) if given < 0 else given
    if start < 0:
        raise PerlDie(f"Modification of non-creatable array value attempted, subscript {given}")
    start = min(start, len(items))
    count = argument(arguments, 1)
    length = len(items) - start if count is None and len(arguments) < 3 else whole(count)  # noqa: PLR2004
    end = start + length if length >= 0 else max(len(items) + length, start)
    new = arguments[2:]
    if len(new) == 1 and isinstance(new[0], list):
        new = new[0]
    budget.holds(len(items) + len(new))
    taken = items[start:end]
    items[start:end] = new
    return taken


def _grep(budget: Budget, items: List, arguments: List) -> Value:
    pattern = argument(arguments, 0)
    search = regex.compiled(text(pattern) if is_true(pattern) else "", budget)
    return [item for item in items if search.search(text(item))]


_JOINT = "/*^UNLIKELY^*/"


def _sort_key(item: Value, fields: List) -> str:
    if isinstance(item, dict):
        return lower(_JOINT.join(text(item.get(text(field))) for field in fields))
    return lower(text(item))


def _sort(budget: Budget, items: List, arguments: List) -> Value:
    if len(items) < 2:  # noqa: PLR2004 - nothing to sort
        return items
    budget.step(len(items))
    if arguments:
        return sorted(items, key=lambda item: _sort_key(item, arguments))
    return sorted(items, key=lambda item: lower(text(item)))


def _nsort(budget: Budget, items: List, arguments: List) -> Value:
    if len(items) < 2:  # noqa: PLR2004 - nothing to sort
        return items
    budget.step(len(items))
    if not arguments:
        return sorted(items, key=lambda item: number(_sort_key(item, [])))
    fields = arguments
    return sorted(items, key=lambda i: [number(_sort_key(i, [field])) for field in fields])


def _unique(budget: Budget, items: List, _arguments: List) -> Value:
    budget.step(len(items) >> 4)
    seen: dict[str, Value] = {}
    for item in items:
        seen.setdefault(text(item), item)
    return list(seen.values())


def _lists_of(arguments: List) -> List:
    """The items of those arguments that are lists, undef left out."""
    lists = [found for found in arguments if isinstance(found, list)]
    return [item for found in lists for item in found if item is not None]


def _import(budget: Budget, items: List, arguments: List) -> Value:
    more = _lists_of(arguments)
    budget.holds(len(items) + len(more))
    items += more
    return items


def _merge(budget: Budget, items: List, arguments: List) -> Value:
    more = _lists_of(arguments)
    budget.holds(len(items) + len(more))
    return [*items, *more]


LIST_METHODS: Mapping[str, ListMethod] = {
    "item": lambda _b, items, a: element(items, whole(argument(a, 0))),
    "list": lambda _b, items, _a: items,
    "hash": _hash,
    "push": _push,
    "pop": lambda _b, items, _a: items.pop() if items else None,
    "unshift": _unshift,
    "shift": lambda _b, items, _a: items.pop(0) if items else None,
    "max": lambda _b, items, _a: len(items) - 1,
    "size": lambda _b, items, _a: len(items),
    "empty": lambda _b, items, _a: int(not items),
    "defined": _defined,
    "first": _first,
    "last": _last,
    "reverse": lambda _b, items, _a: items[::-1],
    "grep": _grep,
    "join": _join,
    "sort": _sort,
    "nsort": _nsort,
    "unique": _unique,
    "import": _import,
    "merge": _merge,
    "slice": _slice,
    "splice": _splice,
}
