"""PURE. The table of service files: which template goes where, with which mode and owner, who
checks it, and what its service does about a change. A service is added by adding rows.

Order, modes, owners and reactions are those of PMG's `rewrite_config`. Paths are relative to the
node's root. `{postgres}` in one stands for the version of the PostgreSQL server: on a node without
one such a row does not count. SpamAssassin's folder is a link on Debian, and links are never
followed: `Places` says where it really is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pmgsync.model.scope import PMG, SCOPE, SPAMASSASSIN

Variables = Mapping[str, Any]
"""What templates see, by name: `pmg.mail.relay` is `variables["pmg"]["mail"]["relay"]`."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What files are made from: the variables, and the options that pmg.conf itself sets."""

    variables: Variables
    given: Mapping[str, Mapping[str, Any]]
    warned: tuple[str, ...] = ()
    """What PMG warns of while it reads them."""


OVERRIDES = f"{PMG}/templates"
PACKAGED = "var/lib/pmg/templates"
TLS_CERTIFICATE = f"{PMG}/pmg-tls.pem"
FILTER_PARAMETERS = "run/pmg-smtp-filter/pmg-smtp-filter.cfg"


class Service(Enum):
    """What reads the files; the value is its name for people."""

    POSTFIX = "postfix"
    SPAMASSASSIN = "spamassassin"
    FILTER = "pmg-smtp-filter"
    CLAMD = "clamav-daemon"
    FRESHCLAM = "clamav-freshclam"
    POSTGRES = "postgresql"
    SYSTEM = "system"


class Reaction(Enum):
    """What is done after a change, in this order, each once. The value names its setting."""

    POSTFIX_RELOAD = "postfix_reload"
    CLAMD_RESTART = "clamd_restart"
    FRESHCLAM_RESTART = "freshclam_restart"
    FILTER_RESTART = "filter_restart"
    FILTER_RELOAD = "filter_reload"


IMPLIED = {Reaction.FILTER_RESTART: Reaction.FILTER_RELOAD}
"""A restart does what the reload would do."""


@dataclass(frozen=True, slots=True)
class Target:
    """One file. It is made from `template`, or by `content` where PMG has no template.

    `wanted` says by the variables whether the file is written at all; one that is not wanted stays
    as it is. `reaction` None: PMG does nothing about a change.
    """

    path: str
    service: Service
    template: str = ""
    reaction: Reaction | None = None
    mode: int = 0o644
    ownership: str = "root:root"
    content: Callable[[Inputs], bytes] | None = None
    wanted: Callable[[Variables], bool] = field(default=lambda _variables: True)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that must exist: made where it is missing, else left alone.

    It is made empty, except the certificate. A `synced` one is made on a machine that belongs to
    no cluster; elsewhere the master says whether it exists.
    """

    path: str
    service: Service
    synced: bool = False
    reaction: Reaction | None = None
    mode: int = 0o644
    wanted: Callable[[Variables], bool] = field(default=lambda _variables: True)


@dataclass(frozen=True, slots=True)
class Removed:
    """A file that must not exist while `unwanted` holds."""

    path: str
    service: Service
    unwanted: Callable[[Variables], bool]
    reaction: Reaction | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A program of the service's own that reads its files where they wait, and ends with an error
    for what it cannot work with. `{folder}` in `argv` is where all files of `service` lie then,
    without folders, and `{postgres}` in the program's name the version of PostgreSQL.
    """

    service: Service
    argv: tuple[str, ...]
    with_others: bool = False
    """Does it read what else lies in its folder, too (files that one of ours includes)?"""
    synced: tuple[str, ...] = ()
    """Which of these are synced: they are read as they will be, not as they lie there."""
    empty: tuple[str, ...] = ()
    """Files that it wants to be there, with nothing in them."""
    forgives: bool = False
    """Does the service work with the rest of a file that it complains about? Then complaints that
    the files which lie there cause as well are warnings."""


