"""The table of service files: complete, in PMG's order, with PMG's modes, owners and reactions."""

import pytest

from pmgsync.cli.rendering import our_template
from pmgsync.model.scope import SPAMASSASSIN, rule_for
from pmgsync.render.targets import (
    FILTER_PARAMETERS,
    KEPT,
    MAPPED,
    REMOVED,
    TARGETS,
    TLS_CERTIFICATE,
    Inputs,
    Places,
    Reaction,
    Service,
    filter_parameters,
    folders,
    forward,
    is_on,
    is_source,
)

RULES = [f"{name}.in" for name in ("local.cf", "init.pre", "v310.pre", "v320.pre", "v342.pre")]
BY_PATH = {target.path: target for target in TARGETS}


def variables(**sections: dict[str, object]) -> dict[str, dict[str, dict[str, object]]]:
    pmg: dict[str, dict[str, object]] = {"admin": {}, "mail": {}, "spam": {}, **sections}
    return {"pmg": pmg}


def inputs(
    given: dict[str, dict[str, object]] | None = None, **sections: dict[str, object]
) -> Inputs:
    return Inputs(variables(**sections), given or {})


def test_the_order_is_that_in_which_pmg_rewrites_its_configuration() -> None:
    made = [target.template or target.path for target in TARGETS]
    assert made == [
        *("main.cf.in", "master.cf.in"),
        "root/.forward",
        *("pg_hba.conf.in", "postgresql.conf.in"),
        *RULES,
        *("v400.pre.in", "razor-agent.conf.in"),
        "clamd.conf.in",
        "freshclam.conf.in",
        FILTER_PARAMETERS,
    ]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.path)
def test_each_row_has_one_way_to_be_made(target: object) -> None:
    (row,) = [row for row in TARGETS if row is target]
    assert bool(row.template) != (row.content is not None)
    assert not row.template or our_template(row.template), "ships with pmgsync"


def test_modes_and_owners() -> None:
    special = {row.path: (row.mode, row.ownership) for row in TARGETS if row.mode != 0o644}
    assert special == {"etc/clamav/freshclam.conf": (0o600, "clamav:adm")}
    assert {row.ownership for row in TARGETS} == {"root:root", "clamav:adm"}


@pytest.mark.parametrize(
    ("path", "reaction"),
    [
        ("etc/postfix/main.cf", Reaction.POSTFIX_RELOAD),
        ("etc/postfix/master.cf", Reaction.POSTFIX_RELOAD),
        ("root/.forward", None),
        ("etc/postgresql/{postgres}/main/pg_hba.conf", None),
        ("etc/postgresql/{postgres}/main/postgresql.conf", None),
        (f"{SPAMASSASSIN}/local.cf", Reaction.FILTER_RESTART),
        (f"{SPAMASSASSIN}/v400.pre", Reaction.FILTER_RESTART),
        ("var/lib/pmg/spamassassin/.razor/razor-agent.conf", Reaction.FILTER_RESTART),
        ("etc/clamav/clamd.conf", Reaction.CLAMD_RESTART),
        ("etc/clamav/freshclam.conf", Reaction.FRESHCLAM_RESTART),
        (FILTER_PARAMETERS, Reaction.FILTER_RELOAD),
    ],
)
def test_reactions(path: str, reaction: Reaction | None) -> None:
    assert BY_PATH[path].reaction is reaction


def test_no_service_file_is_a_synced_one() -> None:
    made = [*(row.path for row in TARGETS), *(row.path for row in REMOVED)]
    assert [path for path in made if rule_for(path) is not None] == []
    kept = {row.path: row.synced for row in KEPT}
    assert kept == {path: rule_for(path) is not None for path in kept}


def test_each_path_is_in_one_row_only() -> None:
    paths = [row.path for rows in (TARGETS, KEPT, REMOVED) for row in rows]
    assert len(paths) == len(set(paths))


def test_the_maps_are_those_that_postfix_asks_for() -> None:
    main = (our_template("main.cf.in") or b"").decode()
    assert all(f"hash:/{path}" in main for path in MAPPED)
    assert {row.path for row in KEPT} >= set(MAPPED)


@pytest.mark.parametrize(
    ("path", "places", "where"),
    [
        ("etc/postfix/main.cf", Places(), "etc/postfix/main.cf"),
        ("etc/postgresql/{postgres}/main/x", Places("17"), "etc/postgresql/17/main/x"),
        ("etc/postgresql/{postgres}/main/x", Places(None), None),
        (f"{SPAMASSASSIN}/local.cf", Places(), f"{SPAMASSASSIN}/local.cf"),
        (f"{SPAMASSASSIN}/local.cf", Places(None, "etc/spamassassin"), "etc/spamassassin/local.cf"),
        ("etc/clamav/clamd.conf", Places(has_folder=lambda f: f != "etc/clamav"), None),
        (
            "etc/postfix/main.cf",
            Places(has_folder=lambda f: f == "etc/postfix"),
            "etc/postfix/main.cf",
        ),
    ],
)
def test_where_a_row_is_on_a_machine(path: str, places: Places, where: str | None) -> None:
    assert places.resolve(path) == where


