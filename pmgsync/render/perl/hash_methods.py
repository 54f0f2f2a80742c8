"""The methods of hashes: `x.keys`, `x.item('a-b')`. A key of that name hides the method.

Perl gives `keys`, `values` and `each` in an order that changes from run to run; here it is the
order in which the keys were set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.iterator import pairs
from pmgsync.render.perl.text_methods import argument, lower
from pmgsync.render.perl.values import Value, number, text

Hash = dict[str, Value]
HashMethod = Callable[[Budget, Hash, list[Value]], Value]


def is_private(name: str) -> bool:
    """Names that start with `_` or `.` exist for no template."""
    return name[:1] in ("_", ".") and name != ""


def _item(_budget: Budget, found: Hash, arguments: list[Value]) -> Value:
    name = text(argument(arguments, 0))
    return found.get(name)


def _each(_budget: Budget, found: Hash, _arguments: list[Value]) -> Value:
    return [part for pair in found.items() for part in pair]


def _list(budget: Budget, found: Hash, arguments: list[Value]) -> Value:
    what = text(argument(arguments, 0))
    if what in ("keys", "values", "each"):
        return HASH_METHODS[what](budget, found, [])
    return pairs(found)


def _defined(_budget: Budget, found: Hash, arguments: list[Value]) -> Value:
    if not arguments:
        return 1
    return 1 if found.get(text(arguments[0])) is not None else ""


def _delete(_budget: Budget, found: Hash, arguments: list[Value]) -> Value:
    for argument_ in arguments:
        found.pop(text(argument_), None)
    return ""


def _import(_budget: Budget, found: Hash, arguments: list[Value]) -> Value:
    more = argument(arguments, 0)
    if isinstance(more, dict):
        found.update(more)
    return ""


def _sort(_budget: Budget, found: Hash, _arguments: list[Value]) -> Value:
    return [*sorted(found, key=lambda key: lower(text(found[key])))]


def _nsort(_budget: Budget, found: Hash, _arguments: list[Value]) -> Value:
    return [*sorted(found, key=lambda key: number(found[key]))]


HASH_METHODS: Mapping[str, HashMethod] = {
    "item": _item,
    "hash": lambda _b, found, _a: found,
    "size": lambda _b, found, _a: len(found),
    "empty": lambda _b, found, _a: int(not found),
    "each": _each,
    "keys": lambda _b, found, _a: list(found),
    "values": lambda _b, found, _a: list(found.values()),
    "items": _each,
    "pairs": lambda _b, found, _a: pairs(found),
    "list": _list,
    "exists": lambda _b, found, a: 1 if text(argument(a, 0)) in found else "",
    "defined": _defined,
    "delete": _delete,
    "import": _import,
    "sort": _sort,
    "nsort": _nsort,
}