@dataclass(frozen=True, slots=True)
class Places:
    """What differs from machine to machine: the version of PostgreSQL, SpamAssassin's folder,
    which folders are there at all, and at which paths a file may be put.
    """

    postgres: str | None = None
    spamassassin: str = SPAMASSASSIN
    has_folder: Callable[[str], bool] = field(default=lambda _folder: True)
    is_free: Callable[[str], bool] = field(default=lambda _path: True)
    """Asked of targets only."""

    def resolve(self, path: str) -> str | None:
        """Where a row's `path` is on this machine; None where it is nowhere."""
        if "{postgres}" in path:
            if not self.postgres:
                return None
            path = path.format(postgres=self.postgres)
        elif path.startswith(f"{SPAMASSASSIN}/"):
            path = self.spamassassin + path[len(SPAMASSASSIN) :]
        return path if self.has_folder(path.rpartition("/")[0]) else None


_POSTFIX = "etc/postfix"
_POSTGRES = "etc/postgresql/{postgres}/main"
_CLAMAV = "etc/clamav"
_RAZOR = "var/lib/pmg/spamassassin/.razor"
_LEARNED = "root/.spamassassin"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def forward(inputs: Inputs) -> bytes:
    """Where mail for root goes: the first word of the administrator's address, if any."""
    words = _text(inputs.variables["pmg"]["admin"].get("email")).split()
    return f"{words[0]}\n".encode("latin-1") if words else b""


FILTER_OPTIONS = {
    "admin": (
        "admin-mail-from",
        "dkim-use-domain",
        "dkim_selector",
        "dkim_sign",
        "dkim_sign_all_mail",
    ),
    "mail": ("accept-broken-mime", "hide_received", "log-headers", "ndr_on_block", "smtputf8"),
}
"""The options that pmg-smtp-filter reads by itself, in the order of its file."""


def filter_parameters(inputs: Inputs) -> bytes:
    """`section.key:value` of those options that pmg.conf itself sets, sorted by bytes."""
    return _bytes(
        "".join(
            f"{section}.{key}:{_text(inputs.given[section][key])}\n"
            for section, keys in FILTER_OPTIONS.items()
            for key in keys
            if inputs.given.get(section, {}).get(key) is not None
        )
    )


def is_on(variables: Variables, section: str, key: str) -> bool:
    """Is the option true, as Perl sees it?"""
    return _text(variables["pmg"][section].get(key)) not in ("", "0")


def _with_razor(variables: Variables) -> bool:
    return is_on(variables, "spam", "use_razor")


def _with_tls(variables: Variables) -> bool:
    return is_on(variables, "mail", "tls")


def _without_awl(variables: Variables) -> bool:
    return not is_on(variables, "spam", "use_awl")


def _without_bayes(variables: Variables) -> bool:
    return not is_on(variables, "spam", "use_bayes")


def _rules(name: str) -> Target:
    path = f"{SPAMASSASSIN}/{name}"
    return Target(path, Service.SPAMASSASSIN, f"{name}.in", Reaction.FILTER_RESTART)


TARGETS: tuple[Target, ...] = (
    Target(f"{_POSTFIX}/main.cf", Service.POSTFIX, "main.cf.in", Reaction.POSTFIX_RELOAD),
    Target(f"{_POSTFIX}/master.cf", Service.POSTFIX, "master.cf.in", Reaction.POSTFIX_RELOAD),
    Target("root/.forward", Service.SYSTEM, content=forward),
    Target(f"{_POSTGRES}/pg_hba.conf", Service.POSTGRES, "pg_hba.conf.in"),
    Target(f"{_POSTGRES}/postgresql.conf", Service.POSTGRES, "postgresql.conf.in"),
    *map(_rules, ("local.cf", "init.pre", "v310.pre", "v320.pre", "v342.pre", "v400.pre")),
    Target(
        f"{_RAZOR}/razor-agent.conf",
        Service.SPAMASSASSIN,
        "razor-agent.conf.in",
        Reaction.FILTER_RESTART,
        wanted=_with_razor,
    ),
    Target(f"{_CLAMAV}/clamd.conf", Service.CLAMD, "clamd.conf.in", Reaction.CLAMD_RESTART),
    Target(
        f"{_CLAMAV}/freshclam.conf",
        Service.FRESHCLAM,
        "freshclam.conf.in",
        Reaction.FRESHCLAM_RESTART,
        mode=0o600,  # it may have the password of a proxy
        ownership="clamav:adm",
    ),
    Target(
        FILTER_PARAMETERS,
        Service.FILTER,
        reaction=Reaction.FILTER_RELOAD,
        content=filter_parameters,
    ),
)

