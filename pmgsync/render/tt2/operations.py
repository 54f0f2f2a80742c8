"""What compiled templates may do: the filters of the Jinja2 environment, the machine first.

The emitter writes `tt|get('x')`; Jinja2 turns that into a plain call of the function here. Nothing
else is reachable: the emitted code has no attributes, no calls and no names but `tt`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from pmgsync.render.perl import access
from pmgsync.render.perl.faults import Fault, LoopExit
from pmgsync.render.perl.hash_methods import HASH_METHODS
from pmgsync.render.perl.iterator import Iterator as Walk
from pmgsync.render.perl.list_methods import LIST_METHODS
from pmgsync.render.perl.operators import (
    PerlDie,
    add,
    compare,
    divide,
    modulo,
    multiply,
    negate,
    span,
    subtract,
    truncate,
)
from pmgsync.render.perl.values import FALSE, Callable_, Thing, Value, is_true, text
from pmgsync.render.tt2.machine import Machine

MOST_WHILE = 1000
"""Template Toolkit's own bound: a WHILE loop that comes to its 1000th test is an error."""


# --- variables ----------------------------------------------------------------------------------


def get(tt: Machine, name: str) -> Value:
    """A plain variable; "" for undef."""
    tt.budget.step()
    value = tt.stash.get(name)
    if type(value) is str:
        return value
    value = tt.root(name, [])
    return "" if value is None else value


def path(tt: Machine, steps: access.Path) -> Value:
    """A name with dots or arguments."""
    return tt.read(steps)


def named(tt: Machine, name: Value) -> Value:
    """`${name}`: a name made at run time, which may have dots of its own."""
    return tt.read(_steps(name))


def _steps(name: Value) -> access.Path:
    if isinstance(name, Fault):  # its text, which is no name
        return [text(name), None]
    if isinstance(name, dict | Thing):
        raise PerlDie("the name of a variable must be a text or a list")
    if isinstance(name, list):  # names and arguments in turn, as the toolkit's own code passes them
        return [*name, *[None] * (len(name) % 2)] or ["", None]
    if isinstance(name, str) and "." in name:
        return [part for step in name.split(".") for part in (step.partition("(")[0], None)]
    return [name, None]


def assign(tt: Machine, steps: access.Path, value: Value, is_default: bool = False) -> Value:
    """`name = value`."""
    return tt.write(steps, value, is_default=is_default)


def assign_named(tt: Machine, name: Value, value: Value, is_default: bool = False) -> Value:
    """`${name} = value`."""
    return tt.write(_steps(name), value, is_default=is_default)


class Later(Callable_):
    """`\\name`: reads the name each time it is used."""

    def __init__(self, tt: Machine, steps: access.Path) -> None:
        self._tt = tt
        self._first = list(steps[:-2])
        self._last, self._given = steps[-2], steps[-1]
        self._root: Value = tt.find(self._first) if self._first else None

    def call(self, arguments: list[Value]) -> Value:
        """The value, with these arguments after those in the name."""
        given = [*(self._given if isinstance(self._given, list) else []), *arguments]
        if not self._first:
            return self._tt.root(text(self._last), given)
        if self._root is None or self._is_list_method():
            return ""
        return access.dot(self._tt.budget, self._root, self._last, given)

    def _is_list_method(self) -> bool:
        """A hash has no methods of lists here: this is the toolkit's Perl code, not its XS."""
        name = text(self._last)
        is_known = name in HASH_METHODS or name not in LIST_METHODS
        return isinstance(self._root, dict) and self._root.get(name) is None and not is_known


def pairs(keys_and_values: list[Value]) -> Value:
    """A hash from its keys and values in turn."""
    keys = map(text, keys_and_values[::2])
    return dict(zip(keys, keys_and_values[1::2], strict=True))


def items(tt: Machine, first: Value, last: Value) -> Value:
    """`[first..last]`."""
    found: list[Value] = []
    for value in span(first, last):
        found.append(value)
        if len(found) % 1024 == 0:
            tt.budget.holds(len(found))
    return found


# --- expressions --------------------------------------------------------------------------------


def join(tt: Machine, pieces: list[Value]) -> str:
    """Texts one after the other."""
    joined = "".join(map(text, pieces))
    tt.budget.fits(len(joined))
    return joined


