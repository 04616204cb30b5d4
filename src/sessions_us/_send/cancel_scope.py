"""Calls that somebody waits for: when nobody does any more, what waits ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..errors import CallAbandonedError

__all__ = ("cancel_scope",)


@asynccontextmanager
async def cancel_scope(abort_on: asyncio.Future[None]) -> AsyncIterator[None]:
    """What is inside is cut short as soon as `abort_on` is done, and does not even begin if it is already.

    Raises:
        CallAbandonedError: on entering or at the end: nobody waits any more.
    """
    if abort_on.done():
        raise CallAbandonedError
    loop = asyncio.get_running_loop()
    patience = asyncio.timeout(None)  # waiting code can tell it from a cancellation of its task
    over = False

    def end(_: asyncio.Future[None]) -> None:
        if not over:  # a callback that is scheduled already can't be removed any more
            patience.reschedule(loop.time())  # noqa: F821  # it is deleted when this is over

    try:
        async with patience:
            abort_on.add_done_callback(end)
            try:
                yield
            finally:
                over = True
                abort_on.remove_done_callback(end)
    except TimeoutError:
        if not patience.expired():
            raise
    else:
        return
    finally:
        del patience  # it holds the task, which holds the error that ends it; a frame of the TimeoutError holds it too
    raise CallAbandonedError from None
