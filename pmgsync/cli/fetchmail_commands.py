"""`pmgsync fetchmail`: the mailboxes that PMG fetches mail from, shown and changed."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pmgsync.cli.asking import add_password_file, password_of
from pmgsync.cli.changing import (
    add_json,
    change_entries,
    entries_to_change,
    jsonable,
    listed_json,
    not_there,
    read_entries,
    tell,
)
from pmgsync.cli.command import Command, Place, print_json, say
from pmgsync.cli.editing import read_synced_file
from pmgsync.cli.facts_file import node_facts
from pmgsync.cli.list_commands import WRITE_CODES, cell
from pmgsync.cli.list_files import number, port
from pmgsync.cli.tables import table
from pmgsync.errors import ExitCode, InvalidError, OperatorError, PmgsyncError, UsageError
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import PMG, PMG_CONF
from pmgsync.pmgconf.fetchmailrc import (
    KIND,
    MARKER,
    PORTS,
    Account,
    Fetchmailrc,
    completed,
    is_switched_on,
)
from pmgsync.pmgconf.formats import is_address, is_email
from pmgsync.pmgconf.lists import encoded, shown
from pmgsync.pmgconf.pmg_conf import parse_pmg_conf

if TYPE_CHECKING:
    from pathlib import Path

    from pmgsync.cli.changing import Entries
    from pmgsync.pmgconf.file_kind import Parsed

PATH = ManagedPath(f"{PMG}/fetchmailrc")
SWITCH = "etc/default/fetchmail"
PROTOCOLS = ("pop3", "imap")
MOST_ACCOUNTS = 10_000
LONGEST_INTERVAL = 24 * 12 * 7  # rounds of five minutes: a week
LONGEST_TEXT = 64

_ID = re.compile(r"[A-Za-z0-9]{1,16}")
_FIELDS = ("server", "protocol", "port", "interval", "user", "target", "ssl", "keep")


def server(text: str) -> str:
    """A server, for argparse."""
    if not is_address(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no host name or address")
    return text


def login(text: str) -> str:
    """The name to log in with, for argparse."""
    if not text or len(encoded(text)) > LONGEST_TEXT or not text.isprintable():
        raise argparse.ArgumentTypeError(f"has not 1 to {LONGEST_TEXT} printable bytes")
    return text


def mailbox(text: str) -> str:
    """Whom the mail is for, for argparse."""
    if not is_email(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no e-mail address")
    return text


def interval(text: str) -> str:
    """Every how many rounds, for argparse."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:6]) <= LONGEST_INTERVAL:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to {LONGEST_INTERVAL}")
    return text


def account_id(text: str) -> str:
    """An account's id, for argparse."""
    if not _ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 16 letters and digits")
    return text


def _list(options: argparse.Namespace, place: Place) -> int:
    parsed = read_entries(place.root, PATH, KIND)
    accounts = [completed(account) for account in parsed.entries.values()]
    if options.json:
        print_json(listed_json(parsed, map(_as_json, accounts)))
    elif accounts:
        heading = (
            "ID",
            "SERVER",
            "PROTOCOL",
            "PORT",
            "TLS",
            "USER",
            "TO",
            "KEEP",
            "EVERY",
            "ENABLED",
        )
        print("\n".join(table([heading, *map(_row, accounts)])))
    else:
        say("no mailbox is set")
    return ExitCode.FINE


def _row(account: Account) -> tuple[str, ...]:
    words = {True: "yes", False: "no"}
    row = (
        *(account.id, account.server, account.protocol, account.port, words[account.ssl]),
        *(account.user, account.target, words[account.keep], account.interval),
        words[account.enable],
    )
    return tuple(map(cell, row))


def _as_json(account: Account) -> dict[str, object]:
    texts = ("id", "server", "protocol", "user", "target")
    return {name: jsonable(getattr(account, name)) for name in texts} | {
        "port": number(account.port),
        "interval": number(account.interval),
        "enable": account.enable,
        "ssl": account.ssl,
        "keep": account.keep,
        "has_password": bool(account.password),
        "line": account.line,
    }


