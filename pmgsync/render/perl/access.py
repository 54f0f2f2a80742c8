"""What stands behind a dot: keys before methods, methods before nothing; never Python's attributes.

* A hash gives its key, else a hash method; a list a list method, else an item by number; anything
  else its text's method, else a list method of the list with only it.
* Names that start with `_` or `.` give nothing and take nothing.
* What does not exist is undef, without an error, and so is everything behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.hash_methods import HASH_METHODS, is_private
from pmgsync.render.perl.list_methods import LIST_METHODS, element, put
from pmgsync.render.perl.text_methods import TEXT_METHODS
from pmgsync.render.perl.values import (
    Callable_,
    Thing,
    Value,
    is_true,
    looks_like_number,
    text,
    whole,
)

IN_PLACE = ("trim", "collapse")
"""Methods that change the variable itself: so they do in Template Toolkit's own XS code."""

Path = Sequence[Value]
"""Names and their arguments in turn: `("a", None, "b", [1])`. No arguments are None."""


def dot(
    budget: Budget, root: Value, item: Value, arguments: list[Value], *, making: bool = False
) -> Value:
    """`root.item(arguments)`. `making`: for an assignment, so a missing hash is made."""
    if root is None or item is None:
        return None
    name = text(item)
    if is_private(name):
        return None
    if isinstance(root, dict):
        return _in_hash(budget, root, item, name, arguments, making)
    if isinstance(root, list):
        return _in_list(budget, root, item, name, arguments)
    if isinstance(root, Thing):
        found = root.member(name, arguments)
        parts = root.parts() if found is None else None
        return found if parts is None else _in_list(budget, parts, item, name, arguments)
    return None if making else _in_scalar(budget, root, name, arguments)


def _in_hash(
    budget: Budget,
    root: dict[str, Value],
    item: Value,
    name: str,
    arguments: list[Value],
    making: bool,
) -> Value:
    found = root.get(name)
    if found is not None:
        return found.call(arguments) if isinstance(found, Callable_) else found
    if making:
        made: Value = {}
        root[name] = made
        return made
    if method := HASH_METHODS.get(name):
        return _counted(budget, method(budget, root, arguments))
    if isinstance(item, list):
        return [root[key] for key in map(text, item) if key in root]
    if list_method := LIST_METHODS.get(name):
        return list_method(budget, [root], arguments)
    return None


def _in_list(
    budget: Budget, root: list[Value], item: Value, name: str, arguments: list[Value]
) -> Value:
    if method := LIST_METHODS.get(name):
        return _counted(budget, method(budget, root, arguments))
    if looks_like_number(name):
        found = element(root, whole(name))
        return found.call(arguments) if isinstance(found, Callable_) else found
    if isinstance(item, list):
        indexes = [whole(index) for index in item if looks_like_number(index)]
        return [root[index] for index in indexes if -len(root) <= index < len(root)]
    return None


def _in_scalar(budget: Budget, root: Value, name: str, arguments: list[Value]) -> Value:
    if method := TEXT_METHODS.get(name):
        return _counted(budget, method(budget, text(root), arguments))
    if list_method := LIST_METHODS.get(name):
        return list_method(budget, [root], arguments)
    return None


def _counted(budget: Budget, value: Value) -> Value:
    """`value`, which a method gave; it may be new."""
    if isinstance(value, str):
        budget.makes(len(value))
    elif isinstance(value, list | dict):
        budget.makes_items(len(value))
    return value


def assign(
    budget: Budget, root: Value, item: Value, value: Value, *, is_default: bool = False
) -> Value:
    """`root.item = value`; gives the value, or undef if nothing was set."""
    if item is None or is_private(name := text(item)):
        return None
    if isinstance(root, Thing):
        return root.assigned(name, value)
    is_item = isinstance(root, list) and looks_like_number(name)
    if not is_item and not isinstance(root, dict):
        return None
    if is_default and is_true(dot(budget, root, name, [])):
        return None
    if isinstance(root, dict):
        root[name] = value
    elif isinstance(root, list):
        put(budget, root, whole(name), value)
    return value


def read(budget: Budget, root: Value, path: Path) -> Value:
    """The value at the end of `path`, undef if the way breaks off."""
    holder: Value = None
    for at in range(0, len(path), 2):
        name, given = path[at], path[at + 1]
        found = dot(budget, root, name, given if isinstance(given, list) else [])
        if found is None:
            return None
        is_text = isinstance(root, str) and isinstance(found, str)
        if is_text and name in IN_PLACE and not isinstance(holder, Thing):
            assign(budget, holder, path[at - 2], found)
        holder, root = root, found
    return root


def write(
    budget: Budget, root: Value, path: Path, value: Value, *, is_default: bool = False
) -> Value:
    """Set what `path` names, making hashes on the way; gives what `assign` gives."""
    for at in range(0, len(path) - 2, 2):
        given = path[at + 1]
        arguments = given if isinstance(given, list) else []
        root = dot(budget, root, path[at], arguments, making=True)
        if root is None:
            return None
    return assign(budget, root, path[-2], value, is_default=is_default)
