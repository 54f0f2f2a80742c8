"""`pmgsync user`: who may log in to PMG, shown and changed."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
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
from pmgsync.cli.list_commands import WRITE_CODES, cell, comment
from pmgsync.cli.tables import table
from pmgsync.errors import ExitCode, InvalidError, OperatorError, UsageError
from pmgsync.host.password_hash import hash_password
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import PMG
from pmgsync.pmgconf.lists import encoded, shown
from pmgsync.pmgconf.user_conf import KIND, OWN_REALM, ROLES, ROOT, User, faults, userid_fault

if TYPE_CHECKING:
    from pathlib import Path

    from pmgsync.cli.changing import Entries

PATH = ManagedPath(f"{PMG}/user.conf")
TFA = ManagedPath(f"{PMG}/tfa.json")
NEVER = "never"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 64

_FIELDS = ("role", "email", "firstname", "lastname", "keys", "comment")
_EPOCH_SECONDS = re.compile(r"[0-9]{9,12}")


def userid(text: str) -> str:
    """A user's name with its realm, for argparse."""
    whole = text if "@" in text else f"{text}@{OWN_REALM}"
    whole = ROOT if whole == f"root@{OWN_REALM}" else whole
    if fault := userid_fault(whole):
        raise argparse.ArgumentTypeError(fault)
    return whole


def expiry(text: str) -> str:
    """The end of an account in seconds since 1970, for argparse."""
    if text == NEVER:
        return "0"
    if _EPOCH_SECONDS.fullmatch(text):
        return text
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date such as 2030-12-31, nor {NEVER}"
        ) from None
    return str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()))


def word(text: str) -> str:
    """A value of one field, for argparse."""
    if ":" in text or not text.isprintable():
        raise argparse.ArgumentTypeError("may have no `:` and no control character")
    return text.strip()


def expiry_text(user: User) -> str:
    """When the account ends, for people: a day, in UTC."""
    try:
        return (
            datetime.fromtimestamp(int(user.expire[:20]), UTC).date().isoformat()
            if user.expire != "0"
            else NEVER
        )
    except (OverflowError, ValueError, OSError):
        return user.expire[:20]


def _list(options: argparse.Namespace, place: Place) -> int:
    parsed = read_entries(place.root, PATH, KIND)
    users = list(parsed.entries.values())
    if options.json:
        print_json(listed_json(parsed, map(_as_json, users)))
        return ExitCode.FINE
    rows = [
        (
            *(user.userid, user.role, "yes" if user.enable else "no", expiry_text(user)),
            *(user.email, f"{user.firstname} {user.lastname}".strip(), user.comment),
        )
        for user in users
    ]
    heading = ("USER", "ROLE", "ENABLED", "EXPIRES", "EMAIL", "NAME", "COMMENT")
    print("\n".join(table([heading, *(tuple(map(cell, row)) for row in rows)])))
    return ExitCode.FINE


def _as_json(user: User) -> dict[str, object]:
    texts = ("userid", *_FIELDS)
    return {name: jsonable(getattr(user, name)) for name in texts if name != "keys"} | {
        "enable": user.enable,
        "expire": int(user.expire) if len(user.expire) <= 15 else user.expire,  # noqa: PLR2004 # exact in JSON
        "has_password": bool(user.crypt_pass),
        "has_keys": bool(user.keys),
        "line": user.line,
    }


def _add(options: argparse.Namespace, place: Place) -> int:
    name = options.userid
    user = _changed(User(name, enable=not options.disable), options)
    _require_writable(user)
    if name in entries_to_change(place.root, PATH, KIND):
        raise _there(name)
    if user.realm == OWN_REALM:
        user = replace(user, crypt_pass=_new_hash(name, options.password_file))
    elif options.password_file is not None:
        raise UsageError(f"the realm {user.realm} has its passwords elsewhere", where=name)

    def change(entries: Entries) -> Entries:
        if name in entries:
            raise _there(name)
        return entries | {name: user}

    change_entries(place.root, PATH, KIND, change)
    tell(options, PATH, [name], f"added {name} to /{PATH}")
    return ExitCode.FINE


def _set(options: argparse.Namespace, place: Place) -> int:
    name = options.userid
    asks = options.password or options.password_file is not None
    if not (asks or options.enable is not None or options.expire or _given(options)):
        raise UsageError("say what to set", mend="see `pmgsync user set --help`")
    current = _user(entries_to_change(place.root, PATH, KIND), name)
    if asks and current.realm != OWN_REALM:
        raise UsageError(f"the realm {current.realm} has its passwords elsewhere", where=name)
    crypt_pass = _new_hash(name, options.password_file) if asks else None

    def change(entries: Entries) -> Entries:
        user = _changed(_user(entries, name), options)
        if options.enable is not None:
            user = replace(user, enable=options.enable)
        if crypt_pass is not None:
            user = replace(user, crypt_pass=crypt_pass)
        _require_writable(user)
        return entries | {name: user}

    changed = change_entries(place.root, PATH, KIND, change)
    text = f"changed {name} in /{PATH}" if changed else f"{name} is so already"
    tell(options, PATH, [name], text, changed=changed)
    return ExitCode.FINE


