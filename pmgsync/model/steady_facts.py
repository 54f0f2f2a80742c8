"""PURE. What a machine is, unmoved by what passes: a name service that does not answer for a
moment, an interface that is down for one.

The facts go into service files, so each change of theirs reloads a mail server. Two rules. A fact
that cannot be told at a look stays what it was (`kept`). A change counts once two looks, at least
`STEADY_S` apart, saw the same value, and none between them another one (`SteadyFacts`); each fact
for itself, so that a table of routes that never rests holds up nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from pmgsync.model.facts import HostFacts

STEADY_S = 30.0


def kept(before: HostFacts, now: HostFacts) -> HostFacts:
    """`now`, with what it could not tell as it was `before`. (A machine that is asked at a bad time
    has no address, no resolver, no routes; PostgreSQL may really have gone.)
    """
    return replace(
        now,
        address=now.address or before.address,
        search_domain=now.search_domain or before.search_domain,
        nameservers=now.nameservers or before.nameservers,
        routes=now.routes or before.routes,
        memory_mib=now.memory_mib or before.memory_mib,
    )


@dataclass(frozen=True, slots=True)
class SteadyFacts:
    """The facts that count. `changed`: by name the other values that were seen since, and from when
    on.
    """

    facts: HostFacts
    changed: Mapping[str, tuple[object, float]] = field(default_factory=dict)

    def seen(self, now: HostFacts, at: float) -> SteadyFacts:
        """After a look that saw `now`, at `at` seconds of a clock that never goes back."""
        now = kept(self.facts, now)
        taken: dict[str, object] = {}
        waiting: dict[str, tuple[object, float]] = {}
        for name in (row.name for row in fields(HostFacts)):
            value = getattr(now, name)
            if value == getattr(self.facts, name):
                continue
            known, since = self.changed.get(name, (None, at))
            if known == value and at - since >= STEADY_S:
                taken[name] = value
            else:
                waiting[name] = (value, since if known == value else at)
        facts = replace(self.facts, **taken)  # type: ignore[arg-type] # values of its own fields
        return SteadyFacts(facts, waiting)


def difference(before: HostFacts, now: HostFacts) -> str:
    """The names and values of what is different, for a log line."""
    old, new = before.to_json(), now.to_json()
    return ", ".join(f"{name} {old[name]} -> {new[name]}" for name in old if old[name] != new[name])
