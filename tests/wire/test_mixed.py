"""Different releases at the two ends: this interpreter as the agent, the other set as the master.

Debian's grpc stands on OpenSSL, PyPI's on BoringSSL. The suite runs on both, so both directions are
tried; where the other interpreter is missing, this is skipped.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pmgsync.errors import PeerError, TransportError
from pmgsync.model.joining import Token
from pmgsync.model.manifest import Digest
from pmgsync.model.messages import Beat, SignedReport
from pmgsync.wire.client import GrpcDialer
from pmgsync.wire.join import join_exchange
from pmgsync.wire.tls import TlsIdentity
from tests.wire.mixed_master import SECRET
from tests.wire.nodes import LOOPBACK, Node, make_node, node_of, run, soon
from tests.wire.test_join import CHAIN, request
from tests.wire.test_members import issue

ROOT = Path(__file__).parents[2]
INTERPRETERS = [Path("/usr/bin/python3"), ROOT / ".venv/bin/python"]


def other_interpreter() -> Path:
    """The one that this test does not run on."""
    here = Path(sys.prefix)
    for candidate in INTERPRETERS:
        works = candidate.exists() and not candidate.is_relative_to(here)
        check = [str(candidate), "-c", "import grpc, google.protobuf, cryptography, pytest"]
        if works and not subprocess.run(check, capture_output=True, check=False).returncode:
            return candidate
    pytest.skip("there is no other set of libraries here")


@dataclass(frozen=True)
class Facts:
    """What the other process printed."""

    release: str
    member_port: int
    join_port: int
    certificate: str

    @property
    def node(self) -> Node:
        return node_of(1, "master", TlsIdentity(b"", self.certificate.encode()))


@asynccontextmanager
async def foreign_master(member: Node) -> AsyncIterator[Facts]:
    process = await asyncio.create_subprocess_exec(
        other_interpreter(),
        *("-m", "tests.wire.mixed_master"),
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(member.identity.certificate + b"\n")
        yield Facts(**json.loads(await soon(process.stdout.readline(), 15)))
        process.stdin.close()
        await soon(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0


def test_a_stream_between_releases() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with foreign_master(node) as facts:
            there = facts.node.at(LOOPBACK, facts.member_port)
            stream = await GrpcDialer(node.identity).dial(there)
            for number in range(50):
                data = b"%d" % number * 10_000
                await stream.send(SignedReport(data))
                assert await soon(stream.receive()) == Beat(data)
            await stream.close()

    run(main(), 40)


def test_an_issued_certificate_is_refused_between_releases() -> None:
    async def main() -> None:
        node = make_node(2, "node2")
        async with foreign_master(node) as facts:
            there = facts.node.at(LOOPBACK, facts.member_port)
            with pytest.raises((PeerError, TransportError)):
                await GrpcDialer(issue(node.identity, "node2-00000000")).dial(there)

    run(main(), 40)


def test_joining_between_releases() -> None:
    async def main() -> None:
        async with foreign_master(make_node(2, "node2")) as facts:
            token = Token(SECRET, facts.node.fingerprint)
            assert await join_exchange(LOOPBACK, facts.join_port, token, request) == CHAIN
            wrong = Token(SECRET, Digest("0" * 64))
            with pytest.raises(PeerError, match="wrong fingerprint"):
                await join_exchange(LOOPBACK, facts.join_port, wrong, request)

    run(main(), 40)
