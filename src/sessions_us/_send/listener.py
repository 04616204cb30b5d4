"""What hears the events: the log, and the `on_event` of a client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Final

from ..events import ClientEvent, Emit, RequestRefused, RequestThrottled, RetryScheduled, logger, subject

__all__ = ("ASYNC_LISTENER", "everyone", "is_async", "listen", "listener", "log_event")

ASYNC_LISTENER: Final = "on_event is a plain function: an `async def` would never run. Start a task in it"

_process: Emit | None = None


def listener(on_event: Callable[[ClientEvent], None] | None) -> Emit:
    """Return what logs events, and gives them to `on_event`, which can't break a call."""
    return log_event if on_event is None else _both(log_event, _guarded(on_event))


def listen(on_event: Callable[[ClientEvent], None] | None) -> None:
    """Set what gets the events of all clients of this process; None: nothing does.

    A call gives its events to what was set when it began, so that nothing gets an end without a beginning.
    """
    global _process
    _process = None if on_event is None else _guarded(on_event)


def everyone(emit: Emit) -> Emit:
    """Return what gives events to `emit`, and to what gets those of all clients. If there is none it is `emit` itself."""
    return emit if _process is None else _both(emit, _process)


def _both(first: Emit, second: Emit) -> Emit:
    def emit(event: ClientEvent) -> None:
        first(event)
        second(event)

    return emit


def _guarded(on_event: Callable[[ClientEvent], object]) -> Emit:
    """Return a listener that raises nothing. What it raises is logged."""
    told = False

    def emit(event: ClientEvent) -> None:
        nonlocal told
        try:
            returned: object = on_event(event)
            if isinstance(returned, Coroutine):
                returned.close()
            if isinstance(returned, Coroutine | AsyncGenerator) and not told:
                told = True
                logger.error(ASYNC_LISTENER)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # among them the CancelledError of a future that it looked at, which cancels nothing here
            logger.exception("on_event raised on a %s", type(event).__name__)

    return emit


def is_async(on_event: object) -> bool:
    """Whether it can be seen that calling this runs nothing. A function that returns a coroutine shows it when it is called."""
    while isinstance(on_event, partial):
        on_event = on_event.func
    each = (on_event, type(on_event).__call__)
    return any(iscoroutinefunction(function) or isasyncgenfunction(function) for function in each)


def log_event(event: ClientEvent) -> None:
    """Log what matters to whoever runs the program, and at DEBUG everything. Only there a line has a path, which has ids.

    Code that builds other events than these three can skip that for this listener, unless DEBUG is on.
    """
    match event:
        case RequestThrottled(retry_after=seconds):
            asked = "" if seconds is None else f", and asked to wait {seconds:.1f} s"
            logger.warning("%s: the server answered 429%s", subject(event), asked)
        case RequestRefused(lane=lane, position=position, retry_after=seconds):
            possible = "" if seconds is None else f", possible in {seconds:.1f} s at the earliest"
            logger.info("%s: not sent: position %d in the lane %s%s", subject(event), position, lane, possible)
        case RetryScheduled(attempt=attempt, delay=seconds, reason=reason):
            logger.info(
                "%s: attempt %d follows in %.1f s at the earliest, after %s", subject(event), attempt, seconds, reason
            )
        case _:
            logger.debug("%s", event)
