"""`pmgsync sync` and `pmgsync templates`, as processes, on roots of their own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pmgsync.agent.beside import backup, staged
from pmgsync.cli.rendering import OURS
from tests.services.machine import Machine

MAIN, MASTER = "etc/postfix/main.cf", "etc/postfix/master.cf"
CLAMD, FRESHCLAM = "etc/clamav/clamd.conf", "etc/clamav/freshclam.conf"
OVERRIDES = "etc/pmg/templates"
SETTINGS = """[services]
postfix_reload = ["sh", "-c", "echo postfix_reload >> {root}/told"]
clamd_restart = ["sh", "-c", "echo clamd_restart >> {root}/told"]
freshclam_restart = ["sh", "-c", "echo freshclam_restart >> {root}/told"]
filter_restart = ["sh", "-c", "echo filter_restart >> {root}/told"]
filter_reload = ["sh", "-c", "echo filter_reload >> {root}/told"]
"""
RELAY = "section: mail\n\trelay 192.0.2.25\n"
Snapshot = dict[str, tuple[int, int, bytes]]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One on which nothing was rendered yet."""
    made = Machine(tmp_path)
    made.write("etc/pmg/pmg.conf", RELAY)
    made.write("etc/pmgsync/pmgsync.toml", SETTINGS.format(root=tmp_path))
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """One on which `pmgsync sync` wrote everything, to be copied: the checks take time."""
    made = Machine(tmp_path_factory.mktemp("whole"))
    made.write("etc/pmg/pmg.conf", RELAY)
    made.pmgsync("sync")
    return made


@pytest.fixture
def synced(machine: Machine, whole: Machine) -> Machine:
    """One on which nothing is to be done, and nobody to be told."""
    subprocess.run(["cp", "-a", f"{whole.root}/.", str(machine.root)], check=True)
    machine.write("etc/pmgsync/pmgsync.toml", SETTINGS.format(root=machine.root))
    (machine.root / "var/lib/pmgsync/owed-by-sync").unlink()
    return machine


def options(machine: Machine, text: str) -> None:
    machine.write("etc/pmg/pmg.conf", text)


def ours(name: str) -> bytes:
    return (OURS / name).read_bytes()


def told(machine: Machine) -> list[str]:
    """The reactions so far, in order."""
    file = machine.root / "told"
    return file.read_text().split() if file.exists() else []


def files(machine: Machine) -> Snapshot:
    """Every file with inode, time of change and content; the lock and the facts aside."""
    return {
        str(path.relative_to(machine.root)): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.read_bytes(),
        )
        for path in sorted(machine.root.rglob("*"))
        if path.is_file() and path.name not in ("facts.json", "tree.lock", "told")
    }


# --- writing ---


def test_everything_is_written_and_named(machine: Machine) -> None:
    out = machine.pmgsync("sync").stdout
    for path in (MAIN, MASTER, CLAMD, FRESHCLAM, "root/.forward", "etc/mail/spamassassin/local.cf"):
        assert (machine.root / path).is_file()
        assert any(line.split()[:2] == ["new", path] for line in out.splitlines()), path
    assert b"relay_transport = relay:[192.0.2.25]:25" in machine.read(MAIN)
    assert b"myhostname = mail1.example.com" in machine.read(MAIN)
    assert machine.read("root/.forward") == b"admin@domain.tld\n"
    assert (machine.root / "etc/pmg/transport").read_bytes() == b""
    assert (machine.root / FRESHCLAM).stat().st_mode & 0o777 == 0o600
    assert told(machine) == [], "not without --restart"


def test_unchanged_means_untouched(synced: Machine) -> None:
    machine = synced
    before = files(machine)
    assert "all as they should be" in machine.pmgsync("sync", "--restart").stdout
    assert files(machine) == before
    assert told(machine) == []


