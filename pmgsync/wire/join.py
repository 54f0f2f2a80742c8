"""The node's half of joining with a token: from the master's address to the membership chain.

1. Fetch the certificate that answers there, and compare its digest with the one in the token.
2. Connect again, believing only these bytes; so whoever answers has the key of that certificate.
3. Open with the token's public id and a nonce; the master proves that it knows the secret.
4. Only then say who we are, with our own proof.
5. Take the chain, and the master's proof over it.
"""

import asyncio
import secrets
import socket
import ssl
from collections.abc import Callable

import grpc

from pmgsync.errors import (
    DeadlineError,
    MalformedError,
    PeerError,
    TransportError,
)
from pmgsync.model.canonical import MAX_DOCUMENT_BYTES
from pmgsync.model.joining import NONCE_BYTES, Exchange, Token, require_proof
from pmgsync.model.manifest import digest_of
from pmgsync.wire.audience import JOIN
from pmgsync.wire.codec import parse, take_links
from pmgsync.wire.refusals import MEND, error_of, unreachable
from pmgsync.wire.tls import client_credentials, client_options, target_of
from pmgsync.wire.v1 import join_pb2 as pb

JOIN_SECONDS = 30.0
FETCH_SECONDS = 5.0
MAX_CHAIN_BYTES = MAX_DOCUMENT_BYTES

JoinCall = grpc.aio.StreamStreamCall[bytes, bytes]


async def join_exchange(
    address: str,
    port: int,
    token: Token,
    make_request: Callable[[], bytes],
    *,
    seconds: float = JOIN_SECONDS,
) -> tuple[bytes, ...]:
    """Join the cluster of the master at `address`: its membership chain, with this node in it.

    `make_request` makes the signed join request (an envelope's bytes); it is called once the master
    has proved itself. The chain is the master's word, proven by the token's secret; that it is a
    legal chain is still to be checked (`TrustedHistory`).

    Raises `TransportError`, `PeerError` (another certificate), `NotAllowedError` (token wrong, used
    or expired), `BadSignatureError` (a proof), `OperatorError` (the request cannot be granted).
    """
    where = target_of(address, port)
    certificate = await asyncio.to_thread(fetch_certificate, address, port)
    if digest_of(certificate) != token.certificate:
        raise PeerError(
            f"wrong fingerprint {digest_of(certificate)}: this is not the master the token is for",
            where=where,
            mend="check the address; if it is right, get a new token with `pmgsync join-cmd` on "
            "it: the master has new keys since this one was printed; or somebody listens between, "
            "then the new one is refused as well",
        )
    credentials = client_credentials(certificate, None)
    async with grpc.aio.secure_channel(where, credentials, options=client_options()) as channel:
        call: JoinCall = channel.stream_stream(JOIN)()
        try:
            async with asyncio.timeout(seconds):
                return await _exchange(call, token, make_request, where)
        except TimeoutError:
            raise DeadlineError(f"no answer in {seconds:g} s", where=where, mend=MEND) from None
        except grpc.aio.AioRpcError as error:
            raise error_of(error, where) from None
        finally:
            call.cancel()


def fetch_certificate(address: str, port: int, *, seconds: float = FETCH_SECONDS) -> bytes:
    """The certificate (DER) that a TLS server shows; nothing is believed yet. Blocks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    where = target_of(address, port)
    try:
        with (
            # Bytes: a text would be taken for a name of the internet, with tables of all letters.
            socket.create_connection((address.encode(), port), timeout=seconds) as plain,  # type: ignore[arg-type]
            context.wrap_socket(plain) as shown,
        ):
            certificate = shown.getpeercert(binary_form=True)
    except ssl.SSLError:
        what = "what answers there is no pmgsyncd"
        mend = "check address and port with what `pmgsync join-cmd` printed"
        raise TransportError(what, where=where, mend=mend) from None
    except OSError as error:
        found = unreachable(error.strerror or str(error), where)
        mend = f"{found.mend}; only a master listens there, and `pmgsync status` names it"
        raise TransportError(found.what, where=where, mend=mend) from None
    if not certificate:
        raise PeerError("shows no certificate", where=where)
    return certificate


async def _exchange(
    call: JoinCall, token: Token, make_request: Callable[[], bytes], where: str
) -> tuple[bytes, ...]:
    nonce = secrets.token_bytes(NONCE_BYTES)
    await write_message(call, pb.ToJoinMaster(opening=_opening(token, nonce)))
    challenge = (await read_message(call, "challenge")).challenge
    exchange = Exchange(token.secret, nonce, challenge.master_nonce)
    require_proof(challenge.proof, exchange.master_proof(), where)
    envelope = make_request()
    proof = exchange.node_proof(envelope)
    await write_message(call, pb.ToJoinMaster(request=pb.Request(envelope=envelope, proof=proof)))
    chain, end = await read_chain(call, "admitted")
    require_proof(end.admitted.proof, exchange.chain_proof(chain), where)
    return chain


def _opening(token: Token, nonce: bytes) -> pb.Opening:
    return pb.Opening(token_id=token.token_id, node_nonce=nonce)


async def read_chain(call: JoinCall, last: str) -> tuple[tuple[bytes, ...], pb.ToJoinNode]:
    """The chain, and the message called `last` that follows on it."""
    chain: list[bytes] = []
    size = 0
    while (message := await read_message(call, "chain_part", last)).HasField("chain_part"):
        links = take_links(message.chain_part.envelopes)
        size += sum(map(len, links))
        if size > MAX_CHAIN_BYTES:
            raise MalformedError(f"a membership chain of more than {MAX_CHAIN_BYTES} bytes")
        chain.extend(links)
    return take_links(chain), message


async def write_message(call: JoinCall, message: pb.ToJoinMaster) -> None:
    """Say it; what the master has refused already, reading tells."""
    try:
        await call.write(message.SerializeToString())
    except asyncio.InvalidStateError:
        # The master has refused already; reading tells why.
        return


async def read_message(call: JoinCall, *wanted: str) -> pb.ToJoinNode:
    """The next message, which must be one of `wanted`."""
    data = await call.read()
    if not isinstance(data, bytes):
        raise TransportError("the master went away while joining")
    message = parse(pb.ToJoinNode, data)
    if message.WhichOneof("message") not in wanted:
        raise MalformedError("a join message other than the one that is due")
    return message
