"""Waiters: several callers of one call, at the limiter and in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.clock import HandClock, run
from support.stages import refusal

from sessions_us._send.waiters import Caller, Waiters
from sessions_us.errors import NotFoundError, QuotaTimeoutError, RequestTimeoutError, ServerError
from sessions_us.quota import Lane, Limiter, Quota
from sessions_us.quota.clock import LoopClock

pytestmark = pytest.mark.anyio


def caller(deadline: float | None = None, timeout: float = 30.0, attempts: int = 4) -> Caller[Any]:
    """A caller with the usual patience."""
    return Caller(deadline, timeout, attempts)


def test_a_raised_lane_keeps_the_arrival():
    """A request that becomes urgent goes before urgent requests that came after it, and behind those that came before."""

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        limiter, order = Limiter(Quota(limit=1, window=10), clock=LoopClock(loop.time)), list[str]()
        waiters: Waiters[None] = Waiters("background", caller(), LoopClock(loop.time))

        async def call(operation: str, lane: Lane, joint: Waiters[None] | None = None) -> None:
            lease = await limiter.acquire(lane=lane, deadline=None, operation=operation, callers=joint)
            order.append(f"{operation} {lease.lane}")
            await lease.done(200, [])

        calls = []
        for operation, lane, joint in (
            ("used", "interactive", None),
            ("export", "background", None),
            ("before", "interactive", None),
            ("shared", "background", waiters),
            ("after", "interactive", None),
        ):
            calls.append(asyncio.create_task(call(operation, lane, joint)))  # type: ignore[arg-type]
            await asyncio.sleep(0)
        await limiter.raise_lane(waiters, "interactive")
        await limiter.raise_lane(waiters, "interactive")
        assert limiter.snapshot().waiting == {"interactive": 3, "background": 1}
        await asyncio.gather(*calls)
        return order

    order = run(main())

    assert [each for each in order if not each.startswith("export")] == [
        "used interactive",
        "before interactive",
        "shared interactive",
        "after interactive",
    ]


def test_each_caller_has_its_own_deadline():
    """Three callers share one ticket. Each gets its error when its wait is over, and the ticket goes with the last."""

    async def main() -> tuple[list[float], int]:
        loop = asyncio.get_running_loop()
        limiter = Limiter(Quota(limit=1, window=1000), clock=LoopClock(loop.time))
        lease = await limiter.acquire(lane="interactive", deadline=None)  # the server is silent: nothing is known
        began, ends = loop.time(), list[float]()
        waiters: Waiters[None] = Waiters("interactive", caller(began + 7), limiter.clock)
        callers = [waiters.first, caller(began + 5), caller(began + 3)]
        for each in callers[1:]:
            waiters.join("interactive", each)

        async def hear(number: int) -> None:
            outcome = await callers[number].outcome()
            assert isinstance(outcome, QuotaTimeoutError)
            ends.append(round(loop.time() - began))

        hearing = [asyncio.create_task(hear(number)) for number in range(3)]
        try:
            await limiter.acquire(lane="interactive", deadline=None, callers=waiters)
        except QuotaTimeoutError:
            await asyncio.gather(*hearing)
        waiting = limiter.snapshot().waiting["interactive"]
        await lease.refund()
        return ends, waiting

    assert run(main()) == ([3, 5, 7], 0)


# -- callers, without a limiter ------------------------------------------------------------------------------------------


def quick(clock: HandClock, *waits: float | None) -> tuple[Waiters[str], list[Caller[str]]]:
    """Callers that may wait so long; the first of them began the call."""
    callers = [caller(None if wait is None else clock.now() + wait) for wait in waits]
    waiters: Waiters[str] = Waiters("interactive", callers[0], clock)
    for each in callers[1:]:
        waiters.join("interactive", each)
    return waiters, callers


def is_over(caller: Caller[str]) -> bool:
    """Whether its outcome is there."""
    waiting = caller.outcome()
    try:
        waiting.send(None)
    except StopIteration:
        return True
    waiting.close()
    return False


async def test_time_in_flight_is_the_first_callers_own() -> None:
    """It counts only what it waits. For a caller that joined, all the time counts."""
    clock = HandClock()
    waiters, (first, joined) = quick(clock, 10, 10)
    clock.advance(4)
    waiters.sent()
    clock.advance(5)
    assert waiters.failed(refusal(502), pause=1)
    assert first.deadline == clock.now() + 6
    clock.advance(1)
    assert (is_over(first), is_over(joined)) == (False, True)
    assert isinstance(await joined.outcome(), ServerError)


async def test_a_pause_beyond_a_deadline_fails_at_once() -> None:
    """Callers that cannot wait so long get the failure. The flag tells whether anybody is left."""
    clock = HandClock()
    waiters, (first, hasty, patient) = quick(clock, 5, 20, None)
    waiters.sent()
    assert waiters.failed(refusal(503), pause=30)
    assert [is_over(each) for each in (first, hasty, patient)] == [True, True, False]
    waiters.leave(patient)
    assert not waiters.callers
    assert not waiters.failed(refusal(503), pause=0)


async def test_a_deadline_is_the_earliest_of_all() -> None:
    """It is told when it comes nearer, or when the lane is raised, unless the request is in flight."""
    clock = HandClock()
    waiters: Waiters[str] = Waiters("background", caller(clock.now() + 50), clock)
    assert waiters.join("background", caller(clock.now() + 60)) is False
    assert waiters.join("background", caller(clock.now() + 40)) is True
    assert waiters.join("interactive", caller()) is True
    assert waiters.deadline == clock.now() + 40
    waiters.sent()
    assert waiters.join("interactive", caller(clock.now() + 1)) is False


async def test_a_lane_is_raised_in_flight_too() -> None:
    """The limiter need not know, but the next attempt goes in the lane of the most urgent caller."""
    clock = HandClock()
    waiters: Waiters[str] = Waiters("background", caller(), clock)
    waiters.sent()
    assert waiters.join("interactive", caller()) is False
    waiters.join("background", caller())
    assert waiters.lane == "interactive"


async def test_an_outcome_is_delivered_once() -> None:
    """Answers are shared, errors are copied. No timer is left."""
    clock = HandClock()
    waiters, callers = quick(clock, 10, 10, None)
    assert clock.timers
    error = refusal(404)
    waiters.settle(error)
    waiters.settle("late")
    outcomes = [await caller.outcome() for caller in callers]

    assert outcomes[0] is error
    assert {type(outcome) for outcome in outcomes} == {NotFoundError}
    assert len({id(outcome) for outcome in outcomes}) == 3
    assert clock.timers == set()
    assert not waiters.callers


def both(clock: HandClock, first: Caller[str], joined: Caller[str]) -> Waiters[str]:
    """A call in flight that another caller has joined."""
    waiters: Waiters[str] = Waiters("interactive", first, clock)
    waiters.sent()
    waiters.join("interactive", joined)
    return waiters


async def test_attempts_are_those_that_a_caller_saw() -> None:
    """One that was cut off too early for the caller is none of its own."""
    clock = HandClock()
    hasty, patient = caller(timeout=0.2, attempts=3), caller(timeout=30, attempts=2)
    waiters = both(clock, hasty, patient)
    assert waiters.failed(RequestTimeoutError("x", sent="unknown", method="GET", path="/"), pause=0)
    assert (hasty.attempts, patient.attempts) == (2, 2)
    waiters.sent()
    assert waiters.failed(refusal(502), pause=0)
    assert (hasty.attempts, patient.attempts) == (1, 1)
    waiters.sent()
    waiters.failed(refusal(502), pause=None)
    assert (hasty.attempts, patient.attempts) == (0, 0)
    assert not is_over(patient)  # the call delivers the failure


async def test_a_caller_without_attempts_gets_the_failure() -> None:
    """The call is tried again for the others."""
    clock = HandClock()
    first, joined = caller(attempts=3), caller(attempts=1)
    assert both(clock, first, joined).failed(refusal(502), pause=1)
    assert (is_over(first), is_over(joined), joined.gave_up) == (False, True, True)


async def test_total_counts_from_the_first_attempt_that_a_caller_saw() -> None:
    """No further attempt begins later, for that caller."""
    clock = HandClock()
    first, joined = caller(), Caller[str](None, 30.0, 4, total=5)
    waiters: Waiters[str] = Waiters("interactive", first, clock)
    waiters.sent()
    clock.advance(10)
    waiters.join("interactive", joined)
    assert waiters.failed(refusal(502), pause=5)
    assert joined.last_start == clock.now() + 5
    assert not is_over(joined)
    clock.advance(5)
    waiters.sent()
    assert waiters.failed(refusal(502), pause=0.1)
    assert (is_over(first), is_over(joined)) == (False, True)


def test_a_joined_attempt_lasts_no_longer_than_its_own() -> None:
    """Its `timeout` as often as it has attempts, and only while the request is in flight."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        joined = caller(timeout=3, attempts=2)
        waiters: Waiters[str] = Waiters("interactive", caller(timeout=100), LoopClock(loop.time))
        waiters.join("interactive", joined)
        await asyncio.sleep(50)
        began = loop.time()
        waiters.sent()
        assert isinstance(await joined.outcome(), TimeoutError)
        assert waiters.callers == [waiters.first]
        return round(loop.time() - began)

    assert run(main()) == 6
