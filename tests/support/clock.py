"""Time under a test's hand: an event loop whose clock jumps to the next timer, and a client's clock that is moved by hand."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from support.loops import dress

from sessions_us.quota.clock import Timer

__all__ = ("HandClock", "VirtualLoop", "run")

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):
    """Where the loop would sleep until its next timer, time jumps there instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("Nothing will ever happen: everybody waits, and no timer is set.")
            self._loop.advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. Nothing of it may do real I/O or use threads, which take real time."""

    def __init__(self, start: float = 1000.0) -> None:
        self._virtual = start
        super().__init__(_Jumping(self))
        self.set_debug(False)  # it looks for slow callbacks and for other threads, and notes where each future was made
        dress(self)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._virtual

    def advance(self, seconds: float) -> None:
        """Let time pass. The least step is a microsecond, so that rounding can't make a timer fire forever in one moment."""
        if seconds > 0:
            self._virtual += max(seconds, 1e-6)


def run(main: Coroutine[Any, Any, T], *, start: float = 1000.0) -> T:
    """Run to the end in a fresh virtual loop.

    Raises:
        RuntimeError: everybody waits and nothing can wake anybody, which in real time would be a hang.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(main)


class _HandTimer:
    """A callback that waits for its moment."""

    def __init__(self, clock: HandClock, when: float, callback: Callable[[], object]) -> None:
        self._clock = clock
        self.when = when
        self.callback = callback

    def cancel(self) -> None:
        self._clock.timers.discard(self)


class HandClock:
    """A `Clock` that stands still until a test moves it: `UserClient(…, clock=HandClock())`.

    Attributes:
        timers: what waits for a later moment.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self.timers: set[_HandTimer] = set()

    def now(self) -> float:
        """Seconds since some moment."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back once the clock has reached `when`; if it has already, in the next turn of the loop."""
        if when <= self._now:
            return asyncio.get_running_loop().call_soon(callback)
        timer = _HandTimer(self, when, callback)
        self.timers.add(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Move the clock. Timers that become due call back, in their order, each at its own moment."""
        end = self._now + seconds
        while (due := min(self.timers, key=lambda timer: timer.when, default=None)) is not None and due.when <= end:
            self.timers.discard(due)
            self._now = due.when
            due.callback()
        self._now = end
