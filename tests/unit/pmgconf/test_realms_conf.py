"""`realms.conf`, cell by cell as PMG's schema has it. The section rules are test_section.py's."""

import pytest

from pmgsync.pmgconf.realms_conf import DEFAULTS, OPTIONS, Realm, RealmsConf, dump, parse

NEEDED = ("issuer-url https://id.example.com", "client-id pmg")
PAM = b"pam: pam\n\tcomment Linux PAM standard authentication\n\n"
PMG = b"pmg: pmg\n\tcomment Proxmox Mail Gateway authentication server\n\n"


def read(*lines: str, name: str = "sso", kind: str = "oidc") -> RealmsConf:
    return parse("\n".join([f"{kind}: {name}", *(f"\t{line}" for line in lines), ""]).encode())


def reasons(conf: RealmsConf) -> list[str]:
    return [finding.what for finding in conf.findings]


def test_pam_and_pmg_are_always_there() -> None:
    conf = parse(b"")
    assert {name: realm.type for name, realm in conf.entries.items()} == {
        "pam": "pam",
        "pmg": "pmg",
    }
    assert dump(conf.entries.values()) == dump(()) == PAM + PMG


def test_their_own_comments_stay_and_empty_ones_are_filled() -> None:
    conf = parse(b"pmg: pmg\n\tcomment ours%3A 1\n\tdefault\n\npam: pam\n\tcomment 0\n")
    assert conf.entries["pmg"].options == {"comment": "ours: 1", "default": "1"}
    assert dump(conf.entries.values()) == b"pmg: pmg\n\tcomment ours%3A 1\n\tdefault 1\n\n" + PAM


def test_their_type_is_forced() -> None:
    conf = read(*NEEDED, "comment c", name="pam")
    assert conf.entries["pam"] == Realm("pam", "pam", {"comment": "c"}, 1)


@pytest.mark.parametrize("kind", ["oidc", "OIDC", "Oidc"])
def test_the_type_may_be_in_capitals(kind: str) -> None:
    conf = read(*NEEDED, kind=kind)
    assert conf.entries["sso"].type == "oidc"
    assert b"oidc: sso\n" in dump(conf.entries.values())


@pytest.mark.parametrize(
    ("name", "fits"), [("ab", True), ("A.-_9", True), ("a", False), ("1a", False)]
)
def test_a_realms_name_begins_with_a_letter(name: str, fits: bool) -> None:
    conf = read(*NEEDED, name=name)
    assert (name in conf.entries) is fits
    assert reasons(conf) == ([] if fits else ["value does not look like a valid realm"])
    assert all(f.mend.startswith("give it a letter, then") for f in conf.findings)


def test_another_type_is_skipped() -> None:
    assert reasons(read(*NEEDED, kind="ldap")) == ["unsupported type 'ldap'"]


@pytest.mark.parametrize(("line", "missing"), [(NEEDED[0], "client-id"), (NEEDED[1], "issuer-url")])
def test_without_what_is_required_the_realm_is_lost(line: str, missing: str) -> None:
    conf = read(line)
    assert "sso" not in conf.entries
    assert reasons(conf) == [f"missing value for required option '{missing}'"]
    assert conf.unread == (2,)


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        ("acr-values", ["a.b:c_d-1"], ["a b", "é"]),
        ("audiences", ["a.b"], ["a,b"]),
        ("autocreate", ["0", "1"], ["yes"]),
        ("autocreate-role", ["admin", "qmanager", "audit", "helpdesk"], ["root", "auditor"]),
        (
            "autocreate-role-assignment",
            [
                *("source=fixed,fixed-role=audit", "source=from-claim,role-claim=my:role"),
                *("fixed-role=admin", "source=fixed,", " ,source=fixed"),
            ],
            [
                *("source=other", "fixed", "fixed-role=auditor", "source=fixed,source=fixed"),
                *("colour=red", "source=", "role-claim=a b", "=x"),
            ],
        ),
        ("client-key", ["x y~!", "x" * 256], ["é", "x" * 257]),
        ("comment", ["x" * 4096], ["x" * 4097]),
        ("default", ["0", "1"], ["2"]),
        ("prompt", ["none", "login", "anything"], ["two words"]),
        ("scopes", ["email"], ["email profile"]),
        ("username-claim", ["sub", "email"], ["a b"]),
    ],
)
def test_what_an_option_may_hold(option: str, good: list[str], bad: list[str]) -> None:
    for value in good:
        assert reasons(read(*NEEDED, f"{option} {value}")) == [], value
    for value in bad:
        (reason,) = reasons(read(*NEEDED, f"{option} {value}"))
        assert reason.startswith(f"unable to parse value of '{option}': "), value


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("http://a", True),
        ("https://id.example.com:8443/realms/x?y=ä", True),
        ("https://a:1", True),
        ("https://a:123456", False),
        ("https://a b", False),
        ("ldap://a", False),
        ("https://", False),
        ("https://a_b", False),
        ("https://" + "a" * 249, False),
    ],
)
def test_what_an_issuers_url_may_be(url: str, fits: bool) -> None:
    assert ("sso" in read(f"issuer-url {url}", NEEDED[1]).entries) is fits


def test_every_option_of_the_schema_is_known() -> None:
    assert sorted(OPTIONS["oidc"]) == [
        *("acr-values", "audiences", "autocreate", "autocreate-role", "autocreate-role-assignment"),
        *("client-id", "client-key", "comment", "default", "issuer-url", "prompt", "scopes"),
        "username-claim",
    ]
    assert DEFAULTS.keys() < OPTIONS["oidc"].keys()
    assert set(OPTIONS["pam"]) == set(OPTIONS["pmg"]) == {"comment", "default"}


def test_the_form_that_pmg_itself_writes() -> None:
    conf = read(
        "scopes email", *NEEDED, "autocreate 01", "client-key k", "comment 100%25 ä", "autocreate"
    )
    assert dump(conf.entries.values()) == (
        b"oidc: sso\n\tcomment 100%25 %C3%A4\n\tclient-id pmg\n\tissuer-url https://id.example.com\n"
        b"\tautocreate 1\n\tclient-key k\n\tscopes email\n\n" + PAM + PMG
    )
    assert len(conf.findings) == 1


def test_of_several_defaults_the_first_stays() -> None:
    conf = parse(b"pmg: pmg\n\tdefault\n\npam: pam\n\tdefault 1\n\nPAM: pam\n\tdefault 1\n")
    assert [realm.options.get("default") for realm in conf.entries.values()] == ["1", None]
    assert reasons(conf) == ["a second default realm, besides 'pmg'; which one counts is chance"]
    assert conf.unread == (4,)  # the section that is replaced


def test_a_key_stays_out_of_what_is_shown() -> None:
    conf = read(*NEEDED, "client-key hunter2")
    assert "hunter2" not in repr(conf)
    assert "hunter2" not in str(parse(b"client-key hunter2\n").findings)


def test_lines_that_would_be_lost_are_counted() -> None:
    conf = parse(b"# ours\nx\noidc: sso\n issuer-url https://a\n  # inner\n client-id x\n y z\n")
    assert (conf.unread, conf.unkept) == ((2, 7), (1, 5))


def test_blanks_around_a_comment_stay() -> None:
    written = dump([Realm("sso", "oidc", {"comment": " a ", "client-id": "x"})])
    assert b"oidc: sso\n\tcomment %20a%20\n\tclient-id x\n\n" in written
