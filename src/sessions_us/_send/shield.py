"""Work that must not be cut off half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ("shield",)

T = TypeVar("T")


async def shield(step: Coroutine[Any, Any, T]) -> T:
    """The result of a step that runs to its end; a caller that is cancelled meanwhile hears of it afterwards."""
    task = asyncio.ensure_future(step)
    stopped: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            stopped = stopped or error
    if stopped is not None:
        raise stopped
    return task.result()
