"""`ldap.conf`, cell by cell as PMG was seen to behave. The section rules are test_section.py's."""

import base64

import pytest

from pmgsync.pmgconf.ldap_conf import DEFAULTS, OPTIONS, LdapConf, Profile, dump, parse


def read(*lines: str, name: str = "ad") -> LdapConf:
    return parse("\n".join([f"ldap: {name}", *(f"\t{line}" for line in lines), ""]).encode())


def options(*lines: str) -> dict[str, str]:
    conf = read("server1 ldap.example", *lines)
    assert [f.what for f in conf.findings] == []
    return dict(conf.entries["ad"].options)


def test_a_profile_is_a_section_with_a_server() -> None:
    conf = read("server1 ldap.example")
    assert conf.entries == {"ad": Profile("ad", {"server1": "ldap.example"}, 1)}


@pytest.mark.parametrize("name", ["1x", "x", "a b", "a.b"])
def test_a_name_that_is_no_configid_is_skipped(name: str) -> None:
    assert dict(read("server1 ldap.example", name=name).entries) == {}


def test_another_type_is_skipped() -> None:
    assert dict(parse(b"ad: main\n\tserver1 ldap.example\n").entries) == {}


def test_without_server1_the_profile_is_lost() -> None:
    conf = read("server2 ldap.example")
    assert dict(conf.entries) == {}
    assert [(f.severity.value, f.section) for f in conf.findings] == [("error", "ad")]
    assert conf.unread != ()


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        ("server1", ["192.0.2.1", "2001:db8::1", "ldap.example"], ["[::1]", "a_b", "a" * 257]),
        ("server2", ["192.0.2.1", "2001:db8::1", "ldap.example"], ["[::1]", "a_b", "a" * 257]),
        ("port", ["1", "389", "65535"], ["0", "65536", "ldap"]),
        ("mode", ["ldap", "ldaps", "ldap+starttls"], ["LDAP", "starttls", "tls"]),
        ("verify", ["0", "1"], ["yes", "2"]),
        ("disable", ["0", "1"], ["yes"]),
        ("accountattr", ["uid", "sAMAccountName, uid", "a;b c"], ["my-attr", "a.b"]),
        ("mailattr", ["mail", "mail,proxyAddresses"], ["mail;lang-de"]),
        ("groupclass", ["group", "group, posixGroup"], ["g_1"]),
        ("comment", ["x" * 4096], ["x" * 4097]),
        ("basedn", ["dc=a, dc=example"], []),
        ("binddn", ["cn=reader,dc=a"], []),
        ("groupbasedn", ["ou=groups"], []),
        ("filter", ["(objectClass=*)"], []),
        ("cafile", ["/etc/ssl/ca.pem"], []),
        ("bindpw", ["c2VjcmV0"], []),
    ],
)
def test_what_each_option_may_hold(option: str, good: list[str], bad: list[str]) -> None:
    server = [] if option == "server1" else ["server1 ldap.example"]
    for value in good:
        assert read(*server, f"{option} {value}").findings == (), value
    for value in bad:
        conf = read(*server, f"{option} {value}")
        assert f"unable to parse value of '{option}'" in conf.findings[0].what, value
        assert conf.unread != ()


def test_every_option_of_the_table_was_tried() -> None:
    (mark,) = test_what_each_option_may_hold.pytestmark  # type: ignore[attr-defined] # set by pytest
    assert {row[0] for row in mark.args[1]} == OPTIONS.keys()
    assert DEFAULTS.keys() <= OPTIONS.keys()
    assert all(OPTIONS[name].fault(value) == "" for name, value in DEFAULTS.items())


def test_disable_may_stand_alone() -> None:
    assert options("disable")["disable"] == "1"


@pytest.mark.parametrize(
    ("written", "plain"),
    [("c2VjcmV0", "secret"), ("w6Q=", "\u00e4"), ("/w==", "\udcff"), ("YWI", "ab"), ("YW", "a")],
)
def test_bindpw_is_base64(written: str, plain: str) -> None:
    assert (
        read("server1 ldap.example", f"bindpw {written}").entries["ad"].options["bindpw"] == plain
    )


@pytest.mark.parametrize(
    ("written", "plain"),
    [("c2Vj cmV0", "secret"), ("c2Vj!cmV0", "secret"), ("c2VjcmV0=x", "secret"), ("YWJjZ", "abc")],
)
def test_what_is_not_base64_is_skipped_and_doubted_without_being_shown(
    written: str, plain: str
) -> None:
    conf = read("server1 ldap.example", f"bindpw {written}")
    assert conf.entries["ad"].options["bindpw"] == plain
    (finding,) = conf.findings
    assert (finding.severity.value, finding.line, finding.section) == ("warning", 3, "ad")
    assert finding.what == "bindpw is not base64, so PMG logs in with something else"
    assert written not in repr(conf)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("plain text", "plain text"),
        ("a%3Ab%25", "a:b%"),
        ("%C3%A4", "\u00e4"),
        ("%ff", "\udcff"),
        ("%zz", "%zz"),
    ],
)
def test_comment_is_escaped_utf8(written: str, plain: str) -> None:
    assert options(f"comment {written}")["comment"] == plain


def test_the_later_section_wins() -> None:
    conf = parse(b"ldap: ad\n\tserver1 one.example\n\nldap: ad\n\tserver1 two.example\n")
    assert [p.options["server1"] for p in conf.entries.values()] == ["two.example"]
    assert conf.unread == (1,)


def test_comment_and_disable_come_first_then_what_is_required_then_the_rest() -> None:
    profile = Profile(
        "ad",
        {
            "verify": "0",
            "server1": "ldap.example",
            "basedn": "dc=a",
            "bindpw": "s\u00e4cret",
            "disable": "1",
            "comment": "50% \u00e4: \x7f",
            "filter": "",
        },
    )
    secret = base64.b64encode("s\u00e4cret".encode()).decode()
    assert (
        dump([profile, Profile("other", {"server1": "a.example", "disable": "0"})])
        == (
            "ldap: ad\n\tcomment 50%25 %C3%A4%3A %7F\n\tdisable\n\tserver1 ldap.example\n"
            f"\tbasedn dc=a\n\tbindpw {secret}\n\tverify 0\n\n"
            "ldap: other\n\tserver1 a.example\n\n"
        ).encode()
    )


def test_profiles_keep_their_order_and_are_read_back() -> None:
    data = b"ldap: zz\n\tserver1 a.example\n\tbindpw /w==\n\nldap: aa\n\tserver1 b.example\n\n"
    assert list(parse(data).entries) == ["zz", "aa"]
    assert dump(parse(data).entries.values()) == data


def test_lines_of_comments_are_known_to_be_lost() -> None:
    assert parse(b"# head\nldap: ad\n # x\n\tserver1 a.example\n").unkept == (1, 3)


def test_no_value_is_shown_in_a_repr_or_a_finding() -> None:
    conf = read("server1 ldap.example", "bindpw c2VjcmV0", "filter (x=hidden)", "port hidden")
    assert "secret" not in repr(conf)
    assert "(x=hidden)" not in repr(conf)
