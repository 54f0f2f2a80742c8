"""From sources to service files: what is made again, what differs, who is told."""

from dataclasses import replace

import pytest

from pmgsync.errors import InvalidError
from pmgsync.render.lookup import Origin
from pmgsync.render.plan import ChangeKind, in_order, reactions
from pmgsync.render.targets import KEPT, REMOVED, TARGETS, TLS_CERTIFICATE, Places, Reaction
from tests.unit.render.nodes import CONF, Gateway, conf

MAIN, CLAMD = "etc/postfix/main.cf", "etc/clamav/clamd.conf"
FRESHCLAM, LOCAL = "etc/clamav/freshclam.conf", "etc/mail/spamassassin/local.cf"
RAZOR = "var/lib/pmg/spamassassin/.razor/razor-agent.conf"
FILTER = "run/pmg-smtp-filter/pmg-smtp-filter.cfg"


def test_every_row_of_the_table_is_rendered() -> None:
    files = Gateway().render()
    assert len(files) == len(TARGETS)
    assert "etc/postgresql/15/main/postgresql.conf" in files
    assert all(file.data for path, file in files.items() if path != FILTER)


def test_a_node_without_postgresql_gets_no_files_for_it() -> None:
    files = Gateway(places=Places()).render()
    assert not [path for path in files if "postgresql" in path]


def test_razor_is_left_out_where_it_is_off() -> None:
    assert RAZOR in Gateway().render()
    assert RAZOR not in Gateway({CONF: conf(spam={"use_razor": 0})}).render()


def test_the_nodes_own_name_and_address_are_in_its_files() -> None:
    node = Gateway()
    node.override("main.cf.in", "myhostname = [% dns.fqdn %]\nx = [% ipconfig.int_ip %]\n")
    assert node.data(MAIN) == b"myhostname = mail1.example.com\nx = 192.0.2.1\n"
    node.facts = replace(node.facts, hostname="mail2", address="192.0.2.2")
    assert node.data(MAIN) == b"myhostname = mail2.example.com\nx = 192.0.2.2\n"


def test_a_file_knows_what_it_was_made_of() -> None:
    node = Gateway()
    node.override("main.cf.in", "[% INCLUDE tls.inc %][% pmg.mail.relay %]\n")
    node.override("tls.inc", "[% pmg.mail.tls %]")
    file = node.render()[MAIN]
    assert file.template is not None
    assert (file.template.name, file.template.origin) == ("main.cf.in", Origin.OVERRIDE)
    assert set(file.used) == {"main.cf.in", "tls.inc"}
    assert file.reads == ("pmg.admin.demo", "pmg.mail.relay", "pmg.mail.tls")


def test_a_file_without_a_template_says_so() -> None:
    file = Gateway().render()["root/.forward"]
    assert (file.template, file.used) == (None, ())


# --- what is made again ---


def made_again(node: Gateway, before: dict[str, object]) -> set[str]:
    return {path for path, file in node.render().items() if file is not before.get(path)}


def with_templates(paths: set[str]) -> set[str]:
    return {path for path in paths if path not in ("root/.forward", FILTER)}


def test_nothing_is_made_again_while_nothing_changes() -> None:
    node = Gateway({CONF: conf(mail={"relay": "192.0.2.25"})})
    before: dict[str, object] = dict(node.render())
    assert with_templates(made_again(node, before)) == set()


@pytest.mark.parametrize("path", ["etc/pmg/domains", "etc/pmg/user.conf", "etc/pmg/tls_policy"])
def test_a_new_domain_renders_nothing(path: str) -> None:
    node = Gateway()
    before: dict[str, object] = dict(node.render())
    node.synced[path] = b"example.org 1\n"
    assert with_templates(made_again(node, before)) == set()


