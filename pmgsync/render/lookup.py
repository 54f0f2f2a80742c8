"""PURE. Where a template comes from: the admin's override, PMG's own, or ours, in this order.

An override is `/etc/pmg/templates/NAME`, PMG's is `/var/lib/pmg/templates/NAME`. In each place
`NAME.j2` (plain Jinja2) comes before `NAME`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pmgsync.errors import InvalidError, OutOfScopeError
from pmgsync.model.paths import ManagedPath

JINJA: Final = ".j2"
DEMO: Final = ".demo"

Load = Callable[[str], bytes | None]
"""The content of the template of this name in one place; None where it has none."""


class LeftAloneError(InvalidError):
    """Raised by a `Load`: a template is there, but not as a file, so it is not known what it says.
    What would be made of it stays as it is.
    """


class Origin(Enum):
    """The places; the value is their name for people."""

    OVERRIDE = "override"
    PMG = "pmg"
    OURS = "pmgsync"


@dataclass(frozen=True, slots=True)
class Template:
    """One template as it was found: under `name` (with `.j2` if it is one) in `origin`."""

    name: str
    origin: Origin
    source: bytes

    @property
    def is_jinja(self) -> bool:
        """Is it plain Jinja2?"""
        return self.name.endswith(JINJA)


@dataclass(frozen=True, slots=True)
class Lookup:
    """The three places, first to last."""

    override: Load
    pmg: Load
    ours: Load

    def find(self, name: str) -> Template | None:
        """The template that counts for `name`; None if no place has it. What it hides is not looked
        at.
        """
        return next(self._each(name), None)

    def all(self, name: str) -> tuple[Template, ...]:
        """One a place that has it, first to last: each hides those after it."""
        return tuple(self._each(name))

    def _each(self, name: str) -> Iterator[Template]:
        found = (self._in(origin, load, name) for origin, load in self._places())
        return (template for template in found if template is not None)

    def chosen(self, name: str, *, demo: bool) -> str:
        """`name`, or its demo variant if `demo` and whoever packaged `name` has one."""
        if not demo:
            return name
        packaged = next((t for t in self._each(name) if t.origin is not Origin.OVERRIDE), None)
        if packaged is not None:
            load = self.pmg if packaged.origin is Origin.PMG else self.ours
            if load(name + DEMO) is not None:
                return name + DEMO
        return name

    def _places(self) -> tuple[tuple[Origin, Load], ...]:
        return (Origin.OVERRIDE, self.override), (Origin.PMG, self.pmg), (Origin.OURS, self.ours)

    def _in(self, origin: Origin, load: Load, name: str) -> Template | None:
        if not _is_inside(name):
            return None
        for spelled in (name + JINJA, name):
            source = load(spelled)
            if source is not None:
                return Template(spelled, origin, source)
        return None


def _is_inside(name: str) -> bool:
    """Is it a name below the place, and not a way out of it?"""
    try:
        return bool(ManagedPath(name))
    except OutOfScopeError:
        return False
