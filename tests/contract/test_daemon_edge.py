"""What a daemon needs of its machine besides the ports: a lock, an identity, systemd's ear."""

import os
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pmgsync.errors import HostError, OperatorError, StaleError, StoreDamagedError
from pmgsync.host.identity import Identity
from pmgsync.host.lock import hold_lock
from pmgsync.host.notify import Notifier
from pmgsync.model.envelope import Envelope, Signature
from tests.sim.clock import FakeClock
from tests.unit.model import sample

# --- lock ----------------------------------------------------------------------------------------

HOLDER = """
import sys
from dataclasses import replace
from pathlib import Path
from pmgsync.host.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_daemon_is_told_who_is_first(tmp_path: Path) -> None:
    path = tmp_path / "run/pmgsync/daemon.lock"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        wanted = rf"another pmgsyncd \(pid {holder.pid}\) runs on this root"
        with pytest.raises(OperatorError, match=wanted), hold_lock(path):
            pass
        holder.kill()
    with hold_lock(path):  # however the first one ended
        assert path.read_text() == f"{os.getpid()}\n"


def test_the_lock_can_be_had_again(tmp_path: Path) -> None:
    for _ in range(3):
        with hold_lock(tmp_path / "lock"):
            pass


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (tmp_path / "lock").symlink_to("precious")
    with pytest.raises(HostError, match="symbolic link"), hold_lock(tmp_path / "lock"):
        pass
    assert (tmp_path / "precious").read_text() == "x"


# --- identity ------------------------------------------------------------------------------------

TLS_KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
TLS_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


class Maker:
    """Makes certificates, each another one."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> tuple[bytes, bytes]:
        self.made += 1
        return TLS_KEY, TLS_CERTIFICATE.replace(b"AAAA", b"AAA%d" % self.made)


def state(root: Path) -> Path:
    return root / "var/lib/pmgsync"


def modes(root: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in state(root).iterdir()}


def test_an_identity_is_made_once_and_is_private(root: Path) -> None:
    maker = Maker()
    before = os.umask(0)
    try:
        first = Identity.load_or_create(root, maker)
    finally:
        os.umask(before)
    again = Identity.load_or_create(root, maker)
    assert first.key.public_key == again.key.public_key
    assert (again.tls_key, again.tls_certificate) == (first.tls_key, first.tls_certificate)
    assert maker.made == 1
    assert modes(root) == {"identity.key": 0o600, "tls.key": 0o600, "tls.crt": 0o600}
    assert stat.S_IMODE(state(root).stat().st_mode) == 0o700
    assert len((state(root) / "identity.key").read_bytes()) == 32


def test_the_keys_are_not_shown(root: Path) -> None:
    identity = Identity.load_or_create(root, Maker())
    assert identity.key.to_raw().hex() not in repr(identity)
    assert "PRIVATE" not in repr(identity)


@pytest.mark.parametrize("name", ["tls.key", "tls.crt"])
def test_a_key_without_its_certificate_is_made_anew_with_it(root: Path, name: str) -> None:
    maker = Maker()
    first = Identity.load_or_create(root, maker)
    (state(root) / name).unlink()
    second = Identity.load_or_create(root, maker)
    assert second.tls_certificate != first.tls_certificate
    assert second.key.public_key == first.key.public_key


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("identity.key", b"short", "has 5 bytes, not 32"),
        ("identity.key", b"", "has 0 bytes, not 32"),
        ("tls.key", b"\0\0\0", "holds no PEM private key"),
        ("tls.crt", TLS_KEY, "holds no PEM certificate"),
    ],
)
def test_a_damaged_key_is_named_and_not_replaced(
    root: Path, name: str, content: bytes, what: str
) -> None:
    Identity.load_or_create(root, Maker())
    (state(root) / name).write_bytes(content)
    with pytest.raises(StoreDamagedError, match=what) as caught:
        Identity.load_or_create(root, Maker())
    assert caught.value.where == str(state(root) / name)
    assert "backup" in caught.value.mend
    assert (state(root) / name).read_bytes() == content


def links(count: int) -> list[Envelope]:
    return [link_of(1, serial) for serial in range(1, count + 1)]


def link_of(epoch: int, serial: int, cluster: str = "one") -> Envelope:
    return sample.seal_membership(replace(sample.genesis(cluster), epoch=epoch, serial=serial))


def test_the_chain_comes_back(root: Path) -> None:
    identity = Identity.load_or_create(root, Maker())
    assert identity.read_chain() == []
    for count in (1, 3, 2):
        chain = links(count)
        identity.write_chain(chain)
        assert Identity.load_or_create(root, Maker()).read_chain() == chain
    assert modes(root)["chain.json"] == 0o600
    assert len(modes(root)) == 4  # nothing left beside it


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'["x"]', b"\xff", b"[" * 100_000])
def test_a_damaged_chain_is_named(root: Path, content: bytes) -> None:
    identity = Identity.load_or_create(root, Maker())
    (state(root) / "chain.json").write_bytes(content)
    with pytest.raises(StoreDamagedError, match="is no membership chain"):
        identity.read_chain()


def test_a_chain_of_an_older_epoch_is_not_written_over_a_newer_one(root: Path) -> None:
    identity = Identity.load_or_create(root, Maker())
    newer = [link_of(1, 1), link_of(2, 2)]
    identity.write_chain(newer)
    with pytest.raises(StaleError, match="the chain of epoch 1 would overwrite that of epoch 2"):
        identity.write_chain([link_of(1, 1), link_of(1, 2), link_of(1, 3)])
    assert identity.read_chain() == newer
    # Another cluster's is no older one; and of what is damaged nothing is lost.
    identity.write_chain([link_of(1, 1, "two")])
    (state(root) / "chain.json").write_bytes(b"{}")
    identity.write_chain(newer)
    assert identity.read_chain() == newer


def test_a_full_disk_leaves_the_chain_as_it_was(small_disk: Path) -> None:
    identity = Identity.load_or_create(small_disk, Maker())
    chain = links(2)
    identity.write_chain(chain)
    big = replace(chain[-1], signatures=(Signature("a" * 64, b"x" * 600_000),))
    with pytest.raises(HostError, match="no space left on the disk"):
        identity.write_chain([big])
    assert identity.read_chain() == chain
    assert len(modes(small_disk)) == 4


# --- systemd -------------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_what_is_said(tmp_path: Path, abstract: bool) -> None:
    address = f"@pmgsync-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    clock = FakeClock()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + address[1:] if abstract else address)
        ear.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": address}, clock)
        notifier.ready("version 3\nis here")
        notifier.status("ümläut")
        notifier.watchdog()
        notifier.reloading()
        notifier.stopping()
        heard = [ear.recv(4096).decode() for _ in range(5)]
    assert heard == [
        "READY=1\nSTATUS=version 3 is here",
        "STATUS=ümläut",
        "WATCHDOG=1",
        "RELOADING=1\nMONOTONIC_USEC=0",
        "STOPPING=1",
    ]


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket", "/" + "x" * 300])
def test_where_nobody_listens_nothing_fails(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address} if address else {}, FakeClock())
    notifier.ready()
    notifier.status("x" * 1_000_000)


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_wants_to_hear_us_twice_as_often(
    environment: dict[str, str], interval: float | None
) -> None:
    assert Notifier(environment, FakeClock()).watchdog_interval_s() == interval