def _add(options: argparse.Namespace, place: Place) -> int:
    entries = entries_to_change(place.root, PATH, KIND)
    if options.id in entries:
        raise _there(options.id)
    password = _password(options)
    made = Account("", **_given(options), enable=not options.disable, password=password)
    added: list[str] = []

    def change(entries: Entries) -> Entries:
        name = options.id or _free_id(entries)
        if name in entries:
            raise _there(name)
        added[:] = [name]
        return entries | {name: completed(replace(made, id=name))}

    change_entries(
        place.root, PATH, KIND, change, first=lambda parsed: _with_head(parsed, place.root)
    )
    tell(options, PATH, added, f"added {added[0]} to /{PATH}")
    if not _is_switched_on(place.root):
        say(f"fetchmail is switched off in /{SWITCH}; PMG switches it on where it fetches mail")
    return ExitCode.FINE


def _set(options: argparse.Namespace, place: Place) -> int:
    name = options.id
    given = _given(options)
    asks = options.password or options.password_file is not None
    if options.enable is not None:
        given["enable"] = options.enable
    if not (given or asks):
        raise UsageError("say what to set", mend="see `pmgsync fetchmail set --help`")
    _account(entries_to_change(place.root, PATH, KIND), name)
    if asks:
        given["password"] = _password(options)

    def change(entries: Entries) -> Entries:
        return entries | {name: _with(_account(entries, name), given)}

    changed = change_entries(place.root, PATH, KIND, change)
    text = f"changed {name} in /{PATH}" if changed else f"{name} is so already"
    tell(options, PATH, [name], text, changed=changed)
    return ExitCode.FINE


def _with(old: Account, given: dict[str, Any]) -> Account:
    """The account with other values; a port that was the usual one stays the usual one."""
    account = completed(old)
    was_usual = account.port == PORTS.get((account.protocol, account.ssl))
    new = replace(account, **given)
    if was_usual and "port" not in given:
        new = completed(replace(new, port=""))
    return old if new == account else new


def _remove(options: argparse.Namespace, place: Place) -> int:
    def change(entries: Entries) -> Entries:
        for name in options.ids:
            del entries[_account(entries, name).id]
        return entries

    change_entries(place.root, PATH, KIND, change)
    tell(options, PATH, options.ids, f"removed {', '.join(options.ids)} from /{PATH}")
    return ExitCode.FINE


def _given(options: argparse.Namespace) -> dict[str, Any]:
    return {
        name: getattr(options, name) for name in _FIELDS if getattr(options, name, None) is not None
    }


def _password(options: argparse.Namespace) -> str:
    password = password_of("the mailbox", options.password_file)
    if len(encoded(password)) > LONGEST_TEXT:
        raise InvalidError(
            "the password is too long", where=PATH, mend=f"PMG takes up to {LONGEST_TEXT} bytes"
        )
    return password


def _free_id(entries: Entries) -> str:
    """As PMG names a new account."""
    names = (f"proxmox{number:04}" for number in range(MOST_ACCOUNTS))
    return next(name for name in names if name not in entries)


def _account(entries: Entries, name: str) -> Account:
    if name not in entries:
        raise not_there(name, entries, PATH)
    account: Account = entries[name]
    return account


def _there(name: str) -> OperatorError:
    return OperatorError(
        f"{shown(name)} is there already", where=PATH, mend="`pmgsync fetchmail set` changes it"
    )


def _with_head(parsed: Parsed, root: Path) -> Parsed:
    """A file that PMG never wrote gets the settings that fetchmail needs for PMG."""
    if not isinstance(parsed, Fetchmailrc) or parsed.head.strip():
        return parsed
    return replace(parsed, head=head_for(_smtp_server(root)))


def head_for(smtp_server: str) -> bytes:
    """Fetch every five minutes; mail goes through PMG's own SMTP server, which may refuse some."""
    return (
        "# fetchmail for Proxmox Mail Gateway\n"
        "set daemon 300\n"
        "set no bouncemail\n"
        "\n"
        "defaults\n"
        "  antispam -1\n"
        "  batchlimit 100\n"
        f"  smtphost {smtp_server}\n"
        "\n"
    ).encode() + MARKER


