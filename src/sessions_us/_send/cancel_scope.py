"""Work that is cut short when nobody waits for it any more, and work that must not be cut off half-way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

from ..errors import CallAbandonedError

__all__ = ("cancel_scope", "shield")

T = TypeVar("T")


@asynccontextmanager
async def cancel_scope(abort_on: asyncio.Future[None]) -> AsyncIterator[None]:
    """What is inside is cut short as soon as `abort_on` is done, and does not even begin if it is already.

    Raises:
        CallAbandonedError: on entering or at the end: nobody waits any more.
    """
    if abort_on.done():
        raise CallAbandonedError
    patience = asyncio.timeout(None)  # waiting code can tell it from a cancellation of its task
    end = partial(_end, patience)
    try:
        async with patience:
            abort_on.add_done_callback(end)
            yield
    except TimeoutError:
        if not patience.expired():
            raise
    else:
        return
    finally:
        abort_on.remove_done_callback(end)
        del patience, end  # they hold the task, which holds the error that ends it, whose traceback has this frame
    raise CallAbandonedError from None


def _end(patience: asyncio.Timeout, _: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # it is over: a callback that is scheduled already can't be removed any more
        patience.reschedule(asyncio.get_running_loop().time())


async def shield(step: Awaitable[T]) -> T:
    """Run a step to its end, and return its result.

    A caller that is cancelled meanwhile, once or several times, gets its `CancelledError` after the step's end. The step's result
    or error is dropped then.

    Args:
        step: a coroutine, a future or a task.

    Raises:
        CancelledError: the caller or the step was cancelled.
        Exception: the step raised it.
    """
    task = asyncio.ensure_future(step)
    stopped: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            stopped = stopped or error
    if stopped is not None:
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it as lost
        raise stopped
    return task.result()
