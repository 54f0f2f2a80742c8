"""Writes docs/man/pmgsync.1 from the commands' own help. A test compares the two.

python docs/man/generate.py
"""

import argparse
from pathlib import Path

from pmgsync.cli.command import Command, parser_of
from pmgsync.cli.main import GENERAL_OPTIONS, INTERRUPTED, PIPE_CLOSED, every_command
from pmgsync.errors import EXIT_CODE_MEANINGS

PAGE = Path(__file__).with_name("pmgsync.1")

HEAD = r"""
.\" Written by docs/man/generate.py.
.TH PMGSYNC 1 "" "pmgsync" "User Commands"
.SH NAME
pmgsync \- signed, all-or-nothing configuration sync for Proxmox Mail Gateway clusters
.SH SYNOPSIS
.B pmgsync
[\fB\-\-root\fR \fIDIR\fR]
.I COMMAND
\&...
.SH DESCRIPTION
An edit of the synced files on the master is signed and appears, whole, on every node
of the cluster within a moment. The daemon
.RB ( "pmgsync daemon" ,
systemd unit pmgsyncd.service) does the work; the other commands talk to it over a local socket.
.PP
Data goes to stdout, what is said to a person to stderr. An error is one line: the place,
what is wrong, and the mend. Output has colours only on a terminal, and not where NO_COLOR is set.
""".lstrip()

TAIL = r"""
.SH FILES
.TP
/etc/pmgsync/pmgsync.toml
Settings of this node, all optional.
.TP
/var/lib/pmgsync/
The node's keys and its database.
.TP
/run/pmgsync/control.sock
The local API: HTTP and JSON, for root and the daemon's own user. For example:
.IP
curl \-\-unix\-socket /run/pmgsync/control.sock http://localhost/v1/status
.SH SEE ALSO
.BR pmgconfig (1),
.BR pmgcm (1),
.BR journalctl (1)
""".lstrip()


def page() -> str:
    """The whole page."""
    commands = [section(name, command) for name, command in every_command()]
    return "".join([HEAD, general_options(), ".SH COMMANDS\n", *commands, exit_codes(), TAIL])


def general_options() -> str:
    """What every command takes."""
    rows = GENERAL_OPTIONS.items()
    lines = [f".TP\n.B {escaped(name)}\n{escaped(meaning)}\n" for name, meaning in rows]
    return "".join([".SH OPTIONS\n", *lines])


def section(name: str, command: Command) -> str:
    """One command: usage, what it does, options, examples."""
    parser = parser_of(name, command)
    heading = f"{name} VERB ..." if command.verbs else usage(name, parser)
    lines = [f".SS {escaped(heading)}", escaped(command.about)]
    lines += [".PP", escaped(command.more)] if command.more else []
    for action in options(parser):
        lines += [".TP", f".B {escaped(spelling(action))}", escaped(action.help or "")]
    lines += [".PP", "Examples:", ".nf"]
    for line, purpose in command.examples:
        lines.append(escaped(f"    {line}" + (f"    # {purpose}" if purpose else "")))
    return "\n".join([*lines, ".fi", ""])


def usage(name: str, parser: argparse.ArgumentParser) -> str:
    """`show [options] VERSION`; what may be left out stands in brackets."""
    names = [(str(a.metavar or a.dest), a.nargs == "?") for a in positionals(parser)]
    words = [f"[{name}]" if optional else name for name, optional in names]
    required = [spelling(a) for a in options(parser) if a.option_strings and a.required]
    return " ".join([name, "[options]", *required, *words])


def positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Arguments without a dash."""
    return [action for action in parser._actions if not action.option_strings]


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What is particular to the command."""
    general = ("help", "root")
    return [action for action in parser._actions if action.dest not in general and action.help]


def spelling(action: argparse.Action) -> str:
    """`-m, --message MESSAGE`."""
    value = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def exit_codes() -> str:
    """The table."""
    codes = {int(code): meaning for code, meaning in EXIT_CODE_MEANINGS.items()}
    codes |= {INTERRUPTED: "ended by Ctrl-C", PIPE_CLOSED: "the reader of the output went away"}
    rows = [f".TP\n.B {code}\n{escaped(meaning)}\n" for code, meaning in sorted(codes.items())]
    return "".join([".SH EXIT STATUS\n", *rows])


def escaped(text: str) -> str:
    """For troff: backslashes, dashes, and lines that would be requests."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in text.split("\n"))


if __name__ == "__main__":
    PAGE.write_text(page())
