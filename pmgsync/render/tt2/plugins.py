"""The plugins that are pure data. Others are refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.faults import Fault
from pmgsync.render.perl.filters import Filters
from pmgsync.render.perl.iterator import Iterator
from pmgsync.render.perl.operators import PerlDie
from pmgsync.render.perl.sprintf import sprintf
from pmgsync.render.perl.values import Callable_, Value, text
from pmgsync.render.plugins.dumper import Dumper, Style, styled
from pmgsync.render.plugins.mathematics import Dice, Mathematics
from pmgsync.render.plugins.string import string
from pmgsync.render.plugins.table import table
from pmgsync.render.plugins.wrap import Wrap


class Formatter(Callable_):
    """`USE f = format('%s')`: `f(x)` formats; without a format it makes formatters."""

    def __init__(self, budget: Budget, form: str | None) -> None:
        self._budget, self._form = budget, form

    def call(self, arguments: list[Value]) -> Value:
        """The arguments in the format."""
        if self._form is None:
            return Formatter(self._budget, text(arguments[0] if arguments else ""))
        return sprintf(self._budget, self._form, arguments or [""])


class Plugins:
    """The plugins of one rendering, and what is the same for all that it makes of one kind."""

    def __init__(self, budget: Budget, filters: Filters) -> None:
        self.budget = budget
        self.filters = filters
        self.dice = Dice()
        self.style = Style()

    def made(self, name: str, arguments: list[Value]) -> Value:
        """The plugin of that name, made with these arguments; a `plugin` error if there is none.

        Most names may be written in any case.
        """
        maker = _MAKERS.get(name) or _MAKERS_IN_ANY_CASE.get(name.lower())
        if maker is None:
            raise Fault("plugin", f"{name}: plugin not found")
        try:
            return maker(self, arguments)
        except PerlDie as error:
            raise Fault("plugin", str(error)) from None


def _format(plugins: Plugins, arguments: list[Value]) -> Value:
    given = arguments[0] if arguments else None
    return Formatter(plugins.budget, None if given is None else text(given))


def _iterator(_plugins: Plugins, arguments: list[Value]) -> Value:
    return Iterator(arguments[0] if arguments else None)


def _dumper(plugins: Plugins, arguments: list[Value]) -> Value:
    options = arguments[0] if arguments else None
    if isinstance(options, dict):
        plugins.style = styled(plugins.style, options)
    return Dumper(plugins.budget, lambda: plugins.style)


def _wrap(plugins: Plugins, _arguments: list[Value]) -> Value:
    made = Wrap(plugins.budget)
    plugins.filters.add("wrap", lambda _budget, arguments: made.filter(arguments))
    return made


Maker = Callable[[Plugins, list[Value]], Value]
_MAKERS: Mapping[str, Maker] = {
    "Math": lambda plugins, _arguments: Mathematics(plugins.dice),
    "String": lambda plugins, arguments: string(plugins.budget, plugins.filters, arguments),
}
_MAKERS_IN_ANY_CASE: Mapping[str, Maker] = {
    "dumper": _dumper,
    "format": _format,
    "iterator": _iterator,
    "table": lambda plugins, arguments: table(plugins.budget, arguments),
    "wrap": _wrap,
}
