"""`pmgsync domain`, `transport`, ...: every verb of every list file, and what each refuses."""

import json
import stat
from typing import Any

import pytest

from pmgsync.cli.list_files import FILES, ListedFile
from pmgsync.pmgconf.registry import REGISTRY
from tests.unit.cli.gateway import Gateway

COMMANDS = [file.command for file in FILES]
COMMENTED = [file.command for file in FILES if file.has_comments]

ADDED: dict[str, tuple[list[str], str, dict[str, Any]]] = {
    "domain": (["b.example"], "b.example 1\n", {"domain": "b.example", "comment": ""}),
    "dkim-domain": (["b.example"], "b.example 1\n", {"domain": "b.example", "comment": ""}),
    "transport": (
        ["b.example", "mx.example"],
        "b.example smtp:mx.example:25\n",
        {
            **{"domain": "b.example", "protocol": "smtp", "host": "mx.example", "port": 25},
            **{"use_mx": True, "comment": ""},
        },
    ),
    "network": (["192.0.2.0/24"], "192.0.2.0/24 #\n", {"network": "192.0.2.0/24", "comment": ""}),
    "tls-policy": (
        ["b.example", "secure", "match=x.example"],
        "b.example secure match=x.example\n",
        {"destination": "b.example", "policy": "secure match=x.example"},
    ),
    "tls-inbound": (
        ["b.example"],
        "b.example reject_plaintext_session\n",
        {"domain": "b.example"},
    ),
    "score": (
        ["RULE", "-1.5"],
        "score RULE -1.500\n",
        {"rule": "RULE", "score": -1.5, "comment": ""},
    ),
}
"""What is added, what the file is then, and what `list --json` says."""


def file_of(command: str) -> ListedFile:
    return next(file for file in FILES if file.command == command)


def test_every_list_file_has_a_row() -> None:
    assert [file.command for file in FILES] == list(dict.fromkeys(COMMANDS))
    assert sorted(ADDED) == sorted(COMMANDS)
    assert {str(file.path) for file in FILES} <= REGISTRY.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_add_makes_the_file_that_pmg_would_have_written(gateway: Gateway, command: str) -> None:
    words, written, entry = ADDED[command]
    path = file_of(command).path
    code, out, err = gateway.run(command, "add", *words)
    assert (code, out, err) == (0, "", f"added {words[0]} to /{path}\n")
    assert gateway.text(path) == written
    assert stat.S_IMODE((gateway.root / path).stat().st_mode) == 0o644
    assert gateway.listed(command) == [{**entry, "line": 1}]


@pytest.mark.parametrize("command", COMMANDS)
def test_adding_it_again_is_fine_and_writes_nothing(gateway: Gateway, command: str) -> None:
    words, _, _ = ADDED[command]
    gateway.fine(command, "add", *words)
    before = (gateway.root / file_of(command).path).stat()
    code, out, err = gateway.run(command, "add", *words)
    assert (code, out, err) == (0, "", f"{words[0]} is there already\n")
    after = (gateway.root / file_of(command).path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("command", COMMANDS)
def test_remove_takes_it_out_and_once_only(gateway: Gateway, command: str) -> None:
    words, _, _ = ADDED[command]
    path = file_of(command).path
    gateway.fine(command, "add", *words)
    assert gateway.run(command, "remove", words[0]) == (
        0,
        "",
        f"removed {words[0]} from /{path}\n",
    )
    assert gateway.text(path) == ""
    assert gateway.refused(command, "remove", words[0]) == (
        1,
        f"pmgsync: {path}: {words[0]} is not there; see the command's `list`",
    )


@pytest.mark.parametrize("command", COMMENTED)
def test_a_comment_is_set_kept_and_removed(gateway: Gateway, command: str) -> None:
    words, written, _ = ADDED[command]
    path = file_of(command).path
    gateway.fine(command, "add", *words, "--comment", " for ann ")
    assert gateway.listed(command)[0]["comment"] == "for ann"
    commented = gateway.text(path)
    gateway.fine(command, "add", *words)  # says nothing of a comment
    assert gateway.text(path) == commented
    assert gateway.run(command, "set-comment", words[0], "for bob")[0] == 0
    assert gateway.text(path) == commented.replace("ann", "bob")
    code, _, err = gateway.run(command, "set-comment", words[0], "for bob")
    assert (code, err) == (0, f"{words[0]} has that comment already\n")
    gateway.fine(command, "set-comment", words[0], "")
    assert gateway.text(path) == written
    assert gateway.refused(command, "set-comment", "none", "x")[0] == 1


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(COMMENTED)))
def test_a_file_without_comments_has_no_verb_for_them(gateway: Gateway, command: str) -> None:
    code, line = gateway.refused(command, "set-comment", "a.example", "x")
    assert code == 2
    assert "has no 'set-comment'" in line
    assert "PMG keeps no comments in this file." in gateway.fine(command, "add", "--help")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_comment_is_one_line(gateway: Gateway, command: str) -> None:
    code, _ = gateway.refused(command, "add", *ADDED[command][0], "--comment", "two\nlines")
    assert code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_list_says_so_to_the_person_only(gateway: Gateway, command: str) -> None:
    code, out, err = gateway.run(command, "list")
    assert (code, out, err) == (0, "", f"no {file_of(command).noun} is set\n")
    assert json.loads(gateway.fine(command, "list", "--json")) == {"entries": [], "unread": []}


