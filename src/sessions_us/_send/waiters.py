"""Who waits for a call: lane, deadlines and outcome, for one caller as for many."""

from __future__ import annotations

import asyncio
from copy import copy
from math import inf
from typing import Generic, TypeVar

from attrs import define, field

from ..errors import QuotaTimeoutError, RequestTimeoutError, SessionsError
from ..quota import Lane
from ..quota.clock import Clock, Timer

__all__ = ("Caller", "Waiters", "own_copy")

T = TypeVar("T")


@define(eq=False, repr=False)
class Caller(Generic[T]):
    """One of those who wait.

    Attributes:
        deadline: until when, on the client's clock, seconds; None: as long as it takes.
        timeout: seconds of wall time that it allows one attempt.
        attempts: how many more it allows.
        total: seconds from the first attempt that it saw, after which no further one begins; None: attempts are the bound.
        sent_at: when that attempt began, on the client's clock, or the caller joined it.
        joined: whether another call had begun the request.
        gave_up: whether its outcome is that it waits no longer, whatever the call comes to.
        timer: ends the wait.
        lapse: ends what it allows the attempt in flight, where that is less than the request's own timeout.
    """

    deadline: float | None
    timeout: float
    attempts: int
    total: float | None = None
    sent_at: float | None = None
    joined: bool = False
    gave_up: bool = field(default=False, init=False)
    timer: Timer | None = field(default=None, init=False)
    lapse: Timer | None = field(default=None, init=False)
    _outcome: T | BaseException | None = field(default=None, init=False)
    _future: asyncio.Future[None] | None = field(default=None, init=False)

    @property
    def last_start(self) -> float | None:
        """No further attempt begins later, on the client's clock; None: nothing was sent, or attempts are the bound."""
        return None if self.total is None or self.sent_at is None else self.sent_at + self.total

    async def outcome(self) -> T | BaseException:
        """Wait for the answer, or for an error that is nobody else's."""
        if self._outcome is None:
            self._future = asyncio.get_running_loop().create_future()
            await self._future
        assert self._outcome is not None  # noqa: S101  # that is what it waited for
        return self._outcome

    def settle(self, outcome: T | BaseException) -> None:
        """Deliver the outcome. Only the first one counts."""
        if self.joined:
            self._stop()
        if self._outcome is None:
            self._outcome = outcome
            if self._future is not None and not self._future.done():
                self._future.set_result(None)

    def leave(self) -> None:
        """It has its outcome, or gave up. An error that it kept would be kept alive by its own traceback."""
        if self.joined:
            self._stop()
        self._outcome = None

    def _stop(self) -> None:
        """End the timers, which only a caller that joined has."""
        for timer in (self.timer, self.lapse):
            if timer is not None:
                timer.cancel()


