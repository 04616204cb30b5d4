"""Who waits for a call: lane, deadlines and outcome, for one caller as for many."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Generic, TypeVar

from attrs import define, field

from ..errors import QuotaTimeoutError, SessionsError
from ..quota import Lane
from ..quota.clock import Clock, Timer

__all__ = ("Caller", "Waiters")

T = TypeVar("T")


@define(eq=False, repr=False)
class Caller(Generic[T]):
    """One of those who wait.

    Attributes:
        deadline: until when, on the client's clock, seconds; None: as long as it takes.
        joined: whether another call had begun the request.
        timer: ends the wait.
    """

    deadline: float | None
    joined: bool
    timer: Timer | None = field(default=None, init=False)
    _outcome: T | Exception | None = field(default=None, init=False)
    _future: asyncio.Future[None] | None = field(default=None, init=False)

    async def outcome(self) -> T | Exception:
        """Wait for the answer, or for an error that is nobody else's."""
        if self._outcome is None:
            self._future = asyncio.get_running_loop().create_future()
            await self._future
        assert self._outcome is not None  # noqa: S101  # that is what it waited for
        return self._outcome

    def settle(self, outcome: T | Exception) -> None:
        """Deliver the outcome. Only the first one counts."""
        if self.timer is not None:
            self.timer.cancel()
        if self._outcome is None:
            self._outcome = outcome
            if self._future is not None and not self._future.done():
                self._future.set_result(None)


class Waiters(Generic[T]):
    """The callers of one call, what they agree on, and how far the call has come.

    The caller that began the call counts only the time in which the request waits against its `max_wait`, as if it were
    alone. Callers that joined count all their time, because for them all of it is waiting.

    Args:
        lane: the lane of the call.
        deadline: of the caller that begins it, on the client's clock.
        clock: times the waits.

    Attributes:
        lane: the most urgent one of all who ever joined.
        first: the caller that began the call.
        callers: those who still wait; empty: nobody wants the answer any more.
        in_flight: whether the request was sent and has no answer yet.
        was_sent: whether it was ever sent.
    """

    def __init__(self, lane: Lane, deadline: float | None, clock: Clock) -> None:
        self.lane: Lane = lane
        self.first: Caller[T] = Caller(deadline, joined=False)
        self.in_flight: bool = False
        self.was_sent: bool = False
        self.callers: list[Caller[T]] = [self.first]
        self._clock = clock
        self._sent_at = 0.0
        self._failure: SessionsError | None = None
        self._resumes = 0.0

    # -- for those who wait ------------------------------------------------------------------------------------------

    def join(self, lane: Lane, deadline: float | None) -> tuple[Caller[T], bool]:
        """Add a caller. The flag says whether the limiter must know: the caller is more urgent, or has less time."""
        now, before = self._clock.now(), self.deadline
        caller: Caller[T] = Caller(deadline, joined=True)
        is_urgent = lane == "interactive" and self.lane == "background"
        self.lane = "interactive" if is_urgent else self.lane
        has_less_time = deadline is not None and (before is None or deadline < before)
        self.callers.append(caller)
        if deadline is not None:
            if self._failure is not None and now < self._resumes and deadline < self._resumes:
                self._give_up(caller, self._failure)
            else:
                seconds = max(0.0, deadline - now)
                caller.timer = self._clock.call_at(deadline, lambda: self._time_out(caller, seconds))
        return caller, (is_urgent or has_less_time) and not self.in_flight

    def leave(self, caller: Caller[T]) -> None:
        """Remove a caller that has its outcome, or gave up."""
        if caller.timer is not None:
            caller.timer.cancel()
        if caller in self.callers:
            self.callers.remove(caller)

    def settle(self, outcome: T | Exception) -> None:
        """The call has ended. Every caller gets the outcome, and of an error a copy of its own."""
        callers, self.callers = self.callers, []
        for place, caller in enumerate(callers):
            caller.settle(outcome if place == 0 else _copy(outcome))

    # -- for the limiter ---------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """The earliest deadline of the callers, None if nobody has one."""
        return min((caller.deadline for caller in self.callers if caller.deadline is not None), default=None)

    def refuse(self, error: QuotaTimeoutError) -> bool:
        """The place comes too late for the caller with the earliest deadline. Returns False if nobody else waits."""
        first = min(self.callers, key=_deadline, default=None)
        if first is not None:
            self._give_up(first, self._failure or error)
        return bool(self.callers)

    # -- for the retries ---------------------------------------------------------------------------------------------

    def sent(self) -> None:
        """An attempt begins now."""
        self.in_flight = self.was_sent = True
        self._sent_at = self._clock.now()

    def failed(self, failure: SessionsError, pause: float) -> bool:
        """An attempt failed, and the next may begin in `pause` seconds. Returns False if that is too late for all callers."""
        now = self._clock.now()
        self.in_flight, self._failure, self._resumes = False, failure, now + pause
        for caller in list(self.callers):
            if caller.deadline is None:
                continue
            if not caller.joined:
                caller.deadline += now - self._sent_at
            if caller.deadline < self._resumes and not (pause == 0 and not caller.joined):
                self._give_up(caller, failure)
        return bool(self.callers)

    def _time_out(self, caller: Caller[T], seconds: float) -> None:
        error = QuotaTimeoutError(
            f"Not sent: the same request of another call had no answer within the {seconds:g} s of max_wait.",
            lane=self.lane,
        )
        self._give_up(caller, self._failure or error)

    def _give_up(self, caller: Caller[T], error: SessionsError) -> None:
        self.leave(caller)
        caller.settle(_copy(error))


def _deadline(caller: Caller[T]) -> float:
    return float("inf") if caller.deadline is None else caller.deadline


def _copy(outcome: T) -> T:
    """An error of the caller's own: a traceback, notes and a body that nobody else changes. Answers can't be changed."""
    return deepcopy(outcome) if isinstance(outcome, SessionsError) else outcome