def test_a_list_is_a_table(gateway: Gateway) -> None:
    gateway.fine("transport", "add", "a.example", "192.0.2.1", "--port", "2525")
    gateway.fine("transport", "add", "b.example", "mx.example", "--comment", "two")
    assert gateway.fine("transport", "list") == (
        "DOMAIN     PROTOCOL  HOST        PORT  MX   COMMENT\n"
        "a.example  smtp      192.0.2.1   2525  no\n"
        "b.example  smtp      mx.example  25    yes  two\n"
    )


def test_several_are_added_or_none(gateway: Gateway) -> None:
    assert gateway.run("domain", "add", "b.example", "a.example")[2] == (
        "added 2 relay domains to /etc/pmg/domains\n"
    )
    assert gateway.text("etc/pmg/domains") == "a.example 1\nb.example 1\n"
    assert gateway.refused("domain", "add", "c.example", "no_domain")[0] == 2
    assert gateway.refused("domain", "remove", "a.example", "d.example")[0] == 1


def test_what_is_there_differently_is_an_error_unless_replaced(gateway: Gateway) -> None:
    add = ("transport", "add", "a.example")
    gateway.fine(*add, "one.example", "--comment", "mine")
    assert gateway.refused(*add, "two.example") == (
        1,
        "pmgsync: etc/pmg/transport:2: is there already, differently: "
        "a.example smtp one.example 25 yes mine; --replace changes it",
    )
    gateway.fine(*add, "two.example", "--replace")
    assert gateway.text("etc/pmg/transport") == "#mine\na.example smtp:two.example:25\n"
    gateway.fine("score", "add", "RULE", "1")
    assert gateway.refused("score", "add", "RULE", "2")[0] == 1
    gateway.fine("score", "add", "RULE", "2", "--replace")
    gateway.fine("tls-policy", "add", "a.example", "may")
    assert gateway.refused("tls-policy", "add", "a.example", "encrypt")[0] == 1
    gateway.fine("tls-policy", "add", "a.example", "encrypt", "--replace")
    assert gateway.text("etc/pmg/tls_policy") == "a.example encrypt\n"