@define(eq=False, repr=False)
class Waiters(Generic[T]):
    """The callers of one call, what they agree on, and how far the call has come.

    The request is sent with the timeout and the attempts of the caller that began it. That caller counts only the time in which
    the request waits against its `max_wait`, as if it were alone. Callers that joined count all their time, because for them
    all of it is waiting. They count the attempts that they saw, and each `timeout` of their own that one of these took longer.

    Args:
        lane: the lane of the call.
        first: the caller that begins it.
        clock: times the waits.

    Attributes:
        lane: the most urgent one of all who ever joined.
        first: the caller that began the call.
        callers: those who still wait; empty: nobody wants the answer any more.
        in_flight: whether the request was sent and has no answer yet.
        times_sent: how often it was sent.
    """

    lane: Lane
    first: Caller[T]
    _clock: Clock
    in_flight: bool = field(default=False, init=False)
    times_sent: int = field(default=0, init=False)
    callers: list[Caller[T]] = field(init=False)
    _sent_at: float = field(default=0.0, init=False)
    _flown: float = field(default=0.0, init=False)
    _failure: SessionsError | None = field(default=None, init=False)
    _resumes: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.callers = [self.first]

    # -- for those who wait ------------------------------------------------------------------------------------------

    def join(self, lane: Lane, caller: Caller[T]) -> bool:
        """Add a caller. Returns True if the limiter must know: the caller is more urgent, or has less time."""
        now, before, deadline = self._clock.now(), self.deadline, caller.deadline
        caller.joined = True
        is_urgent = lane == "interactive" and self.lane == "background"
        self.lane = "interactive" if is_urgent else self.lane
        has_less_time = deadline is not None and (before is None or deadline < before)
        self.callers.append(caller)
        if self.in_flight:
            caller.sent_at = now if caller.sent_at is None else caller.sent_at
            self._watch(caller)
        if deadline is not None:
            if self._failure is not None and now < self._resumes and deadline < self._resumes:
                self._give_up(caller, self._failure)
            else:
                seconds = max(0.0, deadline - now)
                caller.timer = self._clock.call_at(deadline, lambda: self._time_out(caller, seconds))
        return (is_urgent or has_less_time) and not self.in_flight

    def leave(self, caller: Caller[T]) -> None:
        """Remove a caller that has its outcome, or gave up."""
        caller.leave()
        if caller in self.callers:
            self.callers.remove(caller)

    def settle(self, outcome: T | BaseException) -> None:
        """The call has ended. Every caller gets the outcome, and of an error a copy of its own."""
        callers, self.callers = self.callers, []
        for place, caller in enumerate(callers):
            caller.settle(outcome if place == 0 else own_copy(outcome))

    # -- for the limiter ---------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """The earliest deadline of the callers, None if nobody has one."""
        return min((caller.deadline for caller in self.callers if caller.deadline is not None), default=None)

    def refuse(self, error: QuotaTimeoutError) -> bool:
        """The place comes too late for the caller with the earliest deadline. Returns False if nobody else waits."""
        first = min(self.callers, key=lambda caller: _or_never(caller.deadline), default=None)
        if first is not None:
            self._give_up(first, self._failure or error)
        return bool(self.callers)

    # -- for the retries ---------------------------------------------------------------------------------------------

    def sent(self) -> None:
        """An attempt begins now."""
        self.in_flight = True
        self.times_sent += 1
        self._sent_at = self._clock.now()
        for caller in self.callers:
            if caller.sent_at is None:
                caller.sent_at = self._sent_at
            if caller.joined:
                self._watch(caller)

    def failed(self, failure: SessionsError, pause: float | None) -> bool:
        """The call failed, and the next attempt may begin in `pause` seconds; None: there is none.

        Callers that allow no further attempt, or have no time for one, get the failure. Returns False if nobody is left.
        """
        now, was_in_flight = self._clock.now(), self.in_flight
        self._flown, self.in_flight = self.flown, False
        self._failure = own_copy(failure)  # the traceback of the error itself will hold this object
        self._resumes = now if pause is None else now + pause
        for caller in list(self.callers):
            if was_in_flight:
                self._count(caller, failure, now - self._sent_at)
            if pause is not None and self._is_done(caller, pause):
                self._give_up(caller, failure)
        return bool(self.callers)

    @property
    def flown(self) -> float:
        """Seconds for which the request was in flight so far."""
        return self._flown + (self._clock.now() - self._sent_at if self.in_flight else 0.0)

    def _count(self, caller: Caller[T], failure: SessionsError, flown: float) -> None:
        """An attempt failed, in flight for so many seconds. One that was cut off too early for the caller is not its own."""
        if caller.lapse is not None:
            caller.lapse.cancel()
        if not caller.joined and caller.deadline is not None:
            caller.deadline += flown
        if not (isinstance(failure, RequestTimeoutError) and self.first.timeout < caller.timeout):
            caller.attempts -= 1

    def _is_done(self, caller: Caller[T], pause: float) -> bool:
        """Whether a caller allows no attempt after this pause, or has no time for it."""
        if caller.attempts <= 0 or _or_never(caller.last_start) < self._resumes:
            return True
        at_once = pause == 0 and not caller.joined  # the limiter refuses it, if there is no place at once
        return _or_never(caller.deadline) < self._resumes and not at_once

    def _watch(self, caller: Caller[T]) -> None:
        """A caller that joined sees an attempt, which may take longer than it allows."""
        if caller.timeout < self.first.timeout:
            loop = asyncio.get_running_loop()  # `timeout` is wall time
            caller.lapse = loop.call_later(caller.timeout, self._lapse, caller)

    def _lapse(self, caller: Caller[T]) -> None:
        """An attempt of the caller's own would be over."""
        caller.attempts -= 1
        if caller.attempts > 0:
            self._watch(caller)
        else:
            self._give_up(caller, TimeoutError(f"within its timeout of {caller.timeout:g} s"))

    def _time_out(self, caller: Caller[T], seconds: float) -> None:
        """Its `max_wait` is over."""
        within = f"within the {seconds:g} s of max_wait"
        never_left = QuotaTimeoutError(
            f"Not sent: the same request of another call was not sent {within}.", lane=self.lane
        )
        self._give_up(caller, self._failure or (TimeoutError(within) if self.times_sent else never_left))

    def _give_up(self, caller: Caller[T], error: Exception) -> None:
        self.leave(caller)
        caller.gave_up = True
        caller.settle(own_copy(error))


def _or_never(moment: float | None) -> float:
    return inf if moment is None else moment


def own_copy(outcome: T) -> T:
    """An error of the caller's own: a traceback and notes that nobody else adds to. Its body and headers are shared.

    Answers can't be changed.
    """
    if not isinstance(outcome, SessionsError):
        return outcome
    own = copy(outcome)
    if notes := getattr(own, "__notes__", None):
        own.__notes__ = list(notes)
    return own
