"""The services of a node on doubles: real templates, real rendering, commands that are noted."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pmgsync.agent.reactions import Teller
from pmgsync.agent.service_checks import ServiceChecks
from pmgsync.agent.service_files import ServiceFiles
from pmgsync.agent.services import Services
from pmgsync.cli.rendering import our_template, template_runner
from pmgsync.model.scope import SPAMASSASSIN
from pmgsync.render.plan import Renderer
from pmgsync.render.targets import Reaction
from tests.sim.host import FakeCommands, MemoryTree
from tests.unit.render.nodes import FACTS


def files_of(tree: MemoryTree) -> ServiceFiles:
    return ServiceFiles(
        tree=tree,
        ours=our_template,
        facts=lambda _contents: FACTS,
        certificate=lambda domain: f"key and certificate of {domain}".encode(),
        spamassassin=SPAMASSASSIN,
        renderer=Renderer(template_runner()),
    )


def services_of(tree: MemoryTree, commands: FakeCommands | None = None) -> Services:
    """Those of a node with this tree; the command of a reaction is its name."""
    commands = commands or FakeCommands()
    settings = {reaction: (reaction.value,) for reaction in Reaction}
    teller = Teller(commands, settings, has_systemd=False, is_own_machine=False)
    return Services(files_of(tree), ServiceChecks(commands, Table().lay_out), teller, tree)


class Table:
    """Where files are laid out for a check. `seen`: all that ever lay there, by name; `beside`: the
    folders whose other files lay with them.
    """

    def __init__(self) -> None:
        self.seen: list[dict[str, bytes]] = []
        self.beside: list[str] = []

    @contextmanager
    def lay_out(self, files: Mapping[str, bytes], beside: str = "") -> Iterator[str]:
        self.seen.append(dict(files))
        self.beside.append(beside)
        yield "/on/the/table"
