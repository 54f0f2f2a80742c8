"""`user.conf`, cell by cell as PMG was seen to behave."""

import pytest

from pmgsync.pmgconf.user_conf import ROOT, User, UserConf, as_root, dump, parse

HASH = "$6$salt$Hash./0"
GOOD = f"ann:1:1700000000:{HASH}:admin:ann@a.example:Ann:Doe:otp:"
ANN = User(
    "ann@pmg", True, "1700000000", HASH, "admin", "ann@a.example", "Ann", "Doe", "otp", "", 1
)


def users(text: str) -> dict[str, User]:
    """Without root, who is always there."""
    return {name: user for name, user in parse(text.encode()).entries.items() if name != ROOT}


def dropped(line: str) -> str:
    """What is said about the one line that PMG drops."""
    conf = parse(line.encode())
    assert list(conf.entries) == [ROOT]
    assert conf.unread == (1,)
    (finding,) = conf.findings
    assert (finding.severity.value, finding.line) == ("error", 1)
    return finding.what


def test_nine_fields_are_a_user() -> None:
    assert users(GOOD) == {"ann@pmg": ANN}
    assert parse(GOOD.encode()).findings == ()


def test_empty_fields_are_no_values() -> None:
    assert users("ann::::audit:::::") == {"ann@pmg": User("ann@pmg", role="audit", line=1)}


@pytest.mark.parametrize(
    "line",
    [
        GOOD[:-1],
        f"{GOOD}x",
        f"{GOOD} ",
        f"{GOOD}\r",
        f" {GOOD}",
        GOOD.replace(":otp", ""),
        GOOD.replace("ann:1", "ann:2", 1),
        GOOD.replace("ann:1", "ann:yes", 1),
        GOOD.replace("1700000000", "-1"),
        GOOD.replace("1700000000", "tomorrow"),
        GOOD.replace("admin", "Admin"),
        GOOD.replace(":admin", ":"),
        GOOD.replace("ann@a.example", "ann doe@a.example"),
        GOOD.replace(HASH, "two words"),
        GOOD.replace("ann:", "ann doe:", 1),
        ":1:0::admin:::::",
        "no user",
    ],
)
def test_another_form_is_ignored(line: str) -> None:
    assert dropped(line) == "is no user, so PMG ignores the line"


def test_enable_is_empty_0_or_1() -> None:
    lines = "aaa::::audit:::::\nbbb:0:::audit:::::\nccc:1:::audit:::::\n"
    assert [user.enable for user in users(lines).values()] == [False, False, True]


def test_without_a_realm_it_is_pmg() -> None:
    user = users("ann:1:::audit:::::")["ann@pmg"]
    assert (user.name, user.realm) == ("ann", "pmg")


@pytest.mark.parametrize("userid", ["ann@pmg", "ann@pam", "ann@sso", "ann@No-Such.Realm_1"])
def test_any_realm_name_passes_on_reading(userid: str) -> None:
    assert list(users(f"{userid}:1:::audit:::::")) == [userid]


@pytest.mark.parametrize("userid", ["ann@1x", "ann@x", "ann@", "@pmg", "a/b@pmg", "ann@r\u00e9alm"])
def test_what_is_no_userid_is_dropped(userid: str) -> None:
    assert dropped(f"{userid}:1:::audit:::::").endswith(
        ("is no user name (no blanks, `:` or `/`; then @REALM)", "has not 4 to 64 bytes")
    )


@pytest.mark.parametrize(
    ("name", "fits"), [("a" * 60, True), ("a" * 61, False), ("\u00e4" * 31, False)]
)
def test_a_userid_has_4_to_64_bytes_with_its_realm(name: str, fits: bool) -> None:
    assert (list(users(f"{name}:1:::audit:::::")) == [f"{name}@pmg"]) == fits


@pytest.mark.parametrize("role", ["admin", "helpdesk", "qmanager", "audit"])
def test_the_roles(role: str) -> None:
    assert users(f"ann:1:::{role}:::::")["ann@pmg"].role == role


def test_another_role_is_dropped() -> None:
    assert dropped("ann:1:::boss:::::") == "PMG drops this user: there is no role boss"


@pytest.mark.parametrize("crypt_pass", ["$5$salt$hash", "$6$s.a/lt$H./0", "$1$a$b"])
def test_a_hash_has_a_digit_a_salt_and_the_hash(crypt_pass: str) -> None:
    assert users(f"ann:1::{crypt_pass}:audit:::::")["ann@pmg"].crypt_pass == crypt_pass


@pytest.mark.parametrize(
    "crypt_pass",
    [
        "$y$j9T$abc$def",
        "$6$rounds=9999$salt$hash",
        "$2b$10$abcdefgh",
        "secret",
        "$6$salt$",
        "!",
        "*",
    ],
)
def test_another_hash_is_dropped_and_never_shown(crypt_pass: str) -> None:
    assert dropped(f"ann:1::{crypt_pass}:audit:::::") == (
        "PMG drops this user: the password's hash has not the form $DIGIT$SALT$HASH"
    )


