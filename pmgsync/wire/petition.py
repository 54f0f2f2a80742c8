"""The node's half of joining without a token: from the master's address to the membership chain.

1. Fetch the certificate that answers there. 2. Connect again, believing only these bytes. 3. Sign a
petition that names their digest, and file it. 4. Whoever answers says which identity key is its
own: with the certificate, that makes the fingerprint that people compare. 5. Wait, for as long as
the call lives; closing it withdraws the petition. 6. Take the chain.

Nothing that comes back is believed here: it is for the caller to use the chain only when an admin
has confirmed the fingerprint, and only if its master has exactly these two keys.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import grpc

from pmgsync.errors import DeadlineError
from pmgsync.model.keys import PublicKey
from pmgsync.model.manifest import Digest, digest_of
from pmgsync.model.membership import MemberKeys
from pmgsync.wire.audience import JOIN
from pmgsync.wire.client import GOODBYE_SECONDS
from pmgsync.wire.join import (
    JOIN_SECONDS,
    JoinCall,
    fetch_certificate,
    read_chain,
    read_message,
    write_message,
)
from pmgsync.wire.refusals import MEND, error_of
from pmgsync.wire.tls import client_credentials, client_options, target_of
from pmgsync.wire.v1 import join_pb2 as pb


class FiledPetition:
    """A petition that waits. `master` has the keys of whoever answered, `seconds` its patience."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        call: JoinCall,
        where: str,
        master: MemberKeys,
        seconds: int,
    ) -> None:
        self._channel = channel
        self._call = call
        self._where = where
        self.master = master
        self.seconds = seconds

    async def granted(self) -> tuple[bytes, ...]:
        """Wait for the admin; the chain, with this node in it. What the master refuses with."""
        try:
            chain, _ = await read_chain(self._call, "approved")
        except grpc.aio.AioRpcError as error:
            raise error_of(error, self._where) from None
        finally:
            await self.withdraw()
        return chain

    async def withdraw(self) -> None:
        """Wait no longer; safe to call twice, and never takes longer than half a second.

        The end of what we say is said aloud, and answered: a cancelled call may stay in the buffers
        of an idle connection (grpcio 1.51), and the master would not hear of it.
        """
        try:
            with suppress(
                TimeoutError, asyncio.InvalidStateError, grpc.aio.AioRpcError, grpc.aio.BaseError
            ):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._call.done_writing()
                    await self._call.code()
        finally:
            self._call.cancel()
            await self._channel.close()


async def file_petition(
    address: str, port: int, make_petition: Callable[[Digest], bytes]
) -> FiledPetition:
    """File a petition with the master at `address`. `make_petition` makes the signed envelope's
    bytes, given the digest of the certificate that answered.

    Raises `TransportError` or `DeadlineError` if nobody answers, else what the master refuses with.
    """
    where = target_of(address, port)
    certificate = await asyncio.to_thread(fetch_certificate, address, port)
    credentials = client_credentials(certificate, None)
    channel = grpc.aio.secure_channel(where, credentials, options=client_options())
    call: JoinCall = channel.stream_stream(JOIN)()
    try:
        async with asyncio.timeout(JOIN_SECONDS):
            envelope = make_petition(digest_of(certificate))
            await write_message(call, pb.ToJoinMaster(petition=pb.Petition(envelope=envelope)))
            filed = (await read_message(call, "filed")).filed
        master = MemberKeys(PublicKey(filed.identity), certificate)
        return FiledPetition(channel, call, where, master, filed.seconds)
    except BaseException as error:
        call.cancel()
        await channel.close()
        if isinstance(error, TimeoutError):
            what = f"no answer in {JOIN_SECONDS:g} s"
            raise DeadlineError(what, where=where, mend=MEND) from None
        if isinstance(error, grpc.aio.AioRpcError):
            raise error_of(error, where) from None
        raise
