"""What is fuzzed: every parser of PMG's files, and what must hold for any bytes it is given.

What is computed of these files and of the machine's own is in `machine.py`.

An input is one byte that picks the kind, and the file's content. No parser may raise; what is
written from what was read is read again without a loss, and written the same.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from fuzz import machine
from pmgsync.errors import InvalidError
from pmgsync.pmgconf.cluster_conf import dump_cluster_conf, parse_cluster_conf
from pmgsync.pmgconf.file_kind import FileKind
from pmgsync.pmgconf.pmg_conf import GRAMMAR, dump_pmg_conf, parse_pmg_conf
from pmgsync.pmgconf.registry import REGISTRY
from pmgsync.pmgconf.schema import SECTIONS
from pmgsync.pmgconf.section_edit import Place, with_option

Check = Callable[[bytes], None]


def listed(kind: FileKind) -> Check:
    """The check of a kind of the registry."""

    def check(data: bytes) -> None:
        parsed = kind.parse(data)
        written = kind.dump(parsed)
        again = kind.parse(written)
        assert again.unread == ()
        assert kind.dump(again) == written

    return check


def pmg_conf(data: bytes) -> None:
    """`pmg.conf`; numbers that only Perl's floating point holds are not read back, as by PMG."""
    conf = parse_pmg_conf(data)
    values = conf.values(4096)
    conf.warnings(1024)
    written = dump_pmg_conf(conf)
    again = parse_pmg_conf(written)
    if not again.findings:
        assert again.values(4096) == values
        assert dump_pmg_conf(again) == written


def edit(data: bytes) -> None:
    """One option of `pmg.conf` set: done and read back, or refused."""
    place = Place("pmg.conf", "mail", "mail", "banner")
    with suppress(InvalidError):
        new = with_option(data, GRAMMAR, place, "fuzzed")
        conf = parse_pmg_conf(new)
        assert conf.text("mail", "banner") == "fuzzed"
        assert with_option(new, GRAMMAR, place, "fuzzed") == new


def cluster_conf(data: bytes) -> None:
    """`cluster.conf`: refused with an error of ours, or read and written."""
    with suppress(InvalidError):
        conf = parse_cluster_conf(data)
        if conf is not None:
            again = parse_cluster_conf(dump_cluster_conf(conf))
            assert again is not None
            assert (again.master, again.max_cid, again.nodes) == (
                conf.master,
                conf.max_cid,
                conf.nodes,
            )


CHECKS: Mapping[str, Check] = {
    "pmg.conf": pmg_conf,
    "pmg.conf, edited": edit,
    "cluster.conf": cluster_conf,
    **{path: listed(kind) for path, kind in REGISTRY.items()},
    **machine.CHECKS,
}

_SECTION = b"section: mail\n\trelay a\n\ttls\n# c\n\nsection: admin\n\temail a@b\n"
_NODE = b"".join(
    b"\t%s %s\n" % pair
    for pair in (
        (b"fingerprint", b":".join([b"AB"] * 32)),
        (b"hostrsapubkey", b"A" * 200),
        (b"ip", b"192.0.2.1"),
        (b"name", b"mail1"),
        (b"rootrsapubkey", b"A" * 200),
    )
)
SAMPLES: Mapping[str, bytes] = {
    "pmg.conf": _SECTION,
    "pmg.conf, edited": _SECTION,
    "cluster.conf": b"master: 1\n\tmaxcid 1\n" + _NODE,
    "etc/pmg/domains": b"# ours\na.example 1\n\nb.example 1\n",
    "etc/pmg/dkim/domains": b"a.example 1\n",
    "etc/pmg/mynetworks": b"10.0.0.0/8 #inside\n2001:db8::/32 #\n",
    "etc/pmg/transport": b"#c\na.example smtp:[192.0.2.1]:25\n.b lmtp:inet:mx:24\n",
    "etc/pmg/tls_policy": b"a.example secure match=x\n[::1] may\n",
    "etc/pmg/tls_inbound_domains": b"a.example reject_plaintext_session\n",
    "etc/mail/spamassassin/pmg-scores.cf": b"# c\nscore RULE 5.000\n",
    "etc/pmg/user.conf": b"# c\nann@pmg:1:0:$5$a$b:admin:a@b:Ann:B:keys:\n",
    "etc/pmg/ldap.conf": b"ldap: ad\n\tcomment a%3Ab\n\tdisable\n\tserver1 a\n\tbindpw cHc=\n",
    "etc/pmg/realms.conf": b"oidc: sso\n\tissuer-url https://a\n\tclient-id x\n\npmg: pmg\n",
    "etc/pmg/fetchmailrc": b'# proxmox settings\npoll a1 via mx user "a\\x20b" to c\n',
    **machine.SAMPLES,
}
"""A good file of each kind, for the fuzzer to begin with."""

WORDS = [
    *(f"section: {section}" for section in SECTIONS),
    *("master: ", "node: ", "ldap: ", "oidc: ", "pam: ", "# proxmox settings", "poll ", "skip "),
    *("smtp:", "lmtp:inet:", "ipv6:", "reject_plaintext_session", "score ", "dane-only", "@pam:"),
    *machine.WORDS,
]
"""Words that files have, for the fuzzer to put in."""


def one_input(data: bytes) -> None:
    """What the fuzzer calls."""
    if data:
        checks = list(CHECKS.values())
        checks[data[0] % len(checks)](data[1:])


def as_input(name: str, content: bytes) -> bytes:
    """The input by which that content comes to that kind."""
    return bytes([list(CHECKS).index(name)]) + content
