"""The plugins that are pure data. Others would read files, run programs or reach the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.faults import Fault
from pmgsync.render.perl.iterator import Iterator
from pmgsync.render.perl.values import Value

PluginMaker = Callable[[Budget, list[Value]], Value]

PLUGINS: Mapping[str, PluginMaker] = {
    "iterator": lambda _budget, arguments: Iterator(arguments[0] if arguments else None),
}


def plugin(budget: Budget, name: str, arguments: list[Value]) -> Value:
    """The plugin of that name, made with these arguments; a `plugin` error if there is none."""
    maker = PLUGINS.get(name) or PLUGINS.get(name.lower())
    if maker is None:
        raise Fault("plugin", f"{name}: plugin not found")
    return maker(budget, arguments)
