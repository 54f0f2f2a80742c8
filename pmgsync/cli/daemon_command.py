"""`pmgsync daemon`: the daemon of this node, in the foreground."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pmgsync.cli.command import Command, Place
from pmgsync.errors import ExitCode

if TYPE_CHECKING:
    import argparse


def _run(_options: argparse.Namespace, place: Place) -> int:
    code: int = import_module("pmgsync.cli.daemon").run(place.root)
    return code


DAEMON = Command(
    about="Run the daemon of this node in the foreground: the agent, and the master's part where "
    "this node is the master. SIGTERM ends it in good order, SIGHUP reads the settings "
    "again.",
    examples=(
        ("systemctl start pmgsyncd", "as a service, the usual way"),
        ("pmgsync daemon", "by hand; the log goes to stderr"),
        ("pmgsync daemon --root /srv/try", "below another root, for a try"),
    ),
    run=_run,
    codes=(ExitCode.REJECTED,),
    more="Settings: /etc/pmgsync/pmgsync.toml, all optional.",
)