def test_the_folders_of_a_machine() -> None:
    found = folders(Places("15", "etc/spamassassin"))
    assert {"etc/postfix", "etc/clamav", "root", "etc/pmg", "etc/postgresql/15/main"} <= set(found)
    assert "etc/spamassassin" in found
    assert SPAMASSASSIN not in found
    assert len(found) == len(set(found))


# --- what is made without a template ---


@pytest.mark.parametrize(
    ("email", "content"),
    [
        ("admin@example.com", b"admin@example.com\n"),
        ("  admin@example.com  other@example.com", b"admin@example.com\n"),
        ("", b""),
        (None, b""),
    ],
)
def test_mail_for_root_goes_to_the_first_word_of_the_address(
    email: str | None, content: bytes
) -> None:
    assert forward(inputs(admin={"email": email})) == content


def test_the_filter_is_told_what_pmg_conf_sets_and_nothing_else() -> None:
    given: dict[str, dict[str, object]] = {
        "mail": {"smtputf8": 1, "hide_received": 0, "relay": "192.0.2.1", "log-headers": 1},
        "admin": {"dkim_selector": "mail", "dkim-use-domain": "header", "email": "a@example.com"},
    }
    assert filter_parameters(inputs(given)) == (
        b"admin.dkim-use-domain:header\n"
        b"admin.dkim_selector:mail\n"
        b"mail.hide_received:0\n"
        b"mail.log-headers:1\n"
        b"mail.smtputf8:1\n"
    )


def test_the_filter_parameters_are_sorted_by_bytes() -> None:
    everything: dict[str, dict[str, object]] = {
        "mail": dict.fromkeys(
            ("smtputf8", "ndr_on_block", "log-headers", "hide_received", "accept-broken-mime"), 1
        ),
        "admin": dict.fromkeys(
            (
                "dkim_sign_all_mail",
                "dkim_sign",
                "dkim_selector",
                "dkim-use-domain",
                "admin-mail-from",
            ),
            "x",
        ),
    }
    lines = filter_parameters(inputs(everything)).splitlines()
    assert lines == sorted(lines)
    assert len(lines) == 10


def test_without_options_the_filter_is_told_nothing() -> None:
    assert filter_parameters(inputs()) == b""


def test_bytes_that_are_no_utf8_come_out_as_they_were() -> None:
    odd = b"\xe9t\xe9".decode("utf-8", "surrogateescape")
    assert filter_parameters(inputs({"admin": {"admin-mail-from": odd}})).endswith(b":\xe9t\xe9\n")


# --- conditions ---


@pytest.mark.parametrize(
    ("value", "on"), [(1, True), ("1", True), (0, False), ("0", False), (None, False), ("", False)]
)
def test_an_option_is_on_by_perls_truth(value: object, on: bool) -> None:
    assert is_on(variables(spam={"use_razor": value}), "spam", "use_razor") is on


def test_razor_is_written_where_it_is_used() -> None:
    razor = BY_PATH["var/lib/pmg/spamassassin/.razor/razor-agent.conf"]
    assert razor.wanted(variables(spam={"use_razor": 1}))
    assert not razor.wanted(variables(spam={"use_razor": 0}))


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("use_awl", {"auto-whitelist"}),
        ("use_bayes", {"bayes_journal", "bayes_seen", "bayes_toks"}),
    ],
)
def test_what_was_learned_goes_when_learning_is_switched_off(option: str, names: set[str]) -> None:
    others = {"use_awl": 1, "use_bayes": 1}

    def gone(value: int) -> set[str]:
        now = variables(spam={**others, option: value})
        return {row.path.rpartition("/")[2] for row in REMOVED if row.unwanted(now)}

    assert gone(1) == set()
    assert gone(0) == names


def test_the_certificate_is_wanted_with_tls_and_nobody_else_may_read_it() -> None:
    (row,) = [row for row in KEPT if row.path == TLS_CERTIFICATE]
    assert row.mode == 0o600
    assert row.reaction is Reaction.POSTFIX_RELOAD
    assert row.wanted(variables(mail={"tls": 1}))
    assert not row.wanted(variables(mail={"tls": 0}))
    assert rule_for(TLS_CERTIFICATE) is None, "never synced"


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("etc/pmg/pmg.conf", True),
        ("etc/pmg/cluster.conf", True),
        ("etc/pmg/transport", True),
        ("etc/pmg/mynetworks", True),
        ("etc/pmg/templates/main.cf.in", True),
        ("etc/pmg/templates/deep/part.inc", True),
        ("etc/pmg/domains", False),
        ("etc/pmg/tls_policy", False),
        ("etc/pmg/user.conf", False),
        ("etc/mail/spamassassin/custom.cf", False),
    ],
)
def test_what_service_files_are_made_of(path: str, is_one: bool) -> None:
    assert is_source(path) is is_one


def test_every_service_has_a_name_for_people() -> None:
    assert {service.value for service in Service} >= {row.service.value for row in TARGETS}
