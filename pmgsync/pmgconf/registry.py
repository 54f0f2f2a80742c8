"""Which file is read and written by which module: the table of the files that pmgsync understands.

Every kind has the same two functions: `parse` takes bytes, never raises, and returns what the file
says with what is wrong in it; `dump` gives the bytes that PMG's own writer would make of that.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from pmgsync.model.scope import PMG, SPAMASSASSIN
from pmgsync.pmgconf import fetchmailrc, ldap_conf, lists, maps, realms_conf, user_conf
from pmgsync.pmgconf.findings import Finding


class Parsed(Protocol):
    """What a file says: its entries by key, and what is wrong in it."""

    @property
    def entries(self) -> Mapping[str, Any]:
        """By what each is called."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """In the order in which PMG would complain."""

    @property
    def unread(self) -> tuple[int, ...]:
        """Lines that PMG drops, and would lose at the next write."""

    @property
    def unkept(self) -> tuple[int, ...]:
        """Lines of comments that PMG would not write again."""


class FileKind(NamedTuple):
    """How one file is read and written. `dump` takes what `parse` gave, or one with other
    entries.
    """

    parse: Callable[[bytes], Parsed]
    dump: Callable[[Any], bytes]


def _list(form: lists.ListFormat[Any]) -> FileKind:
    return FileKind(
        lambda data: lists.parse(data, form),
        lambda parsed: lists.dump(parsed.entries.values(), form),
    )


REGISTRY: dict[str, FileKind] = {
    f"{PMG}/domains": _list(maps.DOMAINS),
    f"{PMG}/dkim/domains": _list(maps.DOMAINS),
    f"{PMG}/mynetworks": _list(maps.NETWORKS),
    f"{PMG}/transport": _list(maps.TRANSPORTS),
    f"{PMG}/tls_policy": _list(maps.POLICIES),
    f"{PMG}/tls_inbound_domains": _list(maps.INBOUND_DOMAINS),
    f"{SPAMASSASSIN}/pmg-scores.cf": _list(maps.SCORES),
    f"{PMG}/user.conf": FileKind(
        user_conf.parse, lambda parsed: user_conf.dump(parsed.entries.values())
    ),
    f"{PMG}/ldap.conf": FileKind(
        ldap_conf.parse, lambda parsed: ldap_conf.dump(parsed.entries.values())
    ),
    f"{PMG}/realms.conf": FileKind(
        realms_conf.parse, lambda parsed: realms_conf.dump(parsed.entries.values())
    ),
    f"{PMG}/fetchmailrc": FileKind(
        fetchmailrc.parse, lambda parsed: fetchmailrc.dump(parsed.entries.values(), parsed.head)
    ),
}
"""By synced path."""
