"""A task of which at most one runs at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ("SingleTask",)


class SingleTask:
    """Runs some work in a task, unless it runs already. It belongs to the event loop that first starts it.

    The work must check for more to do until it ends, because `start` does nothing meanwhile. An eager task may end before
    `create_task` returns, so the work never reads or sets the task itself.

    Args:
        work: makes the coroutine.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._starting = False

    def start(self) -> None:
        """Start the work, unless it runs."""
        if self._starting or (self._task is not None and not self._task.done()):
            return
        self._starting = True
        try:
            self._task = asyncio.create_task(self._work())
        finally:
            self._starting = False

    async def join(self) -> None:
        """Wait until the work has ended. Its error is not raised here."""
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])