def _smtp_server(root: Path) -> str:
    """Where PMG takes mail from outside: ADDRESS/PORT, as fetchmail writes it."""
    conf = parse_pmg_conf(read_synced_file(root, PMG_CONF) or b"")
    number = conf.text("mail", "ext_port") or "25"
    try:
        address = node_facts(root, None).address
    except PmgsyncError:
        address = None
    return f"{address or '127.0.0.1'}/{number}"


def _is_switched_on(root: Path) -> bool:
    try:
        return is_switched_on((root / SWITCH).read_bytes())
    except OSError:
        return False


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", choices=PROTOCOLS, help="default: pop3")
    parser.add_argument("--port", type=port, metavar="N", help="if it is not the usual one")
    parser.add_argument(
        "--interval", type=interval, metavar="N", help="fetch in every N-th round of 5 minutes"
    )
    parser.add_argument("--ssl", action="store_true", default=None, help="use TLS from the start")
    parser.add_argument("--no-ssl", action="store_false", default=None, dest="ssl", help="do not")
    parser.add_argument("--keep", action="store_true", default=None, help="leave mail there")
    parser.add_argument(
        "--no-keep", action="store_false", default=None, dest="keep", help="delete it there"
    )
    add_password_file(parser)
    add_json(parser)


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", metavar="SERVER", type=server, help="host name or address")
    parser.add_argument("user", metavar="USER", type=login, help="the name to log in with")
    parser.add_argument("target", metavar="ADDRESS", type=mailbox, help="whom the mail is for")
    parser.add_argument("--id", type=account_id, help="its id (default: proxmox and a number)")
    _add_options(parser)
    parser.add_argument("--disable", action="store_true", help="fetch nothing yet")


def _configure_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as `list` shows it")
    parser.add_argument("--server", metavar="SERVER", type=server, help="host name or address")
    parser.add_argument("--user", metavar="USER", type=login, help="the name to log in with")
    parser.add_argument("--target", metavar="ADDRESS", type=mailbox, help="whom the mail is for")
    _add_options(parser)
    parser.add_argument("--enable", action="store_true", default=None, help="fetch from it")
    parser.add_argument(
        "--disable", action="store_false", default=None, dest="enable", help="fetch nothing"
    )
    parser.add_argument("--password", action="store_true", help="ask for a new password")


def _configure_remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="+", help="as `list` shows it")
    add_json(parser)


FETCHMAIL = Command(
    about=f"Show and change the mailboxes that PMG fetches mail from (/{PATH}).",
    examples=(
        ("pmgsync fetchmail list", ""),
        ("pmgsync fetchmail add pop.example.com ann ann@example.org --ssl", "asks for a password"),
    ),
    codes=WRITE_CODES,
    verbs={
        "list": Command(
            about="List the mailboxes. Nothing secret is shown.",
            examples=(("pmgsync fetchmail list", ""), ("pmgsync fetchmail list --json", "")),
            run=_list,
            configure=add_json,
        ),
        "add": Command(
            about="Add a mailbox. Its password is asked for, or read from standard input where "
            "that is no terminal.",
            examples=(
                ("pmgsync fetchmail add pop.example.com ann ann@example.org --ssl", ""),
                ("pmgsync fetchmail add mx.example.com bob bob@example.org --password-file x", ""),
            ),
            run=_add,
            configure=_configure_add,
            codes=WRITE_CODES,
        ),
        "set": Command(
            about="Change a mailbox: what is given, and nothing else.",
            examples=(
                ("pmgsync fetchmail set proxmox0000 --disable", ""),
                ("pmgsync fetchmail set proxmox0000 --password", "asks for a new one"),
            ),
            run=_set,
            configure=_configure_set,
            codes=WRITE_CODES,
        ),
        "remove": Command(
            about="Remove mailboxes: all that are named, or none.",
            examples=(("pmgsync fetchmail remove proxmox0000", ""),),
            run=_remove,
            configure=_configure_remove,
            codes=WRITE_CODES,
        ),
    },
)
