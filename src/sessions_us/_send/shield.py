"""Work that must not be cut off half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ("shield",)

T = TypeVar("T")


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
