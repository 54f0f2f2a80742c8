"""Many agents in one process: real streams of real members that verify nothing, apply nothing, and
answer each version at once with a correctly signed report. When the master is gone they come again,
after the same random waits as a real agent, with the version that they reported last.

    crowd.py FOLDER FIRST COUNT         (started by `propagation.py`)
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from pmgsync.host.identity import Identity
from pmgsync.model.changeset import NOWHERE, ChangeSet, Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest, Manifest
from pmgsync.model.membership import MEMBERSHIP_TYPE, Member, MemberKeys, found
from pmgsync.model.messages import Hello, Pulse, SignedReport
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.report import REPORT_TYPE, Outcome, Report
from pmgsync.wire.audience import FOLLOW
from pmgsync.wire.certificates import make_certificate, to_der
from pmgsync.wire.codec import encode_to_master
from pmgsync.wire.tls import TlsIdentity, client_credentials, client_options, target_of
from pmgsync.wire.v1 import follow_pb2 as pb

if TYPE_CHECKING:
    from machines import Machine

PORT = 7643
PULSE_SECONDS = 1.0
CONNECTING = 50
RETRY_LEAST_S, RETRY_MOST_S = 0.1, 2.0
NO_KEYS = PmgKeys("", "", "")


@dataclass
class Fake:
    """One member of the crowd, and where it stands."""

    cid: int
    key: SigningKey
    tls: TlsIdentity
    position: Position = NOWHERE
    manifest: Digest = field(default_factory=lambda: Manifest().digest)


def found_crowd(master: Machine, count: int, folder: Path) -> None:
    """Before the daemon of `master` starts: a cluster of it and `count` members, their keys in
    `folder`.
    """
    now = round(time.time() * 1000)
    identity = Identity.load_or_create(master.root, lambda: make_certificate(master.name, now))
    members = [_member(1, master.name, master.address, identity.key, identity.tls_certificate)]
    for cid in range(2, count + 2):
        key, (tls_key, certificate) = SigningKey.generate(), make_certificate(f"node{cid}", now)
        address = f"127.250.{cid // 250}.{cid % 250 + 1}"
        members.append(_member(cid, f"node{cid}", address, key, certificate))
        (folder / f"{cid}.json").write_text(
            json.dumps([cid, key.to_raw().hex(), tls_key.decode(), certificate.decode()]), "ascii"
        )
    recovery = SigningKey.generate().public_key
    genesis = found(
        secrets.token_hex(16), tuple(members), master=1, max_cid=count + 1, recovery=recovery
    )
    identity.write_chain([seal(MEMBERSHIP_TYPE, genesis.to_bytes(), identity.key)])
    context = [genesis.cluster, master.address, identity.tls_certificate.decode()]
    (folder / "cluster.json").write_text(json.dumps(context), "ascii")


def _member(cid: int, name: str, address: str, key: SigningKey, certificate: bytes) -> Member:
    keys = MemberKeys(key.public_key, to_der(certificate))
    return Member(cid, name, address, PORT, NO_KEYS, keys)


class Crowd:
    """All of them, in this process."""

    def __init__(self, folder: Path) -> None:
        self._cluster, self._address, certificate = json.loads(
            (folder / "cluster.json").read_text("ascii")
        )
        self._master = to_der(certificate)
        self._gate = asyncio.Semaphore(CONNECTING)

    async def be(self, fake: Fake) -> None:
        """Be one agent for ever, with the waits of `agent.link`."""
        tries = 0
        while True:
            was_up = False
            with suppress(grpc.RpcError, asyncio.InvalidStateError):
                was_up = await self._follow(fake)
            tries = 0 if was_up else tries + 1
            await asyncio.sleep(random.uniform(0, min(RETRY_MOST_S, RETRY_LEAST_S * 2**tries)))

    async def _follow(self, fake: Fake) -> bool:
        """One stream, until the master ends it; whether it had begun."""
        channel = grpc.aio.secure_channel(
            target_of(self._address, PORT),
            client_credentials(self._master, fake.tls),
            options=client_options(),
        )
        turn = asyncio.Lock()
        call: Any = channel.stream_stream(FOLLOW)()
        pulse: asyncio.Task[None] | None = None
        try:
            async with self._gate:
                hello = Hello(fake.position, fake.manifest, 1, 1, "crowd")
                await call.write(encode_to_master(hello))
                first = await call.read()
            # Not before: the hello must be the first word.
            pulse = asyncio.create_task(self._pulse(call, turn))
            await self._answer(fake, call, turn, first)
            return isinstance(first, bytes)
        finally:
            if pulse is not None:
                pulse.cancel()
            await channel.close()

    async def _answer(self, fake: Fake, call: Any, turn: asyncio.Lock, data: object) -> None:  # noqa: ANN401
        while isinstance(data, bytes):
            envelope = _envelope_in(data)
            if envelope:
                word = _report(self._cluster, fake, envelope)
                change_set = _change_set(envelope)
                fake.position, fake.manifest = change_set.position, change_set.result
                async with turn:
                    await call.write(word)
            data = await call.read()

    @staticmethod
    async def _pulse(call: Any, turn: asyncio.Lock) -> None:  # noqa: ANN401
        word = encode_to_master(Pulse())
        await asyncio.sleep(random.random() * PULSE_SECONDS)
        with suppress(grpc.RpcError, asyncio.InvalidStateError):  # it is over, as reading finds
            while True:
                async with turn:
                    await call.write(word)
                await asyncio.sleep(PULSE_SECONDS)


@lru_cache(maxsize=16)
def _envelope_in(data: bytes) -> bytes:
    """The envelope of a version, if that is what the master said; the same for all of us."""
    wire = pb.ToAgent.FromString(data)
    kind = wire.WhichOneof("message")
    if kind == "offer":
        return bytes(wire.offer.envelope)
    if kind == "snapshot" and wire.snapshot.offset + len(wire.snapshot.data) == wire.snapshot.total:
        return bytes(wire.snapshot.envelope)
    return b""


@lru_cache(maxsize=16)
def _change_set(envelope: bytes) -> ChangeSet:
    return ChangeSet.from_bytes(Envelope.from_bytes(envelope).payload)


def _report(cluster: str, fake: Fake, envelope: bytes) -> bytes:
    change_set = _change_set(envelope)
    position = change_set.position
    report = Report(
        cluster, fake.cid, position, change_set.result, position, Outcome.ACTIVATED, milliseconds=1
    )
    signed = seal(REPORT_TYPE, report.to_bytes(), fake.key).to_bytes()
    return encode_to_master(SignedReport(signed))


def _fake(file: Path) -> Fake:
    cid, key, tls_key, certificate = json.loads(file.read_text("ascii"))
    identity = TlsIdentity(tls_key.encode(), certificate.encode())
    return Fake(cid, SigningKey(bytes.fromhex(key)), identity)


async def _run(folder: Path, first: int, count: int) -> None:
    crowd = Crowd(folder)
    fakes = [_fake(folder / f"{cid}.json") for cid in range(first, first + count)]
    tasks = [asyncio.create_task(crowd.be(fake)) for fake in fakes]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        if task.done():
            task.result()


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    asyncio.run(_run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
