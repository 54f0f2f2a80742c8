"""The schema, against a second copy of what PMG's own says: names, types, defaults, limits."""

import re

import pytest

from pmgsync.pmgconf.schema import SECTIONS, keys
from pmgsync.pmgconf.setting import Setting, max_filters, max_policy, max_smtpd

# section, option, type, default (- is none), limits; as PMG's schema has them
PMGS_OWN = r"""
admin | admin-mail-from | string | Proxmox Mail Gateway <postmaster>
    | pattern ^\p{PosixPrint}{1,998}$
admin | advfilter | boolean | 0 |
admin | avast | boolean | 0 |
admin | clamav | boolean | 1 |
admin | consent-text | string | empty | length ..65536
admin | custom_check | boolean | 0 |
admin | custom_check_path | string | /usr/local/bin/pmg-custom-check
    | pattern ^/([^/\0]+\/)+[^/\0]+$
admin | dailyreport | boolean | 1 |
admin | demo | boolean | 0 |
admin | dkim-use-domain | string | envelope | header / envelope
admin | dkim_selector | string | - | format dns-name
admin | dkim_sign | boolean | 0 |
admin | dkim_sign_all_mail | boolean | 0 |
admin | email | string | admin@domain.tld | format email
admin | http_proxy | string | - | pattern http://.*
admin | statlifetime | integer | 7 | 1..
mail | accept-broken-mime | boolean | 0 |
mail | banner | string | ESMTP Proxmox | length ..1024
mail | before_queue_filtering | boolean | 0 |
mail | conn_count_limit | integer | 50 | 0..
mail | conn_rate_limit | integer | 0 | 0..
mail | dnsbl_sites | string | - | format dnsbl-entry-list
mail | dnsbl_threshold | integer | 1 | 0..
mail | dwarning | integer | 4 | 0..
mail | ext_port | integer | 25 | 1..65535
mail | filter-timeout | integer | 600 | 2..86400
mail | greylist | boolean | 1 |
mail | greylist6 | boolean | 0 |
mail | greylistmask4 | integer | 24 | 0..32
mail | greylistmask6 | integer | 64 | 0..128
mail | helotests | boolean | 0 |
mail | hide_received | boolean | 0 |
mail | int_port | integer | 26 | 1..65535
mail | log-headers | boolean | 0 |
mail | max_filters | integer | memory | 3..40
mail | max_policy | integer | memory | 2..10
mail | max_smtpd_in | integer | memory | 3..100
mail | max_smtpd_out | integer | memory | 3..100
mail | maxsize | integer | 10485760 | 1024..
mail | message_rate_limit | integer | 0 | 0..
mail | ndr_on_block | boolean | 0 |
mail | queue-lifetime | integer | - | 1..100
mail | rejectunknown | boolean | 0 |
mail | rejectunknownsender | boolean | 0 |
mail | relay | string | - | format address
mail | relaynomx | boolean | 0 |
mail | relayport | integer | 25 | 1..65535
mail | relayprotocol | string | smtp | smtp / lmtp
mail | smarthost | string | - | format address
mail | smarthostport | integer | 25 | 1..65535
mail | smtputf8 | boolean | 1 |
mail | spf | boolean | 1 |
mail | tls | boolean | 0 |
mail | tlsheader | boolean | 0 |
mail | tlslog | boolean | 0 |
mail | verifyreceivers | string | - | 450 / 550
spam | bounce_score | integer | 0 | 0..1000
spam | clamav_heuristic_score | integer | 3 | 0..1000
spam | extract_text | boolean | 0 |
spam | languages | string | all | pattern (all|([a-z][a-z])+( ([a-z][a-z])+)*)
spam | maxspamsize | integer | 262144 | 64..
spam | rbl_checks | boolean | 1 |
spam | use_awl | boolean | 0 |
spam | use_bayes | boolean | 0 |
spam | use_razor | boolean | 1 |
spam | wl_bounce_relays | string | - |
spamquar | allowhrefs | boolean | 1 |
spamquar | authmode | string | ticket | ticket / ldap / ldapticket
spamquar | hostname | string | - | format address
spamquar | lifetime | integer | 7 | 1..
spamquar | mailfrom | string | - |
spamquar | port | integer | 8006 | 1..65535
spamquar | protocol | string | https | http / https
spamquar | quarantinelink | boolean | 0 |
spamquar | reportstyle | string | verbose | none / short / verbose / custom
spamquar | viewimages | string | 1 | 0 / 1 / on-demand
virusquar | allowhrefs | boolean | 1 |
virusquar | lifetime | integer | 7 | 1..
virusquar | viewimages | string | 1 | 0 / 1 / on-demand
clamav | archiveblockencrypted | boolean | 0 |
clamav | archivemaxfiles | integer | 1000 | 0..
clamav | archivemaxrec | integer | 5 | 1..
clamav | archivemaxsize | integer | 25000000 | 1000000..
clamav | dbmirror | string | database.clamav.net |
clamav | maxcccount | integer | 0 | 0..
clamav | maxscansize | integer | 100000000 | 1000000..
clamav | scriptedupdates | boolean | 1 |
"""

