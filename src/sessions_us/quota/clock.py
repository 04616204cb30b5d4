"""The clock that times the quota, back-off, `max_wait` and the cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ("MACHINE", "Clock", "LoopClock", "Timer", "sleep")


class Timer(Protocol):
    """A callback that is scheduled, as `Clock.call_at` returns it."""

    def cancel(self) -> None:
        """Cancel the callback. Harmless after it was called."""


class Clock(Protocol):
    """A monotonic time in seconds, and timers."""

    def now(self) -> float:
        """Return the seconds since some moment."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` in the running event loop once `now()` has reached `when`."""
        ...


class LoopClock:
    """The clock of the machine, with the timers of the running event loop.

    Args:
        now: monotonic seconds that pass as fast as those of the event loop.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now: Callable[[], float] = now

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back in the running event loop, once `now()` has reached `when`."""
        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback)


MACHINE: Final[Clock] = LoopClock()
"""The clock of who gives none."""


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait until the clock has advanced by so many seconds."""
    over = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not over.done():
            over.set_result(None)

    timer = clock.call_at(clock.now() + seconds, wake)
    try:
        await over
    finally:
        timer.cancel()
