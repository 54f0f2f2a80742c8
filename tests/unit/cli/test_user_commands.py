"""`pmgsync user`: what each verb does to `user.conf`, and what it refuses."""

import json
import stat
from pathlib import Path

import pytest

from pmgsync.host.password_hash import crypt
from pmgsync.pmgconf.user_conf import parse
from tests.control.fake_node import outcome
from tests.unit.cli.gateway import Gateway

FILE = "etc/pmg/user.conf"
ROOT = "#Unix Superuser\nroot:1:0::root:::::\n"
SECRET = "correct horse \u00e4"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    (tmp_path / "secret").write_text(f"{SECRET}\nmore\n")
    return str(tmp_path / "secret")


def add(gateway: Gateway, name: str, secret: str, *more: str) -> None:
    gateway.fine("user", "add", name, "--role", "audit", "--password-file", secret, *more)


def hash_of(gateway: Gateway, userid: str) -> str:
    return parse((gateway.root / FILE).read_bytes()).entries[userid].crypt_pass


def test_a_user_is_added_as_pmg_writes_it(gateway: Gateway, secret: str) -> None:
    words = ("--email", "ann@a.example", "--firstname", "Ann", "--lastname", "Doe")
    end = ("--expire", "2030-12-31", "--comment", "since May")
    add(gateway, "ann", secret, *words, *end)
    crypt_pass = hash_of(gateway, "ann@pmg")
    assert gateway.text(FILE) == (
        f"#since May\nann:1:1924905600:{crypt_pass}:audit:ann@a.example:Ann:Doe::\n{ROOT}"
    )
    assert stat.S_IMODE((gateway.root / FILE).stat().st_mode) == 0o640
    assert parse((gateway.root / FILE).read_bytes()).findings == ()


def test_the_hash_is_one_of_the_password_in_the_form_that_pmg_reads(
    gateway: Gateway, secret: str
) -> None:
    add(gateway, "ann", secret)
    add(gateway, "bob", secret)
    ann, bob = (hash_of(gateway, f"{name}@pmg") for name in ("ann", "bob"))
    assert ann.startswith("$6$")
    assert ann != bob  # each has its own salt
    assert crypt(SECRET, ann) == ann
    assert crypt("another", ann) != ann


def test_the_password_comes_from_standard_input_where_that_is_no_terminal(
    gateway: Gateway,
) -> None:
    words = ("user", "add", "ann", "--role", "admin", "--root", gateway.root)
    assert outcome(*words, stdin="from a pipe\nmore\n")[:2] == (0, "")
    crypt_pass = hash_of(gateway, "ann@pmg")
    assert crypt("from a pipe", crypt_pass) == crypt_pass


def test_a_user_of_another_realm_has_no_password_here(gateway: Gateway, secret: str) -> None:
    gateway.fine("user", "add", "ann@sso", "--role", "audit")
    assert gateway.text(FILE).startswith("ann@sso:1:0::audit:::::\n")
    for words in (
        ("add", "bob@sso", "--role", "audit", "--password-file", secret),
        ("set", "ann@sso", "--password-file", secret),
    ):
        code, line = gateway.refused("user", *words)
        assert (code, "the realm sso has its passwords elsewhere" in line) == (2, True)


def test_the_list_shows_nobody_a_secret(gateway: Gateway, secret: str) -> None:
    add(gateway, "ann", secret, "--expire", "2030-12-31", "--disable")
    out = gateway.fine("user", "list")
    assert out == (
        "USER      ROLE   ENABLED  EXPIRES     EMAIL  NAME  COMMENT\n"
        "root@pam  root   yes      never                    Unix Superuser\n"
        "ann@pmg   audit  no       2030-12-31\n"
    )
    document = gateway.fine("user", "list", "--json")
    assert "$6$" not in document
    ann = json.loads(document)["entries"][1]
    assert (ann["userid"], ann["has_password"], ann["expire"]) == ("ann@pmg", True, 1924905600)
    assert (ann["enable"], ann["role"], ann["has_keys"]) == (False, "audit", False)


def test_root_is_listed_where_there_is_no_file(gateway: Gateway) -> None:
    assert [user["userid"] for user in gateway.listed("user")] == ["root@pam"]


def test_set_changes_what_is_given_and_nothing_else(gateway: Gateway, secret: str) -> None:
    add(gateway, "ann", secret, "--email", "ann@a.example", "--comment", "x")
    crypt_pass = hash_of(gateway, "ann@pmg")
    assert gateway.run("user", "set", "ann", "--role", "helpdesk", "--disable")[2] == (
        f"changed ann@pmg in /{FILE}\n"
    )
    assert gateway.text(FILE).startswith(f"#x\nann:0:0:{crypt_pass}:helpdesk:ann@a.example::::\n")
    gateway.fine(
        "user", "set", "ann", "--enable", "--email", "", "--comment", "", "--expire", "never"
    )
    assert gateway.text(FILE) == f"ann:1:0:{crypt_pass}:helpdesk:::::\n{ROOT}"
    assert gateway.run("user", "set", "ann", "--enable")[2] == "ann@pmg is so already\n"


def test_a_new_password_is_set(gateway: Gateway, secret: str, tmp_path: Path) -> None:
    add(gateway, "ann", secret)
    before = hash_of(gateway, "ann@pmg")
    (tmp_path / "new").write_text("another one")
    gateway.fine("user", "set", "ann", "--password-file", str(tmp_path / "new"))
    after = hash_of(gateway, "ann@pmg")
    assert (after != before, crypt("another one", after)) == (True, after)