def test_what_is_replaced_is_said_to_be_set(gateway: Gateway) -> None:
    add = ("transport", "add", "a.example")
    assert gateway.run(*add, "one.example")[2] == "added a.example to /etc/pmg/transport\n"
    told = gateway.run(*add, "two.example", "--replace")[2]
    assert told == "set a.example in /etc/pmg/transport\n"


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("domain", "add", "a.example", "b.example"), ["a.example", "b.example"]),
        (("domain", "set-comment", "a.example", "ours"), ["a.example"]),
        (("domain", "remove", "a.example"), ["a.example"]),
        (("ldap", "add", "ad", "ldap.example"), ["ad"]),
        (("ldap", "set", "ad", "--port", "636"), ["ad"]),
        (("ldap", "remove", "ad"), ["ad"]),
        (("user", "add", "ann@sso", "--role", "audit"), ["ann@sso"]),
        (("user", "set", "ann@sso", "--disable"), ["ann@sso"]),
        (("user", "remove", "ann@sso"), ["ann@sso"]),
        (("fetchmail", "set", "a1", "--keep"), ["a1"]),
        (("fetchmail", "remove", "a1"), ["a1"]),
    ],
)
def test_every_edit_tells_scripts_what_it_came_to(
    gateway: Gateway, words: tuple[str, ...], keys: list[str]
) -> None:
    account = "poll a1 via mx.example user ann pass secret to ann@a.example"
    gateway.write("etc/pmg/fetchmailrc", f"# proxmox settings\n{account}\n")
    if words[1] != "add":
        for made in (
            ("domain", "add", "a.example"),
            ("ldap", "add", "ad", "ldap.example"),
            ("user", "add", "ann@sso", "--role", "audit"),
        ):
            gateway.fine(*made)
    told = json.loads(gateway.fine(*words, "--json"))
    assert (told["keys"], told["changed"]) == (keys, True)
    assert (gateway.root / told["file"]).exists()
    if words[1] in ("set", "set-comment"):
        assert json.loads(gateway.fine(*words, "--json")) == told | {"changed": False}


def test_another_comment_is_set_with_its_own_verb(gateway: Gateway) -> None:
    gateway.fine("domain", "add", "a.example", "--comment", "one")
    assert gateway.refused("domain", "add", "a.example", "--comment", "two") == (
        1,
        "pmgsync: etc/pmg/domains:2: is there already, differently: a.example one; "
        "change its comment with `pmgsync domain set-comment`",
    )


def test_case_does_not_make_a_second_domain(gateway: Gateway) -> None:
    gateway.fine("domain", "add", "A.example")
    assert gateway.run("domain", "add", "a.EXAMPLE")[2] == "A.example is there already\n"
    gateway.fine("domain", "remove", "a.example")
    assert gateway.text("etc/pmg/domains") == ""