def _remove(options: argparse.Namespace, place: Place) -> int:
    def change(entries: Entries) -> Entries:
        for name in options.userids:
            _user(entries, name)
            if name == ROOT:
                raise OperatorError("root is always there", where=ROOT, mend="name somebody else")
            del entries[name]
        return entries

    change_entries(place.root, PATH, KIND, change)
    tell(options, PATH, options.userids, f"removed {', '.join(options.userids)} from /{PATH}")
    for name in sorted(set(options.userids) & _with_second_factor(place.root)):
        say(f"{name} still has a second factor in /{TFA}; a new user of that name will be asked it")
    return ExitCode.FINE


def _with_second_factor(root: Path) -> set[str]:
    """Users that PMG's file of second factors names; none where it is not what PMG writes."""
    try:
        document = json.loads(read_synced_file(root, TFA) or b"{}")
    except (ValueError, RecursionError):
        return set()
    users = document.get("users") if isinstance(document, dict) else None
    return set(users) if isinstance(users, dict) else set()


def _changed(user: User, options: argparse.Namespace) -> User:
    given = _given(options)
    if options.expire:
        given["expire"] = options.expire
    return replace(user, **given)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    return {
        name: getattr(options, name) for name in _FIELDS if getattr(options, name, None) is not None
    }


def _user(entries: Entries, name: str) -> User:
    if name not in entries:
        raise not_there(name, entries, PATH)
    user: User = entries[name]
    return user


def _there(name: str) -> OperatorError:
    return OperatorError(
        f"{shown(name)} is there already", where=PATH, mend="`pmgsync user set` changes it"
    )


def _require_writable(user: User) -> None:
    """`InvalidError` for what PMG would drop on reading, or could not write."""
    for fault in faults(user):
        raise InvalidError(fault, where=user.userid, mend="correct it")
    if user.userid == ROOT and (user.role, user.enable, user.expire) != ("root", True, "0"):
        raise InvalidError(
            "root keeps its role, is always enabled and never expires",
            where=ROOT,
            mend="only its e-mail address and names can be set",
        )


def _new_hash(name: str, file: str | None) -> str:
    password = password_of(name, file)
    length = len(encoded(password))
    if not SHORTEST_PASSWORD <= length <= LONGEST_PASSWORD:
        raise InvalidError(
            f"a password of {length} bytes",
            where=name,
            mend=f"PMG takes {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}",
        )
    return hash_password(password)


def _add_fields(parser: argparse.ArgumentParser, *, role_required: bool) -> None:
    roles = [role for role in ROLES if role != "root"]
    parser.add_argument("--role", choices=roles, required=role_required, help=", ".join(roles))
    parser.add_argument("--email", metavar="ADDRESS", help="for mail to the user")
    parser.add_argument("--firstname", type=word, metavar="NAME", help="up to 64 bytes")
    parser.add_argument("--lastname", type=word, metavar="NAME", help="up to 64 bytes")
    parser.add_argument(
        "--expire", type=expiry, metavar="DATE", help=f"first day without access, or `{NEVER}`"
    )
    parser.add_argument("--comment", type=comment, metavar="TEXT", help="a word about the user")
    add_json(parser)


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("userid", metavar="USER", type=userid, help="NAME or NAME@REALM")
    _add_fields(parser, role_required=True)
    parser.add_argument("--disable", action="store_true", help="may not log in yet")
    add_password_file(parser)


def _configure_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("userid", metavar="USER", type=userid, help="NAME or NAME@REALM")
    _add_fields(parser, role_required=False)
    parser.add_argument("--enable", action="store_true", default=None, help="may log in")
    parser.add_argument(
        "--disable", action="store_false", default=None, dest="enable", help="may not log in"
    )
    parser.add_argument("--password", action="store_true", help="ask for a new password")
    add_password_file(parser)


def _configure_remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("userids", metavar="USER", nargs="+", type=userid, help="one or several")
    add_json(parser)


USER = Command(
    about=f"Show and change who may log in to PMG (/{PATH}). A name without a realm is "
    f"of the realm {OWN_REALM}, whose passwords PMG itself keeps.",
    examples=(
        ("pmgsync user list", ""),
        ("pmgsync user add ann --role helpdesk --email ann@example.com", "asks for a password"),
    ),
    codes=WRITE_CODES,
    verbs={
        "list": Command(
            about="List the users. Nothing secret is shown.",
            examples=(("pmgsync user list", ""), ("pmgsync user list --json", "")),
            run=_list,
            configure=add_json,
        ),
        "add": Command(
            about="Add a user. The password is asked for, or read from standard input where that "
            "is no terminal; of a user of another realm there is none here.",
            examples=(
                ("pmgsync user add ann --role helpdesk", ""),
                ("pmgsync user add ann@sso --role audit", "who logs in through the realm sso"),
                ("pwgen -s 20 1 | tee ann.txt | pmgsync user add ann --role admin", ""),
            ),
            run=_add,
            configure=_configure_add,
            codes=WRITE_CODES,
        ),
        "set": Command(
            about="Change a user: what is given, and nothing else. An empty value removes one.",
            examples=(
                ("pmgsync user set ann --password", "asks for a new one"),
                ("pmgsync user set ann --role admin --expire 2030-01-01", ""),
                ("pmgsync user set ann --disable", ""),
            ),
            run=_set,
            configure=_configure_set,
            codes=WRITE_CODES,
        ),
        "remove": Command(
            about="Remove users: all that are named, or none.",
            examples=(("pmgsync user remove ann", ""),),
            run=_remove,
            configure=_configure_remove,
            codes=WRITE_CODES,
        ),
    },
)
