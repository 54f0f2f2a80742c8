"""Sources and facts of an example node, and what is rendered from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pmgsync.cli.rendering import our_template, template_runner
from pmgsync.model.facts import HostFacts
from pmgsync.render.inputs import inputs_of
from pmgsync.render.lookup import Lookup
from pmgsync.render.plan import Change, Current, Rendered, Renderer, changes
from pmgsync.render.targets import OVERRIDES, Inputs, Places

FACTS = HostFacts(
    hostname="mail1",
    address="192.0.2.1",
    search_domain="example.com",
    memory_mib=4096,
    postgres_version="15",
)
CONF = "etc/pmg/pmg.conf"


def conf(**sections: Mapping[str, object]) -> bytes:
    """A `pmg.conf` with these options by section."""
    lines = []
    for section, options in sections.items():
        lines += [f"section: {section}", *(f"\t{k} {v}" for k, v in options.items()), ""]
    return "\n".join(lines).encode()


@dataclass
class Gateway:
    """One node: its synced files, PMG's templates, what lies at its targets."""

    synced: dict[str, bytes] = field(default_factory=dict)
    pmg: dict[str, bytes] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    wrong_modes: set[str] = field(default_factory=set)
    facts: HostFacts = FACTS
    places: Places = field(default_factory=lambda: Places("15"))
    renderer: Renderer = field(default_factory=lambda: Renderer(template_runner()))

    def override(self, name: str, source: bytes | str) -> None:
        self.synced[f"{OVERRIDES}/{name}"] = (
            source if isinstance(source, bytes) else source.encode()
        )

    @property
    def inputs(self) -> Inputs:
        return inputs_of(self.synced.get, self.facts)

    @property
    def lookup(self) -> Lookup:
        return Lookup(
            lambda name: self.synced.get(f"{OVERRIDES}/{name}"), self.pmg.get, our_template
        )

    def render(self) -> dict[str, Rendered]:
        """Every file, by path."""
        files = self.renderer.render(self.lookup, self.inputs, self.places)
        return {file.path: file for file in files}

    def data(self, path: str) -> bytes:
        return self.render()[path].data

    def changes(self, *, alone: bool = False) -> dict[str, Change]:
        """What has to be done, by path."""
        variables = self.inputs.variables
        files = self.render().values()
        lies, fits = self.lies, self.wrong_modes.isdisjoint
        current = Current(
            lies.get, lies.__contains__, lies.__contains__, lambda path, *_: fits({path})
        )
        found = changes(files, variables, self.places, current, alone=alone)
        return {change.path: change for change in found}

    def carry_out(self, *, alone: bool = False) -> None:
        """Do all of it."""
        for path, change in self.changes(alone=alone).items():
            if change.new is None:
                del self.lies[path]
            else:
                self.lies[path] = change.new
