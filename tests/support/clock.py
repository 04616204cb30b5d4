"""Virtual time: an asyncio event loop whose clock jumps to the next timer, so that hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from support.loops import dress

__all__ = ("VirtualLoop", "run")

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
