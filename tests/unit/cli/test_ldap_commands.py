"""`pmgsync ldap`: what each verb does to `ldap.conf`, and what it refuses."""

import json
import stat
from pathlib import Path

import pytest

from pmgsync.cli.ldap_commands import MEANINGS, SWITCHES
from pmgsync.pmgconf.ldap_conf import OPTIONS, PASSWORD, parse
from tests.unit.cli.gateway import Gateway

FILE = "etc/pmg/ldap.conf"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    (tmp_path / "secret").write_bytes(b"s\xc3\xa4cret\xff\n")
    return str(tmp_path / "secret")


def test_every_option_can_be_said() -> None:
    assert OPTIONS.keys() == {*MEANINGS, *SWITCHES, PASSWORD, "server1"}


def test_a_profile_is_added_as_pmg_writes_it(gateway: Gateway, secret: str) -> None:
    words = ("--mode", "ldaps", "--basedn", "dc=a, dc=example", "--port", "636", "--verify")
    more = ("--comment", "the 1st: \u00e4", "--binddn", "cn=pmg", "--password-file", secret)
    assert gateway.run("ldap", "add", "ad", "dc1.example", *words, *more)[2] == (
        f"added ad to /{FILE}\n"
    )
    assert gateway.text(FILE) == (
        "ldap: ad\n\tcomment the 1st%3A %C3%A4\n\tserver1 dc1.example\n\tbasedn dc=a, dc=example\n"
        "\tbinddn cn=pmg\n\tbindpw c8OkY3JldP8=\n\tmode ldaps\n\tport 636\n\tverify 1\n\n"
    )
    assert stat.S_IMODE((gateway.root / FILE).stat().st_mode) == 0o640
    assert parse((gateway.root / FILE).read_bytes()).findings == ()


def test_the_list_and_show_tell_no_password(gateway: Gateway, secret: str) -> None:
    gateway.fine("ldap", "add", "ad", "dc1.example", "--server2", "dc2.example", "--disable")
    gateway.fine("ldap", "set", "ad", "--password-file", secret, "--comment", "ours")
    assert gateway.fine("ldap", "list") == (
        "PROFILE  SERVER                    MODE  ENABLED  COMMENT\n"
        "ad       dc1.example, dc2.example  ldap  no       ours\n"
    )
    shown = gateway.fine("ldap", "show", "ad")
    assert "bindpw       (set)\n" in shown
    assert "mode         ldap  (default)\n" in shown
    assert "server2      dc2.example\n" in shown
    for out in (shown, gateway.fine("ldap", "list"), gateway.fine("ldap", "list", "--json")):
        assert "cret" not in out
        assert "c8OkY3JldP8" not in out
    assert json.loads(gateway.fine("ldap", "show", "ad", "--json")) == {
        "profile": "ad",
        "options": {
            **{"comment": "ours", "disable": "1", "server1": "dc1.example"},
            **{"server2": "dc2.example"},
        },
        "has_password": True,
        "line": 1,
    }


def test_an_empty_list_says_so(gateway: Gateway) -> None:
    assert gateway.run("ldap", "list") == (0, "", "no LDAP server is set\n")
    assert gateway.listed("ldap") == []


def test_set_changes_what_is_given_and_nothing_else(gateway: Gateway) -> None:
    gateway.fine("ldap", "add", "one", "a.example", "--port", "636", "--disable")
    gateway.fine("ldap", "add", "two", "b.example")
    gateway.fine("ldap", "set", "one", "--server1", "c.example", "--enable", "--unset", "port")
    assert (
        gateway.text(FILE) == "ldap: one\n\tserver1 c.example\n\nldap: two\n\tserver1 b.example\n\n"
    )
    assert gateway.run("ldap", "set", "one", "--server1", "c.example")[2] == "one is so already\n"


def test_a_password_can_be_unset(gateway: Gateway, secret: str) -> None:
    gateway.fine("ldap", "add", "ad", "a.example", "--password-file", secret)
    gateway.fine("ldap", "set", "ad", "--unset", "bindpw")
    assert gateway.text(FILE) == "ldap: ad\n\tserver1 a.example\n\n"


def test_profiles_are_removed_together_or_not_at_all(gateway: Gateway) -> None:
    for name in ("one", "two", "six"):
        gateway.fine("ldap", "add", name, "a.example")
    assert gateway.refused("ldap", "remove", "one", "twoo") == (
        1,
        f"pmgsync: {FILE}: twoo is not there; did you mean two?",
    )
    gateway.fine("ldap", "remove", "one", "six")
    assert [profile["profile"] for profile in gateway.listed("ldap")] == ["two"]


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("add", 2, "required: PROFILE, SERVER"),
        ("add 1st a.example", 2, "'1st' is no name of a profile: a letter, then letters"),
        (
            "add ad a_b",
            3,
            "'a_b' is not allowed for server1; allowed is an IP address or a DNS name",
        ),
        ("add new a.example --port 0", 3, "allowed is a whole number from 1 to 65535"),
        ("add new a.example --mode tls", 2, "invalid choice: 'tls'"),
        ("add new a.example --mailattr a-b", 3, "a list of LDAP attributes"),
        ("add new a.example --basedn=", 3, "'' is not allowed for basedn"),
        ("add old a.example", 1, "old is there already; `pmgsync ldap set` changes it"),
        ("set old", 2, "say what to set"),
        ("set old --unset server1", 2, "invalid choice: 'server1'"),
        ("set old --port 1 --unset port", 2, "port cannot be set and unset at once"),
        ("set none --port 1", 1, "none is not there"),
        ("show none", 1, "none is not there"),
    ],
)
def test_what_is_refused(gateway: Gateway, words: str, code: int, line: str) -> None:
    gateway.fine("ldap", "add", "old", "a.example")
    got, err = gateway.refused("ldap", *words.split())
    assert (got, line in err) == (code, True), err


def test_a_value_with_a_line_break_is_refused(gateway: Gateway) -> None:
    assert (
        gateway.refused("ldap", "add", "ad", "a.example", "--filter", "(a=b)\n\tverify 0")[0] == 3
    )


def test_options_that_pmg_drops_are_not_lost(gateway: Gateway) -> None:
    gateway.write(FILE, "ldap: ad\n\tserver1 a.example\n\tport many\n")
    code, line = gateway.refused("ldap", "set", "ad", "--mode", "ldaps")
    assert code == 3
    assert line.startswith(f"pmgsync: {FILE}:3: unable to parse value of 'port'")
    gateway.write(FILE, "ldap: ad\n\tserver1 a.example\n\nldap: ad\n\tserver1 b.example\n")
    code, line = gateway.refused("ldap", "set", "ad", "--mode", "ldaps")
    assert (code, f"{FILE}:1" in line) == (3, True)


def test_comments_are_said_to_be_gone(gateway: Gateway) -> None:
    gateway.write(FILE, "# ours\nldap: ad\n\tserver1 a.example\n")
    assert gateway.run("ldap", "set", "ad", "--mode", "ldaps")[2] == (
        f"pmgsync: {FILE}: line 1: what PMG does not keep is gone (see docs/editing.md)\n"
        f"changed ad in /{FILE}\n"
    )
