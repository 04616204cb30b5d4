"""One thread for everything that touches a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from .._send.cancel_scope import shield

__all__ = ("Worker",)

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Runs functions one at a time, in the same thread, beside the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sessions-us export")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the thread, and return its result. A caller that is cancelled waits for the function's end.

        Raises:
            CancelledError: the caller was cancelled.
            Exception: the function raised it.
        """
        return await shield(asyncio.wrap_future(self._thread.submit(function, *args, **kwargs)))

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown()
