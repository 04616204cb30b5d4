"""Calls that somebody waits for: when nobody does any more, what waits ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Final

from .errors import QuotaTimeoutError
from .quota import Lane

__all__ = ("wanted",)

_ALWAYS: Final = nullcontext()


def wanted(until: asyncio.Future[None] | None, lane: Lane) -> AbstractAsyncContextManager[None, None]:
    """What is inside is cut short as soon as `until` is done, and does not even begin if it is already.

    Raises:
        QuotaTimeoutError: on entering or at the end: nobody waits any more.
    """
    return _ALWAYS if until is None else _while_wanted(until, lane)  # type: ignore[return-value]  # swallows nothing


@asynccontextmanager
async def _while_wanted(until: asyncio.Future[None], lane: Lane) -> AsyncIterator[None]:
    if until.done():
        raise _unwanted(lane)
    loop = asyncio.get_running_loop()
    patience = asyncio.timeout(None)  # waiting code can tell it from a cancellation of its task
    over = False

    def end(_: asyncio.Future[None]) -> None:
        if not over:  # a callback that is scheduled already can't be removed any more
            patience.reschedule(loop.time())

    try:
        async with patience:
            until.add_done_callback(end)
            try:
                yield
            finally:
                over = True
                until.remove_done_callback(end)
    except TimeoutError:
        if not patience.expired():
            raise
        raise _unwanted(lane) from None


def _unwanted(lane: Lane) -> QuotaTimeoutError:
    return QuotaTimeoutError("Given up: nobody waits for the answer any more.", retry_after=None, lane=lane, position=1)
