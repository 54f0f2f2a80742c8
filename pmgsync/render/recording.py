"""PURE. Which variables a template reads, found out while it runs.

A `Recorder` hands out the tree of variables and notes every value that is read: by its dotted name
(`pmg.mail.relay`), with the value at that moment. Whoever goes through a whole mapping reads the
mapping. What was rendered from the values that are still the same need not be rendered again.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Final

MISSING: Final = object()
"""What was read where there is nothing."""

Reads = dict[str, Any]
"""Values by dotted name; `MISSING` where there was none."""


class Recorder(dict[str, Any]):
    """A mapping of variables that notes in `reads` what is taken from it. For templates to read."""

    def __init__(self, tree: Mapping[str, Any], reads: Reads, prefix: str) -> None:
        super().__init__(tree)
        self._reads = reads
        self._prefix = prefix
        self._inner: dict[str, Recorder] = {}

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - any variable
        if key in self._inner:
            return self._inner[key]
        value = super().get(key, MISSING)
        if isinstance(value, Mapping):
            inner = Recorder(value, self._reads, f"{self._prefix}{key}.")
            self._inner[key] = inner
            return inner
        self._reads[f"{self._prefix}{key}"] = value
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - any variable
        """As of a `dict`."""
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        there = super().__contains__(key)
        if isinstance(key, str) and (not there or not isinstance(super().get(key), Mapping)):
            self._reads[f"{self._prefix}{key}"] = super().get(key, MISSING)
        return there

    def __iter__(self) -> Iterator[str]:
        self._all()
        return super().__iter__()

    def __len__(self) -> int:
        self._all()
        return super().__len__()

    def keys(self) -> KeysView[str]:  # type: ignore[override] # dict's own view type is private
        """As of a `dict`."""
        self._all()
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override] # as above
        """As of a `dict`."""
        self._all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override] # as above
        """As of a `dict`."""
        self._all()
        return super().items()

    def _all(self) -> None:
        self._reads[self._prefix.removesuffix(".")] = dict(super().items())


def recorded(tree: Mapping[str, Any], reads: Reads) -> dict[str, Any]:
    """`tree`, with a `Recorder` for each realm: what is read in them comes to be in `reads`.

    Which realms there are is not recorded; a template may ask for any.
    """
    return {
        realm: Recorder(value, reads, f"{realm}.") if isinstance(value, Mapping) else value
        for realm, value in tree.items()
    }


def names(reads: Reads) -> tuple[str, ...]:
    """The variables that were read and are there, sorted."""
    return tuple(sorted(name for name, value in reads.items() if value is not MISSING))


def value_at(tree: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any variable
    """The value of a dotted name; `MISSING` where there is none.

    A key with a dot in it is taken for two: PMG has no such variable.
    """
    found: Any = tree
    for key in name.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return MISSING
        found = found[key]
    return found


def still_holds(reads: Reads, tree: Mapping[str, Any]) -> bool:
    """Would a template that read `reads` read the same of `tree`?"""
    return all(_same(value_at(tree, name), value) for name, value in reads.items())


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and one == other)
