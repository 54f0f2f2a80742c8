"""Checks of who may log in, of keys and programs, of scores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from pmgsync.model.scope import CLUSTER_CONF, PMG, PMG_CONF
from pmgsync.pmgconf.check import Check, Remark, Surroundings, option_line
from pmgsync.pmgconf.configuration import SCORES, USERS, Configuration
from pmgsync.pmgconf.lists import shown
from pmgsync.pmgconf.user_conf import OWN_REALM, ROOT

DKIM = f"{PMG}/dkim"
_PRIVATE_KEY = b"PRIVATE KEY-----"
_MENTION = re.compile(rb"^[ \t]*([a-z_]+)[ \t]+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
_LAST_SECOND_DIGITS = 12  # the years have five digits then


def mentioned_rules(rule_file: bytes) -> frozenset[str]:
    """The names that a rule file of SpamAssassin gives to anything but a score."""
    return frozenset(
        name.decode("ascii") for word, name in _MENTION.findall(rule_file) if word != b"score"
    )


def vain_scores(configuration: Configuration, around: Surroundings) -> Iterator[Remark]:
    """Scores of rules that do not exist."""
    for entry in configuration.scores:
        if around.rules is not None and entry.key not in around.rules:
            what = f"no rule of SpamAssassin is called {shown(entry.key)}"
            yield Remark(SCORES, entry.line, what, "correct the name, or remove the score")


def expired_users(configuration: Configuration, around: Surroundings) -> Iterator[Remark]:
    """Users that are enabled, but whose time is up."""
    for user in configuration.users:
        until = int(user.expire) if len(user.expire) <= _LAST_SECOND_DIGITS else 0
        if user.enable and 0 < until <= around.now:
            day = datetime.fromtimestamp(until, UTC).date().isoformat()
            what = f"{shown(user.userid)} has expired on {day} and cannot log in"
            yield Remark(USERS, user.line, what, "set a later time, or disable or remove the user")


def users_without_password(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """Users of PMG's own realm that nobody can log in as."""
    for user in configuration.users:
        is_own = user.realm == OWN_REALM and user.userid != ROOT
        if user.enable and is_own and not user.crypt_pass:
            what = f"{shown(user.userid)} is enabled, but has no password"
            yield Remark(USERS, user.line, what, "set one, or disable the user")


def users_of_no_realm(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """Users whose password nobody can check."""
    realms = {realm.name for realm in configuration.realms}
    for user in configuration.users:
        if user.enable and user.realm not in realms:
            what = f"{shown(user.userid)} is of a realm that realms.conf does not have"
            yield Remark(USERS, user.line, what, "correct the realm, or disable the user")


def missing_dkim_key(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """DKIM signatures that cannot be made."""
    admin = configuration.options.values(0)["admin"]
    selector = admin["dkim_selector"]
    line = option_line(configuration, "admin", "dkim_selector", "dkim_sign")
    if not selector:
        if admin["dkim_sign"]:
            what = "dkim_sign is on, but there is no dkim_selector: nothing can be signed"
            yield Remark(PMG_CONF, line, what, "create a selector and its key, or turn it off")
        return
    key = f"{DKIM}/{selector}.private"
    if key not in configuration.files:
        what = f"the selector {shown(str(selector))} has no key: /{key} does not exist"
        yield Remark(PMG_CONF, line, what, "create the key, or correct dkim_selector")
    elif _PRIVATE_KEY not in configuration.files[key]:
        what = "is the key of the DKIM selector, but holds no private key"
        yield Remark(key, 0, what, "create it anew")


def login_without_ldap(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """A quarantine that asks for an LDAP login while there is nobody to ask."""
    mode = configuration.options.values(0)["spamquar"]["authmode"]
    profiles = configuration.profiles
    if mode == "ldap" and all(profile.options.get("disable") == "1" for profile in profiles):
        what = "authmode is ldap, but ldap.conf has no profile that is on: nobody can log in"
        line = option_line(configuration, "spamquar", "authmode")
        yield Remark(PMG_CONF, line, what, "add an LDAP profile, or set authmode to ticket")


def missing_program(configuration: Configuration, around: Surroundings) -> Iterator[Remark]:
    """A custom check that cannot run."""
    if configuration.options.values(0)["admin"]["custom_check"] and around.program_fault:
        what = f"custom_check is on, but its program {around.program_fault}: mail goes unchecked"
        line = option_line(configuration, "admin", "custom_check_path", "custom_check")
        yield Remark(PMG_CONF, line, what, "put the program there, or turn custom_check off")


def shared_addresses(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """Two nodes with one address."""
    nodes = configuration.nodes.nodes if configuration.nodes else ()
    seen: dict[str, str] = {}
    lines = configuration.content(CLUSTER_CONF).split(b"\n")
    for node in nodes:
        first = seen.setdefault(node.ip, node.name)
        if first != node.name:
            name = node.name.encode()
            at = next((n for n, line in enumerate(lines, 1) if line.split() == [b"name", name]), 0)
            what = f"{node.name} has the address of {first}: {node.ip}"
            yield Remark(CLUSTER_CONF, at, what, "give each node its own address")


CHECKS = (
    Check(
        "vain-score",
        vain_scores,
        "a score in `pmg-scores.cf` for a rule that no rule file of SpamAssassin mentions (only "
        "where rule files are found)",
        "A misspelt name has no effect, and SpamAssassin does not say so.",
    ),
    Check(
        "expired-user",
        expired_users,
        "an enabled user whose `expire` is past",
        "The user cannot log in, though the list shows it as enabled.",
    ),
    Check(
        "no-password",
        users_without_password,
        "an enabled user of the realm `pmg` without a password",
        "Nobody can log in as that user.",
    ),
    Check(
        "unknown-realm",
        users_of_no_realm,
        "an enabled user of a realm that is not in `realms.conf`",
        "Nobody can check the password: the user cannot log in.",
    ),
    Check(
        "dkim-key",
        missing_dkim_key,
        "a DKIM selector without its key file, a key file without a key in it, or signing without "
        "a selector",
        "Mail goes out unsigned, and receivers with a strict DMARC policy refuse it.",
    ),
    Check(
        "login-without-ldap",
        login_without_ldap,
        "`spamquar.authmode` `ldap` without an LDAP profile that is on",
        "Nobody can log in to the quarantine.",
    ),
    Check(
        "custom-check-program",
        missing_program,
        "`admin.custom_check` on, and its program missing or not executable",
        "PMG logs an error for each mail and delivers it unchecked.",
    ),
    Check(
        "shared-address",
        shared_addresses,
        "two nodes of `cluster.conf` with one address",
        "One of them is never reached.",
    ),
)
