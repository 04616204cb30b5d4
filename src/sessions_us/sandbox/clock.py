"""The sandbox's clock. It runs as fast as the machine's, stands still, or skips waits; and it can be advanced."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, get_args

Time = Literal["runs", "still", "skips"]
TIMES: tuple[Time, ...] = get_args(Time)

# Turns of the event loop without a request in flight after which everyone is taken to wait for the time.
_TURNS = 50
_LOOK_AGAIN = 0.002  # seconds, while a request is in flight
_END = 221_876_928_000.0  # of the year 9000; dates can be written and reckoned with until 9999


class SandboxClock:
    """A `sessions_us.quota.clock.Clock` that can be advanced.

    Any thread may use it. A callback runs in the event loop and the context in which `call_at` was called.

    Args:
        seconds: returns the time without the advances, in seconds since the epoch. The default follows the monotonic clock. A
            timer notices a jump of `seconds` only when its real time is over; `advance` fires due timers at once.
        time: `"runs"`, `"still"` (only `advance` moves it), or `"skips"`: runs, and when everyone waits for it, goes on to the
            earliest moment that was asked for with `call_at`.
        is_busy: whether a request is in flight; then nothing is skipped.
    """

    def __init__(
        self,
        seconds: Callable[[], float] | None = None,
        time: Time = "runs",
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._source = seconds or _steady()
        self._stopped_at = self._source()
        self._time: Time = _checked(time)
        self._first_time: Time = self._time
        self._is_busy = is_busy
        self._skipping: set[asyncio.AbstractEventLoop] = set()
        self._advanced = 0.0
        self._timers: dict[int, SandboxTimer] = {}
        self._numbers = itertools.count()
        # `_lock` guards the fields. `_advancing` is held during a whole advance; a callback may advance again.
        self._lock = threading.Lock()
        self._advancing = threading.RLock()

    @property
    def time(self) -> Time:
        """How it moves. Setting it changes that from now on."""
        return self._time

    @time.setter
    def time(self, time: Time) -> None:
        with self._lock:
            now = self.now()
            self._time = _checked(time)
            self._stopped_at = self._source()
            self._advanced += now - self.now()
            timers = list(self._timers.values())
        for timer in timers:
            timer.arm_soon()

    def reset(self) -> None:
        """Move as at the beginning, without the advances. Who waits for a moment goes on waiting for it."""
        with self._advancing:
            with self._lock:
                self._time = self._first_time
                self._stopped_at = self._source()
                self._advanced = 0.0
                timers = list(self._timers.values())
            for timer in timers:
                timer.arm_soon()

    def now(self) -> float:
        """Return the sandbox's time in seconds since the epoch."""
        return self._seconds() + self._advanced

    def _seconds(self) -> float:
        return self._stopped_at if self._time == "still" else self._source()

    def call_at(self, when: float, callback: Callable[[], object]) -> SandboxTimer:
        """Call back in the running event loop, once `now()` has reached `when`.

        Without a running event loop, only `advance` fires the timer, in the thread that advances.

        Args:
            when: seconds since the epoch, by the sandbox's time.
            callback: called without arguments. Its errors go to the event loop's exception handler.

        Returns:
            The timer. Its `cancel()` prevents the call.
        """
        timer = self.remind_at(when, callback)
        timer.can_skip = True
        self._skip_soon()
        return timer

    def remind_at(self, when: float, callback: Callable[[], object]) -> SandboxTimer:
        """Do the same for the sandbox itself: nothing is skipped for it."""
        timer = SandboxTimer(self, next(self._numbers), when, callback)
        with self._lock:
            self._timers[timer.number] = timer
        timer.arm()
        return timer

    def advance(self, seconds: float) -> None:
        """Advance the time, and fire the timers that become due, in order. While a callback runs, `now()` is its moment.

        Timers of the running event loop fire before this returns. Timers of other event loops fire when these loops run next.

        Args:
            seconds: 0 or more.

        Raises:
            ValueError: `seconds` is negative, infinite or NaN, or leads beyond the year 9000.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"time goes on by 0 or more seconds, not by {seconds}")
        if self.now() + seconds > _END:
            raise ValueError(f"time can't go on by {seconds} seconds: it ends with the year 9000")
        with self._advancing:
            target = self._advanced + seconds
            while (timer := self._next(target)) is not None:
                timer.fire_soon()
            self._advanced = max(self._advanced, target)
            with self._lock:
                left = list(self._timers.values())
            for timer in left:
                timer.arm_soon()

    def forget(self, timer: SandboxTimer) -> None:
        """Drop a timer that was called or cancelled."""
        with self._lock:
            self._timers.pop(timer.number, None)

    def _skip_soon(self) -> None:
        loop = _running_loop()
        if self._time == "skips" and loop is not None and loop not in self._skipping:
            self._skipping.add(loop)
            loop.call_soon(self._skip, loop, _TURNS, context=contextvars.Context())

    def _skip(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        """Advance to the earliest timer, after some turns of the loop in which no request was in flight."""
        with self._lock:
            moments = [timer.when for timer in self._timers.values() if timer.can_skip]
        if not moments or self._time != "skips":
            self._skipping.discard(loop)
        elif self._is_busy():
            loop.call_later(_LOOK_AGAIN, self._skip, loop, _TURNS)
        elif turns:
            loop.call_soon(self._skip, loop, turns - 1)
        else:
            self.advance(max(0.0, min(moments) - self.now()))
            loop.call_soon(self._skip, loop, _TURNS)

    def _next(self, target: float) -> SandboxTimer | None:
        """Advance to the earliest timer that is due by `target`, and remove it. Of two for one moment, the older one is first."""
        with self._lock:
            timer = min(self._timers.values(), key=lambda each: (each.when, each.number), default=None)
            if timer is None or timer.when - self._seconds() > target:
                return None
            while (short := timer.when - self.now()) > 0:  # twice where the sum was rounded down
                self._advanced += short
            return self._timers.pop(timer.number)


class SandboxTimer:
    """A pending callback. `SandboxClock.call_at` makes it."""

    def __init__(self, clock: SandboxClock, number: int, when: float, callback: Callable[[], object]) -> None:
        self.number = number
        self.when = when
        self.can_skip = False
        self._clock = clock
        self._callback = callback
        self._context = contextvars.copy_context()
        self._loop = _running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._is_over = False

    def cancel(self) -> None:
        """Don't call any more. Harmless after the call."""
        self._is_over = True
        self._clock.forget(self)
        if self._handle is not None:
            self._handle.cancel()

    def arm(self) -> None:
        """Set the event loop's timer for the time that is left. Call it in that event loop."""
        if self._handle is not None:
            self._handle.cancel()
        if self._loop is not None and not self._is_over:
            left = self.when - self._clock.now()
            if left > 0 and self._clock.time == "still":
                return  # only `advance` gets there
            self._handle = self._loop.call_later(max(0.0, left), self._look, context=self._context)

    def arm_soon(self) -> None:
        """Set the event loop's timer again, because less time is left. Any thread may call it."""
        self._in_loop(self.arm)

    def fire_soon(self) -> None:
        """Fire in the timer's event loop. Any thread may call it."""
        self._in_loop(self._fire)

    def _in_loop(self, step: Callable[[], Any]) -> None:
        if self._loop is None or self._loop is _running_loop():
            self._context.run(step)
        else:
            try:
                self._loop.call_soon_threadsafe(step, context=self._context)
            except RuntimeError:  # the loop is closed
                self._clock.forget(self)

    def _look(self) -> None:
        # The sandbox's time may be slower than the loop's, or stand still.
        if self._clock.now() < self.when:
            self.arm()
        else:
            self._fire()

    def _fire(self) -> None:
        if self._is_over:
            return
        self.cancel()
        try:
            self._callback()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if self._loop is None:
                raise
            self._loop.call_exception_handler({"message": "a timer of the sandbox failed", "exception": error})


def _checked(time: Time) -> Time:
    if time not in TIMES:
        raise ValueError(f"time must be one of {', '.join(TIMES)}, not {time!r}")
    return time


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _steady() -> Callable[[], float]:
    # The wall clock's time as the monotonic clock tells it, so that it never jumps.
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()
