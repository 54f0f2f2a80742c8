"""The programs that read PMG's files read what our commands wrote: Postfix, SpamAssassin,
fetchmail, and the `crypt` of OpenSSL and Perl.
"""

import ast
import os
import subprocess
from pathlib import Path

import pytest

from pmgsync.host.password_hash import hash_password
from pmgsync.pmgconf.user_conf import parse
from tests.unit.cli.gateway import Gateway

SECRET = 'p\u00e4ss "word\\ x'


@pytest.fixture
def gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gateway:
    return Gateway(tmp_path / "root", capsys)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return str(tmp_path / "secret")


def ran(*words: str | Path, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, env=environment
    )
    return done.returncode, done.stdout, done.stderr


# --- Postfix ----------------------------------------------------------------------------------


class Map:
    """A list file, indexed by the real `postmap`."""

    def __init__(self, gateway: Gateway, path: str) -> None:
        self.file = gateway.root / path
        code, out, err = self._postmap(f"hash:{self.file}")
        assert (code, out, err) == (0, "", "")  # not a word of warning

    def value(self, key: str) -> str | None:
        code, out, _ = self._postmap("-q", key, f"hash:{self.file}")
        return out.removesuffix("\n") if code == 0 else None

    @staticmethod
    def _postmap(*words: str) -> tuple[int, str, str]:
        return ran("/usr/sbin/postmap", *words)


@pytest.mark.postfix
def test_postfix_finds_the_domains(gateway: Gateway) -> None:
    gateway.fine("domain", "add", "a.example", "B.example", "--comment", "x")
    gateway.fine("domain", "add", "c.example")
    found = Map(gateway, "etc/pmg/domains")
    assert [found.value(f"{name}.example") for name in "abcd"] == ["1", "1", "1", None]


@pytest.mark.postfix
def test_postfix_finds_the_transports(gateway: Gateway) -> None:
    for words in (
        ["a.example", "mx.example", "--comment", "x"],
        ["b.example", "mx.example", "--no-mx", "--port", "2525"],
        ["c.example", "192.0.2.1"],
        ["d.example", "2001:db8::1"],
        ["ann@a.example", "mx.example", "--protocol", "lmtp"],
        [".sub.example", "mx.example"],
    ):
        gateway.fine("transport", "add", *words)
    found = Map(gateway, "etc/pmg/transport")
    assert {key: found.value(key) for key in ("a.example", "b.example", "c.example")} == {
        "a.example": "smtp:mx.example:25",
        "b.example": "smtp:[mx.example]:2525",
        "c.example": "smtp:[192.0.2.1]:25",
    }
    assert found.value("d.example") == "smtp:[2001:db8::1]:25"
    assert found.value("ann@a.example") == "lmtp:inet:mx.example:24"
    assert found.value(".sub.example") == "smtp:mx.example:25"


@pytest.mark.postfix
def test_postfix_finds_the_tls_policies(gateway: Gateway) -> None:
    gateway.fine("tls-policy", "add", "a.example", "secure", "match=.a.example", "ciphers=high")
    gateway.fine("tls-policy", "add", "[mx.example]", "dane-only")
    gateway.fine("tls-inbound", "add", "b.example")
    policies = Map(gateway, "etc/pmg/tls_policy")
    assert policies.value("a.example") == "secure match=.a.example ciphers=high"
    assert policies.value("[mx.example]") == "dane-only"
    inbound = Map(gateway, "etc/pmg/tls_inbound_domains")
    assert inbound.value("b.example") == "reject_plaintext_session"


@pytest.mark.postfix
def test_of_two_lines_postfix_takes_the_first_in_any_case(gateway: Gateway) -> None:
    gateway.write("etc/pmg/transport", "A.example smtp:one:25\na.example smtp:two:25\n")
    file = gateway.root / "etc/pmg/transport"
    code, _, err = ran("/usr/sbin/postmap", f"hash:{file}")
    assert (code, "duplicate entry" in err) == (0, True)
    assert ran("/usr/sbin/postmap", "-q", "a.example", f"hash:{file}")[1] == "smtp:one:25\n"


@pytest.mark.postfix
def test_an_edit_brings_the_map_up_to_date(gateway: Gateway) -> None:
    (gateway.root / "etc/postfix").mkdir()
    gateway.write("etc/postfix/main.cf", "myhostname = mail1.example\n")
    file = gateway.root / "etc/pmg/domains"

    def found(name: str) -> bool:
        return ran("/usr/sbin/postmap", "-q", name, f"hash:{file}")[0] == 0

    gateway.fine("domain", "add", "a.example")
    assert (found("a.example"), found("b.example")) == (True, False)
    gateway.fine("domain", "add", "b.example")
    gateway.fine("domain", "remove", "a.example")
    assert (found("a.example"), found("b.example")) == (False, True)
    assert sorted(path.name for path in file.parent.iterdir()) == ["dkim", "domains", "domains.db"]
    gateway.fine("network", "add", "192.0.2.0/24")  # Postfix reads this one from main.cf
    assert not (file.parent / "mynetworks.db").exists()


@pytest.mark.postfix
def test_a_map_that_cannot_be_built_is_said(gateway: Gateway) -> None:
    (gateway.root / "etc/postfix").mkdir()
    gateway.write("etc/postfix/main.cf", "default_database_type = none\nmyhostname = m.example\n")
    (gateway.root / "etc/pmg/domains.db").mkdir()
    code, _, err = gateway.run("domain", "add", "a.example")
    assert (code, "etc/pmg/domains" in err) == (1, True)
    assert gateway.text("etc/pmg/domains") == "a.example 1\n"


