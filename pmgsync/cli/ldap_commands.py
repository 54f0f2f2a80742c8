"""`pmgsync ldap`: the LDAP servers that PMG asks, shown and changed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

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
from pmgsync.cli.list_commands import WRITE_CODES, cell
from pmgsync.cli.tables import table
from pmgsync.errors import ExitCode, InvalidError, OperatorError, UsageError
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import PMG
from pmgsync.pmgconf.formats import encode_comment, is_config_id
from pmgsync.pmgconf.ldap_conf import DEFAULTS, KIND, OPTIONS, PASSWORD, Profile
from pmgsync.pmgconf.lists import shown

if TYPE_CHECKING:
    from pmgsync.cli.changing import Entries

PATH = ManagedPath(f"{PMG}/ldap.conf")
SET = "(set)"

MEANINGS = {
    "accountattr": "attributes that hold the account's name",
    "basedn": "where users are searched below",
    "binddn": "who PMG logs in as",
    "cafile": "file with the certificate authority's certificates",
    "comment": "a word about it",
    "filter": "which entries count as users",
    "groupbasedn": "where groups are searched below",
    "groupclass": "object classes of groups",
    "mailattr": "attributes that hold e-mail addresses",
    "mode": "how the connection is protected",
    "port": "if it is not the usual one",
    "server2": "asked when the first server does not answer",
}
"""What each option that takes a text is for."""

SWITCHES = {
    "disable": ("enable", "ask this server no more", "ask this server again"),
    "verify": ("no-verify", "check the server's certificate", "do not check it"),
}
"""Options that are on or off: the opposite's name, and what each means."""


def profile_name(text: str) -> str:
    """The name of a profile, for argparse."""
    if not is_config_id(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of a profile: a letter, then letters, digits, `_` or `-`"
        )
    return text


def _list(options: argparse.Namespace, place: Place) -> int:
    parsed = read_entries(place.root, PATH, KIND)
    profiles = list(parsed.entries.values())
    if options.json:
        print_json(listed_json(parsed, map(_as_json, profiles)))
    elif profiles:
        print(
            "\n".join(
                table([("PROFILE", "SERVER", "MODE", "ENABLED", "COMMENT"), *map(_row, profiles)])
            )
        )
    else:
        say("no LDAP server is set")
    return ExitCode.FINE


def _row(profile: Profile) -> tuple[str, ...]:
    option = profile.options.get
    servers = ", ".join(filter(None, [option("server1"), option("server2")]))
    enabled = "no" if option("disable") == "1" else "yes"
    row = (
        profile.name,
        servers,
        option("mode") or DEFAULTS["mode"],
        enabled,
        option("comment") or "",
    )
    return tuple(map(cell, row))


def _as_json(profile: Profile) -> dict[str, object]:
    shown_options = {name: value for name, value in profile.options.items() if name != PASSWORD}
    return {
        "profile": profile.name,
        "options": {name: jsonable(value) for name, value in sorted(shown_options.items())},
        "has_password": bool(profile.options.get(PASSWORD)),
        "line": profile.line,
    }


def _show(options: argparse.Namespace, place: Place) -> int:
    entries = dict(read_entries(place.root, PATH, KIND).entries)
    profile = _profile(entries, options.profile)
    if options.json:
        print_json(_as_json(profile))
        return ExitCode.FINE
    values = {name: (cell(value), "") for name, value in profile.options.items()}
    if profile.options.get(PASSWORD):
        values[PASSWORD] = (SET, "")
    for name, value in DEFAULTS.items():
        values.setdefault(name, (value, "  (default)"))
    width = max(map(len, values))
    print(
        "\n".join(
            f"{name:{width}}  {value}{note}" for name, (value, note) in sorted(values.items())
        )
    )
    return ExitCode.FINE


def _add(options: argparse.Namespace, place: Place) -> int:
    name = options.profile
    given = _given(options)
    _require_valid(name, given)
    if name in entries_to_change(place.root, PATH, KIND):
        raise _there(name)
    if options.password or options.password_file is not None:
        given[PASSWORD] = password_of(f"the LDAP login of {name}", options.password_file)

    def change(entries: Entries) -> Entries:
        if name in entries:
            raise _there(name)
        return entries | {name: Profile(name, given)}

    change_entries(place.root, PATH, KIND, change)
    tell(options, PATH, [name], f"added {name} to /{PATH}")
    return ExitCode.FINE


def _set(options: argparse.Namespace, place: Place) -> int:
    name = options.profile
    given = _given(options)
    asks = options.password or options.password_file is not None
    if not (given or asks or options.unset):
        raise UsageError("say what to set", mend="see `pmgsync ldap set --help`")
    if both := sorted({*given, *([PASSWORD] if asks else [])} & {*options.unset}):
        raise UsageError(f"{both[0]} cannot be set and unset at once")
    _require_valid(name, given)
    _profile(entries_to_change(place.root, PATH, KIND), name)
    if asks:
        given[PASSWORD] = password_of(f"the LDAP login of {name}", options.password_file)

    def change(entries: Entries) -> Entries:
        old = _profile(entries, name)
        kept = {key: value for key, value in old.options.items() if key not in options.unset}
        return entries | {name: Profile(name, {**kept, **given}, old.line)}

    changed = change_entries(place.root, PATH, KIND, change)
    text = f"changed {name} in /{PATH}" if changed else f"{name} is so already"
    tell(options, PATH, [name], text, changed=changed)
    return ExitCode.FINE


