"""The list files as commands: one row for each, from which its verbs are made."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING, Any

from pmgsync.errors import OperatorError
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import PMG, SPAMASSASSIN
from pmgsync.pmgconf import maps
from pmgsync.pmgconf.formats import is_ip
from pmgsync.pmgconf.lists import list_kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pmgsync.pmgconf.file_kind import FileKind

SCORES = ManagedPath(f"{SPAMASSASSIN}/pmg-scores.cf")
PENDING_SCORES = f"{SCORES}.new"

SMTP_PORT, LMTP_PORT = 25, 24
_RULE = re.compile(r"[A-Za-z0-9_.-]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)")
_PORTED = re.compile(r"\[?([^\[\]]+)\]?:([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `list`: its heading, its name in JSON, and what stands in it."""

    heading: str
    name: str
    value: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One list file as the commands show and change it.

    `key` checks what is to be added; `lookup` folds a key so that any spelling finds its entry.
    `configure` adds the arguments of an entry that has more than a key, and `entry` makes it of
    them. `guard` may refuse a change.
    """

    command: str
    path: ManagedPath
    kind: FileKind
    noun: str
    plural: str
    metavar: str
    key: Callable[[str], str]
    entry: Callable[[str, argparse.Namespace], Any]
    columns: tuple[Column, ...]
    example: tuple[str, str]
    meaning: str
    configure: Callable[[argparse.ArgumentParser], None] | None = None
    has_comments: bool = True
    lookup: Callable[[str], str] = str.lower
    guard: Callable[[Path], None] = lambda _root: None

    @property
    def one(self) -> str:
        """`a transport`, `an inbound TLS domain`."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"


def domain(text: str) -> str:
    """A domain name, for argparse."""
    if not maps.is_transport_domain(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no domain name{_as_idna(text)}")
    return text


def mail_domain(text: str) -> str:
    """A domain name or a mailbox, for argparse."""
    if not maps.is_transport_key(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a domain name nor an e-mail address{_as_idna(text)}"
        )
    return text


def _as_idna(text: str) -> str:
    """How an internationalized name is written in PMG's files."""
    if text.isascii():
        return ""
    try:
        return f"; write it as {text.encode('idna').decode()}"
    except UnicodeError:
        return ""


def network(text: str) -> str:
    """A network, for argparse; a bare address is one of its own."""
    if is_ip(text):
        return str(ip_network(text))
    entry = maps.NETWORKS.read(text, "", 0)
    if isinstance(entry, str) or entry.comment or entry.key != text or not entry.is_usable:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no network such as 192.0.2.0/24 or 2001:db8::/32"
        )
    net = ip_network(_plain(text), strict=False)
    if net.prefixlen == 0:
        raise argparse.ArgumentTypeError(f"{text!r} would relay mail for the whole Internet")
    if ip_interface(_plain(text)).ip != net.network_address:
        raise argparse.ArgumentTypeError(
            f"{text!r} is an address inside {net}; write {net}, or {text.partition('/')[0]} alone"
        )
    return text


def same_network(text: str) -> str:
    """A network in one spelling, whatever the given one."""
    try:
        return str(ip_network(_plain(text), strict=False))
    except ValueError:
        return text


def _plain(text: str) -> str:
    """Without zeros before the length: Python, unlike PMG, takes none."""
    address, slash, bits = text.partition("/")
    return f"{address}{slash}{bits.lstrip('0') or '0' if slash else ''}"


def host(text: str) -> str:
    """A host or an address, in brackets or not, for argparse."""
    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    if not maps.is_transport_host(bare):
        ported = _PORTED.fullmatch(text)
        hint = f"; give the port with --port {ported[2]}" if ported else ""
        raise argparse.ArgumentTypeError(f"{text!r} is no host name or address{hint}")
    return text