def test_only_what_changes_is_written_and_only_its_service_told(synced: Machine) -> None:
    machine = synced
    before = files(machine)
    options(machine, "section: mail\n\trelay 192.0.2.26\n")
    out = machine.pmgsync("sync", "--restart").stdout
    changed = {path for path, state in files(machine).items() if before.get(path) != state}
    assert changed == {MAIN, "etc/pmg/pmg.conf"}
    assert [line.split() for line in out.splitlines() if line.startswith("changed")] == [
        ["changed", MAIN, "postfix"]
    ]
    assert told(machine) == ["postfix_reload"]


@pytest.mark.parametrize(
    ("words", "restarts"),
    [(["--restart"], True), (["--restart", "1"], True), (["--restart", "0"], False), ([], False)],
)
def test_restart_as_pmg_has_it(machine: Machine, words: list[str], restarts: bool) -> None:
    machine.pmgsync("sync", *words)
    wanted = ["postfix_reload", "clamd_restart", "freshclam_restart", "filter_restart"]
    assert told(machine) == (wanted if restarts else [])


def test_the_filter_is_reloaded_for_what_it_reads_by_itself(synced: Machine) -> None:
    machine = synced
    options(machine, "section: mail\n\trelay 192.0.2.25\n\thide_received 1\n")
    machine.pmgsync("sync", "--restart")
    assert told(machine) == ["filter_reload"]
    assert machine.read("run/pmg-smtp-filter/pmg-smtp-filter.cfg") == b"mail.hide_received:1\n"


def test_postfix_gets_its_maps(machine: Machine) -> None:
    machine.write("etc/pmg/domains", "example.com 1\n")
    machine.pmgsync("sync")
    for name in ("domains", "transport", "tls_policy", "tls_inbound_domains"):
        assert (machine.root / f"etc/pmg/{name}.db").is_file(), name
    stamp = (machine.root / "etc/pmg/domains.db").stat().st_ino
    os.utime(machine.root / "etc/pmg/transport.db", (0, 0))
    (machine.root / "etc/pmg/transport").write_text("example.org smtp:[192.0.2.1]:25\n")
    out = machine.pmgsync("sync").stdout
    assert "map of etc/pmg/transport: built" in out
    assert "map of etc/pmg/domains" not in out
    assert (machine.root / "etc/pmg/domains.db").stat().st_ino == stamp


def test_with_tls_a_certificate_is_made_once_for_nobody_else_to_read(machine: Machine) -> None:
    options(machine, "section: mail\n\ttls 1\n")
    machine.pmgsync("sync")
    path = machine.root / "etc/pmg/pmg-tls.pem"
    first = path.read_bytes()
    assert b"PRIVATE KEY" in first
    assert b"BEGIN CERTIFICATE" in first
    assert path.stat().st_mode & 0o777 == 0o600
    machine.pmgsync("sync")
    assert path.read_bytes() == first


def test_learning_switched_off_forgets(machine: Machine) -> None:
    options(machine, "section: spam\n\tuse_bayes 1\n\tuse_awl 1\n")
    for name in ("auto-whitelist", "bayes_toks", "bayes_seen", "other"):
        machine.write(f"root/.spamassassin/{name}", "learned")
    machine.pmgsync("sync", "--restart")
    machine.write("told", "")
    assert len(list((machine.root / "root/.spamassassin").iterdir())) == 4
    options(machine, "section: spam\n\tuse_bayes 0\n\tuse_awl 1\n")
    out = machine.pmgsync("sync", "--restart").stdout
    left = {path.name for path in (machine.root / "root/.spamassassin").iterdir()}
    assert left == {"auto-whitelist", "other"}
    assert "removed" in out
    assert told(machine) == ["filter_restart"]


def test_demo_mode(machine: Machine) -> None:
    options(machine, "section: admin\n\tdemo 1\n")
    machine.pmgsync("sync")
    assert b"inet_interfaces = loopback-only" in machine.read(MAIN)
    assert b"postscreen" not in machine.read(MASTER)


# --- not writing ---


