"""Those who wait for one request: each has its own patience, and the request is none's alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import deepcopy
from typing import Generic, TypeVar

from ..errors import QuotaTimeoutError, SessionsError
from ..quota import Lane

__all__ = ("Caller", "Waiters")

T = TypeVar("T")


class Caller(Generic[T]):
    """One of those who wait.

    Attributes:
        deadline: until when, on the limiter's clock; None: as long as it takes.
        joined: whether another call had begun the request.
        future: gets the answer, or an error that is nobody else's.
    """

    __slots__ = ("_timer", "deadline", "future", "joined")

    def __init__(self, deadline: float | None, joined: bool) -> None:
        self.deadline: float | None = deadline
        self.joined: bool = joined
        self.future: asyncio.Future[T | Exception] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None

    def settle(self, outcome: T | Exception) -> None:
        """Tell it how it ended; the first word counts."""
        if not self.future.done():
            self.future.set_result(outcome)

    def watch(self, timer: asyncio.TimerHandle | None) -> None:
        """Keep the timer that ends the wait; None: it is over."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer


class Waiters(Generic[T]):
    """The callers of one request, what they agree on, and how far the request has come.

    The one whose call began it counts only what the request waits against its `max_wait`, as if it were alone. Those who
    joined count all their time, for to them it is all waiting.

    Args:
        lane: the lane of the call that began it.
        clock: the limiter's, in seconds.

    Attributes:
        lane: the most urgent one of all who ever joined.
        callers: who still wait.
        in_flight: whether the request was sent and has no answer yet.
        unattended: it goes on though nobody waits, to renew a copy.
    """

    def __init__(self, lane: Lane, clock: Callable[[], float]) -> None:
        self.lane: Lane = lane
        self.callers: list[Caller[T]] = []
        self.in_flight: bool = False
        self.unattended: bool = False
        self._clock = clock
        self._sent_at = 0.0
        self._failure: SessionsError | None = None
        self._resumes = 0.0

    # -- for those who wait ------------------------------------------------------------------------------------------

    def begin(self, max_wait: float | None) -> Caller[T]:
        """The caller whose call begins the request."""
        caller: Caller[T] = Caller(None if max_wait is None else self._clock() + max_wait, joined=False)
        self.callers.append(caller)
        return caller

    def join(self, lane: Lane, max_wait: float | None) -> tuple[Caller[T], bool]:
        """One more caller, and whether the limiter must hear of it: it is more urgent, or in a greater hurry."""
        now, before = self._clock(), self.deadline
        caller: Caller[T] = Caller(None if max_wait is None else now + max_wait, joined=True)
        urgent = lane == "interactive" and self.lane == "background"
        hurried = caller.deadline is not None and (before is None or caller.deadline < before)
        self.lane = "interactive" if urgent else self.lane
        self.callers.append(caller)
        if caller.deadline is not None and max_wait is not None:
            if self._failure is not None and now < self._resumes and caller.deadline < self._resumes:
                self._give_up(caller, self._failure)
            else:
                loop = asyncio.get_running_loop()
                caller.watch(loop.call_later(max_wait, self._time_out, caller, max_wait))
        return caller, (urgent or hurried) and not self.in_flight

    def leave(self, caller: Caller[T]) -> None:
        """It has its outcome, or gave up."""
        caller.watch(None)
        if caller in self.callers:
            self.callers.remove(caller)

    def settle(self, outcome: T | Exception) -> None:
        """The request has ended: all hear of it, and of an error each gets its own copy."""
        callers, self.callers = self.callers, []
        for place, caller in enumerate(callers):
            caller.watch(None)
            caller.settle(outcome if place == 0 else _another(outcome))

    @property
    def is_empty(self) -> bool:
        """Whether nobody wants the answer any more."""
        return not self.callers and not self.unattended

    # -- for the limiter ---------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """The earliest of the callers' deadlines, None if nobody has one."""
        return min((caller.deadline for caller in self.callers if caller.deadline is not None), default=None)

    def refuse(self, error: QuotaTimeoutError) -> bool:
        """The turn comes too late for the caller with the earliest deadline. False if nobody else waits."""
        first = min(self.callers, key=_deadline, default=None)
        if first is not None:
            self._give_up(first, self._failure or error)
        return not self.is_empty

    # -- for the transport -------------------------------------------------------------------------------------------

    def sent(self) -> None:
        """An attempt begins now."""
        self.in_flight, self._sent_at = True, self._clock()

    def failed(self, failure: SessionsError, pause: float) -> bool:
        """An attempt failed, and the next may begin in `pause` seconds. False if that is too late for all."""
        now = self._clock()
        self.in_flight, self._failure, self._resumes = False, failure, now + pause
        for caller in list(self.callers):
            if caller.deadline is None:
                continue
            if not caller.joined:
                caller.deadline += now - self._sent_at
            if caller.deadline < self._resumes and not (pause == 0 and not caller.joined):
                self._give_up(caller, failure)
        return not self.is_empty

    def _time_out(self, caller: Caller[T], max_wait: float) -> None:
        error = QuotaTimeoutError(
            f"Not sent: the same request of another call had no answer within the {max_wait:g} s of max_wait.",
            retry_after=None,
            lane=self.lane,
            position=1,
        )
        self._give_up(caller, self._failure or error)

    def _give_up(self, caller: Caller[T], error: SessionsError) -> None:
        self.leave(caller)
        caller.settle(_another(error))


def _deadline(caller: Caller[T]) -> float:
    return float("inf") if caller.deadline is None else caller.deadline


def _another(outcome: T) -> T:
    """An error of one's own: a traceback, notes and a body that nobody else changes. Answers can't be changed."""
    return deepcopy(outcome) if isinstance(outcome, SessionsError) else outcome
