"""PMG's list files, a format each: domains, networks, transports, TLS policies, scores.

What PMG's own readers take, and what its writers write, oddities included; the shape that they
share is `lists.py`'s. Values are text, as in the file. Each `doubt` says what PMG takes and the
admin will not like.
"""

import re
from dataclasses import replace
from typing import NamedTuple

from pmgsync.pmgconf.formats import BLANKS, is_address, is_dns_name, is_ip, is_ipv4, is_ipv6
from pmgsync.pmgconf.lists import Comments, Doubt, ListFormat, shown

MOST_PORT = 65535
TLS_LEVELS = (
    *("none", "may", "encrypt", "dane"),
    *("dane-only", "fingerprint", "verify", "secure"),
)
INBOUND_ACTION = "reject_plaintext_session"

_B, _N = rf"[{BLANKS}]", rf"[^{BLANKS}]"
_DOMAIN = re.compile(rf"({_N}+){_B}.*", re.DOTALL)
_NETWORK = re.compile(rf"([^{BLANKS}/]+)/([0-9]+){_B}*(?:#(.*))?", re.DOTALL)
_TRANSPORT = re.compile(rf"({_N}+){_B}+(?:(lmtp):inet|(smtp)):({_N}+):([0-9]+){_B}*")
_POLICY = re.compile(rf"({_N}+){_B}+(.+)", re.DOTALL)
_LOCAL_PART = re.compile(rf"[^{BLANKS}/@]+")
_WORD = re.compile(rf"{_N}+")
_LEVEL = re.compile(rf"(?:{'|'.join(TLS_LEVELS)})\b", re.ASCII)
_SCORE = re.compile(rf"score{_B}+({_N}+){_B}+({_N}+){_B}*")
_LEADING_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?(?:inf|nan)", re.IGNORECASE
)
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_PERL_NAMES = {"inf": "Inf", "-inf": "-Inf", "nan": "NaN"}


class Domain(NamedTuple):
    """A line of `domains` or `dkim/domains`."""

    key: str
    comment: str = ""
    line: int = 0


class Network(NamedTuple):
    """A line of `mynetworks`. `key` is ADDRESS/BITS as written; BITS may be too many."""

    key: str
    comment: str = ""
    line: int = 0

    @property
    def bits(self) -> str:
        """The length of the prefix: digits."""
        return self.key.rpartition("/")[2]

    @property
    def is_usable(self) -> bool:
        """Whether the length fits the address; PMG leaves the network out otherwise."""
        most = 32 if is_ipv4(self.key.partition("/")[0]) else 128
        return float(self.bits) <= most  # an `int` of thousands of digits is refused by Python


class Transport(NamedTuple):
    """A line of `transport`: mail for `key`, a domain or a mailbox, goes to `host`.

    `use_mx`: `host` is a domain whose MX records say where to go. An address has none, and LMTP
    looks none up.
    """

    key: str
    protocol: str
    host: str
    port: str
    use_mx: bool
    comment: str = ""
    line: int = 0


class Policy(NamedTuple):
    """A line of `tls_policy`. The policy is a level, and whatever follows it."""

    key: str
    policy: str
    line: int = 0

    @property
    def comment(self) -> str:
        """There are none."""
        return ""


class InboundDomain(NamedTuple):
    """A line of `tls_inbound_domains`."""

    key: str
    line: int = 0

    @property
    def comment(self) -> str:
        """There are none."""
        return ""


class Score(NamedTuple):
    """A line of `pmg-scores.cf`; `score` as it stands in the file."""

    key: str
    score: str
    comment: str = ""
    line: int = 0

    @property
    def written(self) -> str:
        """The number that PMG makes of it: three decimals, 0 for what is none."""
        match = _LEADING_NUMBER.match(self.score)
        digits = f"{float(match[0]) if match else 0:.3f}"
        return _PERL_NAMES.get(digits, digits)


def is_transport_domain(text: str) -> bool:
    """A host name that may start with a dot."""
    return is_dns_name(text[1:] if text[:1] == "." else text)


def is_transport_key(text: str) -> bool:
    """May it stand first in `transport`? A domain as above, or a mailbox with any local part."""
    local, at, host = text.partition("@")
    if not at:
        return is_transport_domain(text)
    return is_dns_name(host) and _LOCAL_PART.fullmatch(local) is not None


def is_transport_host(text: str) -> bool:
    """An address or a host name; IPv6 may be written `ipv6:ADDRESS`."""
    return is_address(text) or is_ipv6(without_ipv6_prefix(text))


def without_ipv6_prefix(text: str) -> str:
    """`text` without Postfix's `ipv6:`, in any case, where it stands."""
    return text[5:] if text[:5].lower() == "ipv6:" else text


def is_destination(text: str) -> bool:
    """May it stand first in `tls_policy`? A domain, an address, or `[HOST]`; never with a port."""
    inner = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    return is_transport_domain(text) or is_transport_host(inner)


def is_tls_policy(text: str) -> bool:
    """Does it start with one of the levels? What follows is not checked."""
    return _LEVEL.match(text) is not None


def _with_comment(comment: str, line: str, mark: str = "#") -> str:
    return f"{mark}{comment}\n{line}\n" if comment.strip(BLANKS) else f"{line}\n"


def _read_domain(line: str, comment: str, at: int) -> Domain | str:
    match = _DOMAIN.fullmatch(line)
    return Domain(match[1], comment, at) if match else "`DOMAIN 1`, from the first column"


