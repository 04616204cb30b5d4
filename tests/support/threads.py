"""Event loops in threads of their own, as those of a web server's workers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

__all__ = ("LoopThread", "until_true")

T = TypeVar("T")
LONG = 30.0  # seconds; nothing in these tests takes as long


class LoopThread:
    """A thread in which an event loop runs, until it is left or ended."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if not self.loop.is_closed():
            self.end()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin some work."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work to its end."""
        return self.start(work).result(LONG)

    def stop(self) -> None:
        """Stop the loop, as between two calls of `run_until_complete`. Whatever waits in it stays."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(LONG)

    def go_on(self) -> None:
        """Let a loop that was stopped run again."""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def kill(self) -> None:
        """End the loop and tell nobody: no task of it is cancelled."""
        self.stop()
        self.loop.close()

    def end(self) -> None:
        """End the loop as `asyncio.run` does."""
        self.run(_cancel_all())
        self.kill()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def until_true(condition: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)
