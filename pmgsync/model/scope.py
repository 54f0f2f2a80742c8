"""The scope table: what is synced, and how it must lie on a node.

The one place that says which paths travel, with which mode and owner, which are secret (masked
wherever content is shown), and for which Postfix keeps an indexed map beside the file. The first
row whose pattern fits a path is its rule. `FOLDER/**` means any file below FOLDER at any depth.
What no row names does not travel and is refused on arrival; so is what an editor, PMG's own writer
or Postfix leaves beside a file (`is_leaving`).

Modes and owners are those that PMG's own writers give the files, with two exceptions:
`realms.conf` (an OIDC client's key) and `acme/` (accounts, tokens for DNS), which PMG leaves
readable for everybody, are closed to all but those of its daemons that read them. Who reads what
decides the others: the filter signs with the DKIM keys and asks LDAP servers, as group `pmg`;
pmgproxy, as www-data, checks tickets and shows `pbs.conf`, but has no part in making tickets or in
second factors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from pmgsync.errors import OutOfScopeError
from pmgsync.model.paths import ManagedPath, printable


class Kind(Enum):
    """How a file's content is to be read."""

    SECTIONS = "sections"
    LIST = "list"
    ACCOUNTS = "accounts"
    TEMPLATE = "template"
    RULES = "rules"
    KEY = "key"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: how the files that fit `pattern` are synced."""

    pattern: str
    kind: Kind
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    secret: bool = False
    postmap: bool = False
    """Postfix looks it up through an indexed map (`NAME.db`) that `postmap` builds beside it."""

    @property
    def ownership(self) -> str:
        """`owner:group`, as a manifest entry carries it."""
        return f"{self.owner}:{self.group}"


PMG = "etc/pmg"
SPAMASSASSIN = "etc/mail/spamassassin"
STATE_FOLDER = "var/lib/pmgsync"
"""Where a node keeps what is its own; nothing in it is synced."""
PMG_CONF = ManagedPath(f"{PMG}/pmg.conf")
CLUSTER_CONF = ManagedPath(f"{PMG}/cluster.conf")

SCOPE: tuple[Rule, ...] = (
    Rule(PMG_CONF, Kind.SECTIONS),
    Rule(CLUSTER_CONF, Kind.SECTIONS),
    Rule(f"{PMG}/domains", Kind.LIST, postmap=True),
    Rule(f"{PMG}/transport", Kind.LIST, postmap=True),
    Rule(f"{PMG}/tls_policy", Kind.LIST, postmap=True),
    Rule(f"{PMG}/tls_inbound_domains", Kind.LIST, postmap=True),
    Rule(f"{PMG}/mynetworks", Kind.LIST),
    Rule(f"{PMG}/ldap.conf", Kind.SECTIONS, 0o640, group="pmg", secret=True),
    Rule(f"{PMG}/realms.conf", Kind.SECTIONS, 0o640, group="www-data", secret=True),
    Rule(f"{PMG}/user.conf", Kind.ACCOUNTS, 0o640, group="www-data", secret=True),
    Rule(f"{PMG}/tfa.json", Kind.OPAQUE, 0o600, secret=True),
    Rule(f"{PMG}/fetchmailrc", Kind.ACCOUNTS, 0o600, "fetchmail", "fetchmail", secret=True),
    Rule(f"{PMG}/pmg-authkey.key", Kind.KEY, 0o600, secret=True),
    Rule(f"{PMG}/pmg-authkey.pub", Kind.KEY),
    Rule(f"{PMG}/pmg-csrf.key", Kind.KEY, 0o640, group="www-data", secret=True),
    Rule(f"{PMG}/dkim/domains", Kind.LIST),
    Rule(f"{PMG}/dkim/**", Kind.KEY, 0o640, group="pmg", secret=True),
    Rule(f"{PMG}/templates/**", Kind.TEMPLATE),
    Rule(f"{PMG}/pbs/pbs.conf", Kind.OPAQUE, secret=True),
    Rule(f"{PMG}/pbs/**", Kind.OPAQUE, 0o600, secret=True),
    Rule(f"{PMG}/acme/**", Kind.OPAQUE, 0o600, secret=True),
    Rule(f"{SPAMASSASSIN}/custom.cf", Kind.RULES),
    Rule(f"{SPAMASSASSIN}/pmg-scores.cf", Kind.RULES),
)

FOLDERS: dict[str, int] = {
    PMG: 0o755,
    f"{PMG}/dkim": 0o755,
    f"{PMG}/templates": 0o755,
    f"{PMG}/pbs": 0o755,
    f"{PMG}/acme": 0o700,
    SPAMASSASSIN: 0o755,
}
"""Folders that hold synced files, and the mode of one that has to be made; inside, the parent's."""

STAGE_PREFIX = ".pmgsync-"
"""So starts what a node puts beside its targets while it applies; a leaving like any dot file."""

_LEAVING = re.compile(
    r"\..*|.*~|#.*#|4913|.*\.(db|lock|lck|new|swp|TMP|tmp\d*|tmp\..*|(dpkg|ucf)-.*)", re.DOTALL
)


def is_leaving(name: str) -> bool:
    """Is `name` (the last element of a path) an editor's, a writer's or Postfix's by-product?"""
    return _LEAVING.fullmatch(name) is not None


@lru_cache(maxsize=65536)
def rule_for(path: str) -> Rule | None:
    """The rule of `path` (relative to the root), or None where it does not travel."""
    if any(not element or is_leaving(element) for element in path.split("/")):
        return None
    for rule in SCOPE:
        if rule.pattern.endswith("/**"):
            if path.startswith(rule.pattern[:-2]):
                return rule
        elif path == rule.pattern:
            return rule
    return None


def require_rule(path: ManagedPath) -> Rule:
    """The rule of `path`; `OutOfScopeError` where there is none."""
    rule = rule_for(path)
    if rule is None:
        raise OutOfScopeError(
            "is not in the scope table", where=printable(path), mend="it does not travel"
        )
    return rule


def folder_mode(folder: str) -> int:
    """The mode of `folder` when it has to be made: its own row, else the nearest folder's above."""
    while folder and folder not in FOLDERS:
        folder = folder.rpartition("/")[0]
    return FOLDERS.get(folder, 0o755)


def holds_synced_files(folder: str) -> bool:
    """May a file directly or deeper in `folder` travel? (The walk does not descend elsewhere.)"""
    inside = folder + "/"
    if any(is_leaving(element) for element in folder.split("/")):
        return False
    return any(
        rule.pattern.startswith(inside)
        or (rule.pattern.endswith("/**") and inside.startswith(rule.pattern[:-2]))
        for rule in SCOPE
    )