def test_a_dry_run_shows_and_touches_nothing(machine: Machine) -> None:
    options(machine, "section: mail\n\trelay 192.0.2.25\n\tno_such 1\n" + "\t\x1b[2J\n" * 30)
    before = files(machine)
    done = machine.pmgsync("sync", "--dry-run", "--diff", "--restart")
    out = done.stdout
    assert "pmg.conf line 3 (section 'mail') - unable to parse value of 'no_such'" in done.stderr
    assert "\x1b" not in done.stderr
    assert "and 11 more; see `pmgsync check`" in done.stderr
    assert files(machine) == before
    assert not (machine.root / "etc/postfix").exists()
    assert not (machine.root / "run").exists()
    assert "+relay_transport = relay:[192.0.2.25]:25" in out
    assert "would change" in out
    assert told(machine) == []


def test_a_diff_masks_secrets(machine: Machine) -> None:
    options(machine, "section: admin\n\thttp_proxy http://user:hunter2@proxy.example.com:3128\n")
    machine.pmgsync("sync")
    options(
        machine,
        "section: admin\n\thttp_proxy http://user:hunter3@proxy.example.com:3128\n"
        "\nsection: mail\n\ttls 1\n",
    )
    for words in (["--diff"], ["--diff", "--json"]):
        done = machine.pmgsync("sync", "--dry-run", *words)
        assert "HTTPProxyPassword ********" in done.stdout
        assert "hunter" not in done.stdout
        assert "PRIVATE KEY" not in done.stdout
    assert b"hunter2" in machine.read(FRESHCLAM)


BREAKINGS = [
    ("main.cf.in", "one\n[% IF pmg.mail.tls %]\n", "main.cf.in line"),
    ("freshclam.conf.in", "x\ny\n[% 1 div 0 %]\n", "freshclam.conf.in line 3"),
    ("local.cf.in", "[% INCLUDE nowhere.inc %]", "nowhere.inc"),
    ("clamd.conf.in", "[% WHILE 1 %]x[% END %]", "clamd.conf.in line 1"),
]


@pytest.mark.parametrize(("name", "source", "said"), BREAKINGS)
def test_an_error_in_a_template_leaves_every_file_in_place(
    synced: Machine, name: str, source: str, said: str
) -> None:
    machine = synced
    before = files(machine)
    options(machine, "section: mail\n\trelay 192.0.2.99\n")
    machine.write(f"{OVERRIDES}/{name}", source)
    done = machine.pmgsync("sync", "--restart", code=3)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    after = {path: state for path, state in files(machine).items() if path in before}
    assert {p: s for p, s in after.items() if p != "etc/pmg/pmg.conf"} == {
        p: s for p, s in before.items() if p != "etc/pmg/pmg.conf"
    }
    assert told(machine) == []


def test_what_postfix_refuses_leaves_every_file_in_place(synced: Machine) -> None:
    machine = synced
    before = files(machine)
    broken = ours("main.cf.in") + b"default_process_limit = abc\n"
    machine.write(f"{OVERRIDES}/main.cf.in", broken)
    machine.write(f"{OVERRIDES}/clamd.conf.in", "LogTime yes\n")
    done = machine.pmgsync("sync", "--restart", code=3)
    assert "etc/postfix: postmap refuses the files of postfix" in done.stderr
    assert "default_process_limit" in done.stderr
    assert {path: state for path, state in files(machine).items() if path in before} == before
    assert told(machine) == []


def test_a_file_that_cannot_be_written_leaves_the_others_as_they_were(synced: Machine) -> None:
    machine = synced
    (machine.root / staged(CLAMD)).mkdir()
    (machine.root / CLAMD).unlink()
    options(machine, "section: mail\n\trelay 192.0.2.99\n")
    before = machine.read(MAIN)
    done = machine.pmgsync("sync", code=1)
    assert CLAMD in done.stderr
    assert machine.read(MAIN) == before