def counted(tt: Machine, items: list[Value]) -> list[Value]:
    """A list that stands in the template, each time it is made."""
    tt.budget.makes_items(len(items))
    return items


def keep(tt: Machine, value: Value) -> Value:
    """Put a value aside for `kept`."""
    tt.kept.append(value)
    return value


def keep_if(tt: Machine, value: Value, wanted: bool) -> bool:
    """Whether `value` is true; puts it aside if that is what is `wanted`."""
    found = is_true(value)
    if found is wanted:
        tt.kept.append(value)
    return found


def kept(tt: Machine) -> Value:
    """The value put aside last, which is then gone."""
    return tt.kept.pop()


def drop(tt: Machine) -> Value:
    """What a chain of comparisons gives when it breaks off; forgets the operand put aside."""
    tt.kept.pop()
    return FALSE


def matches(tt: Machine, value: Value, case: Value) -> bool:
    """Whether a CASE takes the value of a SWITCH: a text, or a list of texts."""
    tt.budget.step()
    wanted = text(value)
    choices = case if isinstance(case, list) else [case]
    return any(text(choice) in (wanted, wanted + "\n") for choice in choices)


# --- loops --------------------------------------------------------------------------------------


def foreach(tt: Machine, name: str, values: Value) -> Iterator[None]:
    """Walks over `values` with the variable `name`; `loop` is the walk, then what it was."""
    walk = values if isinstance(values, Walk) else Walk(values)
    outer = tt.read(("loop", None))
    tt.stash["loop"] = walk
    try:
        for value in walk.walk():
            tt.budget.step()
            tt.stash[name] = value
            yield None
    finally:
        tt.stash["loop"] = outer


def foreach_importing(tt: Machine, values: Value) -> Iterator[None]:
    """Walks over `values`, whose hashes become variables until the loop ends."""
    walk = values if isinstance(values, Walk) else Walk(values)
    with tt.localised({}):
        tt.stash["loop"] = walk
        for value in walk.walk():
            tt.budget.step()
            if isinstance(value, dict):
                tt.stash.update(value)
            yield None


def failsafe(tt: Machine) -> Iterator[None]:
    """The rounds that a WHILE loop has."""
    for _ in range(MOST_WHILE - 1):
        tt.budget.step()
        yield None
    raise PerlDie(f"WHILE loop terminated (> {MOST_WHILE} iterations)\n")


def leave(_tt: Machine, label: int, is_next: bool) -> None:
    """LAST or NEXT of a loop (0: of the nearest block) from inside a captured body."""
    raise LoopExit(label, is_next)


@pass_context
def round_ends_loop(context: Context, tt: Machine, block: str, label: int) -> bool:
    """One round of a loop whose body is a block; whether LAST ended it."""
    try:
        tt.fill(context, block)
    except LoopExit as leaving:
        if leaving.label not in (0, label):
            raise
        return not leaving.is_next
    return False


# --- bodies -------------------------------------------------------------------------------------


@pass_context
def inline(context: Context, tt: Machine, block: str) -> str:
    """A body that LAST may leave, as part of the one around it."""
    try:
        tt.fill(context, block)
    except LoopExit as leaving:
        if leaving.label:
            raise
    return ""


@pass_context
def capture(context: Context, tt: Machine, steps: access.Path, block: str) -> None:
    """`name = BLOCK ... END`."""
    is_plain = len(steps) == 2 and steps[1] is None  # noqa: PLR2004 - a name and no arguments
    target = _steps(steps[0]) if is_plain else steps
    tt.write(target, tt.captured(context, block))


@pass_context
def anonymous(context: Context, tt: Machine, block: str) -> str:
    """`BLOCK ... END`."""
    return tt.whole_body(context, block)


def insert(tt: Machine, names: list[Value]) -> str:
    return "".join([tt.insert(text(name)) for name in names])


def include(tt: Machine, names: list[Value], variables: dict[str, Value]) -> str:
    return tt.process(names, variables, is_local=True)


def process(tt: Machine, names: list[Value], variables: dict[str, Value]) -> str:
    return tt.process(names, variables)


@pass_context
def wrapper(
    context: Context, tt: Machine, names: list[Value], variables: dict[str, Value], block: str
) -> str:
    """The body, wrapped in the templates, the last name innermost."""
    output = tt.captured(context, block)
    for name in reversed(names):
        output = tt.process([name], {**variables, "content": output}, is_local=True)
    return output