def test_case_makes_a_second_rule(gateway: Gateway) -> None:
    gateway.fine("score", "add", "A", "1")
    gateway.fine("score", "add", "a", "1")
    assert len(gateway.listed("score")) == 2


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("domain add a_b", "'a_b' is no domain name"),
        ("domain add b\u00fccher.example", "is no domain name; write it as xn--bcher-kva.example"),
        ("domain add *.example", "'*.example' is no domain name"),
        ("domain add", "required: DOMAIN"),
        ("dkim-domain add ann@a.example", "'ann@a.example' is no domain name"),
        ("transport add * mx.example", "'*' is neither a domain name nor an e-mail address"),
        ("transport add a.example mx_1", "'mx_1' is no host name or address"),
        ("transport add a.example mx.example:26", "give the port with --port 26"),
        ("transport add a.example [mx.example]:26", "give the port with --port 26"),
        ("transport add a.example h --port 0", "'0' is no port from 1 to 65535"),
        ("transport add a.example h --port 65536", "'65536' is no port from 1 to 65535"),
        ("transport add a.example h --port smtp", "'smtp' is no port from 1 to 65535"),
        ("transport add a.example h --protocol uucp", "invalid choice: 'uucp'"),
        ("network add 10.0.0.0/33", "'10.0.0.0/33' is no network such as 192.0.2.0/24"),
        ("network add mx.example", "'mx.example' is no network"),
        ("network add 10.1.2.3/8", "write 10.0.0.0/8, or 10.1.2.3 alone"),
        ("network add 0.0.0.0/0", "'0.0.0.0/0' would relay mail for the whole Internet"),
        ("network add ::/0", "'::/0' would relay mail for the whole Internet"),
        ("network add ::/00", "'::/00' would relay mail for the whole Internet"),
        ("network add 10.0.0.0/8#x", "is no network"),
        ("tls-policy add a.example:25 may", "is no domain, address or [HOST] (a port is not"),
        ("tls-policy add a_b may", "'a_b' is no domain, address or [HOST]"),
        ("tls-policy add a.example always", "invalid choice: 'always'"),
        ("tls-policy add a.example may match", "'match' is not NAME=VALUE"),
        ("tls-inbound add ann@a.example", "'ann@a.example' is no domain name"),
        ("score add A/B 1", "'A/B' is no rule"),
        ("score add A much", "'much' is no number such as 1.5 or -0.5"),
        ("score add A 1e3", "'1e3' is no number"),
        ("score add A nan", "'nan' is no number"),
        ("domian add a.example", "did you mean `pmgsync domain`?"),
        ("domain ad a.example", "did you mean `pmgsync domain add`?"),
        ("domain", "say which"),
    ],
)
def test_what_is_malformed_is_one_line_that_says_what_is_allowed(
    gateway: Gateway, words: str, line: str
) -> None:
    code, err = gateway.refused(*words.split())
    assert (code, line in err) == (2, True), err


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("mx.example --no-mx", "smtp:[mx.example]:25"),
        ("[mx.example]", "smtp:[mx.example]:25"),
        ("192.0.2.1", "smtp:[192.0.2.1]:25"),
        ("2001:db8::1 --port 26", "smtp:[2001:db8::1]:26"),
        ("ipv6:2001:db8::1", "smtp:[ipv6:2001:db8::1]:25"),
        ("mx.example --protocol lmtp", "lmtp:inet:mx.example:24"),
        ("[192.0.2.1] --protocol lmtp --port 2003", "lmtp:inet:[192.0.2.1]:2003"),
    ],
)
def test_how_a_transport_is_said_and_written(gateway: Gateway, words: str, written: str) -> None:
    gateway.fine("transport", "add", "ann@a.example", *words.split())
    assert gateway.text("etc/pmg/transport") == f"ann@a.example {written}\n"


def test_a_bare_address_is_a_network_of_its_own(gateway: Gateway) -> None:
    gateway.fine("network", "add", "192.0.2.1", "2001:db8::1")
    assert gateway.text("etc/pmg/mynetworks") == "192.0.2.1/32 #\n2001:db8::1/128 #\n"
    gateway.fine("network", "remove", "192.0.2.1")
    assert gateway.text("etc/pmg/mynetworks") == "2001:db8::1/128 #\n"


def test_a_network_is_found_in_any_spelling(gateway: Gateway) -> None:
    gateway.write("etc/pmg/mynetworks", "10.1.0.0/08 #ours\n2001:DB8::/32\n10.0.0.0/33\n")
    assert gateway.run("network", "add", "2001:db8::/32")[2] == "2001:DB8::/32 is there already\n"
    gateway.fine("network", "remove", "10.0.0.0/8", "2001:db8:0::/32", "10.0.0.0/33")
    assert gateway.text("etc/pmg/mynetworks") == ""


# --- what must not get lost ---------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_with_a_line_that_pmg_cannot_read_is_not_changed(
    gateway: Gateway, command: str
) -> None:
    words, written, _ = ADDED[command]
    path = file_of(command).path
    gateway.write(path, f"{written}broken\n\nmore\n")
    for verb in (["add", *words], ["remove", words[0]]):
        code, line = gateway.refused(command, *verb)
        assert code == 3
        assert line.startswith(
            f"pmgsync: {path}:2: cannot be read: broken (and 1 more); a change would lose "
            "it, so none was made; write "
        )
        assert line.endswith("; or remove the line")


def test_list_tells_what_pmg_ignores(gateway: Gateway) -> None:
    gateway.write("etc/pmg/domains", "a.example 1\n" + "".join(f"b{n}\n" for n in range(5)))
    code, out, err = gateway.run("domain", "list")
    assert (code, out.split()[2:]) == (0, ["a.example"])
    assert err.splitlines()[0] == (
        "pmgsync: etc/pmg/domains:2: cannot be read: b0; write `DOMAIN 1`, from the first column"
    )
    assert err.splitlines()[3] == "pmgsync: etc/pmg/domains: 2 more; see `pmgsync check`"
    assert json.loads(gateway.fine("domain", "list", "--json"))["unread"] == [2, 3, 4, 5, 6]