@pytest.mark.parametrize(
    ("section", "options", "again"),
    [
        ("clamav", {"archivemaxrec": 9}, {CLAMD}),
        ("clamav", {"dbmirror": "mirror.example.com"}, {FRESHCLAM}),
        ("mail", {"relay": "relay.example.com"}, {MAIN, "etc/postfix/main.cf"}),
        ("mail", {"int_port": 2626}, {"etc/postfix/master.cf"}),
        ("spam", {"languages": "de"}, {LOCAL}),
        ("admin", {"http_proxy": "http://proxy.example.com:3128"}, None),
    ],
)
def test_an_option_makes_again_what_reads_it(
    section: str, options: dict[str, object], again: set[str] | None
) -> None:
    node = Gateway()
    before: dict[str, object] = dict(node.render())
    node.synced[CONF] = conf(**{section: options})
    found = with_templates(made_again(node, before))
    # A realm that appears (`proxy`) may be asked for by any template.
    assert found == (with_templates(set(node.render())) if again is None else again)


def test_a_changed_template_makes_again_what_is_made_of_it() -> None:
    node = Gateway()
    node.override("clamd.conf.in", "[% PROCESS shared.inc %]\n")
    node.override("shared.inc", "one")
    before: dict[str, object] = dict(node.render())
    node.override("shared.inc", "two")
    assert with_templates(made_again(node, before)) == {CLAMD}
    assert node.data(CLAMD) == b"two\n"


def test_an_override_that_appears_or_goes_is_noticed() -> None:
    node = Gateway()
    default = node.data(CLAMD)
    node.override("clamd.conf.in", "mine\n")
    assert node.data(CLAMD) == b"mine\n"
    node.synced.clear()
    assert node.data(CLAMD) == default


def test_pmgs_own_template_comes_before_ours() -> None:
    node = Gateway(pmg={"clamd.conf.in": b"PMG's\n"})
    assert node.data(CLAMD) == b"PMG's\n"
    node.override("clamd.conf.in", "mine\n")
    assert node.data(CLAMD) == b"mine\n"


def test_demo_mode_takes_the_demo_templates() -> None:
    node = Gateway({CONF: conf(admin={"demo": 1})})
    file = node.render()[MAIN]
    assert file.template is not None
    assert file.template.name == "main.cf.in.demo"
    assert b"loopback-only" in file.data
    node.synced[CONF] = conf(admin={"demo": 0})
    assert b"loopback-only" not in node.data(MAIN)


# --- errors ---


def test_a_broken_template_is_named_with_its_line() -> None:
    node = Gateway()
    node.override("main.cf.in", "fine\n[% IF %]\n")
    with pytest.raises(InvalidError, match=r"main\.cf\.in line 2"):
        node.render()


def test_after_an_error_everything_is_rendered_again_as_it_should_be() -> None:
    node = Gateway()
    before = node.data(CLAMD)
    node.override("clamd.conf.in", "[% IF")
    node.override("main.cf.in", "[% END %]")
    with pytest.raises(InvalidError):
        node.render()
    node.synced.clear()
    assert node.data(CLAMD) == before


# --- what has to be done ---


def test_on_an_empty_machine_everything_is_new() -> None:
    found = Gateway().changes(alone=True)
    assert {change.kind for change in found.values()} == {ChangeKind.NEW}
    assert found[FRESHCLAM].mode == 0o600
    assert found[FRESHCLAM].ownership == "clamav:adm"
    assert found["etc/pmg/transport"].new == b""


def test_what_is_as_it_should_be_is_no_change() -> None:
    node = Gateway()
    node.carry_out(alone=True)
    assert node.changes(alone=True) == {}


def test_a_member_of_a_cluster_makes_no_synced_file() -> None:
    found = Gateway().changes(alone=False)
    assert "etc/pmg/transport" not in found
    assert "etc/mail/spamassassin/custom.cf" not in found
    assert found["etc/postfix/senderaccess"].new == b""


