"""A master in a process of its own, for tests that mix releases (`-m tests.wire.mixed_master`).

Reads the PEM certificate of the only member from stdin, up to an empty line, prints its own address
and certificate as one line of JSON, and serves until stdin ends.
"""

import asyncio
import json
import sys

import grpc

from pmgsync.model.membership import Member
from pmgsync.model.messages import Beat, SignedReport
from pmgsync.ports import MasterEnd
from pmgsync.wire.tls import TlsIdentity
from tests.wire.nodes import master, node_of
from tests.wire.test_join import Admission

SECRET = b"0123456789abcdef"


class Echo:
    """Sends every report back as a heartbeat."""

    async def follow(self, member: Member, stream: MasterEnd) -> None:
        while (message := await stream.receive()) is not None:
            if isinstance(message, SignedReport):
                await stream.send(Beat(message.envelope))


async def main() -> None:
    pem = "".join(iter(lambda: sys.stdin.readline().lstrip("\n"), ""))
    node = node_of(2, "node2", TlsIdentity(b"", pem.encode()))
    async with master(node, follow=Echo(), join=Admission(SECRET)) as here:
        facts = {
            "release": grpc.__version__,
            "member_port": here.server.member_port,
            "join_port": here.server.join_port,
            "certificate": here.node.identity.certificate.decode(),
        }
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
