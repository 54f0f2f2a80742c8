"""`pmgsync sync`: every service file of this node as it should be now, from what lies here.

It needs no cluster and no daemon. A look writes nothing and loads nothing that writes. Services
whose files changed are remembered before these are written, until a run with `--restart` told them:
a run without it, a crash and a service that could not be told lose nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmgsync.agent.beside import map_of
from pmgsync.agent.maps import POSTMAP, is_older
from pmgsync.agent.reactions import Told, owe, owed
from pmgsync.cli.command import Command, Place, print_json
from pmgsync.cli.dump_command import say_warnings
from pmgsync.cli.facts_file import add_facts_option, node_facts
from pmgsync.cli.rendering import service_files, service_folders
from pmgsync.cli.sync_format import SyncReport, by_hand, sync_text
from pmgsync.errors import CheckFailedError, ExitCode, HostError
from pmgsync.host.disk import DiskTree
from pmgsync.host.process import SystemRunner
from pmgsync.model.paths import printable
from pmgsync.model.scope import CLUSTER_CONF, STATE_FOLDER
from pmgsync.ports import FileKind
from pmgsync.render.plan import in_order, reactions
from pmgsync.render.targets import MAPPED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pmgsync.agent.reactions import Answer
    from pmgsync.agent.service_files import Outlook, ServiceFiles

OWED = f"{STATE_FOLDER}/owed-by-sync"
_MOST_WARNINGS = 20
_CHAIN = f"{STATE_FOLDER}/chain.json"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--restart",
        nargs="?",
        const="1",
        default="0",
        choices=("0", "1"),
        help="reload or restart the services whose files changed; `--restart 1` as PMG has it",
    )
    parser.add_argument("--dry-run", action="store_true", help="write nothing, only say what")
    parser.add_argument("--diff", action="store_true", help="show how lines change; secrets masked")
    parser.add_argument("--json", action="store_true", help="for scripts: every file, exact")
    add_facts_option(parser)


def _sync(options: argparse.Namespace, place: Place) -> int:
    facts = node_facts(place.root, options.facts)
    tree = DiskTree(place.root, service_folders(place.root, facts))
    files = service_files(place.root, tree, lambda _contents: facts)
    outlook = files.look(files.lies_at, alone=_is_alone(files, facts.hostname))
    _warn(outlook.warned)
    report = SyncReport(
        outlook=outlook,
        maps=_stale_maps(tree, outlook),
        wanted=in_order((*owed(tree, OWED), *reactions(outlook.changes))),
        dry=options.dry_run,
    )
    if not options.dry_run:
        try:
            report = _carry_out(place, tree, files, report, restarts=options.restart == "1")
        except CheckFailedError:
            raise
        except HostError as error:
            raise HostError(error.what, where=error.where, mend=by_hand(error.mend)) from None
    if options.json:
        print_json(report.to_json(diff=options.diff))
    else:
        print(sync_text(report, diff=options.diff))
    failed = next((answer for answer in report.answers if answer.told is Told.FAILED), None)
    if failed is not None:
        mend = "the files are in place; see to the service, then run `pmgsync sync --restart` again"
        raise HostError(str(failed), mend=mend)
    if outlook.left:
        raise HostError(outlook.left[0], mend="all other files are as they should be")
    return ExitCode.FINE


def _carry_out(
    place: Place, tree: DiskTree, files: ServiceFiles, report: SyncReport, *, restarts: bool
) -> SyncReport:
    """Write what `report` found, and tell the services if asked to."""
    from pmgsync.cli.rendering import teller
    from pmgsync.cli.settings import load_settings
    from pmgsync.cli.sync_writing import checked, write

    telling = teller(place.root, load_settings(place.root))
    warned = checked(place.root, report.outlook)
    if report.wanted != owed(tree, OWED):
        owe(tree, report.wanted, OWED)
    notes = (*warned, *write(place.root, tree, files, report.outlook, report.maps))
    answers: tuple[Answer, ...] = ()
    if restarts and report.wanted:
        answers = telling.tell(report.wanted)
        owe(tree, [one.reaction for one in answers if one.told is Told.FAILED], OWED)
    return report._replace(notes=notes, answers=answers)


def _warn(lines: Sequence[str]) -> None:
    """PMG's own words, on stderr; `pmgsync check` has all of them."""
    more = len(lines) - _MOST_WARNINGS
    rest = [f"and {more} more; see `pmgsync check`"] if more > 0 else []
    say_warnings([*map(printable, lines[:_MOST_WARNINGS]), *rest])


def _is_alone(files: ServiceFiles, hostname: str) -> bool:
    """Is this node its own master, so that missing synced files may be made here?"""
    if files.lies_at(_CHAIN) is None:
        return True
    from pmgsync.pmgconf.cluster_conf import parse_cluster_conf

    conf = parse_cluster_conf(files.lies_at(CLUSTER_CONF) or b"")
    return conf is not None and conf.master_node.name == hostname


def _stale_maps(tree: DiskTree, outlook: Outlook) -> tuple[str, ...]:
    """The files whose map is missing or older than they are, as PMG rebuilds them."""
    if not SystemRunner().available(POSTMAP):
        return ()
    made = {change.path for change in outlook.changes}
    return tuple(path for path in MAPPED if path in made or _is_stale(tree, path))


def _is_stale(tree: DiskTree, path: str) -> bool:
    source, built = tree.stat(path), tree.stat(map_of(path))
    if source is None:
        return built is None
    return source.kind is FileKind.FILE and is_older(built, source)


SYNC = Command(
    about="Write every service file of this node as it should be now: Postfix, SpamAssassin, "
    "Razor, ClamAV, freshclam, PostgreSQL and what the filter reads, rendered from the templates "
    "with the variables that `pmgsync dump` prints. A file that would not change is not touched. "
    "An error in a template leaves every file as it is.",
    examples=(
        ("pmgsync sync --dry-run --diff", "what would change, line by line"),
        ("pmgsync sync --restart", "write it, and reload only what changed"),
        ("pmgsync sync --restart 1", "the same, as pmgconfig has it"),
        ("pmgsync sync --root DIR --facts mail2.json", "another node's files, below DIR"),
        ("pmgsync sync --json | jq '.files[].digest'", ""),
    ),
    run=_sync,
    configure=_configure,
    codes=(ExitCode.REJECTED,),
    more="Which command tells a service of a change is set in [services] of pmgsync.toml; with a "
    "--root other than / only those set there are run. What PMG warns of in its files, lines that "
    "it drops, is said on stderr. On a node whose daemon makes service files the "
    "daemon does all this by itself.",
)