def test_what_is_in_the_way_is_named_and_left_and_the_others_go_on(synced: Machine) -> None:
    machine = synced
    elsewhere = machine.write("elsewhere/main.cf", "the admin's own\n")
    (machine.root / MAIN).unlink()
    (machine.root / MAIN).symlink_to(elsewhere)
    (machine.root / CLAMD).unlink()
    (machine.root / CLAMD).mkdir()
    shutil.rmtree(machine.root / "etc/mail")
    (machine.root / "etc/mail").symlink_to("../elsewhere")
    (machine.root / FRESHCLAM).write_text("somebody's")
    done = machine.pmgsync("sync", code=1)
    assert f"{MAIN}: is a symbolic link and stays as it is" in done.stdout
    assert f"{CLAMD}: is a folder and stays as it is" in done.stdout
    assert done.stdout.count("etc/mail: is a symbolic link") == 1
    assert len(done.stderr.splitlines()) == 1
    assert elsewhere.read_text() == "the admin's own\n"
    assert [path.name for path in elsewhere.parent.iterdir()] == ["main.cf"]
    assert b"somebody's" not in machine.read(FRESHCLAM)
    document = json.loads(machine.pmgsync("sync", "--json", code=1).stdout)
    assert len(document["left"]) == 3


def test_a_linked_pmg_conf_is_no_empty_one(synced: Machine) -> None:
    machine = synced
    moved = machine.root / "pmg.conf"
    (machine.root / "etc/pmg/pmg.conf").rename(moved)
    (machine.root / "etc/pmg/pmg.conf").symlink_to(moved)
    before = machine.read(MAIN)
    done = machine.pmgsync("sync", code=1)
    assert "etc/pmg/pmg.conf: is a symbolic link" in done.stderr
    assert machine.read(MAIN) == before


def test_a_link_in_the_place_of_a_mapped_file_holds_up_nothing(synced: Machine) -> None:
    (synced.root / "etc/pmg/tls_policy").unlink(missing_ok=True)
    (synced.root / "etc/pmg/tls_policy").symlink_to(
        synced.write("elsewhere/policy", "a.example may\n")
    )
    (synced.root / MAIN).write_text("edited")
    synced.pmgsync("sync")
    assert synced.read(MAIN) != b"edited"


def test_a_linked_certificate_stays(synced: Machine) -> None:
    machine = synced
    theirs = machine.write("letsencrypt.pem", "the admin's key and certificate\n")
    (machine.root / "etc/pmg/pmg-tls.pem").symlink_to(theirs)
    options(machine, f"{RELAY}\ttls 1\n")
    machine.pmgsync("sync")
    assert (machine.root / "etc/pmg/pmg-tls.pem").is_symlink()
    assert theirs.read_text() == "the admin's key and certificate\n"


def test_mode_is_put_right_in_place_and_nobody_is_told(synced: Machine) -> None:
    machine = synced
    machine.pmgsync("sync", "--restart")
    before, done = files(machine), told(machine)
    (machine.root / FRESHCLAM).chmod(0o644)
    assert f"mode or owner  {FRESHCLAM}" in machine.pmgsync("sync", "--dry-run").stdout
    assert (machine.root / FRESHCLAM).stat().st_mode & 0o777 == 0o644
    machine.pmgsync("sync", "--restart")
    assert (machine.root / FRESHCLAM).stat().st_mode & 0o777 == 0o600
    assert (files(machine), told(machine)) == (before, done)
    assert "all as they should be" in machine.pmgsync("sync").stdout


def test_debians_link_for_spamassassin_is_known(machine: Machine) -> None:
    (machine.root / "etc/mail").mkdir()
    (machine.root / "etc/spamassassin").mkdir()
    (machine.root / "etc/mail/spamassassin").symlink_to("../spamassassin")
    machine.pmgsync("sync")
    assert (machine.root / "etc/spamassassin/local.cf").is_file()
    assert (machine.root / "etc/mail/spamassassin").is_symlink()


def test_a_service_that_cannot_be_told_is_an_error_and_the_files_are_there(
    machine: Machine,
) -> None:
    machine.write(
        "etc/pmgsync/pmgsync.toml", '[services]\npostfix_reload = ["sh", "-c", "exit 7"]\n'
    )
    done = machine.pmgsync("sync", "--restart", code=1)
    assert "postfix_reload: failed" in done.stderr
    assert (machine.root / MAIN).is_file()


