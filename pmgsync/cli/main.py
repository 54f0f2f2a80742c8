"""`pmgsync`: finds the command, runs it, and turns whatever ends it into one line and an exit
code.

Only the module of the command that was asked for is imported: `pmgsync status` has 100 ms from
start to exit. All errors end here; nobody ever sees a traceback.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pmgsync.errors import EXIT_CODE_MEANINGS, ExitCode, PmgsyncError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pmgsync.cli.command import Command

INTERRUPTED = 130
"""What a shell shows for a command that Ctrl-C ended."""
PIPE_CLOSED = 141
"""What a shell shows for a command whose reader went away."""


class Entry(NamedTuple):
    """One row of the table: where the command's `Command` is, and what it does in a few words."""

    module: str
    attribute: str
    summary: str


TOPICS = {
    "the cluster": {
        "create": Entry(
            "cluster_commands", "CREATE", "found a cluster with this node as its master"
        ),
        "join-cmd": Entry("cluster_commands", "JOIN_CMD", "print the line that joins another node"),
        "join": Entry("cluster_commands", "JOIN", "join a cluster"),
        "approve": Entry("approve_command", "APPROVE", "let in a node that waits without a token"),
        "members": Entry("member_commands", "MEMBERS", "show who belongs, with which keys"),
        "delete": Entry("member_commands", "DELETE", "remove a node from the cluster"),
        "leave": Entry("member_commands", "LEAVE", "take this node out of its cluster"),
        "promote": Entry("promotion_commands", "PROMOTE", "make this node the master"),
        "switchover": Entry("promotion_commands", "SWITCHOVER", "make another node the master"),
        "rotate-keys": Entry("key_commands", "ROTATE_KEYS", "replace the keys of this node"),
        "tokens": Entry("token_command", "TOKENS", "list or revoke join tokens"),
        "daemon": Entry("daemon_command", "DAEMON", "run the daemon of this node"),
        "status": Entry("status_command", "STATUS", "show which node runs what"),
    },
    "versions": {
        "log": Entry("history_commands", "LOG", "list the versions"),
        "show": Entry("history_commands", "SHOW", "show what a version changed"),
        "kept": Entry("kept_command", "KEPT", "show what was kept aside on this node"),
        "orphans": Entry("orphan_command", "ORPHANS", "show what a master published alone"),
        "run": Entry("hold_commands", "RUN", "run a command; its edits become one version"),
        "hold": Entry("hold_commands", "HOLD", "publish nothing until `release`"),
        "release": Entry(
            "hold_commands", "RELEASE", "publish the edits made since `hold` as one version"
        ),
        "confirm": Entry(
            "hold_commands", "CONFIRM", "let a version through that was held for safety"
        ),
    },
    "PMG's files, shown and changed": {
        "config": Entry("config_command", "CONFIG", "the options of pmg.conf"),
        "domain": Entry("list_commands", "DOMAIN", "domains that PMG accepts mail for"),
        "transport": Entry("list_commands", "TRANSPORT", "where the mail of a domain goes"),
        "network": Entry("list_commands", "NETWORK", "networks that may send mail to anywhere"),
        "tls-policy": Entry("list_commands", "TLS_POLICY", "TLS with the servers PMG sends to"),
        "tls-inbound": Entry("list_commands", "TLS_INBOUND", "sender domains that must use TLS"),
        "dkim-domain": Entry("list_commands", "DKIM_DOMAIN", "sender domains whose mail is signed"),
        "score": Entry("list_commands", "SCORE", "scores of SpamAssassin rules"),
        "user": Entry("user_commands", "USER", "who may log in"),
        "ldap": Entry("ldap_commands", "LDAP", "LDAP servers that are asked for users"),
        "fetchmail": Entry("fetchmail_commands", "FETCHMAIL", "mailboxes to fetch mail from"),
    },
    "what PMG makes of them": {
        "check": Entry("check_command", "CHECK", "say what is wrong in the synced files"),
        "custom-check": Entry(
            "custom_check_command", "CUSTOM_CHECK", "try the admin's own check of mails"
        ),
        "dump": Entry("dump_command", "DUMP", "print the variables of the templates"),
        "render": Entry("render_command", "RENDER", "print what a template gives"),
        "facts": Entry("facts_command", "FACTS", "show what was found out about this machine"),
        "sync": Entry("sync_command", "SYNC", "write the service files of this node"),
        "templates": Entry(
            "templates_command", "TEMPLATES", "show which template each service file is from"
        ),
    },
}
"""The commands, in the order and under the headings of the overview."""

COMMANDS = {name: entry for topic in TOPICS.values() for name, entry in topic.items()}


