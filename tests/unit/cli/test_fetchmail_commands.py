"""`pmgsync fetchmail`: what each verb does to `fetchmailrc`, and what it refuses."""

import json
import stat
from pathlib import Path

import pytest

from pmgsync.pmgconf.fetchmailrc import parse
from tests.unit.cli.gateway import Gateway

FILE = "etc/pmg/fetchmailrc"
HEAD = "set daemon 300\n\n# proxmox settings (keep)\n"
ACCOUNT = (
    '\npoll {id} via "mx.example"\n protocol pop3 port 110\n interval 1\n user "ann" pass '
    '"s\\x20e"\n to "ann@a.example"\n dropdelivered\n\n'
)
ADD = ("fetchmail", "add", "mx.example", "ann", "ann@a.example", "--password-file")


@pytest.fixture
def secret(tmp_path: Path) -> str:
    (tmp_path / "secret").write_text("s e\n")
    return str(tmp_path / "secret")


def test_a_mailbox_is_added_as_pmg_writes_it(gateway: Gateway, secret: str) -> None:
    gateway.write(FILE, HEAD)
    code, out, err = gateway.run(*ADD, secret)
    assert (code, out) == (0, "")
    assert err == (
        f"added proxmox0000 to /{FILE}\n"
        "fetchmail is switched off in /etc/default/fetchmail; "
        "PMG switches it on where it fetches mail\n"
    )
    assert gateway.text(FILE) == HEAD + ACCOUNT.format(id="proxmox0000")


def test_ids_are_those_that_pmg_gives_or_the_admins(gateway: Gateway, secret: str) -> None:
    for more in ((), (), ("--id", "bob"), ()):
        gateway.fine(*ADD, secret, *more)
    gateway.fine("fetchmail", "remove", "proxmox0001")
    gateway.fine(*ADD, secret)
    ids = [account["id"] for account in gateway.listed("fetchmail")]
    assert ids == ["bob", "proxmox0000", "proxmox0001", "proxmox0002"]


def test_a_new_file_has_what_fetchmail_needs_to_hand_mail_to_pmg(
    gateway: Gateway, secret: str
) -> None:
    gateway.write("etc/pmg/pmg.conf", "section: mail\n\text_port 2525\n")
    gateway.fine(*ADD, secret)
    head, _, accounts = gateway.text(FILE).partition("# proxmox settings")
    assert "\nset daemon 300\n" in head
    assert head.split("smtphost ")[1].split()[0].endswith("/2525")
    assert accounts.endswith(ACCOUNT.format(id="proxmox0000"))
    assert stat.S_IMODE((gateway.root / FILE).stat().st_mode) == 0o600


def test_nothing_is_said_where_fetchmail_runs(gateway: Gateway, secret: str) -> None:
    (gateway.root / "etc/default").mkdir()
    gateway.write("etc/default/fetchmail", "# x\nSTART_DAEMON=yes\n")
    assert gateway.run(*ADD, secret)[2] == f"added proxmox0000 to /{FILE}\n"


def test_the_list_tells_no_password(gateway: Gateway, secret: str) -> None:
    gateway.fine(*ADD, secret, "--protocol", "imap", "--ssl", "--keep", "--interval", "12")
    assert gateway.fine("fetchmail", "list") == (
        "ID           SERVER      PROTOCOL  PORT  TLS  USER  TO             KEEP  EVERY  ENABLED\n"
        "proxmox0000  mx.example  imap      993   yes  ann   ann@a.example  yes   12     yes\n"
    )
    document = gateway.fine("fetchmail", "list", "--json")
    assert "s e" not in document
    (account,) = json.loads(document)["entries"]
    assert (account["has_password"], account["ssl"], account["port"]) == (True, True, 993)


def test_an_empty_list_says_so(gateway: Gateway) -> None:
    assert gateway.run("fetchmail", "list") == (0, "", "no mailbox is set\n")


