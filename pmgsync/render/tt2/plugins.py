"""The plugins that are pure data: Format, Iterator and Math. Others are refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import atan2, cos, exp, log, sin, sqrt

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.faults import Fault
from pmgsync.render.perl.iterator import Iterator
from pmgsync.render.perl.operators import PerlDie, truncate
from pmgsync.render.perl.sprintf import sprintf
from pmgsync.render.perl.values import Callable_, Thing, Value, number, text

PluginMaker = Callable[[Budget, list[Value]], Value]


class Formatter(Callable_):
    """`USE f = format('%s')`: `f(x)` formats; without a format it makes formatters."""

    def __init__(self, budget: Budget, form: str | None) -> None:
        self._budget, self._form = budget, form

    def call(self, arguments: list[Value]) -> Value:
        """The arguments in the format."""
        if self._form is None:
            return Formatter(self._budget, text(arguments[0] if arguments else ""))
        return sprintf(self._budget, self._form, arguments or [""])


class Mathematics(Thing):
    """`USE Math`: functions of numbers. `rand` and `srand` are left out: a template repeats."""

    def member(self, name: str, arguments: list[Value]) -> Value:
        """The function's value."""
        first = number(arguments[0] if arguments else None)
        if name == "abs":
            return abs(first)
        if name == "int":
            return truncate(first)
        if name == "atan2":
            return atan2(first, number(arguments[1] if len(arguments) > 1 else None))
        if name not in _FUNCTIONS:
            raise Fault("undef", f"Math.{name} is not supported")
        try:
            return _FUNCTIONS[name](float(first))
        except (ValueError, OverflowError):
            raise PerlDie(f"Can't take {name} of {text(first)}") from None


_FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "cos": cos,
    "exp": exp,
    "log": log,
    "sin": sin,
    "sqrt": sqrt,
}


def _format(budget: Budget, arguments: list[Value]) -> Value:
    given = arguments[0] if arguments else None
    return Formatter(budget, None if given is None else text(given))


def _iterator(_budget: Budget, arguments: list[Value]) -> Value:
    return Iterator(arguments[0] if arguments else None)


PLUGINS: Mapping[str, PluginMaker] = {
    "Format": _format,
    "format": _format,
    "Iterator": _iterator,
    "iterator": _iterator,
    "Math": lambda _budget, _arguments: Mathematics(),
}


def plugin(budget: Budget, name: str, arguments: list[Value]) -> Value:
    """The plugin of that name, made with these arguments; a `plugin` error if there is none."""
    maker = PLUGINS.get(name)
    if maker is None:
        raise Fault("plugin", f"{name}: plugin not found")
    return maker(budget, arguments)
