"""Urgent requests behind an export that would take everything, in virtual time, on each model of a server and in each phase."""

from __future__ import annotations

import asyncio
import random
from typing import NamedTuple

import pytest
from support.clock import run
from support.server_models import EPOCH, Server, Style

from benchmarks.ideal import ideal
from sessions_us.events import ClientEvent, RequestGranted, RequestQueued
from sessions_us.quota import Lane, Limiter, Quota
from sessions_us.quota.clock import LoopClock

EXPORT, WINDOW = 30, 60.0
URGENT_AT = (30.0, 90.0)  # seconds after the export's start
PHASES = range(0, 60, 6)  # seconds of a minute at which it starts: some servers cut their windows by the clock
KINDS = {
    "fixed": "draft-6",
    "aligned": "aligned",
    "log": "moving",
    "nest": "nest",
    "weighted": "counter",
    "gcra": "gcra",
}


class Outcome(NamedTuple):
    waits: list[float]
    ratio: float
    refused: int


def play(model: str, phase: float, rounding: str = "ceil") -> Outcome:
    """An export of 30 at once, and two urgent requests: how long these waited, and all of it as a multiple of the ideal time."""

    async def main() -> Outcome:
        loop, waits, latency = asyncio.get_running_loop(), [], random.Random(phase)
        start, server = loop.time(), Server(model, Style(rounding=rounding))
        limiter = Limiter(Quota(), clock=LoopClock(loop.time))

        async def call(lane: Lane, after: float = 0.0) -> None:
            await asyncio.sleep(after)
            lease = await limiter.acquire(lane=lane, deadline=None)
            await asyncio.sleep(latency.uniform(0.05, 0.1))
            answer = server.hit(loop.time())
            await asyncio.sleep(latency.uniform(0.05, 0.1))
            await lease.done(answer.status, answer.headers)
            if lane == "interactive":
                waits.append(lease.waited)

        await asyncio.gather(
            *(call("background") for _ in range(EXPORT)), *(call("interactive", after) for after in URGENT_AT)
        )
        took = loop.time() - start
        arrivals = sorted([EPOCH + start] * EXPORT + [EPOCH + start + after for after in URGENT_AT])
        least = ideal(KINDS[model], arrivals, before=[], limit=10, window=WINDOW, latency=0.075)
        return Outcome(waits, took / least, server.refused)

    return run(main(), start=1020.0 + phase)


@pytest.mark.parametrize("rounding", ["ceil", "floor"])
@pytest.mark.parametrize(
    ("model", "bound"),
    # A weighted counter is as slow as its windows are not full, and a bucket tells when it is full, not when it has one more.
    [("fixed", 1.05), ("aligned", 1.05), ("log", 1.05), ("nest", 1.05), ("weighted", 1.25), ("gcra", 1.15)],
)
def test_urgent_requests_do_not_wait_for_an_export_and_hardly_slow_it(model: str, bound: float, rounding: str) -> None:
    """Under a second, but in the last tenth of a window that the clock cuts, where the export may have the reserve."""
    for phase in PHASES:
        outcome = play(model, phase, rounding)
        assert outcome.refused == 0, phase
        assert outcome.ratio <= bound, phase
        left = WINDOW - (phase + URGENT_AT[0]) % WINDOW  # of the clock's window
        late = model == "aligned" and (left < WINDOW / 10 or left > WINDOW - 3)
        late |= model == "weighted" and phase == 0  # a counter that begins with our first request looks like a window
        assert max(outcome.waits) < (9.0 if late else 1.0), phase


@pytest.mark.parametrize("rounding", ["ceil", "floor"])
@pytest.mark.parametrize("model", KINDS)
def test_nobody_gets_a_turn_before_the_earliest_moment_that_was_told(model: str, rounding: str) -> None:
    """Else somebody with less patience would have been refused for nothing."""

    async def main() -> None:
        loop, latency = asyncio.get_running_loop(), random.Random(model)
        server, limiter = Server(model, Style(rounding=rounding)), Limiter(Quota(), clock=LoopClock(loop.time))
        told = 0

        async def call(number: int) -> None:
            nonlocal told
            events: list[ClientEvent] = []
            await asyncio.sleep(number * 1.7)
            lane: Lane = "background" if number % 3 else "interactive"
            lease = await limiter.acquire(lane=lane, deadline=None, emit=events.append)
            await asyncio.sleep(latency.uniform(0.05, 0.1))
            answer = server.hit(loop.time())
            await asyncio.sleep(latency.uniform(0.05, 0.1))
            await lease.done(answer.status, answer.headers)
            queued = [event for event in events if isinstance(event, RequestQueued)]
            (granted,) = (event for event in events if isinstance(event, RequestGranted))
            if queued and queued[0].expected_wait is not None:
                told += 1
                assert granted.waited >= queued[0].expected_wait - 0.01, (number, lane)

        await asyncio.gather(*(call(number) for number in range(60)))
        assert told > 20

    for phase in PHASES:
        run(main(), start=1020.0 + phase)


def told_and_waited(model: str, rounding: str, *, start: float, urgent: bool) -> tuple[float, float]:
    """What background work behind the reserve was told of its wait, and how long it was; perhaps an urgent request came."""

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        server, limiter = Server(model, Style(rounding=rounding)), Limiter(Quota(), clock=LoopClock(loop.time))

        async def call(lane: Lane, events: list[ClientEvent]) -> float:
            lease = await limiter.acquire(lane=lane, deadline=None, emit=events.append)
            answer = server.hit(loop.time())
            await asyncio.sleep(0.001)
            await lease.done(answer.status, answer.headers)
            return lease.waited

        for _ in range(8):
            await call("background", [])
        events: list[ClientEvent] = []
        waiting = asyncio.ensure_future(call("background", events))
        await asyncio.sleep(0.1)
        if urgent:
            await call("interactive", [])
        waited = await waiting
        (expected,) = (event.expected_wait for event in events if isinstance(event, RequestQueued))
        assert server.refused == 0
        assert expected is not None
        return expected, waited

    return run(main(), start=start)


@pytest.mark.parametrize(("rounding", "short"), [("ceil", 1.1), ("floor", 1.1), ("exact", 0.1)])
def test_background_work_is_told_its_wait_to_the_second(rounding: str, short: float) -> None:
    """Behind the reserve it waits for the reset, and only one in whole seconds may turn out to be a second earlier."""
    expected, waited = told_and_waited("fixed", rounding, start=1020.0, urgent=False)
    assert waited - short <= expected <= waited


def test_an_urgent_request_may_shorten_the_wait_of_background_work() -> None:
    """Its answer shows that the reset was rounded up by almost a second; what was told allows for it."""
    (expected, waited), (_, alone) = (
        told_and_waited("aligned", "ceil", start=1020.95, urgent=urgent) for urgent in (True, False)
    )
    assert expected <= waited < alone - 0.8
