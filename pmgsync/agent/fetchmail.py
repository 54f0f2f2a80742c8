"""What an admin should know about fetchmail on a node.

Mail is fetched by one node, the master: PMG switches fetchmail off on a node that it syncs, and on
where an account is made. Here nothing is switched: fetchmail belongs to PMG, and two nodes that
fetch from the same mailboxes are worse than none. What is not as it should be is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from pmgsync.errors import HostError
from pmgsync.model.scope import PMG
from pmgsync.pmgconf import fetchmailrc
from pmgsync.ports import CommandRunner
from pmgsync.render.program_words import said

ACCOUNTS = f"{PMG}/fetchmailrc"
SWITCH = "etc/default/fetchmail"
PROGRAM = "fetchmail"
_SYNTAX_ERROR = 5  # fetchmail(1)


def advice(accounts: bytes, switch: bytes, *, is_master: bool) -> tuple[str, ...]:
    """PURE. Is fetchmail on where it should be off, or the reverse? `accounts` is `fetchmailrc`,
    `switch` is `/etc/default/fetchmail`.
    """
    is_on = fetchmailrc.is_switched_on(switch)
    enabled = any(account.enable for account in fetchmailrc.parse(accounts).entries.values())
    if is_on and not is_master:
        return (
            f"{SWITCH}: fetchmail is switched on, and this node is not the master, which fetches"
            " the same mail; set START_DAEMON=no and stop it",
        )
    if enabled and is_master and not is_on:
        return (
            f"{SWITCH}: fetchmail is switched off, so nobody fetches mail for the accounts in"
            f" {ACCOUNTS}; set START_DAEMON=yes and start it",
        )
    return ()


def refusal(
    accounts: bytes,
    runner: CommandRunner,
    lay_out: Callable[[Mapping[str, bytes], str], AbstractContextManager[str]],
) -> tuple[str, ...]:
    """What fetchmail itself does not understand in its file, as the master runs it: by the line;
    nothing where it is not installed. `HostError` if it cannot be run.
    """
    if not runner.available(PROGRAM):
        return ()
    name = ACCOUNTS.rpartition("/")[2]
    with lay_out({name: accounts}, "") as folder:
        result = runner.run([PROGRAM, "-V", "-f", f"{folder}/{name}"], timeout=20.0)
        lines = said(result.output, folder, PMG)
    if result.status < 0:
        raise HostError(f"was ended by signal {-result.status}", where=PROGRAM)
    if result.status != _SYNTAX_ERROR:
        return ()
    # Only the line's number: what fetchmail stumbled over may be a password.
    places = (found for line in lines if (found := re.search(rf"/{ACCOUNTS}:(\d+):", line)))
    place = next((f" line {found[1]}" for found in places), "")
    return (f"{ACCOUNTS}{place}: fetchmail refuses it, a syntax error; mend it",)