def _doubt_domain(entry: Domain) -> Doubt | None:
    if is_transport_domain(entry.key) or not entry.key.isascii():
        return None
    return Doubt(
        f"{shown(entry.key)} is no domain name; no mail will match it", "correct or remove it"
    )


def _read_network(line: str, _comment: str, at: int) -> Network | str:
    match = _NETWORK.fullmatch(line)
    if match is None or not is_ip(match[1]):
        return "`ADDRESS/BITS #COMMENT`, from the first column"
    return Network(f"{match[1]}/{match[2]}", match[3] or "", at)


def _doubt_network(entry: Network) -> Doubt | None:
    if entry.is_usable:
        return None
    what = f"{shown(entry.key)}: the prefix is too long, so PMG ignores the network"
    return Doubt(what, "correct it", is_warning=False)


def _read_transport(line: str, comment: str, at: int) -> Transport | str:
    match = _TRANSPORT.fullmatch(line)
    if match is None:
        return "`DOMAIN smtp:HOST:PORT` or `DOMAIN lmtp:inet:HOST:PORT`, from the first column"
    domain, lmtp, smtp, host, port = match.groups()
    bracketed = host[0] == "[" and host[-1] == "]" and len(host) > 1
    bare = host[1:-1] if bracketed else host
    if not is_transport_key(domain):
        return "a domain or an e-mail address first"
    if not is_transport_host(bare):
        return "a host name or an address as the host"
    use_mx = not (bracketed or lmtp or is_ip(without_ipv6_prefix(bare)))
    return Transport(domain, lmtp or smtp, bare, port, use_mx, comment, at)


def _doubt_transport(entry: Transport) -> Doubt | None:
    if 1 <= float(entry.port) <= MOST_PORT:
        return None
    return Doubt(
        f"{shown(entry.port)} is no port; mail to {shown(entry.key)} will wait", "correct it"
    )


def _write_transport(entry: Transport) -> str:
    is_lmtp = entry.protocol == "lmtp"
    protocol = "lmtp:inet" if is_lmtp else entry.protocol
    in_brackets = is_ip(without_ipv6_prefix(entry.host)) or not (entry.use_mx or is_lmtp)
    host = f"[{entry.host}]" if in_brackets else entry.host
    return _with_comment(entry.comment, f"{entry.key} {protocol}:{host}:{entry.port}")


def _read_policy(line: str, _comment: str, at: int) -> Policy | str:
    match = _POLICY.fullmatch(line)
    if match is None:
        return "`DESTINATION POLICY`, from the first column"
    if not is_destination(match[1]):
        return "a domain, an address or `[HOST]` first, without a port"
    if not is_tls_policy(match[2]):
        return f"one of {', '.join(TLS_LEVELS)} as the policy"
    return Policy(match[1], match[2], at)


def _doubt_policy(entry: Policy) -> Doubt | None:
    level = _WORD.match(entry.policy)
    if level and level[0] not in TLS_LEVELS:
        what = f"Postfix knows no policy {shown(level[0])}"
        return Doubt(what, f"write one of {', '.join(TLS_LEVELS)}")
    if entry.policy != entry.policy.rstrip(BLANKS):
        return Doubt(f"blanks follow the policy of {shown(entry.key)}", "remove them")
    return None


def _read_inbound(line: str, _comment: str, at: int) -> InboundDomain | str:
    domain, _, action = line.partition(" ")
    if action != INBOUND_ACTION or not is_transport_domain(domain):
        return f"`DOMAIN {INBOUND_ACTION}`, with one blank between and nothing after"
    return InboundDomain(domain, at)


def _read_score(line: str, comment: str, at: int) -> Score | str:
    match = _SCORE.fullmatch(line)
    return Score(match[1], match[2], comment, at) if match else "`score RULE NUMBER`"


def _doubt_score(entry: Score) -> Doubt | None:
    if _PLAIN_NUMBER.fullmatch(entry.score):
        return None
    what = f"the score {shown(entry.score)} of {shown(entry.key)} is no number to SpamAssassin"
    return Doubt(what, f"write a number; PMG would write {entry.written}")


DOMAINS = ListFormat[Domain](
    read=_read_domain,
    write=lambda entry: _with_comment(entry.comment, f"{entry.key} 1"),
    comments=Comments.ABOVE,
    is_map=True,
    doubt=_doubt_domain,
)
DKIM_DOMAINS = replace(DOMAINS, is_map=False)
NETWORKS = ListFormat[Network](
    read=_read_network,
    write=lambda entry: f"{entry.key} #{entry.comment}\n",
    comments=Comments.NONE,
    doubt=_doubt_network,
)
TRANSPORTS = ListFormat[Transport](
    read=_read_transport,
    write=_write_transport,
    comments=Comments.ABOVE,
    is_map=True,
    doubt=_doubt_transport,
)
POLICIES = ListFormat[Policy](
    read=_read_policy,
    write=lambda entry: f"{entry.key} {entry.policy}\n",
    comments=Comments.DROPPED,
    is_map=True,
    doubt=_doubt_policy,
)
INBOUND_DOMAINS = ListFormat[InboundDomain](
    read=_read_inbound,
    write=lambda entry: f"{entry.key} {INBOUND_ACTION}\n",
    comments=Comments.DROPPED,
    is_map=True,
)
SCORES = ListFormat[Score](
    read=_read_score,
    write=lambda entry: _with_comment(
        entry.comment, f"score {entry.key} {entry.written}", mark="# "
    ),
    comments=Comments.ABOVE,
    comment_of=lambda line: line[2:] if line[1:2] == " " else line[1:],
    doubt=_doubt_score,
)