def test_an_email_that_is_none_is_dropped() -> None:
    assert dropped("ann:1:::audit:ann@b\u00fccher.example::::") == (
        "PMG drops this user: ann@b\u00fccher.example is no e-mail address"
    )


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        (f"{'a' * 64}:{'b' * 64}:{'c' * 128}", True),
        (f"{'a' * 65}::", False),
        (f"{chr(0xE4) * 33}::", False),
        (f":{'b' * 65}:", False),
        (f"::{'c' * 129}", False),
    ],
)
def test_names_have_64_bytes_and_keys_128(fields: str, fits: bool) -> None:
    assert (list(users(f"ann:1:::audit::{fields}:")) == ["ann@pmg"]) == fits


def test_several_faults_are_said_in_one_finding() -> None:
    assert dropped("ann:1::x:boss:no::::").count(";") == 2


def test_the_comment_is_the_last_hash_line_before() -> None:
    text = "#one\n# two \n\nann:1:::audit:::::\nbob:1:::audit:::::\n#end\n"
    assert [user.comment for user in users(text).values()] == [" two ", ""]
    assert parse(text.encode()).unkept == (1, 6)


def test_a_line_that_is_dropped_loses_its_comment() -> None:
    text = "#why\nbroken\nann:1:::audit:::::\n"
    assert users(text)["ann@pmg"].comment == ""
    assert parse(text.encode()).unkept == (1,)


def test_0_is_as_good_as_nothing() -> None:
    text = "#0\nann:1::0:audit:0:0:0:0:\n"
    assert users(text)["ann@pmg"] == User("ann@pmg", True, role="audit", line=2)


def test_of_duplicates_the_last_wins() -> None:
    conf = parse(b"ann:1:::audit:::::\nann@pmg:1:::admin:::::\n")
    assert [user.role for user in conf.entries.values()] == ["root", "admin"]
    assert [(f.severity.value, f.line, f.what) for f in conf.findings] == [
        ("warning", 2, "ann@pmg already stands in line 1; this one counts")
    ]


def test_the_role_root_is_kept_with_others_but_said() -> None:
    conf = parse(b"ann:1:::root:::::\n")
    assert conf.entries["ann@pmg"].role == "root"
    assert conf.unread == ()
    assert [(f.severity.value, f.line, f.what) for f in conf.findings] == [
        ("error", 1, "ann@pmg has the role root, so PMG cannot write this file any more")
    ]


@pytest.mark.parametrize("text", ["", "ann:1:::audit:::::\n", "root:0:17:$6$a$b:root:::::\n"])
def test_root_is_always_there_enabled_and_without_a_password(text: str) -> None:
    root = parse(text.encode()).entries[ROOT]
    assert (root.enable, root.expire, root.crypt_pass, root.role) == (True, "0", "", "root")
    assert root.comment == "Unix Superuser"


@pytest.mark.parametrize("name", ["root", "root@pmg", "root@pam"])
def test_root_keeps_its_address_and_names_under_any_of_its_own(name: str) -> None:
    conf = parse(f"{name}:1:::root:root@a.example:Ro:Ot:k:\n".encode())
    assert list(conf.entries) == [ROOT]
    root = conf.entries[ROOT]
    assert (root.email, root.firstname, root.lastname, root.keys) == (
        "root@a.example",
        "Ro",
        "Ot",
        "k",
    )
    assert conf.findings == ()


def test_what_is_written_has_root_and_is_sorted() -> None:
    written = dump([User("bob@sso", role="audit", comment="why"), ANN])
    assert (
        written
        == (
            f"{GOOD}\n#why\nbob@sso:0:0::audit:::::\n#Unix Superuser\nroot:1:0::root:::::\n"
        ).encode()
    )


def test_what_is_written_is_read_back() -> None:
    given = [ANN, User("bob@sso", role="audit", comment="w\u00e4rum", firstname="\udcff")]
    conf = parse(dump(given))
    assert conf.findings == ()
    assert [(u.userid, u.firstname, u.comment) for u in conf.entries.values()] == [
        (ROOT, "", "Unix Superuser"),
        ("ann@pmg", "Ann", ""),
        ("bob@sso", "\udcff", "w\u00e4rum"),
    ]
    assert dump(conf.entries.values()) == dump(given)


def test_secrets_stay_out_of_the_repr() -> None:
    assert HASH not in repr(ANN)
    assert "otp" not in repr(UserConf({"ann@pmg": ANN}))
    assert as_root(None) == as_root(User(ROOT, crypt_pass="x"))


def test_a_name_with_an_at_sign_keeps_its_realm() -> None:
    data = b"ann@mail@pmg:1:0::admin:::::\n"
    users = parse(data).entries
    assert (
        parse(dump(users.values())).entries.keys() == users.keys() == {"ann@mail@pmg", "root@pam"}
    )