def test_the_services_of_this_machine_are_left_alone(machine: Machine) -> None:
    (machine.root / "etc/pmgsync/pmgsync.toml").unlink()
    out = machine.pmgsync("sync", "--restart").stdout
    assert "postfix_reload: left alone (the root is not /)" in out


def test_a_member_of_a_cluster_makes_no_synced_file(machine: Machine) -> None:
    machine.write("var/lib/pmgsync/chain.json", "[]")
    machine.pmgsync("sync")
    assert not (machine.root / "etc/pmg/transport").exists()
    assert (machine.root / "etc/pmg/transport.db").exists(), "Postfix asks for it all the same"


def test_whom_to_tell_is_remembered_until_it_is_done(synced: Machine) -> None:
    machine = synced
    options(machine, "section: mail\n\trelay 192.0.2.99\n")
    assert "to tell with --restart: postfix_reload" in machine.pmgsync("sync").stdout
    assert "to tell with --restart: postfix_reload" in machine.pmgsync("sync").stdout
    machine.write("told", "")
    settings = machine.read("etc/pmgsync/pmgsync.toml").decode()
    machine.write("etc/pmgsync/pmgsync.toml", '[services]\npostfix_reload = ["false"]\n')
    assert "postfix_reload: failed" in machine.pmgsync("sync", "--restart", code=1).stderr
    machine.write("etc/pmgsync/pmgsync.toml", settings)
    machine.pmgsync("sync", "--restart")
    machine.pmgsync("sync", "--restart")
    assert told(machine) == ["postfix_reload"]
    assert not (machine.root / "var/lib/pmgsync/owed-by-sync").exists()


def test_what_is_refused_owes_nothing(synced: Machine) -> None:
    machine = synced
    machine.write(f"{OVERRIDES}/clamd.conf.in", "NoSuchOption yes\n")
    done = machine.pmgsync("sync", code=3)
    assert "(clamd.conf.in line 1: NoSuchOption)" in done.stderr
    assert not (machine.root / "var/lib/pmgsync/owed-by-sync").exists()


def test_what_an_interrupted_run_left_behind_is_swept(synced: Machine) -> None:
    machine = synced
    machine.write(staged(MAIN), "half")
    machine.write(backup(CLAMD), "old")
    (machine.root / backup("etc/pmg/somebody-elses")).touch()
    options(machine, "section: mail\n\trelay 192.0.2.99\n")
    machine.pmgsync("sync")
    left = [path.name for path in machine.root.rglob(".pmgsync-*")]
    assert left == [backup("etc/pmg/somebody-elses").rpartition("/")[2]], "a daemon's, perhaps"


# --- JSON ---


def test_json_has_every_file_exactly(synced: Machine) -> None:
    machine = synced
    options(machine, "section: mail\n\trelay 192.0.2.26\n")
    document = json.loads(machine.pmgsync("sync", "--json", "--restart").stdout)
    rows = {row["path"]: row for row in document["files"]}
    assert rows[MAIN]["state"] == "changed"
    assert rows[MAIN]["template"] == "main.cf.in"
    assert rows[MAIN]["from"] == "pmgsync"
    assert len(rows[MAIN]["digest"]) == 64
    assert rows[CLAMD]["state"] == "unchanged"
    assert document["reactions"] == ["postfix_reload"]
    assert [answer["state"] for answer in document["answers"]] == ["done"]
    assert document["dry_run"] is False


# --- complaints ---


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["sync", "--restart", "2"], 2),
        (["sync", "--unknown"], 2),
        (["templates", "a", "b"], 2),
    ],
)
def test_a_wrong_command_line_is_one_line(machine: Machine, words: list[str], code: int) -> None:
    done = machine.pmgsync(*words, code=code)
    assert len(done.stderr.splitlines()) == 1


def test_wrong_settings_are_named_with_their_line(machine: Machine) -> None:
    machine.write("etc/pmgsync/pmgsync.toml", '[services]\npostfix_reload = "postfix reload"\n')
    done = machine.pmgsync("sync", code=3)
    assert "pmgsync.toml:2: [services] postfix_reload is not a list of texts" in done.stderr
    assert not (machine.root / MAIN).exists()
