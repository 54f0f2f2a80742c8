"""What only a real disk can do to `DiskTree`."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pmgsync.errors import HostError, StageError
from pmgsync.host.disk import DiskTree
from pmgsync.model.scope import STAGE_PREFIX
from pmgsync.ports import FileKind
from tests.contract.conftest import needs_root

PMG = "etc/pmg"
DOMAINS = "etc/pmg/domains"
STAGED = f"etc/pmg/{STAGE_PREFIX}x"
LIMIT = 1 << 20


@pytest.fixture
def pmg(root: Path) -> Path:
    folder = root / PMG
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def tree(root: Path, pmg: Path) -> DiskTree:
    return DiskTree(root)


def walked(tree: DiskTree, start: str = "") -> dict[str, FileKind]:
    return {seen.path: seen.kind for seen in tree.walk(start)}


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# --- what may lie there --------------------------------------------------------------------------


def test_a_pipe_does_not_hang_anything(tree: DiskTree, pmg: Path) -> None:
    os.mkfifo(pmg / "domains")
    assert walked(tree) == {DOMAINS: FileKind.OTHER}
    with pytest.raises(HostError, match="device, socket or pipe"):
        tree.read(DOMAINS, limit=LIMIT)


@needs_root
def test_a_device_is_refused(tree: DiskTree, pmg: Path) -> None:
    try:
        os.mknod(pmg / "domains", 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero never ends
    except PermissionError:
        pytest.skip("this machine makes no devices")
    assert walked(tree) == {DOMAINS: FileKind.OTHER}
    with pytest.raises(HostError, match="device"):
        tree.read(DOMAINS, limit=LIMIT)


def test_names_that_are_no_text_are_reported(tree: DiskTree, pmg: Path) -> None:
    (pmg / "acme").mkdir()
    for name in (b"caf\xe9", b"two\nlines", b"tab\there"):
        Path(os.fsdecode(os.fsencode(pmg / "acme") + b"/" + name)).write_bytes(b"x")
    expected = {"etc/pmg/acme/caf\udce9", "etc/pmg/acme/two\nlines", "etc/pmg/acme/tab\there"}
    assert walked(tree).keys() == expected
    for path in expected:
        assert walked(tree, path).keys() == {path}
        assert tree.read(path, limit=LIMIT)[0] == b"x"


def test_a_synced_folder_that_is_a_link_is_told_as_one(tree: DiskTree, root: Path) -> None:
    (root / "etc/spamassassin").mkdir()
    (root / "etc/mail").mkdir()
    (root / "etc/mail/spamassassin").symlink_to("../spamassassin")
    assert walked(tree) == {"etc/mail/spamassassin": FileKind.LINK}


def test_folders_deeper_than_a_path_may_be_are_told_once(tree: DiskTree, pmg: Path) -> None:
    before = handles()
    there = os.open(pmg, os.O_RDONLY)
    for name in ("acme", *["d" * 200] * 12):
        os.mkdir(name, dir_fd=there)
        deeper = os.open(name, os.O_RDONLY, dir_fd=there)
        os.close(there)
        there = deeper
    os.close(os.open("file", os.O_CREAT, dir_fd=there))
    os.close(there)
    assert list(walked(tree).values()) == [FileKind.UNREADABLE]
    assert handles() == before


def test_a_folder_that_vanishes_while_walked_is_no_error(tree: DiskTree, pmg: Path) -> None:
    for name in ("a", "b"):
        (pmg / "acme" / name).mkdir(parents=True)
        (pmg / "acme" / name / "x").touch()
    walk = iter(tree.walk())
    first = next(walk).path
    other = "a" if "/b/" in first else "b"
    (pmg / "acme" / other / "x").unlink()
    (pmg / "acme" / other).rmdir()
    assert list(walk) == []


def test_nothing_is_left_open(tree: DiskTree, pmg: Path) -> None:
    before = handles()
    (pmg / "dkim").symlink_to("/etc")
    (pmg / "domains").touch()
    for act in (
        lambda: list(tree.walk()),
        lambda: tree.read(DOMAINS, limit=LIMIT),
        lambda: tree.read("etc/pmg/dkim/passwd", limit=LIMIT),
        lambda: tree.stat("etc/pmg/nothing/at/all"),
        lambda: tree.write("etc/pmg/acme/a/b", b"", mode=0o600, ownership="root:root"),
        lambda: tree.sync_files([DOMAINS, "etc/pmg/nothing"]),
    ):
        for _ in range(3):
            try:
                act()
            except HostError:
                continue
    assert handles() == before


# --- reading -------------------------------------------------------------------------------------


def test_a_file_of_legal_size_is_read_whole_and_one_byte_more_is_not(
    tree: DiskTree, pmg: Path
) -> None:
    limit = 128 << 20
    with (pmg / "domains").open("wb") as file:
        file.truncate(limit)
    assert len(tree.read(DOMAINS, limit=limit)[0]) == limit
    with (pmg / "domains").open("ab") as file:
        file.write(b"!")
    with pytest.raises(HostError, match="is larger than"):
        tree.read(DOMAINS, limit=limit)


def test_a_read_never_mixes_two_contents(tree: DiskTree, pmg: Path) -> None:
    """A writer replaces the file again and again by rename, as every careful writer does."""
    contents = [bytes([n]) * (200_000 + n) for n in range(8)]
    (pmg / "domains").write_bytes(contents[0])
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            for content in contents:
                (pmg / ".next").write_bytes(content)
                (pmg / ".next").replace(pmg / "domains")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        read = [tree.read(DOMAINS, limit=LIMIT) for _ in range(200)]
    finally:
        done.set()
        writer.join()
    assert all(data in contents and len(data) == seen.size for data, seen in read)


def test_a_file_that_grows_while_it_is_read_is_read_again(tree: DiskTree, pmg: Path) -> None:
    """A writer in another process rewrites in place for a while, then holds still."""
    script = (
        "import sys\nfile = open(sys.argv[1], 'r+b', buffering=0)\nprint(flush=True)\n"
        "for n in range(20000): file.seek(0); file.write(b'%07d' % n)\n"
        "file.seek(0); file.write(b'the end')\n"
    )
    (pmg / "domains").write_bytes(b"0000000" + b"-" * 500_000)
    command = [sys.executable, "-c", script, str(pmg / "domains")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while writer.poll() is None:
            with suppress(HostError):  # keeps changing
                data, seen = tree.read(DOMAINS, limit=LIMIT)
                assert len(data) == seen.size == 500_007
    assert tree.read(DOMAINS, limit=LIMIT)[0].startswith(b"the end-")


def test_two_changes_of_equal_size_within_a_second_are_seen(tree: DiskTree, pmg: Path) -> None:
    seen = set()
    for n in range(5):
        (pmg / ".new").write_bytes(b"%d" % n)
        (pmg / ".new").replace(pmg / "domains")
        _, now = tree.read(DOMAINS, limit=LIMIT)
        seen.add((now.inode, now.changed_ns))
    assert len(seen) == 5


# --- writing -------------------------------------------------------------------------------------


@pytest.fixture
def strange_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strange_umask")
def test_modes_do_not_depend_on_the_umask(tree: DiskTree, root: Path) -> None:
    tree.write("etc/pmg/templates/a/b", b"x", mode=0o644, ownership="root:root")
    modes = [
        (root / p).stat().st_mode & 0o7777 for p in ("etc/pmg/templates/a", "etc/pmg/templates/a/b")
    ]
    assert modes == [0o755, 0o644]


@needs_root
def test_owners_are_resolved_and_the_unknown_become_root_with_a_note(
    tree: DiskTree, pmg: Path
) -> None:
    assert tree.write(STAGED, b"", mode=0o640, ownership="root:www-data") == ""
    assert (pmg / STAGED.rpartition("/")[2]).group() == "www-data"
    path = "etc/pmg/fetchmailrc"
    note = tree.write(path, b"", mode=0o600, ownership="no-such-user:no-such-group")
    assert note.startswith(f"{path}: no user 'no-such-user' and no group 'no-such-group'")
    status = (pmg / "fetchmailrc").stat()
    assert (status.st_uid, status.st_gid) == (0, 0)


@needs_root
def test_where_root_stands_in_the_file_lies_as_it_should(tree: DiskTree) -> None:
    path = "etc/pmg/fetchmailrc"
    note = tree.write(path, b"", mode=0o600, ownership="fetchmail:fetchmail")
    seen = tree.stat(path)
    assert seen is not None
    assert (seen.ownership, bool(note)) in {
        ("fetchmail:fetchmail", True),
        ("fetchmail:fetchmail", False),
    }
    os.chown(Path(tree._root) / path, 1, 1)
    changed = tree.stat(path)
    assert changed is not None
    assert changed.ownership != "fetchmail:fetchmail"


def test_a_full_disk_leaves_no_partial_file_and_heals(small_disk: Path) -> None:
    (small_disk / PMG).mkdir(parents=True)
    tree = DiskTree(small_disk)
    tree.write(STAGED, b"x" * 100_000, mode=0o644, ownership="root:root")
    other = f"etc/pmg/{STAGE_PREFIX}y"
    with pytest.raises(StageError, match="no space left on the disk; free space") as caught:
        tree.write(other, b"x" * 900_000, mode=0o644, ownership="root:root")
    assert (caught.value.where, caught.value.retryable) == (other, True)
    assert tree.staged() == [STAGED]
    tree.write(other, b"x" * 100_000, mode=0o644, ownership="root:root")


def test_a_file_size_limit_leaves_no_partial_file(tree: DiskTree, root: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from pmgsync.host.disk import DiskTree; from pmgsync.errors import StageError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "tree = DiskTree(Path(sys.argv[1]))\n"
        "try: tree.write(sys.argv[2], b'x' * 5000, mode=0o644, ownership='root:root')\n"
        "except StageError as error: print(error)\n"
    )
    command = [sys.executable, "-c", script, str(root), STAGED]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "limit" in output
    assert tree.staged() == []


@needs_root
def test_a_read_only_file_system_is_named(small_disk: Path) -> None:
    (small_disk / PMG).mkdir(parents=True)
    (small_disk / DOMAINS).write_bytes(b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    tree = DiskTree(small_disk)
    acts: list[Callable[[], object]] = [
        lambda: tree.write(STAGED, b"x", mode=0o644, ownership="root:root"),
        lambda: tree.rename(DOMAINS, "etc/pmg/transport"),
        lambda: tree.link(DOMAINS, STAGED),
        lambda: tree.remove(DOMAINS),
    ]
    for act in acts:
        with pytest.raises(HostError, match="the file system is read-only; mount it"):
            act()
    assert tree.read(DOMAINS, limit=LIMIT)[0] == b"old"


@needs_root
def test_an_immutable_file_is_named(tree: DiskTree, pmg: Path) -> None:
    (pmg / "domains").write_bytes(b"old")
    made = subprocess.run(["chattr", "+i", str(pmg / "domains")], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("this file system has no immutable files")
    try:
        tree.write(STAGED, b"new", mode=0o644, ownership="root:root")
        with pytest.raises(HostError, match=r"etc/pmg/domains: .*immutable\?.*chattr -i"):
            tree.rename(STAGED, DOMAINS)
    finally:
        subprocess.run(["chattr", "-i", str(pmg / "domains")], check=True)
    tree.rename(STAGED, DOMAINS)


@needs_root
def test_somebody_else_cannot_read_but_is_told_what(tree: DiskTree, root: Path, pmg: Path) -> None:
    (pmg / "domains").write_bytes(b"x")
    (pmg / "domains").chmod(0o600)
    (pmg / "dkim").mkdir(mode=0o700)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from pmgsync.host.disk import DiskTree; from pmgsync.errors import HostError\n"
        "os.chdir(sys.argv[1]); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "tree = DiskTree(Path('.'))\n"
        "print(sorted((seen.path, seen.kind.name) for seen in tree.walk()))\n"
        "try: tree.read('etc/pmg/domains', limit=99)\n"
        "except HostError as error: print(error)\n"
    )
    root.chmod(0o755)
    command = [sys.executable, "-c", script, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert done == [
        "[('etc/pmg/dkim', 'UNREADABLE'), ('etc/pmg/domains', 'FILE')]",
        "etc/pmg/domains: cannot read it: permission denied; "
        "mend the permissions; it is retried by itself",
    ]


def test_a_root_that_is_gone_is_named(tmp_path: Path) -> None:
    tree = DiskTree(tmp_path / "gone")
    with pytest.raises(HostError, match=str(tmp_path / "gone")):
        tree.stat(DOMAINS)
    assert set(walked(tree).values()) == {FileKind.UNREADABLE}


def test_who_opens_a_file_to_write_while_it_is_read_harms_nobody(tree: DiskTree, pmg: Path) -> None:
    """A lease that is broken comes with a signal, which must not be one that ends the process."""
    (pmg / "domains").write_bytes(b"x")
    done, broken, seen = threading.Event(), list[int](), set[bool]()

    def write() -> None:
        while not done.is_set():
            os.close(os.open(pmg / "domains", os.O_WRONLY))

    writers = [threading.Thread(target=write) for _ in range(2)]
    old = signal.signal(signal.SIGURG, lambda number, _: broken.append(number))
    for writer in writers:
        writer.start()
    try:
        for _ in range(100_000):
            seen.add(tree.read(DOMAINS, limit=99, ask_for_writers=True)[1].being_written)
            if broken and len(seen) == 2:
                break
    finally:
        done.set()
        for writer in writers:
            writer.join()
        signal.signal(signal.SIGURG, old)
    assert broken
    assert seen == {True, False}