Row = tuple[str, str, str, str, str]


def rows() -> list[Row]:
    split = [line.split("|") for line in PMGS_OWN.replace("\n    |", " |").strip().splitlines()]
    return [
        (a.strip(), b.strip(), c.strip(), d.strip(), "|".join(e).strip())
        for a, b, c, d, *e in split
    ]


def default_text(setting: Setting) -> str:
    default = setting.default
    if default is None:
        return "-"
    if callable(default):
        return "memory"
    return str(default) or "empty"


def limits_text(setting: Setting, pmgs_pattern: str) -> str:
    rule = setting.rule
    if rule.format:
        return f"format {rule.format.name}"
    if rule.pattern:
        return pmgs_pattern  # test_perl.py has Perl compare the two
    if rule.most_bytes is not None:
        return f"length ..{rule.most_bytes}"
    if rule.choices:
        return " / ".join(rule.choices)
    return "" if rule.least is None else f"{rule.least}..{'' if rule.most is None else rule.most}"


def test_there_are_87_options_in_six_sections() -> None:
    counts = {section: len(settings) for section, settings in SECTIONS.items()}
    assert counts == {
        "admin": 16,
        "clamav": 8,
        "mail": 40,
        "spam": 10,
        "spamquar": 10,
        "virusquar": 3,
    }
    assert len(list(keys())) == 87
    assert list(keys()) == sorted(keys())


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}.{row[1]}")
def test_an_option_is_as_pmg_has_it(row: Row) -> None:
    section, name, kind, default, limits = row
    setting = SECTIONS[section][name]
    found = (setting.rule.type.value, default_text(setting), limits_text(setting, limits))
    assert found == (kind, default, limits)


def test_no_option_is_ours_alone() -> None:
    assert sorted(f"{section}.{name}" for section, name, *_ in rows()) == list(keys())


def test_a_default_is_one_that_the_rule_allows() -> None:
    for settings in SECTIONS.values():
        for setting in settings.values():
            for memory in (400, 1900, 8192):
                default = setting.default_with(memory)
                assert default is None or setting.rule.fault(str(default)) == "", setting.name


def test_a_meaning_is_a_sentence_that_helps() -> None:
    for settings in SECTIONS.values():
        for setting in settings.values():
            assert setting.meaning.endswith("."), setting.name
            assert len(setting.meaning.split()) >= 4, setting.name
            assert re.match("[A-Z]", setting.meaning), setting.name


def test_sections_that_share_an_option_share_its_row() -> None:
    for name in ("allowhrefs", "lifetime", "viewimages"):
        assert SECTIONS["spamquar"][name] is SECTIONS["virusquar"][name]


@pytest.mark.parametrize(
    ("memory", "filters"),
    [
        *((400, 3), (1024, 5), (2048, 8), (3839, 12), (3840, 11), (4096, 13), (7809, 37)),
        *((7810, 38), (1_000_000, 38), (0, 3)),
    ],
)
def test_max_filters_by_memory(memory: int, filters: int) -> None:
    assert max_filters(memory) == filters


@pytest.mark.parametrize(
    ("memory", "smtpd"),
    [(0, 25), (531, 25), (532, 26), (1024, 50), (1900, 94), (2048, 100), (9999, 100)],
)
def test_max_smtpd_by_memory(memory: int, smtpd: int) -> None:
    assert max_smtpd(memory) == smtpd


@pytest.mark.parametrize(("memory", "policy"), [(499, 2), (500, 5), (8192, 5)])
def test_max_policy_by_memory(memory: int, policy: int) -> None:
    assert max_policy(memory) == policy
