"""Those who wait for one request: each has its own patience, and the request is none's alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import deepcopy
from typing import Generic, TypeVar

from .errors import QuotaTimeoutError, SessionsError
from .quota import Lane

__all__ = ("Crowd", "Member")

T = TypeVar("T")


class Member(Generic[T]):
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


class Crowd(Generic[T]):
    """The members of one request, what they agree on, and how far the request has come.

    The one whose call began it counts only what the request waits against its `max_wait`, as if it were alone. Those who
    joined count all their time, for to them it is all waiting.

    Args:
        lane: the lane of the call that began it.
        clock: the limiter's, in seconds.

    Attributes:
        lane: the most urgent one of all who ever joined.
        members: who still wait.
        under_way: whether the request was sent and has no answer yet.
        unattended: it goes on though nobody waits, to renew a copy.
    """

    def __init__(self, lane: Lane, clock: Callable[[], float]) -> None:
        self.lane: Lane = lane
        self.members: list[Member[T]] = []
        self.under_way: bool = False
        self.unattended: bool = False
        self._clock = clock
        self._sent_at = 0.0
        self._failure: SessionsError | None = None
        self._resumes = 0.0

    # -- for those who wait ------------------------------------------------------------------------------------------

    def begin(self, max_wait: float | None) -> Member[T]:
        """The member whose call begins the request."""
        member: Member[T] = Member(None if max_wait is None else self._clock() + max_wait, joined=False)
        self.members.append(member)
        return member

    def join(self, lane: Lane, max_wait: float | None) -> tuple[Member[T], bool]:
        """One more member, and whether the limiter must hear of it: it is more urgent, or in a greater hurry."""
        now, before = self._clock(), self.deadline
        member: Member[T] = Member(None if max_wait is None else now + max_wait, joined=True)
        urgent = lane == "interactive" and self.lane == "background"
        hurried = member.deadline is not None and (before is None or member.deadline < before)
        self.lane = "interactive" if urgent else self.lane
        self.members.append(member)
        if member.deadline is not None and max_wait is not None:
            if self._failure is not None and now < self._resumes and member.deadline < self._resumes:
                self._give_up(member, self._failure)
            else:
                loop = asyncio.get_running_loop()
                member.watch(loop.call_later(max_wait, self._time_out, member, max_wait))
        return member, (urgent or hurried) and not self.under_way

    def leave(self, member: Member[T]) -> None:
        """It has its outcome, or gave up."""
        member.watch(None)
        if member in self.members:
            self.members.remove(member)

    def settle(self, outcome: T | Exception) -> None:
        """The request has ended: all hear of it, and of an error each gets its own copy."""
        members, self.members = self.members, []
        for place, member in enumerate(members):
            member.watch(None)
            member.settle(outcome if place == 0 else _another(outcome))

    @property
    def is_empty(self) -> bool:
        """Whether nobody wants the answer any more."""
        return not self.members and not self.unattended

    # -- for the limiter ---------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """The earliest of the members' deadlines, None if nobody has one."""
        return min((member.deadline for member in self.members if member.deadline is not None), default=None)

    def refuse(self, error: QuotaTimeoutError) -> bool:
        """The turn comes too late for the member with the earliest deadline. False if nobody else waits."""
        first = min(self.members, key=_deadline, default=None)
        if first is not None:
            self._give_up(first, self._failure or error)
        return not self.is_empty

    # -- for the transport -------------------------------------------------------------------------------------------

    def sent(self) -> None:
        """An attempt begins now."""
        self.under_way, self._sent_at = True, self._clock()

    def failed(self, failure: SessionsError, pause: float) -> bool:
        """An attempt failed, and the next may begin in `pause` seconds. False if that is too late for all."""
        now = self._clock()
        self.under_way, self._failure, self._resumes = False, failure, now + pause
        for member in list(self.members):
            if member.deadline is None:
                continue
            if not member.joined:
                member.deadline += now - self._sent_at
            if member.deadline < self._resumes and not (pause == 0 and not member.joined):
                self._give_up(member, failure)
        return not self.is_empty

    def _time_out(self, member: Member[T], max_wait: float) -> None:
        error = QuotaTimeoutError(
            f"Not sent: the same request of another call had no answer within the {max_wait:g} s of max_wait.",
            retry_after=None,
            lane=self.lane,
            position=1,
        )
        self._give_up(member, self._failure or error)

    def _give_up(self, member: Member[T], error: SessionsError) -> None:
        self.leave(member)
        member.settle(_another(error))


def _deadline(member: Member[T]) -> float:
    return float("inf") if member.deadline is None else member.deadline


def _another(outcome: T) -> T:
    """An error of one's own: a traceback, notes and a body that nobody else changes. Answers can't be changed."""
    return deepcopy(outcome) if isinstance(outcome, SessionsError) else outcome
