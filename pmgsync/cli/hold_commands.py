"""`pmgsync run`, `hold`, `release` and `confirm`: any number of edits become one version."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pmgsync.cli.answers import Release
from pmgsync.cli.child import CannotRunError, run_child
from pmgsync.cli.command import Command, Place, print_json, say
from pmgsync.cli.control_client import ControlClient
from pmgsync.cli.history_commands import whole_number
from pmgsync.cli.version_format import release_text
from pmgsync.errors import ExitCode, PmgsyncError, UsageError
from pmgsync.model.paths import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


def _configure_run(parser: argparse.ArgumentParser) -> None:
    _add_message(parser)
    _add_timeout(parser)
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="what to run"
    )


def _run(options: argparse.Namespace, place: Place) -> int:
    argv: list[str] = options.command
    if argv[:1] == ["--"]:
        argv = argv[1:]
    if not argv:
        raise UsageError("say which command to run", mend="pmgsync run -- COMMAND ...")
    with ControlClient(place.root) as client:
        client.post("/v1/hold", {"message": options.message, "session": True})
        status = _run_held(argv)
        release = _release_after(client, options, argv, status)
    if release is None:
        return status
    _tell(release, argv, status)
    return status or _code_of(release, options)


def _run_held(argv: Sequence[str]) -> int:
    try:
        return run_child(argv)
    except CannotRunError as error:
        say(f"pmgsync: {error}")
        return error.status


def _release_after(
    client: ControlClient, options: argparse.Namespace, argv: Sequence[str], status: int
) -> Release | None:
    """Publish. If the command has failed, its exit code counts, whatever comes of this."""
    body = {"message": options.message or _as_message(argv), "failed": status != 0}
    try:
        return _released(client, "/v1/release", body, options)
    except PmgsyncError as error:
        if status == 0:
            raise
        say(f"pmgsync: {error}")
        return None


def _tell(release: Release, argv: Sequence[str], status: int) -> None:
    if status and release.version is not None:
        say(f"pmgsync: {printable(argv[0])} ended with {status}; what it had changed is published:")
    if release.version is not None or status == 0:
        say(release_text(release))


def _as_message(argv: Sequence[str]) -> str:
    """The program's name only: its arguments may hold secrets."""
    return f"run {argv[0].rpartition('/')[2]}"


def _configure_hold(parser: argparse.ArgumentParser) -> None:
    _add_message(parser)


def _hold(options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        held = client.post("/v1/hold", {"message": options.message, "session": False})
    say(f"held by {printable(str(held['holder']))}; edits wait for: pmgsync release")
    return ExitCode.FINE


def _configure_release(parser: argparse.ArgumentParser) -> None:
    _add_message(parser)
    _add_timeout(parser)
    parser.add_argument("--json", action="store_true", help="for scripts")


def _release(options: argparse.Namespace, place: Place) -> int:
    body = {"message": options.message, "failed": False}
    return _publish("/v1/release", body, options, place)


def _configure_confirm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "version", type=whole_number, metavar="VERSION", help="as `status` names it"
    )
    _add_timeout(parser)
    parser.add_argument("--json", action="store_true", help="for scripts")


def _confirm(options: argparse.Namespace, place: Place) -> int:
    return _publish("/v1/confirm", {"version": options.version}, options, place)


def _publish(path: str, body: dict[str, Any], options: argparse.Namespace, place: Place) -> int:
    with ControlClient(place.root) as client:
        release = _released(client, path, body, options)
    if options.json:
        print_json(release.to_json())
    else:
        print(release_text(release))
    sys.stdout.flush()
    return _code_of(release, options)


def _released(
    client: ControlClient, path: str, body: dict[str, Any], options: argparse.Namespace
) -> Release:
    """Ask for it, and wait for the nodes as long as was asked for."""
    release = Release.from_json(client.post(path, body))
    if not options.timeout or not release.missing or release.version is None:
        return release
    return Release.from_json(
        client.get(
            "/v1/wait",
            seconds=options.timeout,
            version=release.version,
            timeout_ms=options.timeout * 1000,
        )
    )


def _code_of(release: Release, options: argparse.Namespace) -> int:
    """As the release says; a node that was waited for in vain is a timeout."""
    if release.exit_code is ExitCode.DEGRADED and options.timeout and release.missing:
        return ExitCode.TIMED_OUT
    return release.exit_code


def _add_message(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--message", default="", help="why; shown by `pmgsync log`")


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=whole_number,
        metavar="SECONDS",
        help="wait so long for nodes that do not answer at once; then the exit code is 124",
    )


_PUBLISHING = (
    ExitCode.REJECTED,
    ExitCode.ROLLED_BACK,
    ExitCode.DEGRADED,
    ExitCode.NO_MASTER,
    ExitCode.TIMED_OUT,
)

RUN = Command(
    about="Run a command and publish all its edits as one version, when it has ended. Only on the "
    "master. Its input and output pass through; what pmgsync itself has to say goes to "
    "stderr.",
    examples=(
        ("pmgsync run -- cp new.conf /etc/pmg/pmg.conf", "wait until all nodes have it"),
        ("pmgsync run -m 'new DKIM key' -- ./rotate-dkim", "with a message for the log"),
        ("pmgsync run --timeout 30 -- ./deploy", "wait 30 s for slow nodes, then 124"),
    ),
    run=_run,
    configure=_configure_run,
    codes=_PUBLISHING,
    more="If COMMAND fails, its own exit code is handed on; what it had changed by then lies on "
    "the master's disk and is published all the same. Not found: 127. Ended by signal N: "
    "128 + N.",
)
HOLD = Command(
    about="Publish nothing from now on, until `pmgsync release`. Only on the master.",
    examples=(
        ("pmgsync hold -m 'move to the new relay'", ""),
        ("pmgsync release", "publishes all edits made since then as one version"),
    ),
    run=_hold,
    configure=_configure_hold,
    codes=(ExitCode.NO_MASTER,),
    more="A hold outlives this command and a restart of the daemon; `pmgsync status` reminds of "
    "it.",
)
RELEASE = Command(
    about="End a hold and publish the edits made since then as one version.",
    examples=(
        ("pmgsync release", "with the message that `hold` was given"),
        ("pmgsync release -m 'new relay' --timeout 30", "wait for slow nodes"),
    ),
    run=_release,
    configure=_configure_release,
    codes=_PUBLISHING,
)
CONFIRM = Command(
    about="Let a change through that was held for safety: one that deletes pmg.conf or more than "
    "half of the synced files. `pmgsync status` names it and its version.",
    examples=(("pmgsync confirm 15", "yes, delete them on every node"),),
    run=_confirm,
    configure=_configure_confirm,
    codes=_PUBLISHING,
    more="To take such a change back instead, put the files back; nothing else is needed.",
)
