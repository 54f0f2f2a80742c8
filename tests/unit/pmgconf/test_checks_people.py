"""The checks of who may log in, of keys, programs and scores."""

import pytest

from pmgsync.pmgconf.check import Surroundings
from pmgsync.pmgconf.checks_people import mentioned_rules
from pmgsync.pmgconf.configuration import LDAP, REALMS, SCORES, USERS
from tests.unit.pmgconf.sample import (
    CLUSTER_CONF,
    HASH,
    KEY,
    NOW,
    PMG_CONF,
    cluster,
    conf,
    found,
)


def test_a_score_for_nothing() -> None:
    files = {SCORES: "score BAYES_99 4\n# why\nscore BAYES_9 4\n"}
    rows = ["vain-score pmg-scores.cf:3 no rule of SpamAssassin is called BAYES_9"]
    assert found(files, Surroundings(rules=frozenset({"BAYES_99"}))) == rows
    assert found(files, Surroundings(rules=None)) == []


def test_the_rules_that_a_rule_file_mentions() -> None:
    text = b"""
header   SUBJ_X  Subject =~ /x/
  meta __HAS_X  (SUBJ_X && ! BODY_Y)
describe SUBJ_X  has x
score    ONLY_A_SCORE 5
# body COMMENTED /x/
loadplugin Mail::SpamAssassin::Plugin::X
tflags NET_Z net
"""
    assert mentioned_rules(text) == {"SUBJ_X", "__HAS_X", "NET_Z", "Mail"}


@pytest.mark.parametrize(
    ("user", "expired"),
    [
        (f"joe:1:{NOW - 86400}:{HASH}:admin:::::", True),
        (f"joe:1:{NOW}:{HASH}:admin:::::", True),
        (f"joe:1:{NOW + 1}:{HASH}:admin:::::", False),
        (f"joe:1:0:{HASH}:admin:::::", False),
        (f"joe:0:{NOW - 86400}:{HASH}:admin:::::", False),
        (f"joe:1:{'9' * 5000}:{HASH}:admin:::::", False),
        (f"root@pam:1:{NOW - 86400}::root:::::", False),
    ],
)
def test_an_expired_user(user: str, expired: bool) -> None:
    rows = found({USERS: f"#\n{user}\n"})
    assert [row[:24] for row in rows] == (["expired-user user.conf:2"] if expired else [])


def test_an_expired_user_is_told_the_day() -> None:
    (row,) = found({USERS: f"joe:1:{NOW - 1}:{HASH}:admin:::::\n"})
    assert row == "expired-user user.conf:1 joe@pmg has expired on 2026-02-28 and cannot log in"


@pytest.mark.parametrize(
    ("user", "lacks"),
    [
        ("joe:1:0::admin:::::", True),
        ("joe@pmg:1:0::admin:::::", True),
        ("joe:0:0::admin:::::", False),
        ("joe@pam:1:0::admin:::::", False),
        ("root@pam:1:0::root:::::", False),
    ],
)
def test_a_user_without_a_password(user: str, lacks: bool) -> None:
    rows = ["no-password user.conf:1 joe@pmg is enabled, but has no password"]
    assert found({USERS: f"{user}\n"}) == (rows if lacks else [])


@pytest.mark.parametrize(
    ("user", "is_stray"),
    [
        ("joe@sso:1:0::admin:::::", False),
        ("joe@other:1:0::admin:::::", True),
        ("joe@other:0:0::admin:::::", False),
        ("joe@pam:1:0::admin:::::", False),
        (f"joe:1:0:{HASH}:admin:::::", False),
    ],
)
def test_a_user_of_no_realm(user: str, is_stray: bool) -> None:
    realms = "oidc: sso\n\tclient-id x\n\tissuer-url https://sso.example\n\n"
    rows = ["unknown-realm user.conf:1 joe@other is of a realm that realms.conf does not have"]
    assert found({USERS: f"{user}\n", REALMS: realms}) == (rows if is_stray else [])


def test_a_dkim_selector_without_its_key() -> None:
    text = conf("admin dkim_sign 1\nadmin dkim_selector key1")
    what = "the selector key1 has no key: /etc/pmg/dkim/key1.private does not exist"
    assert found({PMG_CONF: text}) == [f"dkim-key pmg.conf:3 {what}"]
    assert found({PMG_CONF: text, "etc/pmg/dkim/key1.private": KEY}) == []
    assert found({PMG_CONF: text, "etc/pmg/dkim/key1.private": "-----BEGIN PUBLIC KEY-----\n"}) == [
        "dkim-key key1.private:0 is the key of the DKIM selector, but holds no private key"
    ]


def test_dkim_without_a_selector() -> None:
    what = "dkim_sign is on, but there is no dkim_selector: nothing can be signed"
    assert found({PMG_CONF: conf("admin dkim_sign 1")}) == [f"dkim-key pmg.conf:2 {what}"]
    assert found({PMG_CONF: conf("admin dkim_sign 0")}) == []


@pytest.mark.parametrize(
    ("mode", "profiles", "is_locked"),
    [
        ("ldap", "", True),
        ("ldap", "ldap: a1\n\tdisable 1\n\tserver1 h.example\n", True),
        ("ldap", "ldap: a1\n\tserver1 h.example\n", False),
        ("ldapticket", "", False),
        ("ticket", "", False),
    ],
)
def test_a_login_that_nobody_can_pass(mode: str, profiles: str, is_locked: bool) -> None:
    rows = found({PMG_CONF: conf(f"spamquar authmode {mode}"), LDAP: profiles})
    assert [row[:28] for row in rows] == (["login-without-ldap pmg.conf:"] if is_locked else [])


def test_a_custom_check_without_its_program() -> None:
    around = Surroundings(program_fault="/opt/x/check does not exist")
    text = conf("admin custom_check 1\nadmin custom_check_path /opt/x/check")
    what = "custom_check is on, but its program /opt/x/check does not exist: mail goes unchecked"
    assert found({PMG_CONF: text}, around) == [f"custom-check-program pmg.conf:3 {what}"]
    assert found({PMG_CONF: conf("admin custom_check 0")}, around) == []
    assert found({PMG_CONF: text}) == []


def test_two_nodes_at_one_address() -> None:
    text = cluster("192.168.2.1", "192.168.2.2", "192.168.2.1")
    line = text.splitlines().index("\tname mail3") + 1
    what = "mail3 has the address of mail1: 192.168.2.1"
    assert found({CLUSTER_CONF: text}) == [f"shared-address cluster.conf:{line} {what}"]
