"""SpamAssassin, ClamAV, freshclam, PostgreSQL and fetchmail take our files without a word."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pmgsync.cli.rendering import our_template
from pmgsync.render.compile import Templates
from tests.e2e.privileges import lacking
from tests.services.machine import Machine, require_namespaces

EVERYTHING_ON = """section: spam
	use_bayes 1
	use_awl 1
	use_razor 1
	bounce_score 3
	extract_text 1
	languages de en
	wl_bounce_relays relay.example.org

section: clamav
	archiveblockencrypted 1
	maxcccount 3

section: admin
	http_proxy http://user:pa%3Ass@proxy.example.com:3128
"""
EVERYTHING_OFF = """section: spam
	use_bayes 0
	use_awl 0
	use_razor 0
	rbl_checks 0

section: clamav
	scriptedupdates 0
	archivemaxfiles 0
"""
CONFS = {"defaults": "", "all on": EVERYTHING_ON, "all off": EVERYTHING_OFF}


@pytest.fixture(scope="module", params=list(CONFS.values()), ids=list(CONFS))
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """One with all service files; nothing here changes them."""
    return synced(tmp_path_factory.mktemp("machine"), request.param)


def need(program: str) -> str:
    """Where it is; skips where it is not installed."""
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/lib/postgresql/15/bin")
    if found is None:
        lacking(f"{program} is not installed")
    assert found is not None
    return found


def synced(folder: Path, conf: str) -> Machine:
    machine = Machine(folder)
    machine.write("etc/pmg/pmg.conf", conf)
    machine.sync()
    return machine


def clean(*argv: str) -> str:
    """Run it; it must end well and warn of nothing. Its output."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stderr == ""
    return done.stdout


def test_spamassassin_finds_nothing_to_complain_about(machine: Machine) -> None:
    lint = need("spamassassin")
    require_namespaces()
    done = machine.run(lint, "--lint", "-x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_clamd_reads_its_file(machine: Machine) -> None:
    clamd = need("clamd")
    file = machine.root / "etc/clamav/clamd.conf"
    assert "ClamAV" in clean(clamd, f"--config-file={file}", "--version")


def test_freshclam_reads_its_file(machine: Machine) -> None:
    freshclam = need("freshclam")
    file = machine.root / "etc/clamav/freshclam.conf"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "ClamAV" in clean(freshclam, f"--config-file={file}", "--version")
    proxied = b"http_proxy" in machine.read("etc/pmg/pmg.conf")
    assert ("HTTPProxyPassword pa%3Ass" in file.read_text()) == proxied


def test_postgresql_reads_its_file(tmp_path: Path) -> None:
    postgres = need("postgres")
    require_namespaces()
    machine = synced(tmp_path, "")
    folder = "/etc/postgresql/15/main"
    as_postgres = ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups")
    for name, value in (("listen_addresses", ""), ("shared_buffers", "16384"), ("port", "5432")):
        done = machine.run(
            *as_postgres, postgres, "-C", name, "-c", f"config_file={folder}/postgresql.conf"
        )
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, value, "")


ACCOUNTS = {
    "a": {
        "id": "a",
        "enable": 1,
        "server": "pop.example.org",
        "protocol": "pop3",
        "port": 995,
        "interval": 1,
        "user": "u\\x20v",
        "pass": "x\\x22y",
        "target": "someone@example.com",
        "options": "dropdelivered ssl",
    },
    "b": {
        "id": "b",
        "enable": 0,
        "server": "imap.example.org",
        "protocol": "imap",
        "port": 143,
        "interval": 5,
        "user": "b",
        "pass": "b",
        "target": "b@example.com",
        "options": "dropdelivered keep",
    },
}


def fetchmailrc(accounts: dict[str, dict[str, object]]) -> bytes:
    variables = {"fetchmail_users": accounts}
    return Templates().render("fetchmailrc.tt", variables, our_template, lambda: 0.0)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fetchmail_reads_what_is_made_of_accounts(count: int, tmp_path: Path) -> None:
    fetchmail = need("fetchmail")
    file = tmp_path / "fetchmailrc"
    file.write_bytes(fetchmailrc(dict(list(ACCOUNTS.items())[:count])))
    file.chmod(0o600)
    done = subprocess.run(
        [fetchmail, "-V", "-f", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    assert done.returncode in ((0, 1) if count == 0 else (0,)), done.stderr  # 1: nobody to ask
    for account in (a for a in list(ACCOUNTS.values())[:count] if a["enable"]):
        assert f"Mail will be retrieved via {account['server']}" in done.stdout