GENERAL_OPTIONS = {
    "--root DIR": "the node's root: all paths, the socket and the state lie below it (default: /)",
    "--version": "print the version and end",
    "-h, --help": "print this and end; after a COMMAND: what it does, its options, examples",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `pmgsync` with these arguments (default: those of the process); returns the exit code."""
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except SystemExit as end:  # argparse, after --help
        return end.code if isinstance(end.code, int) else ExitCode.FINE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence(sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:  # noqa: BLE001 # daemon edge: any fault is one line
        return _complain(_as_ours(error))
    return code


def _run(argv: list[str]) -> int:
    name, rest = split(argv)
    if name in _FLAGS:
        print(_FLAGS[name]())
        return ExitCode.FINE
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}", mend=suggestion(name, COMMANDS, "pmgsync"))
    from pmgsync.cli.command import Place, parser_of

    entry = COMMANDS[name]
    command: Command = getattr(import_module(f"pmgsync.cli.{entry.module}"), entry.attribute)
    if command.verbs:
        name, command, rest = _verb(name, command, rest)
    options = parser_of(name, command).parse_args(rest)
    root = Path(options.root)
    if not root.is_dir():
        raise UsageError("is not a folder", where=f"--root {root}")
    return command.run(options, Place(root.absolute(), **_terminal()))


def split(argv: Sequence[str], program: str = "pmgsync") -> tuple[str, list[str]]:
    """The command's name, or a flag that stands for one, and the arguments without it."""
    position = 0
    while position < len(argv) and argv[position].startswith("-"):
        word = argv[position]
        if word in _FLAGS:
            break
        if word != "--root" and not word.startswith("--root="):
            raise UsageError(f"unknown option {word}", mend=f"see `{program} --help`")
        position += 2 if word == "--root" else 1
    if position >= len(argv):
        raise UsageError("say which command", mend=f"see `{program} --help`")
    return argv[position], [*argv[:position], *argv[position + 1 :]]


def _verb(name: str, command: Command, rest: list[str]) -> tuple[str, Command, list[str]]:
    """The command that a verb of `command` is, its whole name, and the arguments without the
    verb.
    """
    program = f"pmgsync {name}"
    verb, others = split(rest, program)
    if verb in _FLAGS:
        return name, command, ["--help"]
    if verb not in command.verbs:
        raise UsageError(
            f"`{program}` has no {verb!r}", mend=suggestion(verb, command.verbs, program)
        )
    return f"{name} {verb}", command.verbs[verb], others


def suggestion(word: str, known: Iterable[str], program: str) -> str:
    """The mend for a word that is not one of those `known` after `program`."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), 1)
    return f"did you mean `{program} {close[0]}`?" if close else f"see `{program} --help`"


def every_command() -> Iterator[tuple[str, Command]]:
    """Every command with its whole name (`log`, `config`, `config set`), loaded."""
    for name, entry in COMMANDS.items():
        command = getattr(import_module(f"pmgsync.cli.{entry.module}"), entry.attribute)
        yield name, command
        yield from ((f"{name} {verb}", one) for verb, one in command.verbs.items())


def overview() -> str:
    """What `pmgsync --help` prints."""
    width = max(map(len, [*COMMANDS, *GENERAL_OPTIONS]))
    commands = [
        line
        for topic, entries in TOPICS.items()
        for line in ("", f"{topic}:", *_summaries(entries, width))
    ]
    codes = [f"  {int(code):>3}  {meaning}" for code, meaning in EXIT_CODE_MEANINGS.items()]
    lines = [
        "usage: pmgsync [--root DIR] COMMAND ...",
        "",
        "Signed, all-or-nothing configuration sync for Proxmox Mail Gateway clusters.",
        *commands,
        "",
        "options:",
        *(f"  {name:{width}}  {meaning}" for name, meaning in GENERAL_OPTIONS.items()),
        "",
        "examples:",
        "  pmgsync create                          found a cluster here",
        "  pmgsync join-cmd                        then join the other nodes to it",
        "  pmgsync status --watch                  see who runs what",
        "  pmgsync run -m 'new key' -- ./rotate    many edits, one version",
        "",
        "exit codes:",
        *codes,
        "",
        "`pmgsync COMMAND --help` says more about each.",
    ]
    return "\n".join(lines)


def _summaries(entries: dict[str, Entry], width: int) -> list[str]:
    return [f"  {name:{width}}  {entry.summary}" for name, entry in entries.items()]


def _version() -> str:
    from pmgsync import __version__

    return f"pmgsync {__version__}"


_FLAGS = {"-h": overview, "--help": overview, "--version": _version}


def _terminal() -> dict[str, bool]:
    """Whether stdout takes colours (https://no-color.org) and can be redrawn."""
    environment = os.environ  # noqa: TID251 - the edge: read once, passed on as values
    is_terminal = sys.stdout.isatty()
    smart = is_terminal and environment.get("TERM", "") not in ("", "dumb")
    return {"colour": smart and not environment.get("NO_COLOR"), "redraws": smart}


def _complain(error: PmgsyncError) -> int:
    line = " ".join(str(error).splitlines())
    try:
        print(f"pmgsync: {line}", file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr.fileno())
    return int(error.exit_code)


def _silence(descriptor: int) -> None:
    """Nobody reads this any more; Python would complain about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _as_ours(error: Exception) -> PmgsyncError:
    if isinstance(error, PmgsyncError):
        return error
    if isinstance(error, ExceptionGroup):
        # What ended one task of several; the first that is ours says most.
        inner = [_as_ours(one) for one in error.exceptions]
        return next((one for one in inner if type(one) is not PmgsyncError), inner[0])
    if isinstance(error, OSError):
        what = error.strerror or type(error).__name__
        return PmgsyncError(what, where=str(error.filename or ""))
    return PmgsyncError(f"internal error: {_origin(error)}", mend="please report it")


def _origin(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    return f"{type(error).__name__}: {error}{place}"
