"""`pmgsync orphans`: versions that a master published alone, and another one went on without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmgsync.cli.answers import Release, ShownFile, each
from pmgsync.cli.command import Command, Place, print_json
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.editing import edit_synced_file, remove_synced_file, require_authored_here
from pmgsync.cli.history_commands import whole_number
from pmgsync.cli.orphan_answers import OrphanLine, ShownOrphan
from pmgsync.cli.status_answer import texts
from pmgsync.cli.tables import counted, table
from pmgsync.cli.version_format import files_text, moment, release_text
from pmgsync.errors import ExitCode, InvalidError
from pmgsync.model.canonical import Fields
from pmgsync.model.keys import decode_base64
from pmgsync.model.paths import ManagedPath, printable

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help="forget all of that")
    parser.add_argument("--json", action="store_true", help="for scripts: exact, in milliseconds")


def _list(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        if options.clear:
            document = client.post("/v1/orphans/clear", {})
        else:
            document = client.get("/v1/orphans")
    if options.json:
        print_json(document)
    elif options.clear:
        print(_cleared_text(Fields(document, "the answer")))
    else:
        fields = Fields(document, "the list")
        orphans = each(fields, "orphans", OrphanLine.from_json)
        print("\n".join([orphans_text(orphans), *map(printable, texts(fields, "undone"))]))
    return ExitCode.FINE


def _cleared_text(fields: Fields) -> str:
    forgotten, undone = fields.count("forgotten"), fields.count("undone")
    changes = f" and {counted(undone, 'change')} of the membership" if undone else ""
    return f"forgot {counted(forgotten, 'version')}{changes}"


def orphans_text(orphans: tuple[OrphanLine, ...]) -> str:
    """What `pmgsync orphans list` prints."""
    if not orphans:
        return "no version of this node is orphaned"
    heads = ("NUMBER", "VERSION", "PUBLISHED", "FILES", "MESSAGE")
    rows = [
        (str(o.number), o.version, moment(o.created), str(o.files), printable(o.message))
        for o in orphans
    ]
    return "\n".join(
        [
            *table([heads, *rows], right=frozenset({0, 3})),
            "",
            "The cluster went on without them. `pmgsync orphans show NUMBER` compares one with",
            "what it has now; `pmgsync orphans apply NUMBER`, on the master, publishes it anew.",
        ]
    )


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=whole_number, metavar="NUMBER", help="as listed")
    parser.add_argument("--json", action="store_true", help="for scripts")


def _show(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        document = client.get(f"/v1/orphans/{options.number}", diff=1)
    if options.json:
        print_json(document)
    else:
        print(orphan_text(ShownOrphan.from_json(document), colour=place.colour))
    return ExitCode.FINE


def orphan_text(shown: ShownOrphan, *, colour: bool = False) -> str:
    """What `pmgsync orphans show` prints."""
    line = shown.line
    lines = [
        f"orphan {line.number}: version {line.version}, published {moment(line.created)}",
        *([f"message: {printable(line.message)}"] if line.message else []),
        "what it would change in the files that the cluster has now:",
        "",
        *files_text(shown.files, colour=colour),
    ]
    lines += [f"changed by the cluster since: {printable(path)}" for path in shown.changed]
    return "\n".join(lines)


def _configure_apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=whole_number, metavar="NUMBER", help="as listed")
    parser.add_argument(
        "--force", action="store_true", help="also over what the cluster has changed since"
    )
    parser.add_argument("--json", action="store_true", help="for scripts: as `pmgsync release`")


def _apply(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        shown = ShownOrphan.from_json(client.get(f"/v1/orphans/{options.number}"))
        for file in shown.files:
            require_authored_here(place.root, ManagedPath(file.path))
        if shown.changed and not options.force:
            raise InvalidError(
                "the cluster has changed it since",
                where=printable(shown.changed[0]),
                mend=f"look at `pmgsync orphans show {options.number}`; --force overwrites it",
            )
        message = f"orphaned version {shown.line.version} again"
        client.post("/v1/hold", {"message": message, "session": True})
        for file in shown.files:
            _put(client, place.root, options.number, file)
        release = Release.from_json(client.post("/v1/release", {"message": message}))
    print_json(release.to_json()) if options.json else print(release_text(release))
    return release.exit_code


def _put(client: ControlClient, root: Path, number: int, file: ShownFile) -> None:
    found = client.get(f"/v1/orphans/{number}/content", file=file.path).get("content")
    path = ManagedPath(file.path)
    if isinstance(found, str):
        data = decode_base64(found, "the content")
        edit_synced_file(root, path, lambda _old: data)
    else:
        remove_synced_file(root, path)


LIST = Command(
    about="List the versions that this node published as master when it was alone, and which "
    "the master after it did not have; and what had been changed of the membership then, and did "
    "not come to count: who is a member again, or is none.",
    examples=(("pmgsync orphans list", "newest first"),),
    run=_list,
    configure=_configure_list,
)
SHOW = Command(
    about="Show what an orphaned version would change in the files that the cluster has now; "
    "secrets are masked.",
    examples=(("pmgsync orphans show 2", "as listed"),),
    run=_show,
    configure=_configure_show,
)
APPLY = Command(
    about="Publish the files of an orphaned version anew, as one version. On the master: hand over "
    "to this node first if it is another one.",
    examples=(
        ("pmgsync switchover mail1", "on the node that has the orphan"),
        ("pmgsync orphans apply 2", "as listed"),
    ),
    run=_apply,
    configure=_configure_apply,
    codes=(ExitCode.REJECTED, ExitCode.DEGRADED, ExitCode.NO_MASTER),
)
ORPHANS = Command(
    about="Versions that a master published alone, before it learnt that another one had gone on "
    "without them. They are kept on the node that made them until they are cleared; so is what it "
    "had changed of the membership.",
    examples=(
        ("pmgsync orphans list", "which there are"),
        ("pmgsync orphans show 2", "what it would change"),
        ("pmgsync orphans apply 2", "publish it anew"),
    ),
    codes=(ExitCode.REJECTED, ExitCode.DEGRADED, ExitCode.NO_MASTER),
    verbs={"list": LIST, "show": SHOW, "apply": APPLY},
)