def test_an_edited_file_is_changed_back() -> None:
    node = Gateway()
    node.carry_out()
    node.lies[MAIN] = b"mine\n"
    (change,) = node.changes().values()
    assert (change.kind, change.path, change.old) == (ChangeKind.CHANGED, MAIN, b"mine\n")
    assert change.reaction is Reaction.POSTFIX_RELOAD


def test_a_file_that_must_exist_is_left_alone_where_it_does() -> None:
    node = Gateway()
    node.lies["etc/postfix/senderaccess"] = b"/x/ OK\n"
    assert "etc/postfix/senderaccess" not in node.changes()


def test_what_was_learned_is_removed_when_learning_is_off() -> None:
    node = Gateway({CONF: conf(spam={"use_bayes": 1, "use_awl": 1})})
    node.carry_out()
    node.lies.update({row.path: b"learned" for row in REMOVED})
    assert node.changes() == {}
    node.synced[CONF] = conf(spam={"use_bayes": 0, "use_awl": 1})
    gone = {p: c for p, c in node.changes().items() if c.kind is ChangeKind.REMOVED}
    assert set(gone) == {f"root/.spamassassin/bayes_{x}" for x in ("journal", "seen", "toks")}
    assert {change.reaction for change in gone.values()} == {Reaction.FILTER_RESTART}
    node.carry_out()
    assert node.lies["root/.spamassassin/auto-whitelist"] == b"learned"


def test_with_tls_a_certificate_is_made_once() -> None:
    node = Gateway({CONF: conf(mail={"tls": 1})})
    change = node.changes()[TLS_CERTIFICATE]
    assert (change.kind, change.mode) == (ChangeKind.NEW, 0o600)
    node.lies[TLS_CERTIFICATE] = b"of the admin"
    assert TLS_CERTIFICATE not in node.changes()
    assert TLS_CERTIFICATE not in Gateway().changes()


def test_a_machine_without_a_folder_gets_nothing_there() -> None:
    places = Places("15", has_folder=lambda folder: folder == "etc/postfix")
    found = Gateway(places=places).changes(alone=True)
    assert {path.rpartition("/")[0] for path in found} == {"etc/postfix"}


# --- who is told ---


def test_only_the_services_whose_files_changed_are_told() -> None:
    node = Gateway()
    node.carry_out()
    node.synced[CONF] = conf(mail={"relay": "192.0.2.25"})
    assert reactions(node.changes().values()) == (Reaction.POSTFIX_RELOAD,)
    node.carry_out()
    node.synced[CONF] = conf(mail={"relay": "192.0.2.25", "hide_received": 1})
    assert reactions(node.changes().values()) == (Reaction.FILTER_RELOAD,)


def test_a_change_of_nothing_tells_nobody() -> None:
    assert reactions(()) == ()


def test_each_is_told_once_and_in_order() -> None:
    everything = Gateway().changes(alone=True).values()
    assert reactions(everything) == (
        Reaction.POSTFIX_RELOAD,
        Reaction.CLAMD_RESTART,
        Reaction.FRESHCLAM_RESTART,
        Reaction.FILTER_RESTART,
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((Reaction.FILTER_RELOAD, Reaction.FILTER_RESTART), (Reaction.FILTER_RESTART,)),
        ((Reaction.FILTER_RELOAD,), (Reaction.FILTER_RELOAD,)),
        (
            (Reaction.FRESHCLAM_RESTART, Reaction.POSTFIX_RELOAD) * 2,
            (Reaction.POSTFIX_RELOAD, Reaction.FRESHCLAM_RESTART),
        ),
        ((), ()),
    ],
)
def test_a_restart_does_what_the_reload_would(
    given: tuple[Reaction, ...], wanted: tuple[Reaction, ...]
) -> None:
    assert in_order(given) == wanted


def test_rows_that_must_exist_belong_to_a_service() -> None:
    assert {row.service.value for row in KEPT} == {"postfix", "spamassassin"}