# --- SpamAssassin -----------------------------------------------------------------------------


@pytest.fixture
def spamassassin(gateway: Gateway, tmp_path: Path) -> Gateway:
    """A gateway whose SpamAssassin has one plugin and two rules."""
    folder = gateway.root / "etc/mail/spamassassin"
    (folder / "init.pre").write_text("loadplugin Mail::SpamAssassin::Plugin::Check\n")
    (folder / "custom.cf").write_text("util_rb_tld example\nbody RULE_A /x/\nbody RULE_B /y/\n")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/none.cf").write_text("\n")
    return gateway


def lint(gateway: Gateway) -> tuple[int, str]:
    words = ("--lint", "-C", gateway.root.parent / "rules", "-p", "/dev/null")
    site = gateway.root / "etc/mail/spamassassin"
    code, _, err = ran("spamassassin", *words, "--siteconfigpath", site)
    return code, err


@pytest.mark.spamassassin
def test_spamassassin_takes_the_scores(spamassassin: Gateway) -> None:
    spamassassin.fine("score", "add", "RULE_A", "4.5", "--comment", "trust it more")
    spamassassin.fine("score", "add", "RULE_B", "-0.25")
    assert lint(spamassassin) == (0, "")


@pytest.mark.spamassassin
@pytest.mark.parametrize("score", ["abc", "1e3", "+2", ".5"])
def test_spamassassin_refuses_the_scores_that_are_doubted(
    spamassassin: Gateway, score: str
) -> None:
    spamassassin.write("etc/mail/spamassassin/pmg-scores.cf", f"score RULE_A {score}\n")
    code, err = lint(spamassassin)
    assert (code == 0, "invalid 'score' value" in err) == (False, True)


# --- fetchmail --------------------------------------------------------------------------------


def fetchmail(gateway: Gateway, *ids: str) -> str:
    """What fetchmail understands of the file; it fetches nothing."""
    return _fetchmail(gateway, "--version", *ids)


def _fetchmail(gateway: Gateway, option: str, *ids: str) -> str:
    file = gateway.root / "etc/pmg/fetchmailrc"
    os.chown(file, os.geteuid(), -1)  # it reads its user's files only
    home = {"HOME": str(gateway.root), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    code, out, err = ran("fetchmail", option, "-f", file, *ids, environment=home)
    assert code == 0, err
    return out


@pytest.mark.fetchmail
def test_fetchmail_reads_the_mailboxes(gateway: Gateway, secret: str) -> None:
    gateway.write("etc/pmg/pmg.conf", "section: mail\n\text_port 2525\n")
    add = ("fetchmail", "add", "--password-file", secret)
    gateway.fine(*add, "pop.example", "ann lee", "ann@a.example", "--ssl", "--interval", "3")
    gateway.fine(*add, "192.0.2.1", "b\u00f6b", "bob@a.example", "--protocol", "imap", "--keep")
    out = fetchmail(gateway, "proxmox0000")
    for line in (
        "Options for retrieving from ann lee@proxmox0000:",
        "Mail will be retrieved via pop.example",
        "Protocol is POP3 (using service 995).",
        "SSL encrypted sessions enabled.",
        "Poll of this server will occur every 3 intervals.",
        "Fetched messages will not be kept on the server",
        "Poll interval is 300 seconds",
    ):
        assert line in out
    assert "/2525" in out
    out = fetchmail(gateway, "proxmox0001")
    for line in (
        "retrieving from b\u00f6b@proxmox0001:",
        "via 192.0.2.1",
        "Protocol is IMAP (using service 143).",
        "Fetched messages will be kept on the server",
    ):
        assert line in out


@pytest.mark.fetchmail
def test_fetchmail_reads_a_password_of_any_characters(gateway: Gateway, tmp_path: Path) -> None:
    secret = tmp_path / "ascii"
    secret.write_text("""a b#'c"d\\x41\t$e""")
    words = ("pop.example", "ann", "ann@a.example", "--password-file", str(secret))
    gateway.fine("fetchmail", "add", *words)
    out = _fetchmail(gateway, "--configdump")  # which writes Python
    line = next(line for line in out.splitlines() if '"password":' in line)
    assert ast.literal_eval(line.partition(":")[2].rstrip(",")) == secret.read_text()


# --- crypt ------------------------------------------------------------------------------------


@pytest.mark.openssl
def test_openssl_makes_the_same_hash_of_the_password(gateway: Gateway, secret: str) -> None:
    gateway.fine("user", "add", "ann", "--role", "audit", "--password-file", secret)
    written = parse((gateway.root / "etc/pmg/user.conf").read_bytes()).entries["ann@pmg"].crypt_pass
    salt = written.split("$")[2]
    assert ran("openssl", "passwd", "-6", "-salt", salt, SECRET) == (0, f"{written}\n", "")


def test_perl_checks_the_hash_as_pmg_does() -> None:
    program = "exit(crypt($ARGV[0], $ARGV[1]) eq $ARGV[1] ? 0 : 1)"
    made = hash_password(SECRET)
    assert ran("/usr/bin/perl", "-e", program, SECRET, made)[0] == 0
    assert ran("/usr/bin/perl", "-e", program, "another", made)[0] == 1