MAPPED = tuple(rule.pattern for rule in SCOPE if rule.postmap)
"""The files for which Postfix wants an indexed map (`postmap`) beside them, existing or not."""
ALIASES = "etc/aliases"
"""The one for which it wants `postalias`, if it exists."""

KEPT: tuple[Kept, ...] = (
    Kept(
        TLS_CERTIFICATE,
        Service.POSTFIX,
        reaction=Reaction.POSTFIX_RELOAD,
        mode=0o600,
        wanted=_with_tls,
    ),
    *(
        Kept(f"{_POSTFIX}/{name}", Service.POSTFIX)
        for name in ("senderaccess", "rcptaccess", "clientaccess", "postscreen_access")
    ),
    *(Kept(path, Service.POSTFIX, synced=True) for path in MAPPED),
    *(
        Kept(f"{SPAMASSASSIN}/{name}", Service.SPAMASSASSIN, synced=True)
        for name in ("custom.cf", "pmg-scores.cf")
    ),
)
"""What Postfix and SpamAssassin do not start without. The four of Postfix's folder are written from
the rule database; an empty one welcomes and refuses nobody."""

REMOVED: tuple[Removed, ...] = (
    Removed(
        f"{_LEARNED}/auto-whitelist", Service.SPAMASSASSIN, _without_awl, Reaction.FILTER_RESTART
    ),
    *(
        Removed(f"{_LEARNED}/{name}", Service.SPAMASSASSIN, _without_bayes, Reaction.FILTER_RESTART)
        for name in ("bayes_journal", "bayes_seen", "bayes_toks")
    ),
)
"""What was learned is forgotten once learning is switched off, as PMG does."""

CHECKS: tuple[Check, ...] = (
    # The first finds lines that are none; only a program that uses them finds values that are none.
    Check(Service.POSTFIX, ("postconf", "-c", "{folder}", "-n")),
    Check(Service.POSTFIX, ("postmap", "-c", "{folder}", "-q", "x", "inline:{{x=y}}")),
    # `-x`: no settings of root's own; `-L`: nobody in the network is asked.
    Check(
        Service.SPAMASSASSIN,
        ("spamassassin", "--lint", "-L", "-x", "--siteconfigpath={folder}"),
        with_others=True,
        synced=(f"{SPAMASSASSIN}/custom.cf", f"{SPAMASSASSIN}/pmg-scores.cf"),
        forgives=True,
    ),
    # It reads the file and prints one value. (`pg_hba.conf` is read by a running server only.) As
    # where Debian starts it, the folder of the data need not be named in the file.
    Check(
        Service.POSTGRES,
        (
            "/usr/lib/postgresql/{postgres}/bin/postgres",
            *("-C", "shared_buffers", "-D", "{folder}"),
            *("-c", "config_file={folder}/postgresql.conf"),
        ),
        with_others=True,
        empty=("postgresql.auto.conf",),  # of the data, with what `ALTER SYSTEM` sets
    ),
    Check(Service.CLAMD, ("clamd", "--config-file={folder}/clamd.conf", "--version")),
    Check(Service.FRESHCLAM, ("freshclam", "--config-file={folder}/freshclam.conf", "--version")),
)

SOURCES = (f"{PMG}/pmg.conf", f"{PMG}/cluster.conf", f"{PMG}/transport", f"{PMG}/mynetworks")
"""The synced files that the variables are computed from; templates aside."""


def is_source(path: str) -> bool:
    """May a change of the synced file at `path` change what is rendered?"""
    return path in SOURCES or path.startswith(f"{OVERRIDES}/")


def folders(places: Places) -> tuple[str, ...]:
    """Every folder that something in the table lies in, on a machine with these `places`."""
    rows: tuple[Target | Kept | Removed, ...] = (*TARGETS, *KEPT, *REMOVED)
    found = (places.resolve(row.path) for row in rows)
    return tuple(dict.fromkeys(path.rpartition("/")[0] for path in found if path))