def port(text: str) -> str:
    """A port, for argparse."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:6]) <= maps.MOST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 1 to {maps.MOST_PORT}")
    return text


def destination(text: str) -> str:
    """What a TLS policy is for, for argparse."""
    if not maps.is_destination(text):
        hint = " (a port is not possible)" if _PORTED.fullmatch(text) else ""
        raise argparse.ArgumentTypeError(f"{text!r} is no domain, address or [HOST]{hint}")
    return text


def attribute(text: str) -> str:
    """An attribute of a TLS policy, for argparse."""
    name, equals, value = text.partition("=")
    if not (name.isascii() and name.replace("_", "").isalnum() and equals and value.isprintable()):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return text


def rule(text: str) -> str:
    """The name of a SpamAssassin rule, for argparse."""
    if not _RULE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no rule (letters, digits, `_`, `.` and `-`)")
    return text


def score(text: str) -> str:
    """A score, for argparse, as PMG writes it."""
    if not _NUMBER.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number such as 1.5 or -0.5")
    return maps.Score("", text).written


def _configure_transport(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", type=host, help="where mail for DOMAIN goes")
    parser.add_argument(
        "--port", type=port, metavar="N", help="its port (default: 25, with lmtp 24)"
    )
    parser.add_argument(
        "--protocol", choices=("smtp", "lmtp"), default="smtp", help="default: smtp"
    )
    parser.add_argument(
        "--no-mx", action="store_true", help="HOST is the host itself: look up no MX records for it"
    )


def _transport(key: str, options: argparse.Namespace) -> maps.Transport:
    bracketed = options.host[0] == "["
    bare = options.host[1:-1] if bracketed else options.host
    is_lmtp = options.protocol == "lmtp"
    its_port = options.port or str(LMTP_PORT if is_lmtp else SMTP_PORT)
    by_address = is_ip(maps.without_ipv6_prefix(bare))
    use_mx = not (bracketed or options.no_mx or is_lmtp or by_address)
    return maps.Transport(key, options.protocol, bare, its_port, use_mx, options.comment or "")


def _configure_policy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "level", metavar="POLICY", choices=maps.TLS_LEVELS, help=", ".join(maps.TLS_LEVELS)
    )
    parser.add_argument(
        "attributes",
        metavar="NAME=VALUE",
        nargs="*",
        type=attribute,
        help="attributes as Postfix has them (match=.example.com)",
    )


def _configure_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("score", metavar="SCORE", type=score, help="a number such as 1.5 or -0.5")


def number(text: str) -> object:
    """A number for JSON where the text is a plain one, else the text."""
    if text.isascii() and text.isdecimal() and len(text) <= 15:  # noqa: PLR2004 # exact in JSON
        return int(text)
    return text


def _score_number(entry: maps.Score) -> object:
    return float(entry.score) if _NUMBER.fullmatch(entry.score) else entry.score


def require_no_pending_scores(root: Path) -> None:
    """PMG's own edits of scores wait in a second file until they are applied there, which then
    replaces the first: an edit made meanwhile would be lost.
    """
    pending = root / PENDING_SCORES
    if pending.exists():
        raise OperatorError(
            "changes made in PMG wait here; applying them would undo this one",
            where=PENDING_SCORES,
            mend="apply or revert them in PMG (Spam Detector, Custom Scores) first",
        )


_COMMENT = Column("COMMENT", "comment", lambda entry: entry.comment)

FILES = (
    ListedFile(
        command="domain",
        path=ManagedPath(f"{PMG}/domains"),
        kind=list_kind(maps.DOMAINS),
        noun="relay domain",
        plural="relay domains",
        metavar="DOMAIN",
        key=domain,
        entry=lambda key, options: maps.Domain(key, options.comment or ""),
        columns=(Column("DOMAIN", "domain", lambda entry: entry.key), _COMMENT),
        example=("example.com", "accept mail for it"),
        meaning="the domains that PMG accepts mail for",
    ),
    ListedFile(
        command="dkim-domain",
        path=ManagedPath(f"{PMG}/dkim/domains"),
        kind=list_kind(maps.DKIM_DOMAINS),
        noun="DKIM domain",
        plural="DKIM domains",
        metavar="DOMAIN",
        key=domain,
        entry=lambda key, options: maps.Domain(key, options.comment or ""),
        columns=(Column("DOMAIN", "domain", lambda entry: entry.key), _COMMENT),
        example=("example.com", "sign its mail"),
        meaning="the sender domains whose mail PMG signs",
    ),
    ListedFile(
        command="transport",
        path=ManagedPath(f"{PMG}/transport"),
        kind=list_kind(maps.TRANSPORTS),
        noun="transport",
        plural="transports",
        metavar="DOMAIN",
        key=mail_domain,
        entry=_transport,
        columns=(
            Column("DOMAIN", "domain", lambda entry: entry.key),
            Column("PROTOCOL", "protocol", lambda entry: entry.protocol),
            Column("HOST", "host", lambda entry: entry.host),
            Column("PORT", "port", lambda entry: number(entry.port)),
            Column("MX", "use_mx", lambda entry: entry.use_mx),
            _COMMENT,
        ),
        example=("example.com mail.example.com --no-mx", "deliver its mail there"),
        meaning="which host the mail of a domain, or of one mailbox, goes to",
        configure=_configure_transport,
    ),
    ListedFile(
        command="network",
        path=ManagedPath(f"{PMG}/mynetworks"),
        kind=list_kind(maps.NETWORKS),
        noun="trusted network",
        plural="trusted networks",
        metavar="NETWORK",
        key=network,
        entry=lambda key, options: maps.Network(key, options.comment or ""),
        columns=(Column("NETWORK", "network", lambda entry: entry.key), _COMMENT),
        example=("192.0.2.0/24", "let it send mail through PMG"),
        meaning="the networks that may send mail through PMG to anywhere",
        lookup=same_network,
    ),
    ListedFile(
        command="tls-policy",
        path=ManagedPath(f"{PMG}/tls_policy"),
        kind=list_kind(maps.POLICIES),
        noun="TLS policy",
        plural="TLS policies",
        metavar="DESTINATION",
        key=destination,
        entry=lambda key, options: maps.Policy(key, " ".join([options.level, *options.attributes])),
        columns=(
            Column("DESTINATION", "destination", lambda entry: entry.key),
            Column("POLICY", "policy", lambda entry: entry.policy),
        ),
        example=("example.com encrypt", "never send to it unencrypted"),
        meaning="how TLS is used with the servers that PMG sends to",
        configure=_configure_policy,
        has_comments=False,
    ),
    ListedFile(
        command="tls-inbound",
        path=ManagedPath(f"{PMG}/tls_inbound_domains"),
        kind=list_kind(maps.INBOUND_DOMAINS),
        noun="inbound TLS domain",
        plural="inbound TLS domains",
        metavar="DOMAIN",
        key=domain,
        entry=lambda key, _options: maps.InboundDomain(key),
        columns=(Column("DOMAIN", "domain", lambda entry: entry.key),),
        example=("example.com", "take its mail over TLS only"),
        meaning="the sender domains whose mail PMG takes over TLS only",
        has_comments=False,
    ),
    ListedFile(
        command="score",
        path=SCORES,
        kind=list_kind(maps.SCORES),
        noun="score",
        plural="scores",
        metavar="RULE",
        key=rule,
        entry=lambda key, options: maps.Score(key, options.score, options.comment or ""),
        columns=(
            Column("RULE", "rule", lambda entry: entry.key),
            Column("SCORE", "score", _score_number),
            _COMMENT,
        ),
        example=("BAYES_99 4.5 --comment 'trust it more'", ""),
        meaning="the scores of SpamAssassin rules that differ from the shipped ones",
        configure=_configure_score,
        lookup=str,
        guard=require_no_pending_scores,
    ),
)
"""One row a file, in the order in which the overview lists them."""