def test_set_changes_what_is_given_and_nothing_else(gateway: Gateway, secret: str) -> None:
    gateway.write(FILE, HEAD + ACCOUNT.format(id="a1") + ACCOUNT.format(id="b2"))
    gateway.fine("fetchmail", "set", "a1", "--user", "bob", "--disable")
    changed = ACCOUNT.format(id="a1").replace("ann", "bob", 1).replace("poll", "skip")
    assert gateway.text(FILE) == HEAD + changed + ACCOUNT.format(id="b2")
    assert gateway.run("fetchmail", "set", "a1", "--disable")[2] == "a1 is so already\n"
    gateway.fine("fetchmail", "set", "a1", "--enable", "--password-file", secret)
    assert parse((gateway.root / FILE).read_bytes()).entries["a1"].password == "s e"


def test_the_usual_port_goes_with_protocol_and_tls(gateway: Gateway, secret: str) -> None:
    def port() -> str:
        return str(gateway.listed("fetchmail")[0]["port"])

    gateway.fine(*ADD, secret)
    gateway.fine("fetchmail", "set", "proxmox0000", "--ssl")
    assert port() == "995"
    gateway.fine("fetchmail", "set", "proxmox0000", "--protocol", "imap", "--no-ssl")
    assert port() == "143"
    gateway.fine("fetchmail", "set", "proxmox0000", "--port", "1143")
    gateway.fine("fetchmail", "set", "proxmox0000", "--ssl")
    assert port() == "1143"


def test_mailboxes_are_removed_together_or_not_at_all(gateway: Gateway) -> None:
    gateway.write(FILE, HEAD + ACCOUNT.format(id="a1") + ACCOUNT.format(id="b2"))
    assert gateway.refused("fetchmail", "remove", "a1", "c3") == (
        1,
        f"pmgsync: {FILE}: c3 is not there; see the command's `list`",
    )
    gateway.fine("fetchmail", "remove", "a1", "b2")
    assert gateway.text(FILE) == HEAD


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("add", 2, "required: SERVER, USER, ADDRESS"),
        ("add mx_1 ann ann@a.example", 2, "'mx_1' is no host name or address"),
        ("add mx ann ann", 2, "'ann' is no e-mail address"),
        (f"add mx {'a' * 65} ann@a.example", 2, "has not 1 to 64 printable bytes"),
        ("add mx ann ann@a.example --protocol etrn", 2, "invalid choice: 'etrn'"),
        ("add mx ann ann@a.example --port 0", 2, "'0' is no port"),
        ("add mx ann ann@a.example --interval 2017", 2, "'2017' is not from 1 to 2016"),
        ("add mx ann ann@a.example --id a-1", 2, "'a-1' is not 1 to 16 letters and digits"),
        ("add mx ann ann@a.example --id a1", 1, "a1 is there already; `pmgsync fetchmail set`"),
        ("set a1", 2, "say what to set"),
        ("set b2 --ssl", 1, "b2 is not there"),
    ],
)
def test_what_is_refused(gateway: Gateway, words: str, code: int, line: str) -> None:
    gateway.write(FILE, HEAD + ACCOUNT.format(id="a1"))
    got, err = gateway.refused("fetchmail", *words.split())
    assert (got, line in err) == (code, True), err


def test_a_password_that_is_too_long_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 65)
    code, line = gateway.refused(*ADD, str(tmp_path / "long"))
    assert (code, "the password is too long; PMG takes up to 64 bytes" in line) == (3, True)


def test_a_file_at_which_pmg_gives_up_is_not_changed(gateway: Gateway, secret: str) -> None:
    gateway.write(FILE, f"{HEAD}poll a1 pass my secret\n")
    code, line = gateway.refused(*ADD, secret)
    assert code == 3
    assert line.startswith(
        f"pmgsync: {FILE}:4: a word that PMG does not know, so PMG reads nothing"
    )
    assert "secret" not in line