def test_comments_that_pmg_would_not_keep_are_said_to_be_gone(gateway: Gateway) -> None:
    gateway.write("etc/pmg/domains", "# head\n#mine\na.example 1\n# end\n")
    assert gateway.run("domain", "add", "b.example")[2] == (
        "pmgsync: etc/pmg/domains: lines 1, 4: what PMG does not keep is gone "
        "(see docs/editing.md)\n"
        "added b.example to /etc/pmg/domains\n"
    )
    assert gateway.text("etc/pmg/domains") == "#mine\na.example 1\nb.example 1\n"


def test_where_pmg_and_postfix_disagree_the_admin_decides(gateway: Gateway) -> None:
    gateway.write("etc/pmg/transport", "a.example smtp:one:25\na.example smtp:two:25\n")
    code, line = gateway.refused("transport", "add", "b.example", "mx.example")
    assert code == 3
    assert line.startswith(
        "pmgsync: etc/pmg/transport:1: a.example stands in line 2, too, and differently: "
        "PMG takes that one, Postfix this one; a change would lose it, so none was made; "
        "remove the one that is not meant"
    )
    gateway.write("etc/pmg/domains", "a.example 1\na.example 1\n")
    assert "line 1: what PMG does not keep" in gateway.run("domain", "add", "b.example")[2]


def test_bytes_that_are_no_utf8_survive_and_are_shown_as_escapes(gateway: Gateway) -> None:
    (gateway.root / "etc/pmg/domains").write_bytes(b"#f\xfcr uns\na.example 1\n")
    gateway.fine("domain", "add", "b.example")
    assert (gateway.root / "etc/pmg/domains").read_bytes() == (
        b"#f\xfcr uns\na.example 1\nb.example 1\n"
    )
    assert "f\\xfcr uns" in gateway.fine("domain", "list")
    assert gateway.listed("domain")[0]["comment"] == "f\\xfcr uns"


def test_scores_are_not_changed_while_changes_wait_in_pmg(gateway: Gateway) -> None:
    gateway.fine("score", "add", "A", "1")
    gateway.write("etc/mail/spamassassin/pmg-scores.cf.new", "score A 2.000\n")
    for words in (["add", "B", "1"], ["remove", "A"], ["set-comment", "A", "x"]):
        assert gateway.refused("score", *words) == (
            1,
            "pmgsync: etc/mail/spamassassin/pmg-scores.cf.new: changes made in PMG wait here; "
            "applying them would undo this one; apply or revert them in PMG (Spam Detector, "
            "Custom Scores) first",
        )
    assert len(gateway.listed("score")) == 1


def test_on_a_node_that_is_not_the_master_nothing_is_changed(gateway: Gateway) -> None:
    key = "A" * 372
    node = f"\tfingerprint {':'.join(['AB'] * 32)}\n\thostrsapubkey {key}\n\trootrsapubkey {key}\n"
    gateway.write(
        "etc/pmg/cluster.conf",
        f"master: 1\n{node}\tip 192.0.2.9\n\tmaxcid 2\n\tname mail9\n\n"
        f"node: 2\n{node}\tip 192.0.2.1\n\tname mail1\n\n",
    )
    code, line = gateway.refused("domain", "add", "a.example")
    assert code == 6
    assert "is edited on the master, mail9(1) at 192.0.2.9" in line


def test_without_a_gateway_there_is_nothing_to_change(gateway: Gateway) -> None:
    (gateway.root / "etc/mail/spamassassin").rmdir()
    code, line = gateway.refused("score", "add", "A_RULE", "1")
    assert (code, "there is no such folder" in line) == (1, True)


def test_a_gateway_that_never_signed_gets_the_folder(gateway: Gateway) -> None:
    (gateway.root / "etc/pmg/dkim").rmdir()
    gateway.fine("dkim-domain", "add", "a.example")
    assert gateway.text("etc/pmg/dkim/domains") == "a.example 1\n"
