"""PMG's `realms.conf`: where its users' passwords are checked, bytes to values and back.

A section file (`section.py`): `pam:`, `pmg:` and any number of `oidc:` realms; the type may be
written in capitals too. The realms `pam` and `pmg` are always there, with a comment of PMG's own
where they have none, and whatever type their section claims. One realm may be the default; of
several PMG keeps one by chance, and we the first. Comments are UTF-8 with `%XX` escapes in the
file, and plain here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pmgsync.pmgconf.findings import Finding, Severity
from pmgsync.pmgconf.formats import (
    REALM_IDS,
    ROLE_ASSIGNMENT,
    decode_comment,
    encode_comment,
    is_realm,
)
from pmgsync.pmgconf.lists import decoded
from pmgsync.pmgconf.section import Grammar, Section, is_comment, section_of, typed_header
from pmgsync.pmgconf.section import dump as dump_sections
from pmgsync.pmgconf.section import parse as parse_sections
from pmgsync.pmgconf.values import OptionRule, ValueType

OIDC = "oidc"
ROLES = ("admin", "qmanager", "audit", "helpdesk")
BUILT_IN = {
    "pam": "Linux PAM standard authentication",
    "pmg": "Proxmox Mail Gateway authentication server",
}
"""The realms that are always there, and the comments that PMG gives them."""

_FLAG = OptionRule(type=ValueType.BOOLEAN)
_COMMENT = OptionRule(most_bytes=4096)
_WORD = OptionRule(pattern=r"[a-zA-Z0-9._:-]+", words="letters, digits, `.`, `_`, `:` and `-`")
_PRINTABLE = r"[\x20-\x7e]+"
_BOTH = {"comment": _COMMENT, "default": _FLAG}

OPTIONS: Mapping[str, Mapping[str, OptionRule]] = {
    "pam": _BOTH,
    "pmg": _BOTH,
    OIDC: {
        **_BOTH,
        "acr-values": _WORD,
        "audiences": _WORD,
        "autocreate": _FLAG,
        "autocreate-role": OptionRule(choices=ROLES),
        "autocreate-role-assignment": OptionRule(format=ROLE_ASSIGNMENT),
        "client-id": OptionRule(
            pattern=_PRINTABLE, words="printable ASCII", most_bytes=256, required=True
        ),
        "client-key": OptionRule(pattern=_PRINTABLE, words="printable ASCII", most_bytes=256),
        "issuer-url": OptionRule(
            pattern=r"https?://[a-zA-Z0-9.-]+(?::[0-9]{1,5})?(?:/\S*)?",
            words="a URL (http or https)",
            most_bytes=256,
            required=True,
        ),
        "prompt": OptionRule(
            pattern=r"\S+", words="none, login, consent, select_account or another single word"
        ),
        "scopes": _WORD,
        "username-claim": _WORD,
    },
}
DEFAULTS = {
    "autocreate": "0",
    "autocreate-role": "audit",
    "autocreate-role-assignment": "source=fixed,fixed-role=auditor",
    "scopes": "email profile",
    "username-claim": "sub",
}
"""What PMG takes where an option of an `oidc:` realm is not set."""


def _header(line: str) -> tuple[str, str] | None:
    found = typed_header(line)
    return (found[0].lower(), found[1]) if found and found[0].isascii() else found


def _id_fault(name: str) -> str:
    return "" if is_realm(name) else "value does not look like a valid realm"


GRAMMAR = Grammar(_header, OPTIONS, _id_fault, is_secret=True, ids=REALM_IDS)


@dataclass(frozen=True, slots=True)
class Realm:
    """One realm. `options` are plain texts, one of them a key, and stay out of its `repr`."""

    name: str
    type: str
    options: Mapping[str, str] = field(repr=False)
    line: int = 0


@dataclass(frozen=True, slots=True)
class RealmsConf:
    """What `realms.conf` says: realms by name, in the order in which PMG would write them.

    `unread` are the numbers of lines whose content PMG would not write again; `unkept` those of
    comments.
    """

    entries: Mapping[str, Realm]
    findings: tuple[Finding, ...] = ()
    unread: tuple[int, ...] = ()
    unkept: tuple[int, ...] = ()


def parse(data: bytes) -> RealmsConf:
    """What `data` says. Never raises."""
    file = parse_sections(data, GRAMMAR)
    realms = {section.id: _realm(section) for section in file.sections}
    for name in BUILT_IN:
        realms[name] = _built_in(realms.get(name, Realm(name, name, {})))
    doubts = tuple(_keep_one_default(realms))
    lost = tuple(f.line for f in file.findings if f.severity is Severity.ERROR)
    replaced = tuple(section.line for section in file.replaced)
    lines = decoded(data).split("\n")
    comments = tuple(n for n, line in enumerate(lines, 1) if is_comment(line))
    return RealmsConf(realms, file.findings + doubts, lost + replaced, comments)


def dump(realms: Iterable[Realm]) -> bytes:
    """The file as PMG writes it, in the order given; `pam` and `pmg` are added where missing."""
    given = {realm.name: realm for realm in realms}
    for name in BUILT_IN:
        given[name] = _built_in(given.get(name, Realm(name, name, {})))
    return dump_sections(map(_section, given.values()), GRAMMAR)


def _realm(section: Section) -> Realm:
    values = {name: option.value for name, option in section.options.items()}
    if "comment" in values:
        values["comment"] = decode_comment(values["comment"])
    return Realm(section.id, section.type, values, section.line)


def _section(realm: Realm) -> Section:
    values = dict(realm.options)
    if "comment" in values:
        values["comment"] = encode_comment(values["comment"])
    return section_of(realm.type, realm.name, values)


def _built_in(realm: Realm) -> Realm:
    """`pam` or `pmg` as it always is: of its own type, with a comment."""
    options = {name: value for name, value in realm.options.items() if name in _BOTH}
    if options.get("comment", "") in ("", "0"):
        options["comment"] = BUILT_IN[realm.name]
    return replace(realm, type=realm.name, options=options)


def _keep_one_default(realms: dict[str, Realm]) -> Iterable[Finding]:
    """Take the mark from all but the first that has it."""
    marked = [realm for realm in realms.values() if realm.options.get("default") == "1"]
    for realm in marked[1:]:
        options = {name: value for name, value in realm.options.items() if name != "default"}
        realms[realm.name] = replace(realm, options=options)
        yield Finding(
            realm.line,
            f"a second default realm, besides '{marked[0].name}'; which one counts is chance",
            realm.name,
            "leave `default` in one of them",
            Severity.WARNING,
            key="default",
        )
