"""Work in a thread, which is never left half done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pmgsync.agent.telling import InThread

T = TypeVar("T")


async def to_its_end(work: Callable[[], T], in_thread: InThread) -> T:
    """What `work` gives; who cancels this waits for its end."""
    result: list[T] = []
    task = asyncio.ensure_future(in_thread(lambda: result.append(work())))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()  # looked at, so that asyncio does not complain; the journal knows more
        raise cancelled
    task.result()
    return result[0]