def _remove(options: argparse.Namespace, place: Place) -> int:
    def change(entries: Entries) -> Entries:
        for name in options.profiles:
            del entries[_profile(entries, name).name]
        return entries

    change_entries(place.root, PATH, KIND, change)
    tell(options, PATH, options.profiles, f"removed {', '.join(options.profiles)} from /{PATH}")
    return ExitCode.FINE


def _given(options: argparse.Namespace) -> dict[str, str]:
    return {
        name: getattr(options, name)
        for name in OPTIONS
        if name != PASSWORD and getattr(options, name, None) is not None
    }


def _require_valid(profile: str, options: dict[str, str]) -> None:
    """`InvalidError` for a value that PMG would not read back."""
    for name, value in options.items():
        rule = OPTIONS[name]
        written = encode_comment(value) if name == "comment" else value
        fits = not rule.fault(written) and value == value.strip() and written.isprintable()
        if not fits or not value:
            raise InvalidError(
                f"{shown(value)!r} is not allowed for {name}",
                where=profile,
                mend=f"allowed is {rule.allowed}, without blanks around it; to have no value, "
                "leave it out (`add`) or --unset it (`set`)",
            )


def _profile(entries: Entries, name: str) -> Profile:
    if name not in entries:
        raise not_there(name, entries, PATH)
    profile: Profile = entries[name]
    return profile


def _there(name: str) -> OperatorError:
    return OperatorError(
        f"{shown(name)} is there already", where=PATH, mend="`pmgsync ldap set` changes it"
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    for name, meaning in MEANINGS.items():
        rule = OPTIONS[name]
        default = f" (default: {DEFAULTS[name]})" if name in DEFAULTS else ""
        parser.add_argument(
            f"--{name}",
            metavar="VALUE" if not rule.choices else None,
            choices=rule.choices or None,
            help=f"{meaning}{default}",
        )
    for name, (opposite, on, off) in SWITCHES.items():
        parser.add_argument(f"--{name}", action="store_const", const="1", default=None, help=on)
        parser.add_argument(
            f"--{opposite}", action="store_const", const="0", default=None, dest=name, help=off
        )
    parser.add_argument("--password", action="store_true", help="ask for the login's password")
    add_password_file(parser)
    add_json(parser)


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", metavar="PROFILE", type=profile_name, help="its name in PMG")
    parser.add_argument("server1", metavar="SERVER", help="host name or address")
    _add_options(parser)


def _configure_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", metavar="PROFILE", help="as `list` shows it")
    parser.add_argument("--server1", metavar="VALUE", help="the first server")
    _add_options(parser)
    optional = [name for name, rule in OPTIONS.items() if not rule.required]
    parser.add_argument(
        "--unset",
        action="append",
        default=[],
        choices=optional,
        metavar="OPTION",
        help="back to the default, or to none; may be given several times",
    )


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", metavar="PROFILE", help="as `list` shows it")
    add_json(parser)


def _configure_remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profiles", metavar="PROFILE", nargs="+", help="as `list` shows it")
    add_json(parser)


LDAP = Command(
    about=f"Show and change the LDAP servers that PMG asks for users and groups (/{PATH}).",
    examples=(
        ("pmgsync ldap list", ""),
        ("pmgsync ldap add ad dc1.example.com --mode ldaps --basedn dc=example,dc=com", ""),
    ),
    codes=WRITE_CODES,
    verbs={
        "list": Command(
            about="List the LDAP servers. Nothing secret is shown.",
            examples=(("pmgsync ldap list", ""), ("pmgsync ldap list --json", "")),
            run=_list,
            configure=add_json,
        ),
        "show": Command(
            about="Show all options of one, with the defaults of those that are not set.",
            examples=(("pmgsync ldap show ad", ""),),
            run=_show,
            configure=_configure_show,
        ),
        "add": Command(
            about="Add an LDAP server.",
            examples=(
                ("pmgsync ldap add ad dc1.example.com --mode ldaps", ""),
                ("pmgsync ldap add ad dc1.example.com --binddn cn=pmg --password", "asks for it"),
            ),
            run=_add,
            configure=_configure_add,
            codes=WRITE_CODES,
        ),
        "set": Command(
            about="Change an LDAP server: what is given, and nothing else.",
            examples=(
                ("pmgsync ldap set ad --server2 dc2.example.com --unset port", ""),
                ("pmgsync ldap set ad --password-file ldap.secret", ""),
            ),
            run=_set,
            configure=_configure_set,
            codes=WRITE_CODES,
        ),
        "remove": Command(
            about="Remove LDAP servers: all that are named, or none.",
            examples=(("pmgsync ldap remove ad", ""),),
            run=_remove,
            configure=_configure_remove,
            codes=WRITE_CODES,
        ),
    },
)
