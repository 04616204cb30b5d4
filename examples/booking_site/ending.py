"""Streams that never end by themselves: they hear when their worker is to end, so that it need not cut them off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def ending() -> Iterator[threading.Event]:
    """Gives what is set when the server gets the signal to end. The server's own handlers go on hearing it."""
    told = threading.Event()
    replaced: dict[int, Callable[[int, FrameType | None], Any]] = {}
    if threading.current_thread() is threading.main_thread():  # else a program around us has the signals
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            if callable(before):

                def hear(number: int, frame: FrameType | None) -> None:
                    told.set()
                    replaced[number](number, frame)

                replaced[number] = before
                signal.signal(number, hear)
    try:
        yield told
    finally:
        for heard, handler in replaced.items():
            signal.signal(heard, handler)
