"""Edits of synced files: where they are allowed, and that nothing is lost on the way."""

import fcntl
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pmgsync.cli.editing import edit_synced_file, read_synced_file, require_authored_here
from pmgsync.errors import HostError, InvalidError, NoMasterError, OperatorError, StoreDamagedError
from pmgsync.host.folders import read_file
from pmgsync.host.lock import wait_for_lock
from pmgsync.model.manifest import MAX_FILE_BYTES
from pmgsync.model.paths import ManagedPath
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.scope import STATE_FOLDER
from pmgsync.pmgconf.cluster_conf import ClusterConf, ClusterNode, dump_cluster_conf
from tests.control.fake_node import environment
from tests.unit.model import sample

DOMAINS = ManagedPath("etc/pmg/domains")
KEYS = PmgKeys(":".join(["AB"] * 32), "A" * 372, "B" * 372)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/pmg").mkdir(parents=True)
    (tmp_path / "etc/hostname").write_text("mail1\n")
    return tmp_path


def add(line: bytes, *, to: Path) -> bool:
    return edit_synced_file(to, DOMAINS, lambda old: (old or b"") + line)


def names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "etc/pmg").iterdir())


def test_a_missing_file_is_made_with_the_mode_of_the_scope_table(root: Path) -> None:
    assert read_synced_file(root, DOMAINS) is None
    assert add(b"a.example 1\n", to=root)
    assert read_synced_file(root, DOMAINS) == b"a.example 1\n"
    assert stat.S_IMODE((root / DOMAINS).stat().st_mode) == 0o644
    secret = ManagedPath("etc/pmg/ldap.conf")
    assert edit_synced_file(root, secret, lambda _old: b"x")
    assert stat.S_IMODE((root / secret).stat().st_mode) == 0o640
    assert names(root) == ["domains", "ldap.conf"]


@pytest.mark.parametrize("with_pmg", [False, True])
def test_a_missing_folder_below_the_synced_one_is_made(root: Path, with_pmg: bool) -> None:
    if with_pmg:
        (root / "var/lock").mkdir(parents=True)
    assert edit_synced_file(root, ManagedPath("etc/pmg/dkim/domains"), lambda _old: b"a 1\n")
    assert (root / "etc/pmg/dkim/domains").read_bytes() == b"a 1\n"
    assert stat.S_IMODE((root / "etc/pmg/dkim").stat().st_mode) == 0o755


def test_mode_and_owner_of_a_file_are_kept(root: Path) -> None:
    (root / DOMAINS).write_bytes(b"a 1\n")
    (root / DOMAINS).chmod(0o604)
    if os.geteuid() == 0:
        os.chown(root / DOMAINS, 1, 2)
    before = (root / DOMAINS).stat()
    assert add(b"b 1\n", to=root)
    after = (root / DOMAINS).stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_ino != before.st_ino  # a new file, put in place by rename


def test_equal_bytes_write_nothing(root: Path) -> None:
    add(b"a 1\n", to=root)
    before = (root / DOMAINS).stat()
    assert not add(b"", to=root)
    after = (root / DOMAINS).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_refused_change_leaves_everything_as_it_was(root: Path) -> None:
    add(b"a 1\n", to=root)

    def refuse(old: bytes | None) -> bytes:
        raise InvalidError(f"not with {old!r}")

    with pytest.raises(InvalidError):
        edit_synced_file(root, DOMAINS, refuse)
    assert names(root) == ["domains"]


def test_a_file_that_somebody_else_changes_meanwhile_is_not_overwritten(root: Path) -> None:
    add(b"a 1\n", to=root)

    def slow(old: bytes | None) -> bytes:
        (root / DOMAINS).write_bytes(b"theirs 1\n")
        return (old or b"") + b"ours 1\n"

    with pytest.raises(HostError, match="changed by somebody else") as caught:
        edit_synced_file(root, DOMAINS, slow)
    assert (caught.value.where, caught.value.mend) == (DOMAINS, "run the command again")
    assert (root / DOMAINS).read_bytes() == b"theirs 1\n"
    assert names(root) == ["domains"]


def test_a_link_is_refused_and_not_followed(root: Path) -> None:
    (root / "elsewhere").write_bytes(b"a 1\n")
    (root / DOMAINS).symlink_to(root / "elsewhere")
    with pytest.raises(HostError, match="link"):
        add(b"b 1\n", to=root)
    assert (root / "elsewhere").read_bytes() == b"a 1\n"


def test_what_is_no_plain_file_is_not_read_either(root: Path) -> None:
    os.mkfifo(root / DOMAINS)
    with pytest.raises(HostError, match="is no plain file"):  # and nobody waits for a writer
        read_synced_file(root, DOMAINS)
    (root / DOMAINS).unlink()
    (root / DOMAINS).mkdir()
    with pytest.raises(HostError, match="is no plain file"):
        read_synced_file(root, DOMAINS)
    (root / DOMAINS).rmdir()
    (root / DOMAINS).symlink_to("/etc/passwd")
    with pytest.raises(HostError, match="is a symbolic link"):
        read_synced_file(root, DOMAINS)
    with pytest.raises(HostError, match="is larger than 2 bytes"):
        read_file(str(root), "etc/hostname", 2)
    assert read_file(str(root), "etc/no/such/folder", 2) is None


