"""A bound on work that is made of somebody else's document."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from regeneration.document import InputError


class _TimeoutError(BaseException):
    """Not an Exception: nothing that deals with a bad page may take it for one."""


@contextmanager
def time_limit(seconds: float, words: str) -> Iterator[None]:
    """Bound a computation, where the system has the means. Not within another one.

    Args:
        words: what could not be done, as in "could not be read".

    Raises:
        InputError: the time is over.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TimeoutError:
        raise InputError(f"{words} within {seconds:.0f} seconds") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _expire(number: int, frame: object) -> None:
    raise _TimeoutError
