"""PMG's `ldap.conf`: the LDAP servers it asks, bytes to values and back.

A section file (`section.py`), with two options in an encoding of their own: `bindpw` is base64 of
the password, `comment` is UTF-8 with `%XX` escapes. The values here are the plain ones. Perl's
base64 skips what it does not know and ends at `=`; so does ours, and warns, as a password that
somebody wrote down plainly comes out as something else.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pmgsync.pmgconf.file_kind import kind_of_entries
from pmgsync.pmgconf.findings import Finding, Severity
from pmgsync.pmgconf.formats import (
    ADDRESS,
    ATTRIBUTE_LIST,
    BLANKS,
    CONFIG_IDS,
    decode_comment,
    encode_comment,
    is_config_id,
)
from pmgsync.pmgconf.lists import decoded, encoded
from pmgsync.pmgconf.section import Grammar, Section, section_of, typed_header
from pmgsync.pmgconf.section import dump as dump_sections
from pmgsync.pmgconf.section import parse as parse_sections
from pmgsync.pmgconf.values import OptionRule, ValueType

SECTION_TYPE = "ldap"
MODES = ("ldap", "ldaps", "ldap+starttls")
PASSWORD = "bindpw"  # noqa: S105  the name of the option

OPTIONS = {
    "accountattr": OptionRule(format=ATTRIBUTE_LIST),
    "basedn": OptionRule(),
    "binddn": OptionRule(),
    PASSWORD: OptionRule(),
    "cafile": OptionRule(),
    "comment": OptionRule(most_bytes=4096),
    "disable": OptionRule(type=ValueType.BOOLEAN),
    "filter": OptionRule(),
    "groupbasedn": OptionRule(),
    "groupclass": OptionRule(format=ATTRIBUTE_LIST),
    "mailattr": OptionRule(format=ATTRIBUTE_LIST),
    "mode": OptionRule(choices=MODES),
    "port": OptionRule(type=ValueType.INTEGER, least=1, most=65535),
    "server1": OptionRule(format=ADDRESS, most_bytes=256, required=True),
    "server2": OptionRule(format=ADDRESS, most_bytes=256),
    "verify": OptionRule(type=ValueType.BOOLEAN),
}
DEFAULTS = {
    "accountattr": "sAMAccountName, uid",
    "groupclass": "group, univentionGroup, ipausergroup",
    "mailattr": "mail, userPrincipalName, proxyAddresses, othermailbox, mailAlternativeAddress",
    "mode": "ldap",
    "verify": "0",
}
"""What PMG takes where an option is not set."""


def _id_fault(name: str) -> str:
    return "" if is_config_id(name) else f"invalid configuration ID '{name}'"


GRAMMAR = Grammar(typed_header, {SECTION_TYPE: OPTIONS}, _id_fault, is_secret=True, ids=CONFIG_IDS)

_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]+")
_CLEAN = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@dataclass(frozen=True, slots=True)
class Profile:
    """One LDAP server, or a pair. `options` are plain texts, and stay out of its `repr`."""

    name: str
    options: Mapping[str, str] = field(repr=False)
    line: int = 0


@dataclass(frozen=True, slots=True)
class LdapConf:
    """What `ldap.conf` says: profiles by name, in the order of the file.

    `unread` are the numbers of lines whose content PMG would not write again; `unkept` those of
    comments.
    """

    entries: Mapping[str, Profile]
    findings: tuple[Finding, ...] = ()
    unread: tuple[int, ...] = ()
    unkept: tuple[int, ...] = ()


def parse(data: bytes) -> LdapConf:
    """What `data` says. Never raises."""
    file = parse_sections(data, GRAMMAR)
    profiles = {section.id: _profile(section) for section in file.sections}
    doubts = tuple(_doubt(s) for s in file.sections if not _CLEAN.fullmatch(s.get(PASSWORD) or ""))
    lost = tuple(f.line for f in file.findings if f.severity is Severity.ERROR)
    replaced = tuple(section.line for section in file.replaced)
    lines = decoded(data).split("\n")
    comments = tuple(n for n, line in enumerate(lines, 1) if line.lstrip(BLANKS)[:1] == "#")
    return LdapConf(profiles, file.findings + doubts, lost + replaced, comments)


def dump(profiles: Iterable[Profile]) -> bytes:
    """The file as PMG writes it, in the order given."""
    return dump_sections(map(_section, profiles), GRAMMAR)


KIND = kind_of_entries(parse, dump)


def _profile(section: Section) -> Profile:
    values = {name: option.value for name, option in section.options.items()}
    if "comment" in values:
        values["comment"] = decode_comment(values["comment"])
    if PASSWORD in values:
        values[PASSWORD] = decoded(_from_base64(values[PASSWORD]))
    return Profile(section.id, values, section.line)


def _section(profile: Profile) -> Section:
    values = dict(profile.options)
    if "comment" in values:
        values["comment"] = encode_comment(values["comment"])
    if PASSWORD in values:
        values[PASSWORD] = base64.b64encode(encoded(values[PASSWORD])).decode()
    return section_of(SECTION_TYPE, profile.name, values)


def _from_base64(text: str) -> bytes:
    """As Perl decodes it: other characters are skipped, the first `=` ends it, padding may lack."""
    digits = _NOT_BASE64.sub("", text).partition("=")[0]
    whole = digits[: len(digits) - (len(digits) % 4 == 1)]
    return base64.b64decode(whole + "=" * (-len(whole) % 4))


def _doubt(section: Section) -> Finding:
    return Finding(
        section.options[PASSWORD].line,
        "bindpw is not base64, so PMG logs in with something else",
        section.id,
        f"set it with `pmgsync ldap set {section.id} --password`",
        Severity.WARNING,
        key=PASSWORD,
    )
