"""`pmgsync check` on trees of real files: the lines that it prints, and what it ends with."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from demo.content import write_configuration
from pmgsync.cli.check_command import check_tree
from pmgsync.cli.main import main
from pmgsync.pmgconf.checks import CHECKS
from tests.unit.pmgconf.sample import HEALTHY, NOW

REPOSITORY = Path(__file__).parents[3]
MANUAL = REPOSITORY / "docs/checking.md"
SECRET = "tops3cret"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A healthy node, called mail1."""
    return make_node(tmp_path)


def make_node(root: Path) -> Path:
    for path, text in HEALTHY.items():
        write(root, path, text)
    write(root, "etc/hostname", "mail1\n")
    write(root, "etc/resolv.conf", "nameserver 192.168.2.1\n")
    write(root, "usr/share/spamassassin/50.cf", "body BAYES_99 eval:x()\nscore BAYES_99 1\n")
    return root


def write(root: Path, path: str, text: str | bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text if isinstance(text, bytes) else text.encode())


def check(root: Path, *more: str) -> int:
    return main(["check", "--root", str(root), *more])


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_healthy_node_is_clean(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(root, "--strict") == 0
    assert capsys.readouterr() == ("", "")


def test_an_empty_root_is_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, "--strict") == 0
    assert capsys.readouterr() == ("", "")


def test_what_the_demo_configures_is_clean(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(root / "etc/pmg")
    write_configuration(root)
    rules = "header FREEMAIL_FROM eval:x()\nheader MISSING_DATE eval:x()\n"
    write(root, "usr/share/spamassassin/20.cf", rules)
    assert check(root, "--strict") == 0
    assert capsys.readouterr() == ("", "")


def test_a_warning_counts_only_if_one_is_strict(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root, "etc/pmg/mynetworks", "0.0.0.0/0 #\n")
    what = "0.0.0.0/0 lets the whole IPv4 internet send mail through this gateway: an open relay"
    line = f"{root}/etc/pmg/mynetworks:1: warning: {what}; list only networks of your own\n"
    assert check(root) == 0
    assert capsys.readouterr() == (line, "")
    assert check(root, "--strict") == 3
    assert capsys.readouterr() == (line, "pmgsync: found 0 errors and 1 warning\n")


def test_an_error_always_counts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "etc/pmg/pmg.conf", "section: mail\n\n# x\nsection: admin\n\tadvfilter yes\n")
    assert check(root) == 3
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == (
        f"{root}/etc/pmg/pmg.conf:5: error: section 'admin': unable to parse value of 'advfilter': "
        "type check ('boolean') failed - got 'yes'; allowed is 0 or 1"
    )
    assert err == "pmgsync: found 1 error and 2 warnings\n"


def test_findings_are_in_the_order_of_files_and_lines(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root, "etc/pmg/mynetworks", "::/0 #\n" * 12 + "nonsense\n")
    write(root, "etc/pmg/domains", "lonely\n")
    write(root, "etc/mail/spamassassin/pmg-scores.cf", "score X\n")
    assert check(root) == 3
    places = [line.split(": ")[0].removeprefix(f"{root}/") for line in lines(capsys)]
    files = [place.rpartition(":")[0] for place in places]
    numbers = [int(place.rpartition(":")[2]) for place in places if "mynetworks" in place]
    assert files == sorted(files)
    assert numbers == sorted(numbers)
    assert numbers[-1] == 13


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("etc/pmg/domains", "a.example 1\nA.example 1\n", "2: warning: A.example differs only in"),
        ("etc/pmg/domains", "a.example 1\na.example 1\n", "2: warning: a.example already stands"),
        ("etc/pmg/domains", "a.example\n", "1: error: cannot be read: a.example"),
        ("etc/pmg/mynetworks", "10.0.0.1\n", "1: error: cannot be read: 10.0.0.1"),
        ("etc/pmg/transport", "a.example smtp:h\n", "1: error: cannot be read: a.example smtp:h"),
        ("etc/pmg/tls_policy", "a.example:25 may\n", "1: error: cannot be read"),
        ("etc/pmg/tls_inbound_domains", "a.example x\n", "1: error: cannot be read"),
        ("etc/pmg/user.conf", "#\njoe:1:0:x:admin:::::\n", "2: error: PMG drops this user"),
        ("etc/pmg/fetchmailrc", "# proxmox settings\nfrobnicate\n", "2: error: "),
        ("etc/pmg/ldap.conf", "ldap: a1\n\tmode ldap\n", "2: error: section 'a1': missing value"),
        (
            "etc/pmg/cluster.conf",
            "node: 1\n\tname a\n",
            "1: error: is no cluster to PMG: section 'node: 1'",
        ),
        ("etc/pmg/pmg.conf", "section: bogus\n", "1: error: section 'bogus': unsupported type"),
        ("etc/pmg/pmg.conf", "section: mail\r\n", "1: warning: lines end with CR LF"),
        ("etc/pmg/dkim/domains", "a.example\n", "1: error: cannot be read: a.example"),
    ],
)
def test_each_kind_of_file_is_read(
    root: Path, capsys: pytest.CaptureFixture[str], path: str, text: str, line: str
) -> None:
    write(root, path, text)
    check(root)
    assert [found for found in lines(capsys) if found.startswith(f"{root}/{path}:{line}")]


