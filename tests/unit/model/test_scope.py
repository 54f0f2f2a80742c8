"""The scope table, row by row, against what PMG's own writers give their files."""

import pytest

from pmgsync.errors import OutOfScopeError
from pmgsync.model.paths import ManagedPath
from pmgsync.model.scope import (
    CLUSTER_CONF,
    FOLDERS,
    PMG_CONF,
    SCOPE,
    STAGE_PREFIX,
    Rule,
    folder_mode,
    holds_synced_files,
    is_leaving,
    require_rule,
    rule_for,
)

# path, mode, owner:group, secret, postmap
ROWS = [
    ("etc/pmg/pmg.conf", 0o644, "root:root", False, False),
    ("etc/pmg/cluster.conf", 0o644, "root:root", False, False),
    ("etc/pmg/domains", 0o644, "root:root", False, True),
    ("etc/pmg/transport", 0o644, "root:root", False, True),
    ("etc/pmg/tls_policy", 0o644, "root:root", False, True),
    ("etc/pmg/tls_inbound_domains", 0o644, "root:root", False, True),
    ("etc/pmg/mynetworks", 0o644, "root:root", False, False),
    ("etc/pmg/ldap.conf", 0o640, "root:pmg", True, False),
    ("etc/pmg/realms.conf", 0o640, "root:www-data", True, False),
    ("etc/pmg/user.conf", 0o640, "root:www-data", True, False),
    ("etc/pmg/tfa.json", 0o600, "root:root", True, False),
    ("etc/pmg/fetchmailrc", 0o600, "fetchmail:fetchmail", True, False),
    ("etc/pmg/pmg-authkey.key", 0o600, "root:root", True, False),
    ("etc/pmg/pmg-authkey.pub", 0o644, "root:root", False, False),
    ("etc/pmg/pmg-csrf.key", 0o640, "root:www-data", True, False),
    ("etc/pmg/dkim/domains", 0o644, "root:root", False, False),
    ("etc/pmg/dkim/2024.private", 0o640, "root:pmg", True, False),
    ("etc/pmg/templates/main.cf.in", 0o644, "root:root", False, False),
    ("etc/pmg/pbs/pbs.conf", 0o644, "root:root", True, False),
    ("etc/pmg/pbs/store.pw", 0o600, "root:root", True, False),
    ("etc/pmg/acme/accounts/default", 0o600, "root:root", True, False),
    ("etc/mail/spamassassin/custom.cf", 0o644, "root:root", False, False),
    ("etc/mail/spamassassin/pmg-scores.cf", 0o644, "root:root", False, False),
]


@pytest.mark.parametrize(("path", "mode", "ownership", "secret", "postmap"), ROWS)
def test_each_synced_file_lies_as_the_table_says(
    path: str, mode: int, ownership: str, secret: bool, postmap: bool
) -> None:
    rule = require_rule(ManagedPath(path))
    found = (rule.mode, rule.ownership, rule.secret, rule.postmap)
    assert found == (mode, ownership, secret, postmap)


def test_every_row_of_the_table_has_a_row_here() -> None:
    fitting = {rule.pattern for path, *_ in ROWS if (rule := rule_for(path))}
    assert fitting == {rule.pattern for rule in SCOPE}
    assert len(ROWS) == len(SCOPE)


@pytest.mark.parametrize("rule", SCOPE, ids=lambda rule: rule.pattern)
def test_what_is_not_secret_is_not_closed_and_no_file_is_writable_by_others(rule: Rule) -> None:
    assert rule.mode & 0o022 == 0
    assert rule.mode & 0o111 == 0
    assert rule.secret or rule.mode == 0o644


@pytest.mark.parametrize(
    "path",
    [
        "etc/pmg/pmg-api.pem",
        "etc/pmg/pmg-api.pem.old",
        "etc/pmg/pmg-tls.pem",
        "etc/pmg/subscription",
        "etc/pmg/node.conf",
        "etc/pmg/own-file",
        "etc/pmg/master/pmg.conf",
        "etc/pmg/master/dkim/x",
        "etc/pmg",
        "etc/pmg/dkim",
        "etc/pmg/dkim/",
        "etc/pmg/templates/",
        "etc/pmg/templates//a",
        "etc/pmg/templates/../pmg-api.pem",
        "etc/pmg/templates/./a",
        "etc/pmg/dkimx/a",
        "etc/pmg/domains/a",
        "etc/pmg/PMG.CONF",
        "etc/PMG/pmg.conf",
        "etc/pmg/dkim2",
        "/etc/pmg/pmg.conf",
        "pmg/etc/pmg/pmg.conf",
        "pmg.conf",
        "",
        "etc/network/interfaces",
        "etc/network/interfaces.new",
        "etc/hosts",
        "etc/hostname",
        "etc/resolv.conf",
        "etc/shadow",
        "etc/mail/spamassassin/local.cf",
        "etc/mail/spamassassin/init.pre",
        "etc/mail/spamassassin/sub/custom.cf",
        "etc/mail/spamassassin/pmg-scores.cf.new",
        "etc/postfix/main.cf",
        "root/.ssh/authorized_keys",
        "var/lib/pmg/templates/main.cf.in",
    ],
)
def test_what_the_table_does_not_name_never_travels(path: str) -> None:
    assert rule_for(path) is None