@pass_context
def filtered(
    context: Context,
    tt: Machine,
    name: Value,
    arguments: list[Value] | None,
    alias: Value,
    block: str,
) -> str:
    """FILTER and `|`."""
    function = tt.filters.find(name, arguments, alias)
    return function(tt.captured(context, block))


@pass_context
def attempt(
    context: Context,
    tt: Machine,
    body: str,
    handlers: tuple[tuple[str, str], ...],
    default: str,
    final: str,
) -> str:
    """TRY: the body; on an error the handler that fits it best, then FINAL."""
    with tt.buffer() as buffer:
        fault = _attempted(context, tt, body, buffer)
        if fault is not None:
            tt.stash["error"] = tt.stash["e"] = fault
            kind = fault.handler_among([kind for kind, _ in handlers])
            handler = dict(reversed(handlers))[kind] if kind is not None else default
            if handler:
                tt.fill(context, handler)
                fault = None
        if final:
            tt.fill(context, final)
        if fault is not None:
            raise fault
        return "".join(buffer)


def _attempted(context: Context, tt: Machine, body: str, buffer: list[str]) -> Fault | None:
    depth = tt.budget.depth
    try:
        tt.fill(context, body)
    except (Fault, PerlDie) as error:
        tt.budget.depth = depth
        fault = tt.fault_of(error)
        fault.take_into(buffer)
        if fault.is_signal:
            raise fault from None
        return fault
    return None


class MacroCode(Callable_):
    """A MACRO: its body, run with its arguments as variables of its own."""

    def __init__(
        self, tt: Machine, context: Context, names: tuple[str, ...] | None, block: str
    ) -> None:
        self._tt, self._context, self._names, self._block = tt, context, names, block

    def call(self, arguments: list[Value]) -> Value:
        """The output of the body."""
        names = self._names or ()
        given: list[Value] = [*arguments[: len(names)], *[None] * (len(names) - len(arguments))]
        variables = dict(zip(names, given, strict=True))
        rest = arguments[len(names) :]
        if rest and isinstance(rest[0], dict):
            variables.update(rest[0])
        self._tt.budget.enter()
        try:
            with self._tt.localised(variables):
                return self._tt.captured(self._context, self._block)
        finally:
            self._tt.budget.leave()


@pass_context
def macro(
    context: Context, tt: Machine, name: str, names: tuple[str, ...] | None, block: str
) -> None:
    """`MACRO name(...) ...`."""
    tt.write((name, None), MacroCode(tt, context, names, block))


# --- the rest -----------------------------------------------------------------------------------


def use(tt: Machine, target: Value, name: Value, arguments: list[Value] | None) -> None:
    """`USE target = name(arguments)`."""
    tt.write(_steps(target), tt.plugins.made(text(name), arguments or []))


def throw(tt: Machine, kind: Value, info: Value) -> None:
    """THROW, and RETURN and STOP, which are errors of their own type."""
    if isinstance(kind, Fault):
        raise kind
    if info is None:
        raise Fault("undef", text(kind), tt.buffers[-1])
    raise Fault(text(kind), info, tt.buffers[-1])


def clear(tt: Machine) -> None:
    """CLEAR: what the innermost body has shown is gone."""
    tt.buffers[-1].clear()


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": add,
    "anonymous": anonymous,
    "assign": assign,
    "assign_named": assign_named,
    "attempt": attempt,
    "capture": capture,
    "counted": counted,
    "clear": clear,
    "compare": compare,
    "divide": divide,
    "drop": drop,
    "failsafe": failsafe,
    "filtered": filtered,
    "foreach": foreach,
    "foreach_importing": foreach_importing,
    "get": get,
    "include": include,
    "inline": inline,
    "insert": insert,
    "is_true": is_true,
    "items": items,
    "join": join,
    "keep": keep,
    "keep_if": keep_if,
    "kept": kept,
    "later": Later,
    "leave": leave,
    "macro": macro,
    "matches": matches,
    "modulo": modulo,
    "multiply": multiply,
    "named": named,
    "negate": negate,
    "pairs": pairs,
    "path": path,
    "process": process,
    "round_ends_loop": round_ends_loop,
    "subtract": subtract,
    "throw": throw,
    "truncate": truncate,
    "use": use,
    "wrapper": wrapper,
}