def test_without_the_folder_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no such folder") as caught:
        add(b"a 1\n", to=tmp_path)
    assert "--root" in caught.value.mend
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_too_large_is_refused(root: Path) -> None:
    with pytest.raises(OperatorError, match="would be larger than"):
        edit_synced_file(root, DOMAINS, lambda _old: bytes(MAX_FILE_BYTES + 1))
    assert names(root) == []


def test_pmgs_own_lock_is_respected(root: Path) -> None:
    lock = root / "var/lock/pmgconfig.lck"
    lock.parent.mkdir(parents=True)
    assert add(b"a 1\n", to=root)
    assert lock.exists()
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(HostError, match="another writer"), wait_for_lock(lock, 0.05):
            pytest.fail("two writers")
        # Another file's writer has another lock.
        assert edit_synced_file(root, ManagedPath("etc/pmg/user.conf"), lambda _old: b"x")
    with wait_for_lock(lock, 0):
        pass


ADD_ONE = """
import sys
from pathlib import Path
from pmgsync.cli.editing import edit_synced_file
from pmgsync.model.paths import ManagedPath
root, line = Path(sys.argv[1]), sys.argv[2].encode() + b" 1\\n"
for n in range(10):
    edit_synced_file(root, ManagedPath("etc/pmg/domains"), lambda old: (old or b"") + line)
"""


@pytest.mark.parametrize("with_pmg", [False, True])
def test_many_writers_at_once_lose_nothing(root: Path, with_pmg: bool) -> None:
    if with_pmg:
        (root / "var/lock").mkdir(parents=True)
    writers = [
        subprocess.Popen([sys.executable, "-c", ADD_ONE, str(root), name], env=environment())
        for name in ("a", "b", "c")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    lines = (root / DOMAINS).read_bytes().splitlines()
    assert sorted(lines) == [b"a 1"] * 10 + [b"b 1"] * 10 + [b"c 1"] * 10


# --- where a file is authored ---


def make_member(root: Path, number: int) -> None:
    """Give the node the key of that member of the sample cluster, and its chain."""
    state = root / STATE_FOLDER
    state.mkdir(parents=True)
    (state / "identity.key").write_bytes(bytes([number]) * 32)
    envelope = sample.seal_membership(sample.genesis())
    (state / "chain.json").write_text(json.dumps([envelope.to_bytes().decode()]))


def test_the_master_may_edit(root: Path) -> None:
    make_member(root, 1)
    assert add(b"a 1\n", to=root)


def test_a_node_may_not_and_is_told_who_may(root: Path) -> None:
    make_member(root, 2)
    with pytest.raises(NoMasterError) as caught:
        add(b"a 1\n", to=root)
    assert str(caught.value) == (
        "etc/pmg/domains: is edited on the master, mx1(1) at 127.0.0.1; an edit here would be put "
        "back; run the same command there"
    )
    assert names(root) == []
    assert read_synced_file(root, DOMAINS) is None  # reading is free


def test_a_node_that_is_no_member_any_more_may(root: Path) -> None:
    make_member(root, 66)
    assert add(b"a 1\n", to=root)


def test_a_key_without_a_cluster_means_nothing(root: Path) -> None:
    make_member(root, 2)
    (root / STATE_FOLDER / "chain.json").unlink()
    assert add(b"a 1\n", to=root)


def test_a_damaged_chain_is_said_and_nothing_edited(root: Path) -> None:
    make_member(root, 2)
    (root / STATE_FOLDER / "chain.json").write_text("{}")
    with pytest.raises(StoreDamagedError):
        add(b"a 1\n", to=root)
    assert names(root) == []


CLUSTER = dump_cluster_conf(
    ClusterConf(
        2,
        2,
        (ClusterNode(1, "mail1", "192.0.2.1", KEYS), ClusterNode(2, "mail2", "192.0.2.2", KEYS)),
    )
)


def test_a_node_of_pmgs_own_cluster_may_not_either(root: Path) -> None:
    (root / "etc/pmg/cluster.conf").write_bytes(CLUSTER)
    with pytest.raises(NoMasterError, match=r"on the master, mail2\(2\) at 192\.0\.2\.2"):
        require_authored_here(root, DOMAINS)


@pytest.mark.parametrize("hostname", ["mail2", "MAIL2.example.com", "stranger"])
def test_its_master_and_strangers_may(root: Path, hostname: str) -> None:
    (root / "etc/pmg/cluster.conf").write_bytes(CLUSTER)
    (root / "etc/hostname").write_text(hostname)
    require_authored_here(root, DOMAINS)


@pytest.mark.parametrize("data", [b"", b"# none\n", CLUSTER.replace(b"master: 2", b"node: 2")])
def test_a_cluster_conf_by_which_pmg_syncs_nothing_forbids_nothing(root: Path, data: bytes) -> None:
    (root / "etc/pmg/cluster.conf").write_bytes(data)
    require_authored_here(root, DOMAINS)


def test_a_secret_file_that_was_open_to_others_is_closed(root: Path) -> None:
    secret = ManagedPath("etc/pmg/user.conf")
    for before, after in ((0o644, 0o640), (0o600, 0o600)):
        (root / secret).write_bytes(b"x")
        (root / secret).chmod(before)
        assert edit_synced_file(root, secret, lambda _old: b"y")
        assert stat.S_IMODE((root / secret).stat().st_mode) == after
