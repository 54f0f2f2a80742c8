"""The answering half of what members ask each other: one question a call, one answer."""

import asyncio
import logging
from typing import Protocol

import grpc

from pmgsync.errors import PmgsyncError, TransportError
from pmgsync.model.membership import Member
from pmgsync.model.peers import Answer, Question
from pmgsync.ports import MasterEnd
from pmgsync.wire.audience import caller
from pmgsync.wire.master_end import StreamContext
from pmgsync.wire.peer_codec import decode_question, encode_answer
from pmgsync.wire.refusals import status_of

log = logging.getLogger(__name__)

MAX_QUESTIONS = 64
"""Of all members together, at the same time."""
QUESTION_SECONDS = 5.0
"""How long a question may take to arrive."""


class PeerHandler(Protocol):
    """What a member does when another one asks; the guard has checked who that is."""

    async def answer(self, member: Member, question: Question) -> Answer:
        """The answer to `question` of `member`; `PeerError` for a question that makes no sense."""

    async def catch_up(self, member: Member, stream: MasterEnd) -> None:
        """Hand over what `member` lacks, until the stream ends."""


class PeerService:
    """Serves members."""

    def __init__(self, handler: PeerHandler) -> None:
        self.handler = handler
        self._open = 0

    async def consult(self, _requests: object, context: StreamContext) -> None:
        """Serve one question."""
        self._open += 1
        try:
            await context.write(encode_answer(await self._answer(context)))
        except PmgsyncError as error:
            await context.abort(*status_of(error))
        except grpc.aio.BaseError:
            log.info("%s went away before its answer", caller().label)
        finally:
            self._open -= 1

    async def _answer(self, context: StreamContext) -> Answer:
        if self._open > MAX_QUESTIONS:
            raise TransportError("too many questions at once", mend="ask again")
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                data = await context.read()
        except TimeoutError:
            raise TransportError("asked nothing") from None
        if not isinstance(data, bytes):
            raise TransportError("left before its question")
        return await self.handler.answer(caller(), decode_question(data))
