"""Mutual TLS with pinned certificates, and how every connection of pmgsync behaves.

The TLS library lets in whoever shows a certificate of the pinned set; that keeps strangers out of
the handshake and no more. Who is at the other end, and whether it is still a member, is told by the
SHA-256 of the exact certificate, in every call (`fingerprint_of`): a connection outlives changes of
the set, and its names prove nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc

from pmgsync.model.manifest import Digest, digest_of
from pmgsync.model.messages import MESSAGE_BYTES
from pmgsync.wire.certificates import SERVER_NAME, to_der, to_pem

Option = tuple[str, int | str]

MAX_RECONNECT_MS = 2000
"""Cap of the back-off between attempts; the library's own is two minutes."""
KEEPALIVE_MS = 10_000
KEEPALIVE_TIMEOUT_MS = 5000
MAX_CALLS_PER_CONNECTION = 8
MAX_HEADER_BYTES = 8192
MAX_CONNECTIONS_OF_MEMBERS = 10_240
MAX_CONNECTIONS_OF_STRANGERS = 256
"""At one port at the same time, handshakes included. What is above it is closed unread. Releases of
grpc before 1.63 do not know this limit."""
IDLE_MS = 30_000
"""A stranger's connection without a call is closed after it; members keep theirs."""
HANDSHAKE_MS = 10_000
"""How long a connection may take until it is TLS with a certificate; the library's own is 2 min."""

_EVERY_CONNECTION: tuple[Option, ...] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_HEADER_BYTES),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """A node's private key and certificate, in PEM. Its `repr` does not show the key."""

    key: bytes = field(repr=False)
    certificate: bytes


Shown = TlsIdentity | Callable[[], Sequence[TlsIdentity]]
"""What a node shows to others: one identity, or the ones of this moment. The first of them counts;
who has not heard of it yet, or of newer ones, may know another (`refusals.may_know_another`)."""


def shown(identities: Shown) -> Sequence[TlsIdentity]:
    """The identities of this moment."""
    return [identities] if isinstance(identities, TlsIdentity) else identities()


class MemberTrust:
    """The server's credentials for members: its own certificate, and the set that it pins. For
    `strangers` it pins none, and asks for none.

    grpc asks for news once in each handshake, in a thread of its own, and an error there would
    leave the old set in force. So the set is built here, and the thread only compares and hands
    over a reference."""

    def __init__(
        self, identity: TlsIdentity, certificates: Iterable[bytes] = (), *, strangers: bool = False
    ) -> None:
        """Show `identity`, and trust `certificates` (DER)."""
        self._identity = identity
        self._certificates = tuple(certificates)
        self._wanted = self._configuration()
        self._given = self._wanted
        self.credentials = grpc.dynamic_ssl_server_credentials(
            self._wanted,
            self._news,  # type: ignore[arg-type]  # None means "no change"
            require_client_authentication=not strangers,
        )

    def trust(self, certificates: Iterable[bytes]) -> None:
        """From the next handshake on, trust `certificates` (DER) and no others."""
        self._certificates = tuple(certificates)
        self._wanted = self._configuration()

    def show(self, identity: TlsIdentity) -> None:
        """From the next handshake on, show `identity`."""
        if identity != self._identity:
            self._identity = identity
            self._wanted = self._configuration()

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        # None refuses everybody on both libraries; an empty set is an error on OpenSSL.
        roots = b"".join(to_pem(certificate) for certificate in self._certificates) or None
        pairs = [(self._identity.key, self._identity.certificate)]
        return grpc.ssl_server_certificate_configuration(pairs, roots)

    def _news(self) -> grpc.ServerCertificateConfiguration | None:
        wanted = self._wanted
        if wanted is self._given:
            return None
        self._given = wanted
        return wanted


def client_credentials(server: bytes, identity: TlsIdentity | None) -> grpc.ChannelCredentials:
    """Believe exactly the server whose certificate is `server` (DER); show `identity`, if given."""
    return grpc.ssl_channel_credentials(
        root_certificates=to_pem(server),
        private_key=identity.key if identity else None,
        certificate_chain=identity.certificate if identity else None,
    )


def client_options() -> tuple[Option, ...]:
    """Options of a channel."""
    return (
        *_EVERY_CONNECTION,
        ("grpc.ssl_target_name_override", SERVER_NAME),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", MAX_RECONNECT_MS),
        # Without it, two channels to one address share a connection, whatever certificates they
        # show.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
        # A stream is never replayed by the library, so it need not keep what was sent.
        ("grpc.enable_retries", 0),
    )


def server_options(*, strangers: bool = False) -> tuple[Option, ...]:
    """Options of a server for members, or for `strangers` alone."""
    most = MAX_CONNECTIONS_OF_STRANGERS if strangers else MAX_CONNECTIONS_OF_MEMBERS
    return (
        *_EVERY_CONNECTION,
        ("grpc.max_allowed_incoming_connections", most),
        *((("grpc.max_connection_idle_ms", IDLE_MS),) if strangers else ()),
        # Two daemons on one port would each get some of the connections.
        ("grpc.so_reuseport", 0),
        ("grpc.max_concurrent_streams", MAX_CALLS_PER_CONNECTION),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        # Agents may ping as often as they do; the defaults would cut them off.
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
        ("grpc.http2.max_ping_strikes", 0),
    )


def fingerprint_of(auth_context: Mapping[str, Iterable[bytes]]) -> Digest | None:
    """SHA-256 of the certificate that the peer of a call showed; None if it showed none."""
    shown = next(iter(auth_context.get("x509_pem_cert", ())), None)
    return digest_of(to_der(shown)) if shown else None


def target_of(address: str, port: int) -> str:
    """`ADDRESS:PORT` as grpc wants it: an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
