"""Whatever bytes a file holds: reading it does not raise, and writing and reading it again gives
the same entries and the same bytes.
"""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.pmgconf.fetchmailrc import Account, completed
from pmgsync.pmgconf.findings import Finding
from pmgsync.pmgconf.maps import Score
from pmgsync.pmgconf.registry import REGISTRY

WORDS = {
    "etc/pmg/domains": ["a.example", "b.example", "1", "*"],
    "etc/pmg/dkim/domains": ["a.example", "b.example", "1", "*"],
    "etc/pmg/mynetworks": ["10.0.0.0/8", "::/0", "10.0.0.0/33", "10.0.0.1", "/"],
    "etc/pmg/transport": [
        *("a.example", ".b.example", "ann@a.example", "smtp:mx.example:25", "smtp:[192.0.2.1]:25"),
        *("lmtp:inet:[mx.example]:24", "smtp:ipv6:::1:0", "smtp:", ":"),
    ],
    "etc/pmg/tls_policy": ["a.example", "[::1]", "may", "secure match=x", "a.example:25"],
    "etc/pmg/tls_inbound_domains": ["a.example", " ", "reject_plaintext_session"],
    "etc/mail/spamassassin/pmg-scores.cf": ["score", "RULE", "5", "-0.5", "inf", "1e309", "x"],
    "etc/pmg/user.conf": ["ann", "root", ":", ":1:0:", "$6$a$b", ":admin:", "a@b.example", "::::"],
    "etc/pmg/ldap.conf": [
        *("ldap: ad", "ldap: zz", "\tserver1 a", "\tbindpw YQ", "\tdisable", "%41"),
        "\tcomment %20a%20",
    ],
    "etc/pmg/realms.conf": [
        *("oidc: sso", "PAM: pam", "pmg: pmg", "oidc: pmg", "\tissuer-url https://a", "\tdefault"),
        *("\tclient-id x", "\tcomment %41", "\tautocreate 1", "\tdefault 0", "oidc: a"),
        "\tcomment %20a%20",
    ],
    "etc/pmg/fetchmailrc": [
        *(
            "# proxmox settings",
            "poll",
            "skip",
            "a1",
            "via",
            '"a\\x20b"',
            "pass",
            "ssl",
            "sslproto",
        ),
        *("''", '"', "0", "protocol", "etrn"),
    ],
}
"""Pieces that make files which are nearly right."""

GLUE = ["\n", "\n", " ", "\t", "\r\n", "#", "# ", "", "\0", "\u00e4", "\udcff"]


def test_every_kind_has_its_pieces() -> None:
    assert WORDS.keys() == REGISTRY.keys()


def files(path: str) -> st.SearchStrategy[bytes]:
    pieces = st.lists(st.sampled_from([*WORDS[path], *GLUE]), max_size=40)
    lines = st.lists(st.lists(st.sampled_from(WORDS[path]), max_size=4).map(" ".join), max_size=8)
    joined = st.one_of(pieces.map("".join), lines.map("\n".join), lines.map("".join))
    return st.one_of(st.binary(max_size=200), joined.map(as_bytes))


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def meaning(entries: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """The entries as PMG writes them: without lines, and without comments that are only blanks."""
    return {key: _fields(entry) for key, entry in entries.items()}


def _fields(entry: object) -> dict[str, object]:
    if isinstance(entry, Account):
        entry = completed(entry)
    names: tuple[str, ...] = getattr(entry, "_fields", ()) or getattr(entry, "__slots__", ())
    fields = {name: getattr(entry, name) for name in names if name != "line"}
    if isinstance(entry, Score):
        fields["score"] = entry.written
    if not str(fields.get("comment", "")).strip(" \t\r\f\v"):
        fields.pop("comment", None)
    return fields


@pytest.mark.parametrize("path", REGISTRY)
@given(data=st.data())
def test_no_bytes_make_it_raise_and_writing_loses_nothing(path: str, data: st.DataObject) -> None:
    kind = REGISTRY[path]
    parsed = kind.parse(data.draw(files(path)))
    assert all(isinstance(finding, Finding) for finding in parsed.findings)
    written = kind.dump(parsed)
    again = kind.parse(written)
    assert meaning(again.entries) == meaning(parsed.entries)
    assert again.unread == ()
    assert kind.dump(again) == written


@pytest.mark.parametrize("path", REGISTRY)
@given(data=st.data())
def test_findings_name_a_line_of_the_file(path: str, data: st.DataObject) -> None:
    content = data.draw(files(path))
    parsed = REGISTRY[path].parse(content)
    lines = content.count(b"\n") + 1
    assert all(0 <= finding.line <= lines for finding in parsed.findings)
    assert all(1 <= line <= lines for line in (*parsed.unread, *parsed.unkept))
    assert all(finding.what and finding.mend for finding in parsed.findings)
    assert all("\n" not in str(finding) for finding in parsed.findings)
