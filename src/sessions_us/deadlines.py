"""Work that is cut off in time, and work that must not be cut off.

A second cancellation, or one that comes while a connection is given back, leaves that connection in use for ever; twenty of them
are a client that never sends again. So whatever holds a connection is cancelled once at most, and then waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ("finish", "within")

T = TypeVar("T")


async def within(seconds: float, step: Coroutine[Any, Any, T]) -> T:
    """The result of a step, which is cancelled when its time is over or when the caller is, whichever comes first.

    Raises:
        TimeoutError: its time was over.
    """
    task = asyncio.ensure_future(step)
    stopped: asyncio.CancelledError | None = None
    try:
        await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError as error:
        stopped = error
    if not task.done():
        task.cancel()
    return await _outcome(task, stopped)


async def finish(step: Coroutine[Any, Any, T]) -> T:
    """The result of a step that runs to its end; a caller that is cancelled meanwhile hears of it afterwards."""
    return await _outcome(asyncio.ensure_future(step), None)


async def _outcome(task: asyncio.Task[T], stopped: asyncio.CancelledError | None) -> T:
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            stopped = stopped or error
    cancelled = task.cancelled()
    failure = None if cancelled else task.exception()
    if stopped is not None:
        raise stopped
    if cancelled:
        raise TimeoutError
    if failure is not None:
        raise failure
    return task.result()
