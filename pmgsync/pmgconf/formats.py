"""What texts in PMG's files may look like: addresses, names, lists, escaped comments.

Each `Format` accepts what PMG's own check of that name accepts, no more and no less, in time linear
in the length of the text. Letters and digits are ASCII's.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import quote_from_bytes, unquote_to_bytes

BLANKS = " \t\r\f\v"
"""White space as PMG's readers see it, the line break aside. A no-break space is data."""

_SEPARATORS = re.compile(rf"[,;\n{BLANKS}]+")
_LABEL = re.compile(r"[A-Za-z0-9-]+")
_DNS_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DNS_NAME = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}")
_LOCAL_WORD = re.compile(r"[A-Za-z0-9_+~-]+")
_OCTET = r"(?:[0-9]+|\[[0-9]+\.\.[0-9]+\])"
_DNSBL_ENTRY = re.compile(rf"([A-Za-z0-9.-]+)(?::?={_OCTET}(?::?\.{_OCTET}){{3}})?(?:\*-?[0-9]+)?")
_REALM = re.compile(r"[A-Za-z][A-Za-z0-9._-]+")
_ROLE_ASSIGNMENT = {
    "source": re.compile("fixed|from-claim"),
    "fixed-role": re.compile("admin|qmanager|audit|helpdesk"),
    "role-claim": re.compile("[a-zA-Z0-9._:-]+"),
}
_CONFIG_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]+")
_KEPT_IN_COMMENTS = bytes({*range(0x20, 0x7F)} - {ord("%"), ord(":")})


def split_list(text: str) -> list[str]:
    """The items of a list: split at NUL where there is one, else at blanks, `,` and `;`."""
    items = text.split("\0") if "\0" in text else _SEPARATORS.split(text)
    return [item for item in items if item]


def is_dns_name(text: str) -> bool:
    """Labels of letters, digits and inner hyphens, joined by dots."""
    return _DNS_NAME.fullmatch(text) is not None


def is_ipv4(text: str) -> bool:
    """Four numbers without leading zeros."""
    return _IPV4.fullmatch(text) is not None


def is_ipv6(text: str) -> bool:
    """An IPv6 address without brackets and zone."""
    if ":" not in text:
        return False
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return text.isascii() and "%" not in text


def is_ip(text: str) -> bool:
    """An address of either family."""
    return is_ipv4(text) or is_ipv6(text)


def is_address(text: str) -> bool:
    """An IP address or a DNS name (and so also `999.1.1.1`)."""
    return is_dns_name(text) or is_ipv6(text)


def is_email(text: str) -> bool:
    """`LOCAL@HOST`; no quotes, no IDN; the host may be a single word."""
    local, at, host = text.partition("@")
    return bool(
        at
        and all(map(_LOCAL_WORD.fullmatch, local.split(".")))
        and all(map(_LABEL.fullmatch, host.split(".")))
    )


def is_dnsbl_list(text: str) -> bool:
    """A list of postscreen's `DOMAIN[=d.d.d.d][*WEIGHT]`. An empty list is one."""
    return all(map(_is_dnsbl_entry, split_list(text)))


def is_attribute_list(text: str) -> bool:
    """A list of names of LDAP attributes: letters and digits only."""
    return all(item.isascii() and item.isalnum() for item in split_list(text))


CONFIG_IDS = "a letter, then letters, digits, `_` or `-`, two characters at least,"
REALM_IDS = "a letter, then letters, digits, `.`, `_` or `-`, two characters at least,"


def is_config_id(text: str) -> bool:
    """A letter, then letters, digits, `_` or `-`: two characters at least."""
    return _CONFIG_ID.fullmatch(text) is not None


def is_realm(text: str) -> bool:
    """A letter, then letters, digits, `.`, `_` or `-`: two characters at least."""
    return _REALM.fullmatch(text) is not None


def is_role_assignment(text: str) -> bool:
    """`source=fixed|from-claim`, `fixed-role=ROLE`, `role-claim=WORD`, each at most once, joined by
    commas.
    """
    left = dict(_ROLE_ASSIGNMENT)
    for part in text.split(","):
        name, _, value = part.partition("=")
        if part.strip(BLANKS):
            pattern = left.pop(name, None)
            if pattern is None or not pattern.fullmatch(value):
                return False
    return True


def encode_comment(text: str) -> str:
    """A comment as section files hold it: UTF-8, with `%`, `:` and what is not plain ASCII escaped
    as `%XX`. So are outer blanks: PMG writes them plainly, and then does not read them back.
    """
    escaped = quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe=_KEPT_IN_COMMENTS)
    inner = escaped.strip(" ")
    before, _, after = escaped.partition(inner) if inner else (escaped, "", "")
    return f"{before.replace(' ', '%20')}{inner}{after.replace(' ', '%20')}"


def decode_comment(text: str) -> str:
    """The comment that a section file holds as `text`; bytes that are not UTF-8 survive."""
    raw = unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def _is_dnsbl_entry(item: str) -> bool:
    match = _DNSBL_ENTRY.fullmatch(item)
    return match is not None and is_dns_name(match[1])


@dataclass(frozen=True, slots=True)
class Format:
    """A named format. `looks_like` completes PMG's "value does not look like a valid ..."; `words`
    says to people what is allowed.
    """

    name: str
    fits: Callable[[str], bool]
    looks_like: str
    words: str


EMAIL = Format("email", is_email, "email address", "an email address")
DNS_NAME = Format("dns-name", is_dns_name, "DNS name", "a DNS name")
ADDRESS = Format("address", is_address, "address", "an IP address or a DNS name")
IP = Format("ip", is_ip, "IP address", "an IP address")
DNSBL_LIST = Format(
    "dnsbl-entry-list",
    is_dnsbl_list,
    "dnsbl entry",
    "a list of DOMAIN[=d.d.d.d][*WEIGHT], separated by blanks, `,` or `;`",
)
ATTRIBUTE_LIST = Format(
    "ldap-simple-attr-list",
    is_attribute_list,
    "simple ldap attribute name",
    "a list of LDAP attributes (letters and digits), separated by blanks, `,` or `;`",
)
ROLE_ASSIGNMENT = Format(
    "property string",
    is_role_assignment,
    "assignment of a role",
    "source=fixed|from-claim, fixed-role=ROLE, role-claim=CLAIM, joined by commas",
)