def test_what_is_no_file_is_a_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("domains", "transport", "tls_policy", "mynetworks"):
        (root / "etc/pmg" / name).unlink()
    (root / "etc/pmg/domains").mkdir()
    (root / "etc/pmg/transport").symlink_to("/etc/passwd")
    os.mkfifo(root / "etc/pmg/mynetworks")
    no_file = "no file: it is not synced or checked; replace it"
    assert check(root) == 3
    assert lines(capsys) == [
        f"{root}/etc/pmg/domains:1: error: is a folder, {no_file}",
        f"{root}/etc/pmg/mynetworks:1: error: is a device, socket or pipe, {no_file}",
        f"{root}/etc/pmg/transport:1: warning: is a symbolic link, {no_file}",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_a_file_that_may_not_be_read_is_a_line() -> None:
    # not in pytest's own folder, which another run closes to others
    with tempfile.TemporaryDirectory() as folder:
        root = make_node(Path(folder))
        root.chmod(0o755)
        (root / "etc/pmg/domains").chmod(0)
        (root / "etc/pmg/dkim").chmod(0)
        program = (
            "import os, sys; os.setgid(65534); os.setuid(65534);"
            "from pmgsync.cli.main import main;"
            f"sys.exit(main(['check', '--root', {folder!r}]))"
        )
        command = [sys.executable, "-c", program]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert ran.returncode == 3, ran.stderr
    said = ran.stdout.splitlines()
    where = f"{folder}/etc/pmg"
    assert f"{where}/dkim:1: error: is a folder that cannot be read; mend its permissions" in said
    start = f"{where}/domains:1: error: cannot read it: permission denied; "
    assert [line for line in said if line.startswith(start)]


def test_what_a_link_leads_to_is_not_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "etc/shadow", f"root:{SECRET}\n")
    (root / "etc/pmg/domains").unlink()
    (root / "etc/pmg/domains").symlink_to(root / "etc/shadow")
    assert check(root) == 0
    out = capsys.readouterr().out
    assert SECRET not in out
    assert out.count("\n") == 1  # nor is it said that no transport has a relayed domain


def test_a_link_in_place_of_a_folder_is_a_line(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "etc/pmg/templates").symlink_to(root)
    (root / "etc/pmg/acme").symlink_to("/nowhere")
    assert check(root) == 0
    what = "is a symbolic link, no folder: nothing in it is synced or checked; replace it"
    assert lines(capsys) == [
        f"{root}/etc/pmg/acme:1: warning: {what}",
        f"{root}/etc/pmg/templates:1: warning: {what}",
    ]


def test_what_is_not_synced_is_nobodys_business(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root, "etc/pmg/pmg-api.pem", b"\xff")
    write(root, "etc/pmg/domains.db", b"\xff")
    write(root, "etc/pmg/.domains.swp", b"\xff")
    write(root, "etc/pmg/tfa.json", b"\xff")
    write(root, "etc/pmg/acme/accounts/default", b"\xff")
    (root / "etc/pmg/node.conf").symlink_to("x")
    assert check(root, "--strict") == 0
    assert lines(capsys) == []


def test_a_template_that_does_not_compile(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "etc/pmg/templates/main.cf.in", "[% IF pmg.mail.tls %]x[% END %]\n")
    write(root, "etc/pmg/templates/local.cf.in", "a\nb [% IF %]\n")
    write(root, "etc/pmg/templates/clamd.conf.in.old", "[% IF %]\n")
    assert check(root) == 3
    (line,) = lines(capsys)
    assert line.startswith(f"{root}/etc/pmg/templates/local.cf.in:2: error: does not compile: ")
    assert line.endswith("; correct it, or remove it: the packaged one counts then")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a\n{% if %}\n", "2: error: does not compile: Expected an expression"),
        ("a\n\n{{ x | nonsense }}\n", "3: error: does not compile: No filter named 'nonsense'"),
        ("x" * (2**18 + 1), "1: error: does not compile: main.cf.in.j2 is larger than 256 KiB"),
    ],
)
def test_a_template_in_jinja_that_does_not_compile(
    root: Path, capsys: pytest.CaptureFixture[str], source: str, said: str
) -> None:
    write(root, "etc/pmg/templates/main.cf.in.j2", source)
    write(root, "etc/pmg/templates/local.cf.in.j2", "{% if pmg.mail.tls %}{{ 1 / 0 }}{% endif %}\n")
    assert check(root) == 3
    (line,) = lines(capsys)
    assert line.startswith(f"{root}/etc/pmg/templates/main.cf.in.j2:{said}")


