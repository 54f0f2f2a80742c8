"""Clusters under attack: daemons on the same set of libraries as the attacker, or on the other.

The attacker is the test's own process. The suite runs on both sets, so each attack is tried from
OpenSSL and from BoringSSL against both.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pmgsync.host.identity import Identity
from pmgsync.model.manifest import Digest
from pmgsync.model.membership import Member, Membership
from pmgsync.wire.certificates import to_der
from pmgsync.wire.tls import TlsIdentity
from tests.e2e.cluster import Cluster, Node, a_cluster
from tests.wire.nodes import Node as Attacker
from tests.wire.test_mixed import other_interpreter


@dataclass
class Stage:
    """A cluster of three: a master, a node that was broken into, and a bystander."""

    cluster: Cluster

    @property
    def master(self) -> Node:
        return self.cluster.nodes[0]

    @property
    def broken(self) -> Node:
        return self.cluster.nodes[1]

    @property
    def bystander(self) -> Node:
        return self.cluster.nodes[2]

    @property
    def membership(self) -> Membership:
        """As the master has it on its disk."""
        return Membership.from_bytes(identity_of(self.master).read_chain()[-1].payload)

    @property
    def address(self) -> Member:
        """The master, to be dialled."""
        return self.membership.master_member

    def thief(self, node: Node | None = None) -> Attacker:
        """Somebody with all keys of a node."""
        identity = identity_of(node or self.broken)
        held = to_der(identity.tls_certificate)
        member = next(m for m in self.membership.members if m.keys and m.keys.certificate == held)
        return Attacker(TlsIdentity(identity.tls_key, identity.tls_certificate), member)

    def digest_of_master(self) -> Digest:
        keys = self.address.keys
        assert keys is not None
        return keys.fingerprint


def identity_of(node: Node) -> Identity:
    """The keys on its disk."""

    def none_is_made() -> tuple[bytes, bytes]:
        raise AssertionError(f"{node.name} has its certificate")

    return Identity.load_or_create(node.root, none_is_made)


@pytest.fixture(params=["these libraries", "the other libraries"], scope="module")
def python(request: pytest.FixtureRequest) -> str:
    """What the daemons run on."""
    return sys.executable if request.param == "these libraries" else str(other_interpreter())


@pytest.fixture
def stage(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A fresh one; at the end no daemon has said a traceback."""
    with a_cluster(tmp_path_factory.mktemp("attacked")) as cluster:
        for _ in range(3):
            cluster.add(python=python, settings="[network]\nheartbeat_ms = 300\n")
        yield Stage(cluster.found(3))
        assert not any(node.logged("Traceback") for node in cluster.nodes)
