"""What the rendering of service files is built of, for the daemon and for the commands alike."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pmgsync import render
from pmgsync.agent.maps import MapBuilder
from pmgsync.errors import PmgsyncError
from pmgsync.host.clock import SystemClock
from pmgsync.host.facts import gather_facts, resolve
from pmgsync.host.process import SystemRunner
from pmgsync.model.scope import CLUSTER_CONF, SPAMASSASSIN
from pmgsync.render.errors import TemplateError
from pmgsync.render.targets import PACKAGED, Places, Reaction, folders

if TYPE_CHECKING:
    from collections.abc import Callable

    from pmgsync.agent.in_the_way import Tree
    from pmgsync.agent.reactions import Teller
    from pmgsync.agent.service_checks import ServiceChecks
    from pmgsync.agent.service_files import Contents, ServiceFiles
    from pmgsync.cli.settings import Settings
    from pmgsync.model.facts import HostFacts
    from pmgsync.model.steady_facts import SteadyFacts
    from pmgsync.render.compile import Templates
    from pmgsync.render.lookup import Lookup, Template
    from pmgsync.render.plan import Run
    from pmgsync.render.targets import Variables

log = logging.getLogger(__name__)

OURS = Path(render.__file__).parent / "templates"
TREE_LOCK = "run/pmgsync/tree.lock"
SYSTEMD = Path("/run/systemd/system")
"""Exists where systemd is the service manager (sd_booted(3))."""
_DEBIANS_SPAMASSASSIN = "etc/spamassassin"
# Without a name of its own, Postfix asks the resolver for one, which can take seconds.
_LEAST_MAIN_CF = "myhostname = localhost.localdomain\n"


def service_files(
    root: Path, tree: Tree, facts: Callable[[Contents], HostFacts] | None = None
) -> ServiceFiles:
    """The service files of the node at `root`. A command gives the `facts` and gets all of them;
    for the daemon (None) they are those of this machine, and of files those that have a folder.
    """
    # Only here, and others below: a daemon that renders nothing does not load them, and
    # `pmgsync sync --dry-run` must start fast.
    from pmgsync.agent.service_files import ServiceFiles
    from pmgsync.render.plan import Renderer

    return ServiceFiles(
        tree=tree,
        ours=our_template,
        facts=facts or CurrentFacts(root),
        certificate=_make_certificate,
        spamassassin=spamassassin_folder(root),
        renderer=Renderer(template_runner()),
        makes_folders=facts is not None,
    )


@cache
def our_template(name: str) -> bytes | None:
    """The template of this name that ships with pmgsync."""
    try:
        return (OURS / name).read_bytes()
    except OSError:
        return None


class CurrentFacts:
    """What the machine at `root` is now; see `SteadyFacts`. Its address is the one that
    `cluster.conf` gives it, if any, and that counts at once.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._clock = SystemClock()
        self._steady: SteadyFacts | None = None

    def __call__(self, contents: Contents) -> HostFacts:
        """The facts, given the synced files."""
        from pmgsync.pmgconf.cluster_conf import parse_cluster_conf

        facts = self._own()
        conf = parse_cluster_conf(contents(CLUSTER_CONF) or b"")
        named = (node.ip for node in (conf.nodes if conf else ()) if node.name == facts.hostname)
        return replace(facts, address=next(named, None) or facts.address)

    def _own(self) -> HostFacts:
        from pmgsync.model.steady_facts import SteadyFacts, difference

        found = gather_facts(self._root)
        found = replace(found, address=resolve(found.hostname))
        before = self._steady or SteadyFacts(found)
        self._steady = before.seen(found, self._clock.monotonic())
        if self._steady.facts != before.facts:
            changed = difference(before.facts, self._steady.facts)
            log.warning("this machine is another one now: %s", changed)
        return self._steady.facts


def spamassassin_folder(root: Path) -> str:
    """Where SpamAssassin's files really lie: Debian's package makes the usual place a link."""
    usual = root / SPAMASSASSIN
    if usual.is_symlink() and usual.resolve() == (root / _DEBIANS_SPAMASSASSIN).resolve():
        return _DEBIANS_SPAMASSASSIN
    return SPAMASSASSIN


def service_folders(root: Path, facts: HostFacts | None = None) -> tuple[str, ...]:
    """The folders that service files of the node at `root` lie in."""
    version = (facts or gather_facts(root)).postgres_version
    return folders(Places(version, spamassassin_folder(root)))


def service_checks(root: Path) -> ServiceChecks:
    """The checks of service files on this machine, in a folder below `root`."""
    from pmgsync.agent.service_checks import ServiceChecks
    from pmgsync.host.scratch import laid_out

    return ServiceChecks(SystemRunner(), partial(laid_out, root))


def teller(root: Path, settings: Settings) -> Teller:
    """Tells the services of the node at `root`."""
    from pmgsync.agent.reactions import Teller

    return Teller(
        SystemRunner(),
        {reaction: getattr(settings.services, reaction.value) for reaction in Reaction},
        has_systemd=SYSTEMD.is_dir(),
        is_own_machine=root.resolve() == Path("/"),
    )


def map_builder(root: Path) -> MapBuilder:
    """Postfix's own configuration where it has one below `root`, else the least that `postmap`
    wants.
    """
    folder = root / "etc/postfix"
    if not (folder / "main.cf").exists():
        folder = root / "run/pmgsync/postfix"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "main.cf").write_text(_LEAST_MAIN_CF, "ascii")
        # Postfix waits up to two seconds before it reads a file that was written just now.
        os.utime(folder / "main.cf", (0, 0))
    return MapBuilder(SystemRunner(), str(root), str(folder))


def renders(root: Path, settings: Settings) -> bool:
    """Does the daemon at `root` write service files? `auto`: where PMG is installed.

    A mail server that somebody set up without PMG is never taken over unasked.
    """
    if settings.render.mode != "auto":
        return settings.render.mode == "on"
    return (root / PACKAGED).is_dir()


def template_runner() -> Run:
    """Templates are compiled once for as long as their content stays the same.

    The compiler and Jinja2 take 5 MB: a daemon that renders nothing does not load them.
    """
    clock = SystemClock()

    @cache
    def templates() -> Templates:
        from pmgsync.render.compile import Templates

        return Templates()

    def run(template: Template, lookup: Lookup, variables: Variables) -> bytes:
        def load(name: str) -> bytes | None:
            found = template if name == template.name else lookup.find(name)
            return found.source if found else None

        try:
            if template.is_jinja:
                from pmgsync.render.jinja import render_jinja

                return render_jinja(template.name, variables, load, clock.monotonic)
            return templates().render(template.name, variables, load, clock.monotonic)
        except PmgsyncError:
            raise
        except Exception as error:  # daemon edge: a template ends no daemon
            what = f"cannot be rendered: {type(error).__name__}: {error}"
            raise TemplateError(what[:500], name=template.name) from error

    return run


def _make_certificate(domain: str) -> bytes:
    from pmgsync.cli.tls_file import make_tls_file

    return make_tls_file(domain, SystemClock().now())
