"""The bare pipeline, for comparison: inotify, mutual TLS, write aside, fsync, rename, fsync.

No signature, no versions, no database, no settling, no reconnecting: what the machine itself takes.

    bare.py node ADDRESS PORT FOLDER TLS        bare.py master FOLDER PORT TLS ADDRESS...
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from machines import die_with_parent, environment, until
from watching import CLOSE_WRITE, HEAD, LIBC, MOVED_TO

from pmgsync.wire.certificates import make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 4711
FRAME = struct.Struct("=II")


def context(tls: Path, *, server: bool) -> ssl.SSLContext:
    """One certificate for all, and nothing else is believed."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(tls / "peer.crt", tls / "peer.key")
    made.load_verify_locations(tls / "peer.crt")
    return made


def node(address: str, port: int, folder: Path, tls: Path) -> None:
    """Take files and put them into `folder`."""
    listener = socket.create_server((address, port))
    os.chdir(folder)
    names = os.open(".", os.O_RDONLY)
    plain, _ = listener.accept()
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = context(tls, server=True).wrap_socket(plain, server_side=True)
    frames = cast("BinaryIO", stream.makefile("rb", 1 << 16))
    while len(head := frames.read(FRAME.size)) == FRAME.size:
        take(frames, *FRAME.unpack(head))
        os.fsync(names)
        stream.sendall(b"k")


def take(frames: BinaryIO, name_length: int, length: int) -> None:
    """One file, whole or not at all."""
    name, data = frames.read(name_length).decode(), frames.read(length)
    with Path(f"{name}.tmp.bare").open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    Path(f"{name}.tmp.bare").rename(name)


def master(folder: Path, port: int, tls: Path, addresses: list[str]) -> None:
    """Send each file that is moved or written into `folder`."""
    streams = []
    for address in addresses:
        plain = socket.create_connection((address, port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        streams.append(context(tls, server=False).wrap_socket(plain))
    events = LIBC.inotify_init()
    LIBC.inotify_add_watch(events, os.fsencode(folder), CLOSE_WRITE | MOVED_TO)
    (folder / "ready.tmp.bare").touch()
    while True:
        data, at = os.read(events, 1 << 16), 0
        while at < len(data):
            length = HEAD.unpack_from(data, at)[3]
            name = data[at + HEAD.size : at + HEAD.size + length].rstrip(b"\0").decode()
            at += HEAD.size + length
            if ".tmp." not in name:
                push(folder / name, streams)


def push(file: Path, streams: list[ssl.SSLSocket]) -> None:
    """Send one file to all, then take their answers."""
    data, name = file.read_bytes(), file.name.encode()
    frame = FRAME.pack(len(name), len(data)) + name + data
    for stream in streams:
        stream.sendall(frame)
    for stream in streams:
        stream.recv(1)


@contextmanager
def pipeline(count: int) -> Iterator[tuple[Path, list[Path]]]:
    """A running pipeline to `count` nodes: the master's folder and theirs."""
    with tempfile.TemporaryDirectory(prefix="pmgsync-bare-") as base:
        root, tls = Path(base), Path(base)
        key, certificate = make_certificate("bare", round(time.time() * 1000))
        (tls / "peer.key").write_bytes(key)
        (tls / "peer.crt").write_bytes(certificate)
        folders = [root / f"node{number}" for number in range(count)]
        for folder in (root / "master", *folders):
            folder.mkdir()
        net = f"127.{88 + os.getpid() % 128}.{os.getpid() // 128 % 256}"
        addresses = [f"{net}.{number}" for number in range(101, 101 + count)]
        started = []
        try:
            for address, folder in zip(addresses, folders, strict=True):
                started.append(start("node", address, str(PORT), str(folder), base))
            for address in addresses:
                until(partial(is_open, address), f"the bare node at {address}")
            started.append(start("master", str(root / "master"), str(PORT), base, *addresses))
            until((root / "master/ready.tmp.bare").exists, "the bare master")
            yield root / "master", folders
        finally:
            for process in started:
                process.kill()
                process.wait()


def is_open(address: str) -> bool:
    """Does somebody listen there? Seen without connecting, for a node takes one connection."""
    wanted = socket.inet_aton(address)[::-1].hex().upper() + f":{PORT:04X}"
    with suppress(OSError):
        lines = Path("/proc/net/tcp").read_text("ascii").splitlines()
        return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in lines[1:])
    return False


def start(*words: str) -> subprocess.Popen[bytes]:
    """A process of the pipeline."""
    return subprocess.Popen(
        [sys.executable, __file__, *words], env=environment(), preexec_fn=die_with_parent
    )


if __name__ == "__main__":
    if sys.argv[1] == "node":
        node(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
    else:
        master(Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:])