def test_root_keeps_its_role(gateway: Gateway) -> None:
    gateway.fine("user", "set", "root", "--email", "root@a.example")
    assert gateway.text(FILE) == "#Unix Superuser\nroot:1:0::root:root@a.example::::\n"
    for words in (("--role", "admin"), ("--disable",), ("--expire", "2030-01-01")):
        code, line = gateway.refused("user", "set", "root", *words)
        assert (code, "only its e-mail address and names can be set" in line) == (3, True)
    code, line = gateway.refused("user", "remove", "root")
    assert (code, "root is always there" in line) == (1, True)


def test_users_are_removed_together_or_not_at_all(gateway: Gateway, secret: str) -> None:
    for name in ("ann", "bob", "cleo"):
        add(gateway, name, secret)
    code, line = gateway.refused("user", "remove", "ann", "bop")
    assert (code, line) == (1, f"pmgsync: {FILE}: bop@pmg is not there; did you mean bob@pmg?")
    gateway.fine("user", "remove", "ann", "cleo@pmg")
    assert [user["userid"] for user in gateway.listed("user")] == ["root@pam", "bob@pmg"]


def test_a_second_factor_that_stays_is_said(gateway: Gateway, secret: str) -> None:
    add(gateway, "ann", secret)
    add(gateway, "bob", secret)
    gateway.write("etc/pmg/tfa.json", '{"users":{"ann@pmg":{"totp":["hidden"]}}}')
    err = gateway.run("user", "remove", "ann", "bob")[2]
    assert err.splitlines()[1:] == [
        "ann@pmg still has a second factor in /etc/pmg/tfa.json; "
        "a new user of that name will be asked it"
    ]
    add(gateway, "bob", secret)
    gateway.write("etc/pmg/tfa.json", "[1")
    assert len(gateway.run("user", "remove", "bob")[2].splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("add ann", 2, "required: --role"),
        ("add ann --role root", 2, "invalid choice: 'root'"),
        ("add ann --role boss", 2, "invalid choice: 'boss'"),
        ("add a:b --role audit", 2, "no user name (no blanks, `:` or `/`; then @REALM)"),
        ("add a/b --role audit", 2, "no user name"),
        (f"add {'a' * 61} --role audit", 2, "has not 4 to 64 bytes"),
        ("add bob --role audit --expire soon", 2, "'soon' is no date such as 2030-12-31"),
        ("add bob --role audit --expire 2030-02-30", 2, "is no date"),
        ("add bob --role audit --firstname a:b", 2, "may have no `:`"),
        ("add bob --role audit --email none", 3, "none is no e-mail address"),
        (f"add bob --role audit --lastname {'x' * 65}", 3, "last name is longer than 64 bytes"),
        ("add ann --role audit", 1, "ann@pmg is there already; `pmgsync user set` changes it"),
        ("set ann", 2, "say what to set"),
        ("set nobody --enable", 1, "nobody@pmg is not there"),
        ("set ann --email none", 3, "none is no e-mail address"),
        ("remove", 2, "required: USER"),
    ],
)
def test_what_is_refused(gateway: Gateway, secret: str, words: str, code: int, line: str) -> None:
    add(gateway, "ann", secret)
    got, err = gateway.refused("user", *words.split())
    assert (got, line in err) == (code, True), err


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"short\n", 3, "a password of 5 bytes; PMG takes 8 to 64"),
        (b"x" * 65, 3, "a password of 65 bytes; PMG takes 8 to 64"),
        (b"\n", 1, "there is no password; give one"),
        (b"", 1, "there is no password; give one"),
        (b"nul\0inside", 1, "this is no password"),
        (b"x" * 5000, 1, "this is no password"),
    ],
)
def test_which_passwords_are_refused(
    gateway: Gateway, tmp_path: Path, content: bytes, code: int, line: str
) -> None:
    (tmp_path / "secret").write_bytes(content)
    file = str(tmp_path / "secret")
    got, err = gateway.refused("user", "add", "ann", "--role", "audit", "--password-file", file)
    assert (got, line in err) == (code, True), err


def test_a_password_file_that_is_missing_is_named(gateway: Gateway) -> None:
    words = ("user", "add", "ann", "--role", "audit", "--password-file", "/none/there")
    assert gateway.refused(*words) == (1, "pmgsync: /none/there: No such file or directory")


def test_a_user_that_pmg_drops_is_not_lost(gateway: Gateway, secret: str) -> None:
    gateway.write(FILE, "ann:1:0:$y$j9T$abc$def:admin:::::\n")
    code, line = gateway.refused("user", "add", "bob", "--role", "audit", "--password-file", secret)
    assert code == 3
    assert line == (
        f"pmgsync: {FILE}:1: PMG drops this user: the password's hash has not the form "
        "$DIGIT$SALT$HASH; a change would lose it, so none was made; correct it; or remove the line"
    )
    assert "j9T" not in line


def test_a_user_with_the_role_root_keeps_pmg_from_writing_and_can_be_mended(
    gateway: Gateway,
) -> None:
    gateway.write(FILE, "ann:1:0::root:::::\n")
    gateway.fine("user", "set", "ann", "--role", "admin")
    assert gateway.text(FILE) == f"ann:1:0::admin:::::\n{ROOT}"