def test_a_path_out_of_scope_is_refused_by_name() -> None:
    with pytest.raises(OutOfScopeError) as caught:
        require_rule(ManagedPath("etc/shadow"))
    assert caught.value.where == "etc/shadow"


LEAVINGS = [
    *("domains~", ".domains.swp", ".domains.swx", "domains.swp", "#domains#", ".#domains", "4913"),
    *("domains.tmp", "domains.tmp.4711", "domains.tmp4711", "a.tmp.b.c", "a.TMP"),
    *("domains.db", "transport.db", "pmg-scores.cf.new", "domains.lock", "domains.lck"),
    *("main.cf.in.dpkg-old", "main.cf.in.dpkg-dist", "main.cf.in.ucf-dist", "main.cf.in.ucf-old"),
    *(".", "..", ".hidden", f"{STAGE_PREFIX}17.domains", "a\nb~", "a\n.db"),
]


@pytest.mark.parametrize("name", LEAVINGS)
def test_what_editors_writers_and_postfix_leave_never_travels(name: str) -> None:
    assert is_leaving(name)
    assert rule_for(f"etc/pmg/templates/{name}") is None
    assert rule_for(f"etc/pmg/acme/{name}/inside") is None


@pytest.mark.parametrize(
    "name",
    [
        "domains",
        "db",
        "tmp",
        "new",
        "a.dbx",
        "a.tmpl",
        "49130",
        "x4913",
        "a~b",
        "#a",
        "a.news",
        "main.cf.in",
        "2024.new.private",
        "selector.db.private",
        "a.locked",
    ],
)
def test_names_that_only_resemble_leavings_travel(name: str) -> None:
    assert not is_leaving(name)
    assert rule_for(f"etc/pmg/templates/{name}") is not None


def test_below_a_folder_of_the_table_files_travel_at_any_depth() -> None:
    assert rule_for("etc/pmg/acme/a/b/c/d") is rule_for("etc/pmg/acme/a")


def test_the_more_special_row_stands_before_the_folder_it_lies_in() -> None:
    for index, rule in enumerate(SCOPE):
        folders = [r for r in SCOPE[:index] if r.pattern.endswith("/**")]
        assert not any(rule.pattern.startswith(r.pattern[:-2]) for r in folders)


def test_a_made_folder_gets_its_rows_mode_or_that_of_the_nearest_above() -> None:
    assert folder_mode("etc/pmg") == 0o755
    assert folder_mode("etc/pmg/acme") == 0o700
    assert folder_mode("etc/pmg/acme/accounts/deep") == 0o700
    assert folder_mode("etc/pmg/templates/de") == 0o755
    assert folder_mode("etc/pmg/pbs") == 0o755  # pmgproxy, which is not root, reads pbs.conf in it
    assert folder_mode("etc") == 0o755
    assert folder_mode("") == 0o755


def test_every_folder_of_the_table_has_a_mode() -> None:
    folders = {rule.pattern.removesuffix("/**").rpartition("/")[0] for rule in SCOPE}
    folders |= {rule.pattern[:-3] for rule in SCOPE if rule.pattern.endswith("/**")}
    assert folders == set(FOLDERS)


@pytest.mark.parametrize(
    ("folder", "holds"),
    [
        ("etc", True),
        ("etc/pmg", True),
        ("etc/mail", True),
        ("etc/mail/spamassassin", True),
        ("etc/pmg/dkim", True),
        ("etc/pmg/dkim/sub/deep", True),
        ("etc/pmg/templates/de", True),
        ("etc/pmg/templates/.git", False),
        ("etc/pmg/templates/old~/de", False),
        ("etc/pmg/master", False),
        ("etc/pmg/domains", False),
        ("etc/pm", False),
        ("etc/postfix", False),
        ("usr", False),
    ],
)
def test_the_walk_descends_only_where_synced_files_may_lie(folder: str, holds: bool) -> None:
    assert holds_synced_files(folder) is holds


def test_the_walk_reaches_every_row() -> None:
    for path, *_ in ROWS:
        parts = path.split("/")
        assert all(holds_synced_files("/".join(parts[:n])) for n in range(1, len(parts)))


def test_the_named_paths_are_in_the_table() -> None:
    assert require_rule(PMG_CONF).pattern == PMG_CONF
    assert require_rule(CLUSTER_CONF).pattern == CLUSTER_CONF
