"""PURE. From the synced files and the machine's facts to what service files are made from."""

from __future__ import annotations

from collections.abc import Callable

from pmgsync.model.facts import HostFacts
from pmgsync.pmgconf.variables import Sources, variables, warnings
from pmgsync.render.adopting import adopted
from pmgsync.render.targets import Inputs


def inputs_of(contents: Callable[[str], bytes | None], facts: HostFacts) -> Inputs:
    """The variables of every template, and the options that pmg.conf itself sets.

    `contents` has the synced files by path; one that is missing is an empty one.
    """

    def read(path: str) -> bytes:
        return contents(path) or b""

    sources = Sources.read(read)
    values = sources.pmg.values(facts.memory_mib)
    given = {
        section: {
            name: value
            for name, value in options.items()
            if sources.pmg.text(section, name) is not None
        }
        for section, options in values.items()
    }
    tree = {realm: adopted(values) for realm, values in variables(sources, facts).items()}
    return Inputs(tree, given, tuple(warnings(sources, facts)))