SECRETS = {
    "etc/pmg/pmg.conf": f"section: admin\n\thttp_proxy ftp://u:{SECRET}@proxy\n{SECRET} http://u:{SECRET}@h\n",
    "etc/pmg/ldap.conf": f"ldap: a1\n\tbindpw {SECRET}!\n\tfoo {SECRET}\nbindpw {SECRET}\n",
    "etc/pmg/user.conf": f"joe:1:0:$5$a${SECRET}:admin:::x\njoe:1:0:{SECRET}:admin::::{SECRET}:\n",
    "etc/pmg/fetchmailrc": f'# proxmox settings\npoll a via h user u pass "x {SECRET}" {SECRET}\n',
    "etc/pmg/tfa.json": SECRET,
}


@pytest.mark.parametrize("path", list(SECRETS)[1:])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_secrets_are_never_shown(
    root: Path, capsys: pytest.CaptureFixture[str], path: str, more: tuple[str, ...]
) -> None:
    write(root, path, SECRETS[path])
    check(root, *more)
    out, err = capsys.readouterr()
    assert SECRET not in out + err
    assert path == "etc/pmg/tfa.json" or path in out


def test_credentials_in_an_address_are_not_shown(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"section: admin\n\thttp_proxy ftp://u:{SECRET}@proxy\nhttp_proxy http://u:{SECRET}@h\n"
    write(root, "etc/pmg/pmg.conf", text)
    check(root)
    assert SECRET not in capsys.readouterr().out


def test_control_characters_are_escaped(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "etc/pmg/pmg.conf", b"\x1b[31m\xff\n")
    assert check(root) == 3
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "ignore config line: \\x1b[31m\\udcff" in out


def test_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "etc/pmg/pmg.conf", "section: mail\n\ttls yes\n\tint_port 25\n")
    (root / "etc/pmg/transport").unlink()
    (root / "etc/pmg/transport").mkdir()
    assert check(root, "--json") == 3
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (document["errors"], document["warnings"]) == (2, 3)
    assert {
        "file": "etc/pmg/pmg.conf",
        "line": 2,
        "severity": "error",
        "section": "mail",
        "key": "tls",
        "what": "unable to parse value of 'tls': type check ('boolean') failed - got 'yes'",
        "mend": "allowed is 0 or 1",
        "check": None,
    } in document["findings"]
    assert [f["check"] for f in document["findings"] if f["line"] == 3] == ["equal-ports"]
    assert [f["line"] for f in document["findings"] if f["file"] == "etc/pmg/transport"] == [None]


def test_what_the_machine_has_to_say(root: Path) -> None:
    write(root, "etc/resolv.conf", "nameserver 8.8.8.8\n")
    write(root, "etc/mail/spamassassin/pmg-scores.cf", "score OWN 1\nscore BAYES_99 1\nscore X 1\n")
    write(root, "etc/mail/spamassassin/custom.cf", "header OWN Subject =~ /x/\n")
    write(root, "etc/pmg/user.conf", f"joe:1:{NOW}:$5$a$b:admin:::::\n")
    write(root, "etc/pmg/transport", "example.com smtp:[192.168.2.1]:25\n")
    write(
        root, "etc/pmg/pmg.conf", "section: admin\n\tcustom_check 1\n\tcustom_check_path /opt/x/y\n"
    )
    names = {found.check for found in check_tree(root, NOW)}
    expected = {
        "public-resolver",
        "vain-score",
        "expired-user",
        "mail-loop",
        "custom-check-program",
    }
    assert names == {*expected, "idle-tls"}
    scores = [f.finding.line for f in check_tree(root, NOW) if f.check == "vain-score"]
    assert scores == [3]


def test_a_program_that_is_there_is_fine(root: Path) -> None:
    write(root, "etc/pmg/pmg.conf", "section: admin\n\tcustom_check 1\n\nsection: mail\n\ttls 1\n")
    write(root, "usr/local/bin/pmg-custom-check", "#!/bin/sh\n")
    program = root / "usr/local/bin/pmg-custom-check"
    program.chmod(0o644)
    (found,) = check_tree(root, NOW)
    assert "is not executable" in found.finding.what
    program.chmod(0o755)
    assert list(check_tree(root, NOW)) == []


def test_a_custom_check_is_run_on_request(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = root / "usr/local/bin/pmg-custom-check"
    write(root, "usr/local/bin/pmg-custom-check", "#!/bin/sh\ntouch $0.ran\necho v1\necho maybe\n")
    write(root, "mail", "Subject: x\n\n")
    program.chmod(0o755)
    assert check(root) == 0
    assert not Path(f"{program}.ran").exists()
    assert check(root, "--custom-check", str(root / "mail")) == 3
    (line,) = lines(capsys)
    assert line.startswith(f"{program}:1: error: custom check of {root}/mail: unexpected line")
    program.write_text("#!/bin/sh\necho v1\necho OK\n")
    assert check(root, "--custom-check", str(root / "mail")) == 0
    assert lines(capsys) == []


def test_a_mail_that_is_not_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(root, "--custom-check", f"{root}/none") == 1
    assert capsys.readouterr().err.startswith(f"pmgsync: {root}/none: does not exist; ")


def test_the_manual_lists_all_checks() -> None:
    rows = [f"| `{check.name}` | {check.finds} | {check.why} |" for check in CHECKS]
    text = MANUAL.read_text()
    assert [line for line in text.splitlines() if line.startswith("| `")] == rows
